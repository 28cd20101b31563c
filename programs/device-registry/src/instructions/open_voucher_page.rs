use crate::error::RegistryError;
use crate::seeds;
use crate::state::voucher_page::{VoucherPage, VOUCHERS_PER_PAGE};
use crate::state::Maker;
use anchor_lang::prelude::*;

/// Accounts of `open_voucher_page`.
#[derive(Accounts)]
#[instruction(page: u32)]
pub struct OpenVoucherPage<'info> {
    /// The maker.
    #[account(has_one = key @ RegistryError::NotMaker)]
    pub maker: AccountLoader<'info, Maker>,
    /// The new page.
    #[account(
        init,
        payer = payer,
        space = VoucherPage::SIZE,
        seeds = [seeds::VOUCHERS, maker.key().as_ref(), &page.to_le_bytes()],
        bump
    )]
    pub voucher_page: AccountLoader<'info, VoucherPage>,
    /// The maker's key.
    pub key: Signer<'info>,
    /// Pays the rent.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

/// Makes place for marking used the 8,192 numbers from `page * 8192` on.
pub fn handle_open_voucher_page(ctx: Context<OpenVoucherPage>, page: u32) -> Result<()> {
    let maker = ctx.accounts.maker.load()?;
    maker.require_active()?;
    require!(
        u64::from(page) * VOUCHERS_PER_PAGE < maker.quota,
        RegistryError::PageBeyondQuota
    );
    let mut voucher_page = ctx.accounts.voucher_page.load_init()?;
    voucher_page.version = 1;
    voucher_page.bump = ctx.bumps.voucher_page;
    voucher_page.page = page;
    voucher_page.maker = ctx.accounts.maker.key();
    Ok(())
}
