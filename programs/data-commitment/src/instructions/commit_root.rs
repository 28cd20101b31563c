use crate::error::StreamError;
use crate::events::RootCommitted;
use crate::state::Stream;
use anchor_lang::prelude::*;
use commitment::CommitmentLeaf;
use device_registry::state::{Network, Operation};
use security_pool::state::Pool;

/// A commitment, but for the time, which the program sets.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitRootArgs {
    /// The stream's count, which makes a repeated transaction fail.
    pub sequence: u64,
    /// Root over the batch leaves.
    pub root: [u8; 32],
    /// Number of batches, at least 1.
    pub batches: u32,
    /// SHA-256 of the archived payload.
    pub payload_hash: [u8; 32],
    /// Its length in bytes, 1 to [`MAX_PAYLOAD_LEN`](crate::state::MAX_PAYLOAD_LEN).
    pub payload_len: u64,
}

/// Accounts of `commit_root`.
#[event_cpi]
#[derive(Accounts)]
pub struct CommitRoot<'info> {
    /// The pool's signer.
    pub signer: Signer<'info>,
    /// The stream's network.
    pub network: AccountLoader<'info, Network>,
    /// The stream's pool.
    #[account(has_one = signer @ StreamError::NotSigner)]
    pub pool: AccountLoader<'info, Pool>,
    /// The stream.
    #[account(
        mut,
        has_one = network @ StreamError::WrongNetwork,
        has_one = pool @ StreamError::WrongPool,
    )]
    pub stream: AccountLoader<'info, Stream>,
}

/// Appends the commitment with the time of now.
pub fn handle_commit_root(ctx: Context<CommitRoot>, args: CommitRootArgs) -> Result<()> {
    let CommitRootArgs {
        sequence,
        root,
        batches,
        payload_hash,
        payload_len,
    } = args;
    let posted_at = Clock::get()?.unix_timestamp;
    {
        let network = ctx.accounts.network.load()?;
        require!(
            !network.is_paused(Operation::Commit, posted_at),
            StreamError::Paused
        );
        // What lies in no epoch has no committee, and could count in none.
        require!(posted_at >= network.genesis, StreamError::BeforeGenesis);
    }
    ctx.accounts.stream.load_mut()?.commit(&CommitmentLeaf {
        sequence,
        posted_at,
        root,
        batches,
        payload_hash,
        payload_len,
    })?;
    RootCommitted {
        network: ctx.accounts.network.key(),
        stream: ctx.accounts.stream.key(),
        sequence,
        posted_at,
        root,
        batches,
        payload_hash,
        payload_len,
    }
    .emit(ctx.accounts.event_authority.as_ref())
}
