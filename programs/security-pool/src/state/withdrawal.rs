use super::VERSION;
use anchor_lang::prelude::*;

/// Stake on its way out, at `["withdrawal", pool, owner, number u64]`. It can be slashed until it is paid.
#[account(zero_copy)]
#[repr(C)]
pub struct Withdrawal {
    /// Layout, [`VERSION`].
    pub version: u8,
    /// Bump of the address.
    pub bump: u8,
    pub _pad: [u8; 6],
    /// The pool's address.
    pub pool: Pubkey,
    /// Who is paid.
    pub owner: Pubkey,
    /// The owner's numbering of withdrawals.
    pub number: u64,
    /// Shares of what cools down in the pool.
    pub cooling_shares: u64,
    /// The pool's cooling generation that the shares are of.
    pub generation: u64,
    /// From when it is paid, unix seconds.
    pub available_at: i64,
    pub reserved: [u8; 64],
}

/// What a new withdrawal is made of.
pub struct Request {
    /// Worth of the shares given up, base units.
    pub amount: u64,
    /// Shares of what cools down.
    pub cooling_shares: u64,
    /// Generation of those shares.
    pub generation: u64,
    /// From when it is paid, unix seconds.
    pub available_at: i64,
}

impl Withdrawal {
    /// Bytes of the account, with its discriminator.
    pub const SPACE: usize = 8 + std::mem::size_of::<Self>();

    /// Fills a new account.
    pub fn open(&mut self, bump: u8, pool: Pubkey, owner: Pubkey, number: u64, request: &Request) {
        self.version = VERSION;
        self.bump = bump;
        self.pool = pool;
        self.owner = owner;
        self.number = number;
        self.cooling_shares = request.cooling_shares;
        self.generation = request.generation;
        self.available_at = request.available_at;
    }
}
