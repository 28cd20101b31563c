//! Addresses and instructions of parametric-insurance: funds, policies.

use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::solana_program::system_program;
use anchor_lang::{InstructionData, ToAccountMetas};
use anchor_spl::token;
use parametric_insurance::state::PolicyTerms;
use parametric_insurance::{accounts, instruction, seeds, ID};

/// The fund of an underwriter for policies on the feed of this id.
pub fn fund(underwriter: &Pubkey, feed_id: &[u8; 32]) -> Pubkey {
    address(&[seeds::FUND, underwriter.as_ref(), feed_id])
}

/// The token account of a fund.
pub fn vault(fund: &Pubkey) -> Pubkey {
    address(&[seeds::VAULT, fund.as_ref()])
}

/// A fund's policy of this number, while it is open.
pub fn policy(fund: &Pubkey, number: u64) -> Pubkey {
    address(&[seeds::POLICY, fund.as_ref(), &number.to_le_bytes()])
}

/// Opens a fund for policies on the feed of this id, in tokens of `mint`.
pub fn create_fund(
    payer: &Pubkey,
    underwriter: &Pubkey,
    mint: &Pubkey,
    feed_id: [u8; 32],
) -> Instruction {
    let fund = fund(underwriter, &feed_id);
    build(
        accounts::CreateFund {
            underwriter: *underwriter,
            payer: *payer,
            feed: crate::ai_feed::feed(&feed_id),
            mint: *mint,
            fund,
            vault: vault(&fund),
            token_program: token::ID,
            system_program: system_program::ID,
        },
        instruction::CreateFund { feed_id },
    )
}

/// Gives `amount` base units of the token account `source` to a fund.
pub fn deposit(
    depositor: &Pubkey,
    source: &Pubkey,
    fund: &Pubkey,
    mint: &Pubkey,
    amount: u64,
) -> Instruction {
    build(
        accounts::Deposit {
            depositor: *depositor,
            source: *source,
            fund: *fund,
            vault: vault(fund),
            mint: *mint,
            token_program: token::ID,
        },
        instruction::Deposit { amount },
    )
}

/// Takes `amount` base units that no policy may need, to the token account `destination`.
pub fn withdraw_fund(
    underwriter: &Pubkey,
    fund: &Pubkey,
    destination: &Pubkey,
    mint: &Pubkey,
    amount: u64,
) -> Instruction {
    build(
        accounts::WithdrawFund {
            underwriter: *underwriter,
            fund: *fund,
            vault: vault(fund),
            destination: *destination,
            mint: *mint,
            token_program: token::ID,
        },
        instruction::WithdrawFund { amount },
    )
}

/// Who takes part in a new policy.
#[derive(Clone, Copy, Debug)]
pub struct PolicyParties {
    /// Pays the rent.
    pub payer: Pubkey,
    /// The fund's underwriter.
    pub underwriter: Pubkey,
    /// Who is insured.
    pub holder: Pubkey,
    /// The holder's token account: pays the premium, and gets the payout.
    pub holder_account: Pubkey,
    /// The fund.
    pub fund: Pubkey,
    /// The fund's mint.
    pub mint: Pubkey,
}

/// Writes the fund's next policy; `number` is what the fund counts of them so far.
pub fn write_policy(parties: PolicyParties, number: u64, terms: PolicyTerms) -> Instruction {
    let PolicyParties {
        payer,
        underwriter,
        holder,
        holder_account,
        fund,
        mint,
    } = parties;
    build(
        accounts::WritePolicy {
            underwriter,
            holder,
            payer,
            fund,
            vault: vault(&fund),
            holder_account,
            mint,
            policy: policy(&fund, number),
            token_program: token::ID,
            system_program: system_program::ID,
        },
        instruction::WritePolicy { terms },
    )
}

/// Whom the settlement of a policy concerns, as fund and policy name them.
#[derive(Clone, Copy, Debug)]
pub struct Settlement {
    /// The fund.
    pub fund: Pubkey,
    /// The policy's number in the fund.
    pub number: u64,
    /// The feed's account.
    pub feed: Pubkey,
    /// The token account that is paid.
    pub holder_account: Pubkey,
    /// Whoever paid the policy's rent.
    pub payer: Pubkey,
    /// The fund's mint.
    pub mint: Pubkey,
}

/// Has a policy paid, when a round of the feed meets its terms.
pub fn settle_policy(settlement: Settlement) -> Instruction {
    let Settlement {
        fund,
        number,
        feed,
        holder_account,
        payer,
        mint,
    } = settlement;
    build(
        accounts::SettlePolicy {
            fund,
            policy: policy(&fund, number),
            feed,
            vault: vault(&fund),
            holder_account,
            payer,
            mint,
            token_program: token::ID,
        },
        instruction::SettlePolicy {},
    )
}

/// Closes a policy that can't be settled any more; `payer` is whoever paid its rent.
pub fn expire_policy(fund: &Pubkey, number: u64, payer: &Pubkey) -> Instruction {
    build(
        accounts::ExpirePolicy {
            fund: *fund,
            policy: policy(fund, number),
            vault: vault(fund),
            payer: *payer,
        },
        instruction::ExpirePolicy {},
    )
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
