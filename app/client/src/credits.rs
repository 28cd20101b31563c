//! Instructions of reward-emission around credits.

use crate::token::TOKEN_PROGRAM;
use anchor_lang::prelude::{AccountMeta, Pubkey};
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::solana_program::system_program;
use anchor_lang::{InstructionData, ToAccountMetas};
use reward_emission::instructions::TermsArgs;
use reward_emission::{accounts, instruction, seeds, ID};

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
    /// The account that tells the token's price.
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
