//! Shows that an attested output is not what the model gives on its window.

use anchor_lang::prelude::*;
use device_protocol::Offence;
use device_registry::state::Network;
use inference::infer;
use security_pool::state::Moment;

use crate::{
    error::AiFeedError,
    events::AttestationRefuted,
    instructions::WindowArgs,
    penalty::*,
    poseidon::poseidon,
    state::{Attestation, Feed, Model, Round, FALSE, FALSE_OUTPUT},
};

/// Levels of a windows tree above its 32 leaves.
pub const WINDOWS_DEPTH: usize = 5;

/// A window and its place under the attestation's windows root.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug, PartialEq, Eq)]
pub struct ChallengeOutputArgs {
    /// The window's number in the batch.
    pub number: u8,
    /// What its leaf is made of.
    pub window: WindowArgs,
    /// From the leaf to the windows root: 5 siblings of 32 bytes, from the leaf upward.
    pub path: [[u8; 32]; WINDOWS_DEPTH],
}

/// Accounts of `challenge_output` and `challenge_window`.
#[derive(Accounts)]
pub struct ChallengeAttestation<'info> {
    /// Pays the report's rent.
    #[account(mut)]
    pub challenger: Signer<'info>,
    /// The feed's network.
    #[account(address = feed.load()?.network @ AiFeedError::WrongNetwork)]
    pub network: AccountLoader<'info, Network>,
    /// The attestation's feed.
    #[account(mut, address = attestation.load()?.feed @ AiFeedError::WrongFeed)]
    pub feed: AccountLoader<'info, Feed>,
    /// The feed's model.
    #[account(constraint = model.load()?.id == feed.load()?.model @ AiFeedError::WrongModel)]
    pub model: AccountLoader<'info, Model>,
    /// The attestation.
    #[account(mut)]
    pub attestation: AccountLoader<'info, Attestation>,
    /// The attestation's round, as long as it is open.
    #[account(
        mut,
        constraint = round.load()?.feed == attestation.load()?.feed @ AiFeedError::WrongRoundAccount,
        constraint = round.load()?.round == attestation.load()?.round @ AiFeedError::WrongRoundAccount,
    )]
    pub round: Option<AccountLoader<'info, Round>>,
    /// Slashes the attester.
    pub penalty: Penalty<'info>,
}

/// Runs the model on one window of the batch, and refutes the attestation if its output is another. No pause stops it.
pub fn handle_challenge_output(
    ctx: Context<ChallengeAttestation>,
    args: ChallengeOutputArgs,
) -> Result<()> {
    let accounts = ctx.accounts;
    {
        let attestation = accounts.challengeable(FALSE)?;
        prove_window(&attestation, args.number, &args.window, &args.path)?;
        let output = infer(&accounts.model.load()?.parse()?, &args.window.features);
        let attested = attestation.outputs.get(usize::from(args.number));
        require!(attested != Some(&output), AiFeedError::OutputHolds);
    }
    accounts.refute(FALSE_OUTPUT, args.number)
}

impl ChallengeAttestation<'_> {
    /// The attestation, if it can be challenged now, and none of `flags` says already what the challenge would show.
    pub fn challengeable(&self, flags: u8) -> Result<std::cell::Ref<'_, Attestation>> {
        let attestation = self.attestation.load()?;
        require!(
            attestation.flags & flags == 0,
            AiFeedError::AttestationFalse
        );
        require!(
            attestation.is_open(Clock::get()?.unix_timestamp),
            AiFeedError::ChallengeTooLate
        );
        Ok(attestation)
    }

    /// Takes the attestation out of its round, or marks the value that it may be part of, and slashes its attester, as far
    /// as it has anything at stake any more. Once: of what is found false a second time only those answer that had not before.
    pub fn refute(&self, flag: u8, window: u8) -> Result<()> {
        let (network, moment) = {
            let network = self.network.load()?;
            (network.id, Moment::of(&network)?)
        };
        let (event, severity, offence) = {
            let mut feed = self.feed.load_mut()?;
            let mut attestation = self.attestation.load_mut()?;
            let number = attestation.round;
            let disputed = if feed.is_over(number) {
                feed.dispute(number, attestation.mask)
            } else {
                let round = self.round.as_ref();
                round
                    .ok_or_else(|| error!(AiFeedError::RoundMissing))?
                    .load_mut()?
                    .take_back(attestation.slot, attestation.mask)?;
                false
            };
            let was_false = attestation.is_false();
            attestation.refute(flag, moment.now)?;
            let at_stake = self.penalty.at_stake(
                self.network.to_account_info().key,
                &attestation.pool,
                moment,
            )?;
            let event = AttestationRefuted {
                feed: attestation.feed,
                attestation: self.attestation.key(),
                round: number,
                pool: attestation.pool,
                flag,
                window,
                disputed,
                slashed: at_stake > 0 && !was_false,
            };
            let severity = attester_severity(attestation.slash_bps, attestation.bond, at_stake);
            let offence = offence(&event.attestation, &event.pool, &network);
            (event, severity, offence)
        };
        if event.slashed {
            self.penalty.slash(
                self.network.as_ref(),
                self.challenger.as_ref(),
                &offence,
                severity,
            )?;
        }
        emit!(event);
        Ok(())
    }
}

/// The id of the offence of a pool that submitted or signed a false attestation.
pub fn offence(attestation: &Pubkey, pool: &Pubkey, network: &[u8; 32]) -> [u8; 32] {
    Offence::FalseAttestation {
        attestation: attestation.as_array(),
        pool: pool.as_array(),
    }
    .id(network)
}

/// Checks that a window is the attestation's at this place.
pub fn prove_window(
    attestation: &Attestation,
    number: u8,
    window: &WindowArgs,
    path: &[[u8; 32]; WINDOWS_DEPTH],
) -> Result<()> {
    require!(number < attestation.windows, AiFeedError::NoSuchWindow);
    let mut node = window.leaf()?;
    for (height, sibling) in path.iter().enumerate() {
        let pair = match number >> height & 1 {
            0 => [node, *sibling],
            _ => [*sibling, node],
        };
        node = poseidon(&pair).map_err(|_| error!(AiFeedError::WindowNotProven))?;
    }
    require!(
        node == attestation.batch.windows_root,
        AiFeedError::WindowNotProven
    );
    Ok(())
}

const _: () = assert!(1 << WINDOWS_DEPTH == inference::WINDOWS);
