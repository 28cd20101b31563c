//! Instructions of reward-emission around credits, what they cost, and paying with them.

use crate::chain::{self, Chain, Execution};
use crate::token::TOKEN_PROGRAM;
use crate::{transaction, ClientError};
use ::credits::Purpose;
use anchor_lang::prelude::{AccountMeta, Pubkey};
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::solana_program::system_program;
use anchor_lang::{InstructionData, ToAccountMetas};
use device_registry::state::Network;
use oracle::{Now, OracleError, Price};
use reward_emission::error::EmissionError;
use reward_emission::instructions::TermsArgs;
use reward_emission::state::{Credits, Epoch, Pricing};
use reward_emission::{accounts, instruction, seeds, ID};
use solana_keypair::Keypair;
use solana_signer::Signer;

/// A network's pricing.
pub fn pricing(network: &Pubkey) -> Pubkey {
    address(&[seeds::PRICING, network.as_ref()])
}

/// What was spent in an epoch of a network.
pub fn epoch(network: &Pubkey, epoch: u64) -> Pubkey {
    address(&[seeds::EPOCH, network.as_ref(), &epoch.to_le_bytes()])
}

/// An owner's credits.
pub fn credits(network: &Pubkey, owner: &Pubkey) -> Pubkey {
    address(&[seeds::CREDITS, network.as_ref(), owner.as_ref()])
}

/// What a feed was given in an epoch.
pub fn demand(network: &Pubkey, epoch: u64, feed: &Pubkey) -> Pubkey {
    address(&[
        seeds::DEMAND,
        network.as_ref(),
        &epoch.to_le_bytes(),
        feed.as_ref(),
    ])
}

/// The network's `authority` says whose price counts and what costs credits.
pub fn set_pricing(
    payer: &Pubkey,
    authority: &Pubkey,
    network: &Pubkey,
    reward_mint: &Pubkey,
    args: TermsArgs,
) -> Instruction {
    build(
        accounts::SetPricing {
            network: *network,
            authority: *authority,
            reward_mint: *reward_mint,
            pricing: pricing(network),
            payer: *payer,
            system_program: system_program::ID,
        },
        instruction::SetPricing { args },
    )
}

/// Opens the present or the next epoch for credits to be spent in it.
pub fn open_epoch(payer: &Pubkey, network: &Pubkey, number: u64) -> Instruction {
    build(
        accounts::OpenEpoch {
            network: *network,
            epoch_account: epoch(network, number),
            payer: *payer,
            system_program: system_program::ID,
        },
        instruction::OpenEpoch { epoch: number },
    )
}

/// What credits are bought with, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// Pays rent.
    pub payer: Pubkey,
    /// The network.
    pub network: Pubkey,
    /// Its reward mint.
    pub reward_mint: Pubkey,
    /// The oracle's account that its pricing names at present.
    pub oracle: Pubkey,
    /// Whose credits they will be.
    pub owner: Pubkey,
    /// Token account that is burned from.
    pub source: Pubkey,
    /// Who may burn from it; signs.
    pub buyer: Pubkey,
}

/// Burns `tokens` base units for credits, of which there must be at least `min_credits`.
pub fn buy_credits(purchase: &Purchase, tokens: u64, min_credits: u64) -> Instruction {
    let Purchase {
        payer,
        network,
        reward_mint,
        oracle,
        owner,
        source,
        buyer,
    } = *purchase;
    build(
        accounts::BuyCredits {
            network,
            pricing: pricing(&network),
            oracle,
            owner,
            credits: credits(&network, &owner),
            reward_mint,
            source,
            buyer,
            payer,
            token_program: TOKEN_PROGRAM,
            system_program: system_program::ID,
        },
        instruction::BuyCredits {
            tokens,
            min_credits,
        },
    )
}

/// Spends an owner's credits on a feed in the present epoch, `number`.
pub fn fund_feed(
    payer: &Pubkey,
    owner: &Pubkey,
    network: &Pubkey,
    number: u64,
    feed: &Pubkey,
    amount: u64,
) -> Instruction {
    build(
        accounts::FundFeed {
            network: *network,
            epoch: epoch(network, number),
            credits: credits(network, owner),
            owner: *owner,
            feed: *feed,
            demand: demand(network, number, feed),
            payer: *payer,
            system_program: system_program::ID,
        },
        instruction::FundFeed { credits: amount },
    )
}

