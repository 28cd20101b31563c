//! Puts the windows behind an attestation on the ledger, so that anyone can challenge them.

use anchor_lang::prelude::*;
use inference::{window_leaf, windows_root, FEATURES};

use crate::{
    error::AiFeedError,
    poseidon::poseidon,
    state::{Attestation, BatchRecord, Round, WINDOWS_SHOWN},
};

/// What the leaf of a window is made of.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowArgs {
    /// The model's inputs.
    pub features: [u16; FEATURES],
    /// The registry tree of the device.
    pub tree: u16,
    /// The device's leaf in it.
    pub index: u32,
    /// The leaf nonce of the newest reading.
    pub nonce: u32,
    /// When the newest reading was captured, unix milliseconds.
    pub last_capture: i64,
}

impl WindowArgs {
    /// The window's leaf. Fails if the hash does, which it does for no features.
    pub fn leaf(&self) -> Result<[u8; 32]> {
        let Self {
            features,
            tree,
            index,
            nonce,
            last_capture,
        } = self;
        window_leaf(features, *tree, *index, *nonce, *last_capture, poseidon)
            .map_err(|_| error!(AiFeedError::NotAFieldElement))
    }
}

/// Accounts of `show_windows`.
#[derive(Accounts)]
pub struct ShowWindows<'info> {
    /// The attestation's round, still open.
    #[account(
        constraint = round.load()?.feed == attestation.load()?.feed @ AiFeedError::WrongRoundAccount,
        constraint = round.load()?.round == attestation.load()?.round @ AiFeedError::WrongRoundAccount,
    )]
    pub round: AccountLoader<'info, Round>,
    /// The attestation.
    #[account(mut)]
    pub attestation: AccountLoader<'info, Attestation>,
}

/// Takes all windows of the attestation's batch, which must make its windows root. The root alone would hide them: with
/// windows that nobody knows, nobody could run the model on one, or compare one with its readings. So a whole challenge
/// window starts from here.
pub fn handle_show_windows(ctx: Context<ShowWindows>, windows: Vec<WindowArgs>) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let mut attestation = ctx.accounts.attestation.load_mut()?;
    require!(
        attestation.flags & WINDOWS_SHOWN == 0,
        AiFeedError::WindowsShown
    );
    require!(attestation.is_open(now), AiFeedError::TooLateToShow);
    // Whoever doubts readings that nobody shows must be able to demand them until time alone has vouched for them.
    require!(
        attestation.bond == 0 || now <= attestation.show_by,
        AiFeedError::CommittedTooLongAgo
    );
    require!(
        windows.len() == usize::from(attestation.windows),
        AiFeedError::WindowsMismatch
    );
    let leaves = windows
        .iter()
        .map(WindowArgs::leaf)
        .collect::<Result<Vec<_>>>()?;
    let root =
        windows_root(&leaves, poseidon).map_err(|_| error!(AiFeedError::NotAFieldElement))?;
    require!(
        root == attestation.batch.windows_root,
        AiFeedError::WindowsMismatch
    );
    let captures = || windows.iter().map(|window| window.last_capture);
    let BatchRecord {
        first_capture,
        last_capture,
        ..
    } = attestation.batch;
    // How old the value is depends on both. That no reading is older than the first, a challenge of the window shows.
    require!(
        captures().max() == Some(last_capture)
            && captures()
                .min()
                .is_some_and(|oldest| first_capture < oldest),
        AiFeedError::InvalidCaptures
    );
    attestation.flags |= WINDOWS_SHOWN;
    attestation.restart(now)
}
