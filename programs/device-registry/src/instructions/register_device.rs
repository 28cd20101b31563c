use crate::error::RegistryError;
use crate::events::{emit_to_self, DeviceRegistered};
use crate::fees::*;
use crate::state::cell::is_cell;
use crate::state::maker::TIER_CERTIFICATE;
use crate::state::network::{Network, Operation, SELF_SIGNED_MAKERS};
use crate::state::tree::{self, Tree};
use crate::state::{Issuer, Maker, VoucherPage};
use ::credits::Purpose;
use anchor_lang::prelude::*;
use certificate::{CertificateError, Tbs};
use device_protocol::{Curve, DeviceKey, KeyError, Possession, RegistryLeaf, Status, Voucher};
use introspection::{IntrospectionError, Precompile, Signature};

/// A device to register, and where its two signatures stand in the transaction.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisterDeviceArgs {
    /// Curve of the device's key: 0 Ed25519, 1 P-256.
    pub curve: u8,
    /// The device's key: 32 bytes and a zero, or 33 bytes compressed.
    pub key: [u8; 33],
    /// The voucher's number, or at tier 2 the certificate's serial number; the possession signs it too.
    pub number: u64,
    /// Tier that the voucher gives, or 2 with a certificate.
    pub tier: u8,
    /// Hash of the device's serial number, as the maker signed it; zeros with a certificate.
    pub serial_hash: [u8; 32],
    /// H3 cell where the device stands; 0 for none.
    pub cell: u64,
    /// Index in the transaction of the precompile's instruction with the device's signature (of its own curve).
    pub possession_instruction: u16,
    /// Which of that instruction's signatures it is.
    pub possession_index: u8,
    /// Index in the transaction of the Ed25519 instruction with the maker's signature, or of the secp256r1 instruction with
    /// the issuer's on the certificate; may be the same one.
    pub voucher_instruction: u16,
    /// Which of that instruction's signatures it is.
    pub voucher_index: u8,
}

/// Accounts of `register_device`.
#[event_cpi]
#[derive(Accounts)]
pub struct RegisterDevice<'info> {
    /// The network.
    #[account(mut)]
    pub network: AccountLoader<'info, Network>,
    /// One of its makers.
    #[account(mut, has_one = network @ RegistryError::WrongNetwork)]
    pub maker: AccountLoader<'info, Maker>,
    /// The maker's page with the voucher's number.
    #[account(mut, has_one = maker @ RegistryError::WrongVoucherPage)]
    pub voucher_page: AccountLoader<'info, VoucherPage>,
    /// One of the network's trees, with room.
    #[account(mut, has_one = network @ RegistryError::WrongNetwork)]
    pub tree: AccountLoader<'info, Tree>,
    /// The device's owner.
    pub owner: Signer<'info>,
    /// CHECK: the instructions sysvar, by its address.
    #[account(address = Pubkey::new_from_array(introspection::ADDRESS))]
    pub instructions: UncheckedAccount<'info>,
    /// Tier 2: the maker's issuer that signed the device's certificate.
    #[account(has_one = maker @ RegistryError::WrongIssuer)]
    pub issuer: Option<AccountLoader<'info, Issuer>>,
    /// What it costs, from the owner's credits.
    pub fees: Fees<'info>,
}

