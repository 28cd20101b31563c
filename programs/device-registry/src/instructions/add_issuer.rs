use crate::error::RegistryError;
use crate::instructions::register_device::{bad_certificate, bad_reference};
use crate::seeds;
use crate::state::{Issuer, Maker};
use anchor_lang::prelude::*;
use certificate::Tbs;
use introspection::Precompile;

/// Accounts of `add_issuer`.
#[derive(Accounts)]
#[instruction(issuer_key: [u8; 33])]
pub struct AddIssuer<'info> {
    /// The maker.
    #[account(has_one = key @ RegistryError::NotMaker)]
    pub maker: AccountLoader<'info, Maker>,
    /// The new issuer.
    #[account(
        init,
        payer = payer,
        space = Issuer::SIZE,
        seeds = [seeds::ISSUER, maker.key().as_ref(), &Issuer::seed(&issuer_key)],
        bump
    )]
    pub issuer: AccountLoader<'info, Issuer>,
    /// The maker's key.
    pub key: Signer<'info>,
    /// Pays the rent.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// CHECK: the instructions sysvar, by its address.
    #[account(address = Pubkey::new_from_array(introspection::ADDRESS))]
    pub instructions: UncheckedAccount<'info>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

/// Lets a CA's key issue device certificates of the maker's, as long as the CA's certificate is valid.
///
/// - The maker is not revoked and has a root.
/// - The message of the secp256r1 precompile's instruction is the TBS part of a CA's certificate for this key, signed by
///   the root, and not expired.
pub fn handle_add_issuer(
    ctx: Context<AddIssuer>,
    issuer_key: [u8; 33],
    certificate_instruction: u16,
    certificate_index: u8,
) -> Result<()> {
    let maker = ctx.accounts.maker.load()?;
    maker.require_active()?;
    let instructions = ctx.accounts.instructions.try_borrow_data()?;
    let signed = introspection::signature(
        &instructions,
        Precompile::Secp256r1,
        certificate_instruction,
        certificate_index,
    )
    .map_err(bad_reference)?;
    require!(
        signed.public_key == maker.root()?,
        RegistryError::NotSignedByRoot
    );
    let tbs = Tbs::parse(signed.message).map_err(bad_certificate)?;
    require!(tbs.may_issue(), RegistryError::NotIssuerCertificate);
    require!(tbs.key == issuer_key, RegistryError::WrongCertificateKey);
    // One that is not valid yet may be added ahead.
    require!(
        Clock::get()?.unix_timestamp <= tbs.not_after,
        RegistryError::IssuerNotValid
    );
    let mut issuer = ctx.accounts.issuer.load_init()?;
    issuer.version = 1;
    issuer.bump = ctx.bumps.issuer;
    issuer.key = issuer_key;
    issuer.maker = ctx.accounts.maker.key();
    issuer.not_before = tbs.not_before;
    issuer.not_after = tbs.not_after;
    Ok(())
}
