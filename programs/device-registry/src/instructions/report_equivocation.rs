use crate::error::RegistryError;
use crate::evidence::innocence;
use crate::instructions::{convict, ReportReadings, ReportReadingsArgs};
use anchor_lang::prelude::*;
use device_protocol::check_equivocation_of;

/// Convicts the owner of a device that signed two different readings of one session and sequence.
///
/// In a session one grant is behind both: a device that forgot what it granted, and granted a number again, did not
/// contradict itself.
#[inline(never)]
pub fn handle_report_equivocation(
    ctx: Context<ReportReadings>,
    args: ReportReadingsArgs,
) -> Result<()> {
    convict(ctx, args, |first, second, _| {
        check_equivocation_of(
            &first.reading,
            &second.reading,
            first.digest == second.digest,
        )
        .map_err(innocence)?;
        let [first, second] =
            [first, second].map(|evidence| evidence.grant.map(|granted| granted.grant));
        require!(first == second, RegistryError::TwoGrants);
        Ok(())
    })
}
