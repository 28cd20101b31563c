use crate::error::StreamError;
use crate::events::AvailabilityAnswered;
use crate::state::{Challenge, Stream};
use anchor_lang::prelude::*;
use commitment::READINGS_DEPTH;
use device_protocol::Curve;
use device_registry::evidence::{Accusation, EvidenceArgs};
use device_registry::state::{tree, LeafArgs, LeafPlace, Network, Tree};

/// The challenged reading, and what makes it one: its signature, its device's leaf, its path.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug, PartialEq, Eq)]
pub struct AnswerAvailabilityArgs {
    /// The device's leaf as it is now, or as one of the tree's last 256 changes made it.
    pub leaf: LeafArgs,
    /// Its place in the tree.
    pub place: LeafPlace,
    /// Curve of the device's key: 0 Ed25519, 1 P-256.
    pub curve: u8,
    /// The reading's leaf nonce, at most the leaf's.
    pub leaf_nonce: u32,
    /// The reading, and where it is signed.
    pub evidence: EvidenceArgs,
    /// From the reading to the batch's readings root: siblings of 32 bytes each, from the leaf upward.
    pub reading_path: Vec<u8>,
}

/// Accounts of `answer_availability`; anyone answers.
#[derive(Accounts)]
pub struct AnswerAvailability<'info> {
    /// Gets the bond and the challenge's rent: whoever challenged has no account here, so none that could refuse them.
    #[account(mut)]
    pub answerer: Signer<'info>,
    /// The stream's network.
    pub network: AccountLoader<'info, Network>,
    /// The stream.
    #[account(mut, has_one = network @ StreamError::WrongNetwork)]
    pub stream: AccountLoader<'info, Stream>,
    /// The challenge.
    #[account(
        mut,
        close = answerer,
        has_one = stream @ StreamError::WrongStream,
    )]
    pub challenge: AccountLoader<'info, Challenge>,
    /// The device's tree.
    #[account(has_one = network @ StreamError::WrongTree)]
    pub tree: AccountLoader<'info, Tree>,
    /// CHECK: the instructions sysvar, by its address.
    #[account(address = Pubkey::new_from_array(introspection::ADDRESS))]
    pub instructions: UncheckedAccount<'info>,
}

/// Answers the challenge: the reading stands where the challenge says, with the signatures that were committed to, and
/// these are a registered device's for this network.
pub fn handle_answer_availability(
    ctx: Context<AnswerAvailability>,
    args: AnswerAvailabilityArgs,
) -> Result<()> {
    let accounts = ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    let challenge = *accounts.challenge.load()?;
    require!(now <= challenge.answer_by, StreamError::AnswerTooLate);
    let leaf = accounts.signed_leaf(&args)?;
    let root = commitment::root(
        &leaf,
        challenge.reading.into(),
        &args.reading_path,
        READINGS_DEPTH,
    )
    .map_err(|error| error!(StreamError::from(error)))?;
    require!(root == challenge.readings_root, StreamError::WrongAnswer);
    accounts.stream.load_mut()?.close_challenge()?;
    emit!(AvailabilityAnswered {
        stream: accounts.stream.key(),
        challenge: accounts.challenge.key(),
        answerer: accounts.answerer.key(),
        bond: challenge.bond,
    });
    Ok(())
}

impl AnswerAvailability<'_> {
    /// The reading's leaf, once its signatures and its device's leaf are found. The device's leaf may have any status: what a device
    /// measured before it was banned was committed to all the same.
    #[inline(never)]
    fn signed_leaf(&self, args: &AnswerAvailabilityArgs) -> Result<[u8; 32]> {
        let leaf = args.leaf.parse().map_err(unregistered)?;
        require!(args.leaf_nonce <= leaf.nonce, StreamError::NonceAhead);
        {
            let data = self.tree.as_ref().try_borrow_data()?;
            tree::verify_lately(&data, &args.place, &leaf.hash()).map_err(unregistered)?;
        }
        let instructions = self.instructions.try_borrow_data()?;
        let network = self.network.load()?.id;
        let curve = Curve::try_from(args.curve).map_err(|_| error!(StreamError::UnsignedAnswer))?;
        let accusation =
            Accusation::new(network, leaf.device, args.leaf_nonce, curve, &instructions);
        let evidence = accusation
            .evidence(&args.evidence, None)
            .map_err(unsigned)?;
        Ok(evidence.leaf().hash())
    }
}

/// The registry's errors have the same numbers as this program's, so they go to the log and ours to the caller.
fn unregistered(error: Error) -> Error {
    error.log();
    error!(StreamError::UnregisteredAnswer)
}

fn unsigned(error: Error) -> Error {
    error.log();
    error!(StreamError::UnsignedAnswer)
}
