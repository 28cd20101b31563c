use crate::evidence::innocence;
use crate::instructions::{convict, ReportReadings, ReportReadingsArgs};
use anchor_lang::prelude::*;
use device_protocol::check_travel_of;

/// Convicts the owner of a device that was in two places farther apart than the network's largest speed allows.
#[inline(never)]
pub fn handle_report_travel(ctx: Context<ReportReadings>, args: ReportReadingsArgs) -> Result<()> {
    convict(ctx, args, |first, second, parameters| {
        check_travel_of(
            &first.reading,
            &second.reading,
            first.digest == second.digest,
            parameters.max_speed,
        )
        .map_err(innocence)
    })
}
