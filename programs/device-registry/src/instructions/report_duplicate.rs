use crate::change::change_leaf;
use crate::error::RegistryError;
use crate::penalty::*;
use crate::state::leaf::require_standing;
use crate::state::{tree, LeafArgs, LeafPlace, Network, Tree};
use anchor_lang::prelude::*;
use device_protocol::{Offence, RegistryLeaf, Status};

/// Two leaves of one device.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug, PartialEq, Eq)]
pub struct ReportDuplicateArgs {
    /// The leaf that stays.
    pub kept: LeafArgs,
    /// Its place in its tree.
    pub kept_place: LeafPlace,
    /// The leaf that becomes void.
    pub duplicate: LeafArgs,
    /// Its place in its tree.
    pub duplicate_place: LeafPlace,
}

/// Accounts of `report_duplicate`; anyone reports.
#[event_cpi]
#[derive(Accounts)]
pub struct ReportDuplicate<'info> {
    /// The network.
    pub network: AccountLoader<'info, Network>,
    /// The tree of the leaf that stays; may be the same tree.
    #[account(has_one = network @ RegistryError::WrongNetwork)]
    pub kept_tree: AccountLoader<'info, Tree>,
    /// The tree of the leaf that becomes void.
    #[account(mut, has_one = network @ RegistryError::WrongNetwork)]
    pub duplicate_tree: AccountLoader<'info, Tree>,
    /// By which the maker is slashed.
    pub penalty: Penalty<'info>,
}

/// Makes the second leaf of a device void, so that one device counts once.
///
/// - Both leaves are in trees of the network, of one device, and two.
/// - The kept one is not void, the other in standing.
/// - A vouched leaf yields to one whose device has signed; of two alike the later yields, by slot, tree and index.
/// - If one maker is behind both leaves it pays the device's bond, of which the reporter gets the bounty. Otherwise
///   nobody is known to have done wrong, and the report takes nothing.
#[inline(never)]
pub fn handle_report_duplicate(
    ctx: Context<ReportDuplicate>,
    args: ReportDuplicateArgs,
) -> Result<()> {
    let accounts = ctx.accounts;
    let (network, parameters) = {
        let network = accounts.network.load()?;
        (network.id, network.parameters)
    };
    let (kept, duplicate) = (args.kept.parse()?, args.duplicate.parse()?);
    require!(kept.device == duplicate.device, RegistryError::TwoDevices);
    require!(kept.status != Status::Void, RegistryError::DeviceVoid);
    require_standing(&duplicate)?;

    let kept_order = (
        kept.registered_slot,
        accounts.kept_tree.load()?.index,
        args.kept_place.index,
    );
    let tree = accounts.duplicate_tree.load()?.index;
    let index = args.duplicate_place.index;
    let vouched = |leaf: &RegistryLeaf| leaf.status == Status::Vouched;
    let yields = match (vouched(&kept), vouched(&duplicate)) {
        (false, true) => true,
        (true, false) => false,
        _ => (duplicate.registered_slot, tree, index) > kept_order,
    };
    require!(yields, RegistryError::LeafStays);

    {
        let data = accounts.kept_tree.as_ref().try_borrow_data()?;
        tree::verify(&data, &args.kept_place, &kept.hash())?;
    }
    let void = RegistryLeaf {
        status: Status::Void,
        ..duplicate
    };
    change_leaf(
        &accounts.duplicate_tree,
        &args.duplicate_place,
        &duplicate,
        &void,
        Clock::get()?.unix_timestamp,
        accounts.event_authority.as_ref(),
    )?;

    let offence = Offence::DuplicateKey {
        device: &duplicate.device,
        tree,
        index,
    };
    let amount = if kept.maker == duplicate.maker {
        parameters.bond_of(duplicate.tier)?
    } else {
        0
    };
    accounts.penalty.slash(
        accounts.network.as_ref(),
        &offence.id(&network),
        &duplicate.maker,
        amount,
    )
}
