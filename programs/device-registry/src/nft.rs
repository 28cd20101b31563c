//! NFTs of devices: mints of Token-2022 with supply 1 and their metadata on the mint itself. Whoever holds the token may
//! make himself the device's owner (`bind_device`).
//!
//! An NFT's one authority is its network's account: it may close the mint once the token is burned, and change the
//! metadata. Nobody can mint more, and nobody can freeze.

use crate::error::RegistryError;
use crate::seeds;
use crate::state::Network;
use anchor_lang::prelude::*;
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::solana_program::program::invoke_signed;
use anchor_lang::solana_program::system_instruction;
use anchor_spl::associated_token::spl_associated_token_account::instruction::create_associated_token_account_idempotent;
use anchor_spl::token_2022::spl_token_2022::extension::{
    metadata_pointer, ExtensionType, StateWithExtensions,
};
use anchor_spl::token_2022::spl_token_2022::instruction::{self as token, AuthorityType};
use anchor_spl::token_2022::spl_token_2022::state::{Account, AccountState, Mint};
use anchor_spl::token_2022::ID as TOKEN_2022;
use anchor_spl::token_2022_extensions::spl_pod::optional_keys::OptionalNonZeroPubkey;
use anchor_spl::token_2022_extensions::spl_token_metadata_interface::instruction as metadata;
use anchor_spl::token_2022_extensions::spl_token_metadata_interface::state::{
    Field, TokenMetadata,
};
use device_protocol::RegistryLeaf;

/// The tokens' symbol.
pub const SYMBOL: &str = "FPD";
/// Longest URI, in bytes.
pub const MAX_URI: usize = 200;
/// The field of the metadata that changes with the device's cell.
pub const LOCATION: &str = "location";
/// The extensions of a mint beside its metadata.
const EXTENSIONS: [ExtensionType; 2] = [
    ExtensionType::MetadataPointer,
    ExtensionType::MintCloseAuthority,
];

/// Bytes before an extension's own: type u16 and length u16.
const EXTENSION_HEAD: usize = 4;

/// What an NFT says of its device. All but the URI follows from the leaf.
pub fn describe(
    network: &Pubkey,
    mint: &Pubkey,
    leaf: &RegistryLeaf,
    uri: String,
) -> Result<TokenMetadata> {
    let device = hex::encode(leaf.device);
    let name = format!("Fieldproof device {}", device.split_at(8).0);
    let field = |name: &str, value: String| (name.to_owned(), value);
    Ok(TokenMetadata {
        update_authority: OptionalNonZeroPubkey::try_from(Some(*network))?,
        mint: *mint,
        name,
        symbol: SYMBOL.to_owned(),
        uri,
        additional_metadata: vec![
            field("network", network.to_string()),
            field("device_id", device),
            field("tier", leaf.tier.to_string()),
            field(LOCATION, location(leaf.cell)),
        ],
    })
}

/// An H3 cell as the metadata says it: 16 digits always, so that a change needs no more room.
fn location(cell: u64) -> String {
    hex::encode(cell.to_be_bytes())
}

/// What an NFT's instructions are signed with: the network's account, and the mint's own address.
pub struct Seeds {
    id: [u8; 32],
    network_bump: [u8; 1],
    tree: Pubkey,
    index: [u8; 4],
    mint_bump: [u8; 1],
}

impl Seeds {
    /// Of a network, and the NFT of a leaf in one of its trees.
    pub fn new(network: &Network, tree: Pubkey, index: u32, mint_bump: u8) -> Self {
        Self {
            id: network.id,
            network_bump: [network.bump],
            tree,
            index: index.to_le_bytes(),
            mint_bump: [mint_bump],
        }
    }

    fn call(&self, instruction: &Instruction, accounts: &[&AccountInfo]) -> Result<()> {
        let accounts: Vec<AccountInfo> = accounts.iter().map(|&account| account.clone()).collect();
        let network: &[&[u8]] = &[seeds::NETWORK, &self.id, &self.network_bump];
        let mint: &[&[u8]] = &[seeds::NFT, self.tree.as_ref(), &self.index, &self.mint_bump];
        invoke_signed(instruction, &accounts, &[network, mint])?;
        Ok(())
    }
}

/// Accounts of minting an NFT.
pub struct MintAccounts<'a, 'info> {
    /// The network.
    pub network: &'a AccountInfo<'info>,
    /// The mint to be: nothing, or lamports that somebody sent ahead.
    pub mint: &'a AccountInfo<'info>,
    /// The owner's associated token account.
    pub token_account: &'a AccountInfo<'info>,
    /// Who gets the token.
    pub owner: &'a AccountInfo<'info>,
    /// Pays the rent.
    pub payer: &'a AccountInfo<'info>,
    /// Token-2022.
    pub token_program: &'a AccountInfo<'info>,
    /// The system program.
    pub system_program: &'a AccountInfo<'info>,
}