/// Closes an epoch whose rewards are decided; `payer` paid for the account.
pub fn close_epoch(network: &Pubkey, number: u64, payer: &Pubkey) -> Instruction {
    build(
        accounts::CloseEpoch {
            emission: crate::reward_emission::emission(network),
            epoch: epoch(network, number),
            payer: *payer,
        },
        instruction::CloseEpoch {},
    )
}

/// Closes a feed's demand in an epoch whose rewards are decided; `payer` paid for the account.
pub fn close_demand(network: &Pubkey, number: u64, feed: &Pubkey, payer: &Pubkey) -> Instruction {
    build(
        accounts::CloseDemand {
            emission: crate::reward_emission::emission(network),
            demand: demand(network, number, feed),
            payer: *payer,
        },
        instruction::CloseDemand {},
    )
}

/// Puts the accounts by which `owner`, who signs, pays with credits in the present epoch, `number`, into an instruction that
/// registers devices or opens a feed in a network that charges.
pub fn charge(
    mut instruction: Instruction,
    network: &Pubkey,
    number: u64,
    owner: &Pubkey,
) -> Instruction {
    let fees = [
        AccountMeta::new_readonly(pricing(network), false),
        AccountMeta::new(epoch(network, number), false),
        AccountMeta::new(credits(network, owner), false),
        AccountMeta::new_readonly(ID, false),
    ];
    // They are the last ones, before those by which the registry tells its events.
    let events = if instruction.program_id == device_registry::ID {
        2
    } else {
        0
    };
    let end = instruction.accounts.len().saturating_sub(events);
    let places = instruction
        .accounts
        .get_mut(end.saturating_sub(fees.len())..end);
    for (place, fee) in places.into_iter().flatten().zip(fees) {
        *place = fee;
    }
    instruction
}

/// Where things are paid with credits, and who pays for transactions.
#[derive(Clone, Copy)]
pub struct Till<'a> {
    /// The chain.
    pub chain: &'a dyn Chain,
    /// The network's address.
    pub network: Pubkey,
    /// Pays fees and rent, and with its credits.
    pub payer: &'a Keypair,
}

impl Till<'_> {
    /// What `count` things of a purpose cost now, in credits: nothing in a network that charges nothing.
    ///
    /// # Errors
    /// [`ClientError::NoPricing`], or the chain's.
    pub fn cost(&self, purpose: Purpose, count: u32) -> Result<u64, ClientError> {
        let network: Network = chain::read(self.chain, &self.network)?;
        if !network.charges() {
            return Ok(0);
        }
        self.cost_at(self.chain.clock()?.unix_timestamp, purpose, count)
    }

    fn cost_at(&self, now: i64, purpose: Purpose, count: u32) -> Result<u64, ClientError> {
        let cost = self.pricing()?.terms_at(now).cost(purpose, count);
        cost.map_err(|_| ClientError::Build("it costs more credits than can exist".to_owned()))
    }

    /// Sends a transaction, of `before` and of `charged`, for which the payer pays with credits where the network charges:
    /// `charged` does `count` things of a purpose, and the payer is the owner that it names.
    ///
    /// # Errors
    /// [`ClientError::NoPricing`] and [`ClientError::TooFewCredits`] before anything is sent; otherwise those of the chain.
    pub fn send(
        &self,
        purpose: Purpose,
        count: u32,
        before: &[Instruction],
        charged: &Instruction,
    ) -> Result<Execution, ClientError> {
        in_present(|| {
            let charged = self.charge(purpose, count, charged.clone())?;
            let instructions = [before, &[charged]].concat();
            transaction::send(self.chain, &instructions, self.payer, &[])
        })
    }

    /// Spends credits of the payer's on a feed, in the present epoch. Returns the epoch and what the transaction did.
    ///
    /// # Errors
    /// [`ClientError::TooFewCredits`] and [`ClientError::NotBegun`] before anything is sent; otherwise those of the chain.
    pub fn fund(&self, feed: &Pubkey, credits: u64) -> Result<(u64, Execution), ClientError> {
        let own = self.payer.pubkey();
        let network: Network = chain::read(self.chain, &self.network)?;
        self.require(&own, credits)?;
        in_present(|| {
            let number = present(&network, self.chain.clock()?.unix_timestamp)?;
            self.open(number)?;
            let fund = fund_feed(&own, &own, &self.network, number, feed, credits);
            let done = transaction::send(self.chain, &[fund], self.payer, &[])?;
            Ok((number, done))
        })
    }

    fn charge(
        &self,
        purpose: Purpose,
        count: u32,
        instruction: Instruction,
    ) -> Result<Instruction, ClientError> {
        let network: Network = chain::read(self.chain, &self.network)?;
        if !network.charges() {
            return Ok(instruction);
        }
        let owner = self.payer.pubkey();
        let now = self.chain.clock()?.unix_timestamp;
        let number = match self.cost_at(now, purpose, count)? {
            // What costs nothing is booked in no epoch, and may be done before the first one.
            0 => present(&network, now).unwrap_or(0),
            cost => {
                self.require(&owner, cost)?;
                let number = present(&network, now)?;
                self.open(number)?;
                number
            }
        };
        Ok(charge(instruction, &self.network, number, &owner))
    }

    /// The network's pricing.
    ///
    /// # Errors
    /// [`ClientError::NoPricing`], or the chain's.
    pub fn pricing(&self) -> Result<Pricing, ClientError> {
        chain::find(self.chain, &pricing(&self.network))?.ok_or(ClientError::NoPricing)
    }

    /// Sees that `owner` has `cost` credits.
    ///
    /// # Errors
    /// [`ClientError::TooFewCredits`], or the chain's.
    pub fn require(&self, owner: &Pubkey, cost: u64) -> Result<(), ClientError> {
        let credits: Option<Credits> = chain::find(self.chain, &credits(&self.network, owner))?;
        let balance = credits.map_or(0, |credits| credits.balance);
        if balance < cost {
            return Err(ClientError::TooFewCredits {
                owner: *owner,
                cost,
                balance,
            });
        }
        Ok(())
    }

    /// Opens the epoch `number`, the present one, unless somebody has.
    fn open(&self, number: u64) -> Result<(), ClientError> {
        let known: Option<Epoch> = chain::find(self.chain, &epoch(&self.network, number))?;
        if known.is_some() {
            return Ok(());
        }
        let open = open_epoch(&self.payer.pubkey(), &self.network, number);
        transaction::send(self.chain, &[open], self.payer, &[]).map(|_| ())
    }
}

