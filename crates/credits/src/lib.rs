//! How a program has something paid with credits: a CPI to reward-emission, with the signature of the credits' owner.
//!
//! The crate knows reward-emission by its bytes alone, since reward-emission depends on the programs that call it. Its
//! tests hold both sides equal.
#![forbid(unsafe_code)]

use core::mem::ManuallyDrop;
use solana_account_info::AccountInfo;
use solana_instruction::{AccountMeta, Instruction};
use solana_invoke::invoke_signed_unchecked;
use solana_program_error::ProgramResult;
use solana_pubkey::Pubkey;

/// The reward-emission program.
pub const REWARD_EMISSION: Pubkey =
    Pubkey::from_str_const("2sYmFPNcmLhXcNnYg9kFNxGEk5xFa9oFsPuxhgMP9cHh");
/// `sha256("global:spend_credits")`, the first 8 bytes.
pub const SPEND_CREDITS: [u8; 8] = [71, 37, 166, 174, 77, 85, 195, 253];

/// What credits are spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    /// To register devices.
    Registration = 0,
    /// To open feeds.
    Feed = 1,
}

impl TryFrom<u8> for Purpose {
    type Error = ();

    fn try_from(number: u8) -> Result<Self, ()> {
        match number {
            0 => Ok(Self::Registration),
            1 => Ok(Self::Feed),
            _ => Err(()),
        }
    }
}

/// Accounts of `spend_credits`.
pub struct SpendAccounts<'a, 'info> {
    /// The network.
    pub network: &'a AccountInfo<'info>,
    /// PDA `["pricing", network]`.
    pub pricing: &'a AccountInfo<'info>,
    /// PDA `["epoch", network, present epoch u64]`. Read only where there is something to pay, as the next one.
    pub epoch: &'a AccountInfo<'info>,
    /// PDA `["credits", network, owner]`.
    pub credits: &'a AccountInfo<'info>,
    /// Whose credits they are; signs.
    pub owner: &'a AccountInfo<'info>,
    /// The reward-emission program: its address is [`REWARD_EMISSION`], whatever is passed here.
    pub reward_emission: &'a AccountInfo<'info>,
}

impl SpendAccounts<'_, '_> {
    /// Spends what `count` things of a purpose cost. None of the accounts may be borrowed: the checked call, which would
    /// find out, costs a thousand compute units and more. Fails with reward-emission's error, and with it the transaction.
    pub fn spend(&self, purpose: Purpose, count: u32) -> ProgramResult {
        let keys = [
            self.network,
            self.pricing,
            self.epoch,
            self.credits,
            self.owner,
        ]
        .map(|account| account.key);
        // Never dropped: a program's memory goes with it, and to count references down costs compute units.
        let infos = ManuallyDrop::new([
            self.network.clone(),
            self.pricing.clone(),
            self.epoch.clone(),
            self.credits.clone(),
            self.owner.clone(),
            self.reward_emission.clone(),
        ]);
        invoke_signed_unchecked(
            &spend_instruction(keys, purpose, count),
            infos.as_slice(),
            &[],
        )
    }
}

/// `spend_credits`. `accounts` are the keys of [`SpendAccounts`], in their order.
pub fn spend_instruction(accounts: [&Pubkey; 5], purpose: Purpose, count: u32) -> Instruction {
    let [network, pricing, epoch, credits, owner] = accounts;
    let mut data = Vec::with_capacity(13);
    data.extend_from_slice(&SPEND_CREDITS);
    data.push(purpose as u8);
    data.extend_from_slice(&count.to_le_bytes());
    Instruction {
        program_id: REWARD_EMISSION,
        accounts: vec![
            AccountMeta::new_readonly(*network, false),
            AccountMeta::new_readonly(*pricing, false),
            AccountMeta::new(*epoch, false),
            AccountMeta::new(*credits, false),
            AccountMeta::new_readonly(*owner, true),
        ],
        data,
    }
}

/// Declares `Fees`, the accounts by which an Anchor program has things paid with credits: none in a network that charges
/// nothing. Takes the program's error for accounts that are missing. A macro, since Anchor's accounts can't be shared
/// between programs, and only programs know Anchor.
#[macro_export]
macro_rules! fees {
    ($missing:expr) => {
        /// Accounts by which credits are spent; none in a network that charges nothing.
        #[derive(Accounts)]
        pub struct Fees<'info> {
            /// CHECK: the network's pricing; reward-emission checks it.
            pub pricing: Option<UncheckedAccount<'info>>,
            /// CHECK: the present epoch; reward-emission checks it, where there is something to pay.
            #[account(mut)]
            pub epoch: Option<UncheckedAccount<'info>>,
            /// CHECK: the payer's credits; reward-emission checks them, where there is something to pay.
            #[account(mut)]
            pub credits: Option<UncheckedAccount<'info>>,
            /// CHECK: reward-emission, by its address.
            #[account(address = $crate::REWARD_EMISSION)]
            pub reward_emission: Option<UncheckedAccount<'info>>,
        }

        impl<'info> Fees<'info> {
            /// Has the owner of credits, who signs, pay for `count` things. None of the accounts may be borrowed.
            pub fn charge(
                &self,
                network: &AccountInfo<'info>,
                owner: &AccountInfo<'info>,
                purpose: $crate::Purpose,
                count: u32,
            ) -> Result<()> {
                let (Some(pricing), Some(epoch), Some(credits), Some(reward_emission)) = (
                    &self.pricing,
                    &self.epoch,
                    &self.credits,
                    &self.reward_emission,
                ) else {
                    return Err(error!($missing));
                };
                $crate::SpendAccounts {
                    network,
                    pricing,
                    epoch,
                    credits,
                    owner,
                    reward_emission,
                }
                .spend(purpose, count)?;
                Ok(())
            }
        }
    };
}
