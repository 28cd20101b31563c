use crate::error::RegistryError;
use crate::seeds;
use crate::state::network::{
    Network, Parameters, CREDITS, DEVELOPMENT_KEYS, MAX_DURATION, SELF_SIGNED_MAKERS,
};
use anchor_lang::prelude::*;
use anchor_spl::token::{spl_token::native_mint, Mint};

/// A new network.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreateNetworkArgs {
    /// `device_protocol::network_id(program, genesis_hash, creator, nonce)`.
    pub id: [u8; 32],
    /// Tells the creator's networks apart.
    pub nonce: u64,
    /// Genesis hash of the cluster.
    pub genesis_hash: [u8; 32],
    /// Start of epoch 0, unix seconds; may lie in the past.
    pub genesis: i64,
    /// Seconds of an epoch.
    pub epoch_length: i64,
    /// Seconds between proposing and applying parameters.
    pub timelock: i64,
    /// `SELF_SIGNED_MAKERS` | `DEVELOPMENT_KEYS`.
    pub flags: u8,
    /// In force from the start.
    pub parameters: Parameters,
}

impl CreateNetworkArgs {
    fn validate(&self, creator: &Pubkey) -> Result<()> {
        let Self {
            id,
            nonce,
            genesis_hash,
            genesis,
            epoch_length,
            timelock,
            flags,
            parameters,
        } = self;
        require!(
            *id == device_protocol::network_id(
                &crate::ID.to_bytes(),
                genesis_hash,
                &creator.to_bytes(),
                *nonce
            ),
            RegistryError::WrongNetworkId
        );
        require!(*genesis >= 0, RegistryError::InvalidGenesis);
        require!(
            (1..=MAX_DURATION).contains(epoch_length),
            RegistryError::InvalidEpochLength
        );
        require!(
            (0..=MAX_DURATION).contains(timelock),
            RegistryError::InvalidTimelock
        );
        require!(
            flags & !(SELF_SIGNED_MAKERS | DEVELOPMENT_KEYS | CREDITS) == 0,
            RegistryError::UnknownFlag
        );
        parameters.validate()
    }
}

/// Accounts of `create_network`.
#[derive(Accounts)]
#[instruction(args: CreateNetworkArgs)]
pub struct CreateNetwork<'info> {
    /// The new network.
    #[account(
        init,
        payer = payer,
        space = Network::SIZE,
        seeds = [seeds::NETWORK, args.id.as_ref()],
        bump
    )]
    pub network: AccountLoader<'info, Network>,
    /// Its creator and first authority.
    pub creator: Signer<'info>,
    /// Mint of rewards.
    pub reward_mint: Account<'info, Mint>,
    /// Mint of stake. Another than the reward mint, which has no supply before the first rewards.
    pub stake_mint: Account<'info, Mint>,
    /// Pays the rent.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

/// Creates a network whose id follows from its creator, so nobody else can take it.
pub fn handle_create_network(ctx: Context<CreateNetwork>, args: CreateNetworkArgs) -> Result<()> {
    let creator = ctx.accounts.creator.key();
    args.validate(&creator)?;
    // A slash burns a part, which the token program refuses for it.
    require!(
        ctx.accounts.stake_mint.key() != native_mint::ID,
        RegistryError::NativeStakeMint
    );
    let mut network = ctx.accounts.network.load_init()?;
    network.version = 1;
    network.bump = ctx.bumps.network;
    network.flags = args.flags;
    network.id = args.id;
    network.genesis_hash = args.genesis_hash;
    network.creator = creator;
    network.nonce = args.nonce;
    network.authority = creator;
    network.reward_mint = ctx.accounts.reward_mint.key();
    network.stake_mint = ctx.accounts.stake_mint.key();
    network.genesis = args.genesis;
    network.epoch_length = args.epoch_length;
    network.timelock = args.timelock;
    network.parameters = args.parameters;
    Ok(())
}
