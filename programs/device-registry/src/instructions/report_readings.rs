use crate::change::change_leaf;
use crate::error::RegistryError;
use crate::evidence::{
    require_committed_before, require_owned, require_timely, Accusation, CommittedArgs, Evidence,
    EvidenceArgs,
};
use crate::instructions::register_device::key_refusal;
use crate::penalty::*;
use crate::state::leaf::require_standing;
use crate::state::{tree, LeafArgs, LeafPlace, Network, Parameters, Tree};
use anchor_lang::prelude::*;
use device_protocol::{Curve, Offence, RegistryLeaf, Status};

/// Two readings of a device that contradict each other, and whose device it is.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug, PartialEq, Eq)]
pub struct ReportReadingsArgs {
    /// The device's leaf.
    pub leaf: LeafArgs,
    /// Its place in the tree.
    pub place: LeafPlace,
    /// Curve of the device's key: 0 Ed25519, 1 P-256.
    pub curve: u8,
    /// The readings' leaf nonce: the leaf's, or one less for its previous owner.
    pub leaf_nonce: u32,
    /// One of the readings.
    pub first: EvidenceArgs,
    /// The other.
    pub second: EvidenceArgs,
    /// Against the previous owner: the proofs that the first and the second were committed before the device changed hands;
    /// otherwise none.
    pub committed: Vec<CommittedArgs>,
}

/// Accounts of `report_equivocation` and `report_travel`; anyone reports.
#[event_cpi]
#[derive(Accounts)]
pub struct ReportReadings<'info> {
    /// The network.
    pub network: AccountLoader<'info, Network>,
    /// The device's tree.
    #[account(mut, has_one = network @ RegistryError::WrongNetwork)]
    pub tree: AccountLoader<'info, Tree>,
    /// CHECK: the instructions sysvar, by its address.
    #[account(address = Pubkey::new_from_array(introspection::ADDRESS))]
    pub instructions: UncheckedAccount<'info>,
    /// CHECK: against the previous owner, the stream of the first reading; `state::stream` checks it.
    pub first_stream: Option<UncheckedAccount<'info>>,
    /// CHECK: against the previous owner, the stream of the second reading; `state::stream` checks it.
    pub second_stream: Option<UncheckedAccount<'info>>,
    /// By which the owner is slashed.
    pub penalty: Penalty<'info>,
}

/// Convicts the owner behind two readings that `decide` finds to be an offence: it pays the device's bond, of which the
/// reporter gets the bounty.
///
/// - Both readings are of this network and device and one leaf nonce, signed by the device's key or by session keys that
///   it granted.
/// - Both were captured within the evidence window, and not in the future.
/// - The leaf's own nonce: the device is in standing, and both were captured since its owner has it. It is banned.
/// - One less: both were committed, with these signatures, before the device changed hands. Its previous owner pays; the device stays.
/// - The offence was not reported before.
#[inline(never)]
pub fn convict(
    ctx: Context<ReportReadings>,
    args: ReportReadingsArgs,
    decide: impl FnOnce(&Evidence, &Evidence, &Parameters) -> Result<()>,
) -> Result<()> {
    let accounts = ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    let leaf = args.leaf.parse()?;
    let (network, parameters) = {
        let network = accounts.network.load()?;
        (network.id, network.parameters)
    };
    let instructions = accounts.instructions.try_borrow_data()?;
    let curve = Curve::try_from(args.curve).map_err(key_refusal)?;
    let accusation = Accusation::new(network, leaf.device, args.leaf_nonce, curve, &instructions);
    let first = accusation.evidence(&args.first, None)?;
    let second = accusation.evidence(&args.second, first.grant.as_ref())?;
    decide(&first, &second, &parameters)?;
    require_timely(&first.reading, now, parameters.evidence_window)?;
    require_timely(&second.reading, now, parameters.evidence_window)?;

    let owner = if args.leaf_nonce == leaf.nonce {
        require_standing(&leaf)?;
        require_owned(&first.reading, &leaf)?;
        require_owned(&second.reading, &leaf)?;
        let banned = RegistryLeaf {
            status: Status::Banned,
            ..leaf
        };
        change_leaf(
            &accounts.tree,
            &args.place,
            &leaf,
            &banned,
            now,
            accounts.event_authority.as_ref(),
        )?;
        leaf.owner
    } else {
        require!(
            args.leaf_nonce.checked_add(1) == Some(leaf.nonce),
            RegistryError::NobodysNonce
        );
        let ([first_proof, second_proof], Some(first_stream), Some(second_stream)) = (
            args.committed.as_slice(),
            &accounts.first_stream,
            &accounts.second_stream,
        ) else {
            return err!(RegistryError::CommitmentMissing);
        };
        let of = accounts.network.key();
        require_committed_before(&first, first_proof, first_stream, &of, &leaf)?;
        require_committed_before(&second, second_proof, second_stream, &of, &leaf)?;
        let data = accounts.tree.as_ref().try_borrow_data()?;
        tree::verify(&data, &args.place, &leaf.hash())?;
        leaf.previous_owner
    };

    let offence = Offence::Contradiction {
        device: &leaf.device,
        tree: accounts.tree.load()?.index,
        index: args.place.index,
        leaf_nonce: args.leaf_nonce,
    };
    accounts.penalty.slash(
        accounts.network.as_ref(),
        &offence.id(&network),
        &owner,
        parameters.bond_of(leaf.tier)?,
    )
}
