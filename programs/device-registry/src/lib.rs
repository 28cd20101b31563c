//! Networks, their makers, and the devices in their registry trees.

use anchor_lang::prelude::*;

pub mod change;
pub mod error;
pub mod events;
pub mod evidence;
pub mod fees;
pub mod instructions;
pub mod nft;
pub mod penalty;
pub mod seeds;
pub mod state;

pub use instructions::*;
use state::{LeafArgs, LeafPlace, Parameters};

declare_id!("7GD8yuDEY9x6DS2w397pdEdikSSdpkTWstJ2F46BAqsT");

/// Instructions of the registry.
#[program]
pub mod device_registry {
    use super::*;

    /// Anyone: creates a network and becomes its authority.
    pub fn create_network(ctx: Context<CreateNetwork>, args: CreateNetworkArgs) -> Result<()> {
        handle_create_network(ctx, args)
    }

    /// The authority: offers the authority to another key; the default key takes the offer back.
    pub fn transfer_authority(
        ctx: Context<TransferAuthority>,
        new_authority: Pubkey,
    ) -> Result<()> {
        handle_transfer_authority(ctx, new_authority)
    }

    /// Who was offered the authority: takes it over.
    pub fn accept_authority(ctx: Context<AcceptAuthority>) -> Result<()> {
        handle_accept_authority(ctx)
    }

    /// The authority: proposes parameters and starts the timelock anew.
    pub fn propose_parameters(
        ctx: Context<ProposeParameters>,
        parameters: Parameters,
    ) -> Result<()> {
        handle_propose_parameters(ctx, parameters)
    }

    /// Anyone: puts the proposed parameters in force after the timelock.
    pub fn apply_parameters(ctx: Context<ApplyParameters>) -> Result<()> {
        handle_apply_parameters(ctx)
    }

    /// The authority: pauses one operation for up to 3 days.
    pub fn pause_operation(
        ctx: Context<PauseOperation>,
        operation: u8,
        seconds: i64,
    ) -> Result<()> {
        handle_pause_operation(ctx, operation, seconds)
    }

    /// The authority: ends the pause of one operation.
    pub fn resume_operation(ctx: Context<ResumeOperation>, operation: u8) -> Result<()> {
        handle_resume_operation(ctx, operation)
    }

    /// The authority: lets a key vouch for devices.
    pub fn approve_maker(
        ctx: Context<ApproveMaker>,
        key: Pubkey,
        quota: u64,
        max_tier: u8,
    ) -> Result<()> {
        handle_approve_maker(ctx, key, quota, max_tier)
    }

    /// The authority: sets up to which number a maker's vouchers count.
    pub fn set_maker_quota(ctx: Context<SetMakerQuota>, quota: u64) -> Result<()> {
        handle_set_maker_quota(ctx, quota)
    }

    /// The authority: ends a maker's right to vouch, for good.
    pub fn revoke_maker(ctx: Context<RevokeMaker>) -> Result<()> {
        handle_revoke_maker(ctx)
    }

    /// The maker: opens the bitmap page of 8,192 voucher numbers.
    pub fn open_voucher_page(ctx: Context<OpenVoucherPage>, page: u32) -> Result<()> {
        handle_open_voucher_page(ctx, page)
    }

    /// The maker, with the root's signature beside: sets the root of its certificate chains, for good.
    pub fn set_maker_root(
        ctx: Context<SetMakerRoot>,
        grant_instruction: u16,
        grant_index: u8,
    ) -> Result<()> {
        handle_set_maker_root(ctx, grant_instruction, grant_index)
    }

    /// The maker, with the root's signature on the certificate beside: lets a CA issue device certificates.
    pub fn add_issuer(
        ctx: Context<AddIssuer>,
        issuer_key: [u8; 33],
        certificate_instruction: u16,
        certificate_index: u8,
    ) -> Result<()> {
        handle_add_issuer(ctx, issuer_key, certificate_instruction, certificate_index)
    }

    /// The maker or the authority: ends an issuer's right to issue, for good.
    pub fn revoke_issuer(ctx: Context<RevokeIssuer>) -> Result<()> {
        handle_revoke_issuer(ctx)
    }

    /// The authority: makes a zeroed account a registry tree.
    pub fn add_tree(ctx: Context<AddTree>, depth: u8, canopy: u8) -> Result<()> {
        handle_add_tree(ctx, depth, canopy)
    }

    /// The device's owner, with signatures of device and maker (at tier 2, of device and issuer) beside: registers the
    /// device as proven.
    pub fn register_device(ctx: Context<RegisterDevice>, args: RegisterDeviceArgs) -> Result<()> {
        handle_register_device(ctx, args)
    }

    /// A maker: registers many devices at once, on its word.
    pub fn register_batch(ctx: Context<RegisterBatch>, args: RegisterBatchArgs) -> Result<()> {
        handle_register_batch(ctx, args)
    }

    /// A vouched device's owner, with the device's signature beside: makes the device proven and the owner's.
    pub fn prove_device(ctx: Context<ProveDevice>, args: ProveDeviceArgs) -> Result<()> {
        handle_prove_device(ctx, args)
    }

    /// A device's owner and the next one: pass the device on.
    pub fn transfer_device(
        ctx: Context<TransferDevice>,
        leaf: LeafArgs,
        place: LeafPlace,
    ) -> Result<()> {
        handle_transfer_device(ctx, leaf, place)
    }

    /// A device's owner: says where it stands.
    pub fn assert_location(
        ctx: Context<AssertLocation>,
        leaf: LeafArgs,
        place: LeafPlace,
        cell: u64,
    ) -> Result<()> {
        handle_assert_location(ctx, leaf, place, cell)
    }

    /// Anyone, with the signatures beside: convicts the owner of a device that signed two readings of one sequence.
    pub fn report_equivocation(
        ctx: Context<ReportReadings>,
        args: ReportReadingsArgs,
    ) -> Result<()> {
        handle_report_equivocation(ctx, args)
    }

    /// Anyone, with the signatures beside: convicts the owner of a device that was in two places at once.
    pub fn report_travel(ctx: Context<ReportReadings>, args: ReportReadingsArgs) -> Result<()> {
        handle_report_travel(ctx, args)
    }

    /// Anyone: makes the second leaf of one device void.
    pub fn report_duplicate(
        ctx: Context<ReportDuplicate>,
        args: ReportDuplicateArgs,
    ) -> Result<()> {
        handle_report_duplicate(ctx, args)
    }

    /// A proven device's owner: makes the device an NFT, which the owner gets.
    pub fn promote_device(
        ctx: Context<PromoteDevice>,
        leaf: LeafArgs,
        place: LeafPlace,
        uri: String,
    ) -> Result<()> {
        handle_promote_device(ctx, leaf, place, uri)
    }

    /// Who holds a device's NFT: becomes the device's owner.
    pub fn bind_device(ctx: Context<BindDevice>, leaf: LeafArgs, place: LeafPlace) -> Result<()> {
        handle_bind_device(ctx, leaf, place)
    }

    /// Who holds a device's NFT and owns the device: burns the NFT, and the device is a proven leaf again.
    pub fn demote_device(
        ctx: Context<DemoteDevice>,
        leaf: LeafArgs,
        place: LeafPlace,
    ) -> Result<()> {
        handle_demote_device(ctx, leaf, place)
    }
}