/// Does again, once, what failed because the epoch in which it was to be booked ended meanwhile.
fn in_present<T>(attempt: impl Fn() -> Result<T, ClientError>) -> Result<T, ClientError> {
    match attempt() {
        Err(ClientError::Refused(failure))
            if failure.program == Some(ID)
                && failure.code == u32::from(EmissionError::WrongEpoch) =>
        {
            attempt()
        }
        done => done,
    }
}

/// A network's epoch at `now`, unix seconds.
///
/// # Errors
/// [`ClientError::NotBegun`].
pub fn present(network: &Network, now: i64) -> Result<u64, ClientError> {
    network
        .epoch(now)
        .map_err(|_| ClientError::NotBegun(network.genesis))
}

/// What the oracle's account says of a token's price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// The account.
    pub oracle: Pubkey,
    /// Whether it is taken, and the price or why not.
    pub price: Result<Price, OracleError>,
}

impl Quote {
    /// The price at its low side, which tokens are burned at: 10^-12 dollars for a whole token.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn low(&self) -> Result<u64, OracleError> {
        self.price?.conservative()
    }
}

/// What the oracle's account that the pricing names at present says of the price, as the present terms require it.
///
/// # Errors
/// [`ClientError::NoAccount`], or the chain's.
pub fn quote(chain: &dyn Chain, pricing: &Pricing) -> Result<Quote, ClientError> {
    let clock = chain.clock()?;
    let now = Now {
        slot: clock.slot,
        unix_time: clock.unix_timestamp,
    };
    let requirements = pricing
        .terms_at(now.unix_time)
        .requirements()
        .map_err(|_| ClientError::Build("no oracle could meet the pricing".to_owned()))?;
    let oracle = *pricing.oracle_at(now.unix_time);
    let account = chain
        .account(&oracle)?
        .ok_or(ClientError::NoAccount(oracle))?;
    Ok(Quote {
        oracle,
        price: oracle::read_price(account.owner.as_array(), &account.data, now, &requirements),
    })
}

fn address(seeds: &[&[u8]]) -> Pubkey {
    Pubkey::find_program_address(seeds, &ID).0
}

fn build(accounts: impl ToAccountMetas, data: impl InstructionData) -> Instruction {
    Instruction {
        program_id: ID,
        accounts: accounts.to_account_metas(None),
        data: data.data(),
    }
}