/// Registers a device at once proven: its own key and its maker have signed in this transaction, and its owner signs it.
///
/// - Registering is not paused, and paid for where the network charges.
/// - The maker is not revoked; the number is below its quota and unused; the tier is approved.
/// - The device signed `Possession` for this network, owner and number.
/// - Below tier 2 the maker signed `Voucher` for this network, number, device, tier and serial hash. At tier 2 an issuer of
///   the maker's, neither revoked nor expired, signed a certificate for the device's key with the number as its serial
///   number: valid now, and no CA's. The certificate is read where the precompile verifies it.
pub fn handle_register_device(
    ctx: Context<RegisterDevice>,
    args: RegisterDeviceArgs,
) -> Result<()> {
    let clock = Clock::get()?;
    let owner = ctx.accounts.owner.key();
    let key = DeviceKey::from_parts(args.curve, args.key).map_err(key_refusal)?;
    let device = key.id();
    require_cell(args.cell)?;
    let accounts = &ctx.accounts;
    if accounts.network.load()?.charges() {
        let (network, owner) = (accounts.network.as_ref(), accounts.owner.as_ref());
        accounts
            .fees
            .charge(network, owner, Purpose::Registration, 1)?;
    }

    let mut network = ctx.accounts.network.load_mut()?;
    network.require_running(Operation::Register, clock.unix_timestamp)?;
    network.devices = network
        .devices
        .checked_add(1)
        .ok_or_else(|| error!(RegistryError::Overflow))?;

    let mut maker = ctx.accounts.maker.load_mut()?;
    let certified = args.tier == TIER_CERTIFICATE;
    if certified {
        maker.check_certificate(args.number)?;
    } else {
        maker.check_voucher(
            args.number,
            args.tier,
            &owner,
            network.flags & SELF_SIGNED_MAKERS != 0,
        )?;
    }
    maker.vouch(1)?;
    ctx.accounts.voucher_page.load_mut()?.take(args.number)?;

    let instructions = ctx.accounts.instructions.try_borrow_data()?;
    let possession = Possession {
        network: network.id,
        owner: owner.to_bytes(),
        key,
        nonce: args.number,
    };
    let signed = introspection::signature(
        &instructions,
        precompile_of(key.curve),
        args.possession_instruction,
        args.possession_index,
    )
    .map_err(bad_reference)?;
    require!(
        is_by(&signed, key.as_bytes(), &possession.digest()),
        RegistryError::WrongPossession
    );
    if certified {
        let issuer = ctx
            .accounts
            .issuer
            .as_ref()
            .ok_or_else(|| error!(RegistryError::CertificateNeeded))?
            .load()?;
        check_certificate(&instructions, &args, &issuer, clock.unix_timestamp)?;
    } else {
        let voucher = Voucher {
            network: network.id,
            maker: maker.key.to_bytes(),
            number: args.number,
            device,
            tier: args.tier,
            serial_hash: args.serial_hash,
        };
        let signed = introspection::signature(
            &instructions,
            Precompile::Ed25519,
            args.voucher_instruction,
            args.voucher_index,
        )
        .map_err(bad_reference)?;
        require!(
            is_by(&signed, &voucher.maker, &voucher.digest()),
            RegistryError::WrongVoucher
        );
    }

    let leaf = RegistryLeaf {
        device,
        owner: possession.owner,
        maker: maker.key.to_bytes(),
        tier: args.tier,
        status: Status::Proven,
        cell: args.cell,
        registered_slot: clock.slot,
        previous_owner: [0; 32],
        owner_changed_at: clock.unix_timestamp,
        nonce: 0,
    };
    let tree_index = ctx.accounts.tree.load()?.index;
    let appended = {
        let mut data = ctx.accounts.tree.as_ref().try_borrow_mut_data()?;
        tree::append(&mut data, &[&leaf.hash()])?
    };

    let event = DeviceRegistered {
        network: ctx.accounts.network.key(),
        tree: ctx.accounts.tree.key(),
        tree_index,
        index: appended.index,
        device,
        owner,
        maker: maker.key,
        tier: leaf.tier,
        status: leaf.status as u8,
        cell: leaf.cell,
        registered_slot: leaf.registered_slot,
        previous_owner: Pubkey::new_from_array(leaf.previous_owner),
        owner_changed_at: leaf.owner_changed_at,
        nonce: leaf.nonce,
        curve: args.curve,
        key: args.key,
        number: args.number,
        serial_hash: args.serial_hash,
        sequence: appended.sequence,
        root: appended.root,
    };
    emit_to_self(&event, ctx.accounts.event_authority.as_ref())
}

/// Fails for a number that is neither 0 nor an H3 cell.
pub(crate) fn require_cell(cell: u64) -> Result<()> {
    require!(cell == 0 || is_cell(cell), RegistryError::InvalidCell);
    Ok(())
}

/// What verifies signatures of a curve.
pub(crate) fn precompile_of(curve: Curve) -> Precompile {
    match curve {
        Curve::Ed25519 => Precompile::Ed25519,
        Curve::P256 => Precompile::Secp256r1,
    }
}

/// Why a device's key is refused.
pub(crate) fn key_refusal(error: KeyError) -> Error {
    match error {
        KeyError::UnknownCurve => error!(RegistryError::UnknownCurve),
        KeyError::WrongLength | KeyError::NotPadded | KeyError::NotCompressed => {
            error!(RegistryError::InvalidDeviceKey)
        }
    }
}

/// Whether the issuer signed a certificate for this device and number that is valid at `now` (unix seconds).
fn check_certificate(
    instructions: &[u8],
    args: &RegisterDeviceArgs,
    issuer: &Issuer,
    now: i64,
) -> Result<()> {
    issuer.require_valid(now)?;
    require!(
        args.serial_hash == [0; 32],
        RegistryError::SerialHashNotZero
    );
    let signed = introspection::signature(
        instructions,
        Precompile::Secp256r1,
        args.voucher_instruction,
        args.voucher_index,
    )
    .map_err(bad_reference)?;
    require!(
        signed.public_key == issuer.key,
        RegistryError::NotSignedByIssuer
    );
    let tbs = Tbs::parse(signed.message).map_err(bad_certificate)?;
    require!(tbs.may_sign(), RegistryError::NotDeviceCertificate);
    require!(
        args.curve == Curve::P256 as u8 && tbs.key == args.key,
        RegistryError::WrongCertificateKey
    );
    require!(
        tbs.number() == Ok(args.number),
        RegistryError::WrongCertificateNumber
    );
    require!(tbs.is_valid_at(now), RegistryError::CertificateNotValid);
    Ok(())
}

/// Whether it is this key's signature of this digest.
fn is_by(signed: &Signature, public_key: &[u8], digest: &[u8; 32]) -> bool {
    signed.public_key == public_key && signed.message == digest
}

/// Why a reference to a precompile's signature is refused.
pub(crate) fn bad_reference(error: IntrospectionError) -> Error {
    msg!("{}", error);
    error!(RegistryError::BadSignatureReference)
}

/// Why bytes that an issuer or a root has signed are refused.
pub(crate) fn bad_certificate(error: CertificateError) -> Error {
    msg!("{}", error);
    error!(RegistryError::MalformedCertificate)
}