/// Makes the mint with its metadata, and its one token, which is the owner's.
pub fn mint(accounts: &MintAccounts, seeds: &Seeds, described: &TokenMetadata) -> Result<()> {
    let &MintAccounts {
        network,
        mint,
        token_account,
        owner,
        payer,
        token_program,
        system_program,
    } = accounts;
    // The metadata come on top later: Token-2022 takes only the fixed extensions at initialisation.
    let space = ExtensionType::try_calculate_account_len::<Mint>(&EXTENSIONS)?;
    let bytes = space
        .checked_add(EXTENSION_HEAD)
        .and_then(|bytes| bytes.checked_add(borsh::object_length(described).ok()?))
        .ok_or_else(|| error!(RegistryError::Overflow))?;
    let missing = Rent::get()?
        .minimum_balance(bytes)
        .saturating_sub(mint.lamports());
    let system = &[payer, mint, system_program];
    if missing > 0 {
        let fund = system_instruction::transfer(payer.key, mint.key, missing);
        seeds.call(&fund, system)?;
    }
    seeds.call(
        &system_instruction::allocate(mint.key, space as u64),
        system,
    )?;
    seeds.call(&system_instruction::assign(mint.key, &TOKEN_2022), system)?;

    let initialize = [
        metadata_pointer::instruction::initialize(&TOKEN_2022, mint.key, None, Some(*mint.key))?,
        token::initialize_mint_close_authority(&TOKEN_2022, mint.key, Some(network.key))?,
        token::initialize_mint2(&TOKEN_2022, mint.key, network.key, None, 0)?,
    ];
    for instruction in &initialize {
        seeds.call(instruction, &[mint, token_program])?;
    }
    let authority = &[mint, network, token_program];
    let describe = metadata::initialize(
        &TOKEN_2022,
        mint.key,
        network.key,
        mint.key,
        network.key,
        described.name.clone(),
        described.symbol.clone(),
        described.uri.clone(),
    );
    seeds.call(&describe, authority)?;
    for (key, value) in &described.additional_metadata {
        set_field(
            accounts.network,
            mint,
            token_program,
            seeds,
            key,
            value.clone(),
        )?;
    }

    let create =
        create_associated_token_account_idempotent(payer.key, owner.key, mint.key, &TOKEN_2022);
    seeds.call(
        &create,
        &[
            payer,
            token_account,
            owner,
            mint,
            system_program,
            token_program,
        ],
    )?;
    // The account may be left from an earlier NFT of the same device, with what its owner then allowed to others.
    let revoke = token::revoke(&TOKEN_2022, token_account.key, owner.key, &[])?;
    seeds.call(&revoke, &[token_account, owner, token_program])?;
    let one = token::mint_to(
        &TOKEN_2022,
        mint.key,
        token_account.key,
        network.key,
        &[],
        1,
    )?;
    seeds.call(&one, &[mint, token_account, network, token_program])?;
    let no_more = token::set_authority(
        &TOKEN_2022,
        mint.key,
        None,
        AuthorityType::MintTokens,
        network.key,
        &[],
    )?;
    seeds.call(&no_more, authority)
}

/// Makes the NFT say where the device is.
pub fn relocate<'info>(
    network: &AccountInfo<'info>,
    mint: &AccountInfo<'info>,
    token_program: &AccountInfo<'info>,
    seeds: &Seeds,
    cell: u64,
) -> Result<()> {
    set_field(
        network,
        mint,
        token_program,
        seeds,
        LOCATION,
        location(cell),
    )
}

fn set_field<'info>(
    network: &AccountInfo<'info>,
    mint: &AccountInfo<'info>,
    token_program: &AccountInfo<'info>,
    seeds: &Seeds,
    key: &str,
    value: String,
) -> Result<()> {
    let field = Field::Key(key.to_owned());
    let update = metadata::update_field(&TOKEN_2022, mint.key, network.key, field, value);
    seeds.call(&update, &[mint, network, token_program])
}

/// Fails unless this is a holder's account with the token.
pub fn require_holder(account: &AccountInfo, mint: &Pubkey, holder: &Pubkey) -> Result<()> {
    require!(*account.owner == TOKEN_2022, RegistryError::WrongToken);
    let data = account.try_borrow_data()?;
    let account = StateWithExtensions::<Account>::unpack(&data)
        .map_err(|_| error!(RegistryError::WrongToken))?
        .base;
    require!(account.mint == *mint, RegistryError::WrongToken);
    require!(account.owner == *holder, RegistryError::NotHolder);
    require!(account.amount == 1, RegistryError::NoToken);
    require!(
        account.state == AccountState::Initialized,
        RegistryError::FrozenToken
    );
    Ok(())
}

/// Whether the token was burned.
pub fn is_burned(mint: &AccountInfo) -> Result<bool> {
    require!(*mint.owner == TOKEN_2022, RegistryError::WrongToken);
    let data = mint.try_borrow_data()?;
    let mint = StateWithExtensions::<Mint>::unpack(&data)
        .map_err(|_| error!(RegistryError::WrongToken))?;
    Ok(mint.base.supply == 0)
}

/// Burns the token in its holder's account.
pub fn burn<'info>(
    mint: &AccountInfo<'info>,
    token_account: &AccountInfo<'info>,
    holder: &AccountInfo<'info>,
    token_program: &AccountInfo<'info>,
    seeds: &Seeds,
) -> Result<()> {
    let burn = token::burn(&TOKEN_2022, token_account.key, mint.key, holder.key, &[], 1)?;
    seeds.call(&burn, &[token_account, mint, holder, token_program])
}

/// Closes a mint without tokens; its rent goes to `beneficiary`.
pub fn close<'info>(
    network: &AccountInfo<'info>,
    mint: &AccountInfo<'info>,
    beneficiary: &AccountInfo<'info>,
    token_program: &AccountInfo<'info>,
    seeds: &Seeds,
) -> Result<()> {
    let close = token::close_account(&TOKEN_2022, mint.key, beneficiary.key, network.key, &[])?;
    seeds.call(&close, &[mint, beneficiary, network, token_program])
}
