//! Says which proofs a network takes.

use anchor_lang::prelude::*;
use device_registry::state::{network::DEVELOPMENT_KEYS, Network};
use inference::{Header, WINDOWS};

use crate::{
    error::AiFeedError,
    events::VerifyingKeyRegistered,
    seeds,
    state::{VerifyingKey, DEVELOPMENT_ALPHA, INSECURE, KEY_BYTES, REDUCTION_CIRCOM},
};

/// Arguments of `register_verifying_key`.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct RegisterVerifyingKeyArgs {
    /// `digest!("verifying-key", key)`.
    pub hash: [u8; 32],
    /// Shape of the models: 1.
    pub shape: u8,
    /// Windows that the circuit holds: 32.
    pub windows: u8,
    /// How constraints become polynomials: 1, as circom does it.
    pub reduction: u8,
    /// SHA-256 of the circuit's constraints as an `.r1cs` file.
    pub circuit: [u8; 32],
    /// SHA-256 of the ceremony's transcript; zero if there was none, which makes it a development key.
    pub transcript: [u8; 32],
    /// The 576 bytes of alpha, beta, gamma, delta and the two of ic.
    pub key: Vec<u8>,
}

/// Accounts of `register_verifying_key`.
#[derive(Accounts)]
#[instruction(args: RegisterVerifyingKeyArgs)]
pub struct RegisterVerifyingKey<'info> {
    /// Pays the key's rent.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The network's authority: whoever makes a key may be able to prove anything with it.
    #[account(address = network.load()?.authority @ AiFeedError::NotNetworkAuthority)]
    pub authority: Signer<'info>,
    /// The network that takes its proofs.
    pub network: AccountLoader<'info, Network>,
    /// The key.
    #[account(
        init,
        payer = payer,
        space = VerifyingKey::SIZE,
        seeds = [seeds::VERIFYING_KEY, network.key().as_ref(), &args.hash],
        bump
    )]
    pub verifying_key: AccountLoader<'info, VerifyingKey>,
    /// To create the account.
    pub system_program: Program<'info, System>,
}

impl RegisterVerifyingKeyArgs {
    /// Checks every field on its own, exhaustively; the key's bytes.
    fn validate(&self) -> Result<&[u8; KEY_BYTES]> {
        let Self {
            hash,
            shape,
            windows,
            reduction,
            circuit: _,    // the registrant's word
            transcript: _, // the registrant's word
            key,
        } = self;
        require!(
            *shape == Header::SHAPE
                && usize::from(*windows) == WINDOWS
                && *reduction == REDUCTION_CIRCOM,
            AiFeedError::UnknownCircuit
        );
        let key = key
            .as_slice()
            .try_into()
            .map_err(|_| error!(AiFeedError::InvalidVerifyingKey))?;
        require!(
            VerifyingKey::hash_of(key) == *hash,
            AiFeedError::VerifyingKeyHashMismatch
        );
        Ok(key)
    }
}

/// Takes a key whose points are sound. Its proofs count from the network's timelock on, in which whoever relies on the
/// network's feeds can look at the key.
pub fn handle_register_verifying_key(
    ctx: Context<RegisterVerifyingKey>,
    args: RegisterVerifyingKeyArgs,
) -> Result<()> {
    let points = args.validate()?;
    let now = Clock::get()?.unix_timestamp;
    let network = ctx.accounts.network.load()?;
    let insecure = args.transcript == [0; 32] || points.starts_with(&DEVELOPMENT_ALPHA);
    require!(
        !insecure || network.flags & DEVELOPMENT_KEYS != 0,
        AiFeedError::DevelopmentKey
    );
    let active_from = now
        .checked_add(network.timelock)
        .ok_or_else(|| error!(AiFeedError::Overflow))?;

    let mut key = ctx.accounts.verifying_key.load_init()?;
    key.set_points(points)?;
    key.version = 1;
    key.bump = ctx.bumps.verifying_key;
    key.flags = if insecure { INSECURE } else { 0 };
    key.shape = args.shape;
    key.windows = args.windows;
    key.reduction = args.reduction;
    key.hash = args.hash;
    key.network = ctx.accounts.network.key();
    key.circuit = args.circuit;
    key.transcript = args.transcript;
    key.registrant = ctx.accounts.authority.key();
    key.registered_at = now;
    key.active_from = active_from;
    emit!(VerifyingKeyRegistered {
        network: key.network,
        hash: key.hash,
        transcript: key.transcript,
        active_from,
    });
    Ok(())
}
