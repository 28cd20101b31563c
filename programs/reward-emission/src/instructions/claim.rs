use crate::error::EmissionError;
use crate::events::Claimed;
use crate::seeds;
use crate::state::{Emission, Payee};
use anchor_lang::prelude::*;
use anchor_spl::token::spl_token::state::AccountState;
use anchor_spl::token::{self, MintTo, Token, TokenAccount};

/// Accounts of `claim`.
#[derive(Accounts)]
pub struct Claim<'info> {
    /// The emission that pays.
    #[account(mut, has_one = reward_mint @ EmissionError::WrongMint)]
    pub emission: AccountLoader<'info, Emission>,
    /// Who is paid.
    #[account(mut, has_one = destination @ EmissionError::WrongDestination)]
    pub payee: AccountLoader<'info, Payee>,
    /// CHECK: the emission's reward mint, by its address.
    #[account(mut)]
    pub reward_mint: UncheckedAccount<'info>,
    /// CHECK: the payee's destination, by its address; the handler checks that it can still take tokens.
    #[account(mut)]
    pub destination: UncheckedAccount<'info>,
    /// The token program.
    pub token_program: Program<'info, Token>,
}

/// Mints what the final root grants the payee over what it has got.
pub fn handle_claim(ctx: Context<Claim>, cumulative: u64, path: Vec<u8>) -> Result<()> {
    let accounts = &ctx.accounts;
    check_usable(&accounts.destination, accounts.reward_mint.key)?;

    let (network, bump, amount) = {
        let mut emission = accounts.emission.load_mut()?;
        let mut payee = accounts.payee.load_mut()?;
        require_keys_eq!(payee.network, emission.network, EmissionError::WrongNetwork);
        emission.check_grant(&payee, cumulative, &path)?;
        let due = payee.due(cumulative)?;
        let amount = emission.breaker.take(due, Clock::get()?.unix_timestamp)?;
        payee.pay(amount)?;
        emission.pay(amount)?;

        emit!(Claimed {
            network: payee.network,
            owner: payee.owner,
            amount,
            total: payee.claimed,
        });
        payee.invariant(cumulative)?;
        emission.invariant()?;
        (emission.network, emission.bump, amount)
    };

    token::mint_to(
        CpiContext::new_with_signer(
            accounts.token_program.key(),
            MintTo {
                mint: accounts.reward_mint.to_account_info(),
                to: accounts.destination.to_account_info(),
                authority: accounts.emission.to_account_info(),
            },
            &[&[seeds::EMISSION, network.as_ref(), &[bump]]],
        ),
        amount,
    )
}

/// Whether the token program would still mint to it: it may have been closed, and even reopened, since it was named.
/// Looks at three fields instead of unpacking the account, as this is the hot path.
fn check_usable(destination: &AccountInfo, mint: &Pubkey) -> Result<()> {
    const MINT: std::ops::Range<usize> = 0..32;
    const STATE: usize = 108;
    let data = destination.try_borrow_data()?;
    require!(
        *destination.owner == token::ID
            && data.len() == TokenAccount::LEN
            && data.get(MINT) == Some(mint.as_ref())
            && data.get(STATE) == Some(&(AccountState::Initialized as u8)),
        EmissionError::DestinationUnusable
    );
    Ok(())
}
