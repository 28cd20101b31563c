//! security-pool, every instruction and every attack on it.

use anchor_lang::error::ErrorCode;
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::{AccountMeta, Instruction};
use anchor_lang::solana_program::system_instruction;
use anchor_lang::{Discriminator, Owner, ZeroCopy};
use device_registry::state::{Operation, Parameters};
use device_registry::CreateNetworkArgs;
use fieldproof_client::chain::{Chain, Execution};
use fieldproof_client::security_pool::{self as client, POOLS_PER_SNAPSHOT};
use fieldproof_client::{device_registry as registry, token, ClientError};
use security_pool::error::PoolError as E;
use security_pool::instructions::CreatePoolArgs;
use security_pool::state::{
    Committee, Delegation, Moment, Pool, Roster, RosterTerms, Withdrawal, MAX_COOLDOWN,
    MAX_OPERATORS, MIN_SEED,
};
use solana_keypair::Keypair;
use solana_signer::Signer;
use tests::{assert_refused, Harness, PROBE, START};

/// Seconds of an epoch.
pub const EPOCH: i64 = 1_000;
/// Seconds of the evidence window.
pub const EVIDENCE: i64 = 2_000;
/// The shortest cool-down that the network accepts.
pub const COOLDOWN: i64 = EPOCH + EVIDENCE + 1;
/// The roster's minimum allocation.
const MINIMUM: u64 = 1_000_000;
/// What a new operator stakes beside its seed.
pub const STAKE: u64 = 10_000_000;
/// Compute units of a snapshot of 64 operators, its account's creation included.
const SNAPSHOT: u64 = 40_000;
/// The same of the largest step that reads pools. It takes 30,000; the rest is room for an address whose bump is found late.
const LARGEST_STEP: u64 = 60_000;
/// What the system program answers when an account is already there.
pub const ALREADY_IN_USE: u32 = 0;
/// What the token program answers when the signer does not own the tokens.
pub const TOKEN_OWNER_MISMATCH: u32 = 4;

/// A pool with its keys.
pub struct Operator {
    pub operator: Keypair,
    pub signer: Keypair,
    pub pool: Pubkey,
}

/// A network with a roster, at the start of its epoch 0.
pub struct World {
    pub harness: Harness,
    pub authority: Keypair,
    pub stake_mint: Pubkey,
    pub network_id: [u8; 32],
    pub network: Pubkey,
}

impl World {
    pub fn new() -> Self {
        let harness = Harness::new();
        let authority = harness.key();
        let stake_mint = harness.mint();
        let (network_id, network) = network(&harness, &authority, &stake_mint, 0);
        Self {
            harness,
            authority,
            stake_mint,
            network_id,
            network,
        }
    }

    /// One more network of the same authority and stake mint, with a roster.
    pub fn other_network(&self) -> Pubkey {
        network(&self.harness, &self.authority, &self.stake_mint, 1).1
    }

    /// A pool with the seed and [`STAKE`] of its operator.
    pub fn operator(&self) -> Operator {
        let operator = self.pool(10_000);
        self.delegate(&operator.operator, &operator.pool, STAKE)
            .unwrap();
        operator
    }

    /// A pool with nothing but its seed.
    pub fn pool(&self, leverage_bps: u32) -> Operator {
        let operator = self.staker(MIN_SEED);
        let signer = Keypair::new();
        let args = CreatePoolArgs {
            leverage_bps,
            ..terms(&signer.pubkey())
        };
        self.create_pool(&operator, args).unwrap();
        Operator {
            pool: client::pool(&self.stake_mint, &operator.pubkey()),
            operator,
            signer,
        }
    }

    /// A key with stake tokens.
    pub fn staker(&self, amount: u64) -> Keypair {
        let key = self.harness.key();
        self.harness.fund(&key.pubkey(), &self.stake_mint, amount);
        key
    }

    pub fn tokens(&self, owner: &Keypair) -> u64 {
        self.harness
            .balance(&token::associated(&owner.pubkey(), &self.stake_mint))
    }

    pub fn send(
        &self,
        instruction: Instruction,
        signers: &[&Keypair],
    ) -> Result<Execution, ClientError> {
        self.harness.send(&[instruction], signers)
    }

    pub fn payer(&self) -> Pubkey {
        self.harness.payer.pubkey()
    }

    pub fn create_pool(
        &self,
        operator: &Keypair,
        args: CreatePoolArgs,
    ) -> Result<Execution, ClientError> {
        let instruction =
            client::create_pool(&self.payer(), &operator.pubkey(), &self.stake_mint, args);
        self.send(instruction, &[operator])
    }

    fn delegate_instruction(&self, owner: &Keypair, pool: &Pubkey, amount: u64) -> Instruction {
        client::delegate(
            &self.payer(),
            &owner.pubkey(),
            pool,
            &self.stake_mint,
            amount,
            0,
            u64::MAX,
        )
    }

    /// Funds the owner and delegates all of it.
    pub fn delegate(
        &self,
        owner: &Keypair,
        pool: &Pubkey,
        amount: u64,
    ) -> Result<Execution, ClientError> {
        self.harness.fund(&owner.pubkey(), &self.stake_mint, amount);
        self.send(self.delegate_instruction(owner, pool, amount), &[owner])
    }

    pub fn request(
        &self,
        owner: &Keypair,
        pool: &Pubkey,
        number: u64,
        shares: u64,
    ) -> Result<Execution, ClientError> {
        let home = self.read_pool(pool).home;
        let instruction =
            client::request_withdrawal(&self.payer(), &owner.pubkey(), pool, &home, number, shares);
        self.send(instruction, &[owner])
    }

    fn withdraw_instruction(&self, owner: &Keypair, pool: &Pubkey, number: u64) -> Instruction {
        client::withdraw(&owner.pubkey(), pool, &self.stake_mint, number)
    }

    pub fn withdraw(
        &self,
        owner: &Keypair,
        pool: &Pubkey,
        number: u64,
    ) -> Result<Execution, ClientError> {
        self.send(self.withdraw_instruction(owner, pool, number), &[owner])
    }

    pub fn opt_in(&self, operator: &Operator, allocation: u64) -> Result<Execution, ClientError> {
        self.opt_in_to(&self.network, operator, allocation)
    }

    pub fn opt_in_to(
        &self,
        network: &Pubkey,
        operator: &Operator,
        allocation: u64,
    ) -> Result<Execution, ClientError> {
        let key = &operator.operator;
        let home = Some(self.read_pool(&operator.pool).home).filter(|home| home != network);
        let instruction = client::opt_in_beside(
            &home.unwrap_or_default(),
            network,
            &operator.pool,
            &key.pubkey(),
            allocation,
        );
        self.send(instruction, &[key])
    }

    /// An operator whose stake this network and another count, half and half.
    fn spread(&self, other: &Pubkey) -> Operator {
        let operator = self.operator();
        self.opt_in(&operator, STAKE / 2).unwrap();
        self.opt_in_to(other, &operator, STAKE / 2).unwrap();
        operator
    }

    pub fn opt_out(&self, operator: &Operator) -> Result<Execution, ClientError> {
        let key = &operator.operator;
        let instruction = client::opt_out(&self.network, &operator.pool, &key.pubkey());
        self.send(instruction, &[key])
    }

    pub fn refresh(&self, pool: &Pubkey) -> Result<Execution, ClientError> {
        self.send(client::refresh(&self.network, pool), &[])
    }

    pub fn snapshot(&self, epoch: u64, pools: &[Pubkey]) -> Result<Execution, ClientError> {
        let instruction = client::snapshot_committee(&self.payer(), &self.network, epoch, pools);
        self.send(instruction, &[])
    }

    pub fn committee(&self, epoch: u64) -> Committee {
        self.harness.read(&client::committee(&self.network, epoch))
    }

    pub fn roster(&self) -> Roster {
        self.harness.read(&client::roster(&self.network))
    }

    pub fn read_pool(&self, pool: &Pubkey) -> Pool {
        self.harness.read(pool)
    }

    /// Moves to the start of an epoch.
    pub fn enter(&self, epoch: u64) {
        self.harness
            .chain
            .set_time(START + i64::try_from(epoch).unwrap() * EPOCH);
    }

    /// Changes a zero-copy account as no instruction can yet.
    pub fn edit<T: ZeroCopy + Discriminator + Owner>(&self, key: &Pubkey, change: impl Fn(&mut T)) {
        let mut account = self.harness.chain.account(key).unwrap().unwrap();
        change(bytemuck::from_bytes_mut(&mut account.data[8..]));
        self.harness.chain.set_account(key, account);
    }
}

fn network(
    harness: &Harness,
    authority: &Keypair,
    stake_mint: &Pubkey,
    nonce: u64,
) -> ([u8; 32], Pubkey) {
    let genesis_hash = [7; 32];
    let id = device_protocol::network_id(
        &device_registry::ID.to_bytes(),
        &genesis_hash,
        &authority.pubkey().to_bytes(),
        nonce,
    );
    let args = CreateNetworkArgs {
        id,
        nonce,
        genesis_hash,
        genesis: START,
        epoch_length: EPOCH,
        timelock: 0,
        flags: 0,
        parameters: Parameters {
            device_bond: 0,
            evidence_window: EVIDENCE,
            answer_window: EVIDENCE / 2,
            challenge_bond: 10_000_000,
            max_speed: 100,
            tier_discount_bps: [0; 4],
            withheld_slash_bps: 1_000,
            _pad: 0,
        },
    };
    let payer = harness.payer.pubkey();
    let reward_mint = harness.mint();
    let network = registry::network(&id);
    let instructions = [
        registry::create_network(&payer, &authority.pubkey(), &reward_mint, stake_mint, args),
        client::create_roster(
            &payer,
            &authority.pubkey(),
            &network,
            stake_mint,
            roster_terms(),
        ),
    ];
    harness.send(&instructions, &[authority]).unwrap();
    (id, network)
}

pub fn terms(signer: &Pubkey) -> CreatePoolArgs {
    CreatePoolArgs {
        signer: *signer,
        cooldown: COOLDOWN,
        leverage_bps: 10_000,
        seed: MIN_SEED,
        takes_delegators: true,
    }
}

/// The probe may slash.
fn roster_terms() -> RosterTerms {
    let mut slashers = [Pubkey::default(); 4];
    slashers[2] = slashing::slasher(&PROBE).0;
    RosterTerms {
        slashers,
        slash_cap_bps: 5_000,
        minimum_allocation: MINIMUM,
        max_leverage_bps: 20_000,
        bounty_bps: 3_000,
        insurance_bps: 2_000,
    }
}

/// Puts another account into every place that names `from`.
pub fn swap(mut instruction: Instruction, from: &Pubkey, to: &Pubkey) -> Instruction {
    let mut swapped = false;
    for meta in instruction
        .accounts
        .iter_mut()
        .filter(|meta| meta.pubkey == *from)
    {
        meta.pubkey = *to;
        swapped = true;
    }
    assert!(swapped, "the instruction does not name {from}");
    instruction
}

/// Takes a key's signature off.
pub fn unsign(mut instruction: Instruction, key: &Pubkey) -> Instruction {
    let mut unsigned = false;
    for meta in instruction
        .accounts
        .iter_mut()
        .filter(|meta| meta.pubkey == *key)
    {
        unsigned |= meta.is_signer;
        meta.is_signer = false;
    }
    assert!(unsigned, "{key} does not sign");
    instruction
}

// create_pool

#[test]
fn create_pool_takes_the_seed_and_gives_its_shares_to_nobody() {
    let world = World::new();
    let operator = world.staker(MIN_SEED + 5);
    let signer = Pubkey::new_unique();
    world.create_pool(&operator, terms(&signer)).unwrap();

    let key = client::pool(&world.stake_mint, &operator.pubkey());
    let pool = world.read_pool(&key);
    assert_eq!(pool.version, 1);
    assert_eq!(
        (
            pool.creator,
            pool.operator,
            pool.pending_operator,
            pool.signer
        ),
        (
            operator.pubkey(),
            operator.pubkey(),
            Pubkey::default(),
            signer
        )
    );
    assert_eq!(
        (pool.stake_mint, pool.vault),
        (world.stake_mint, client::vault(&key))
    );
    assert_eq!((pool.staked, pool.shares), (MIN_SEED, MIN_SEED));
    assert_eq!((pool.cooldown, pool.leverage_bps), (COOLDOWN, 10_000));
    assert_eq!(world.harness.balance(&pool.vault), MIN_SEED);
    assert_eq!(world.tokens(&operator), 5);
    let delegation = client::delegation(&key, &operator.pubkey());
    assert!(!world.harness.exists(&delegation));
}

#[test]
fn create_pool_refuses_terms_out_of_bounds() {
    let world = World::new();
    let operator = world.staker(MIN_SEED);
    let good = terms(&Pubkey::new_unique());
    for cooldown in [i64::MIN, 0, MAX_COOLDOWN + 1] {
        let args = CreatePoolArgs { cooldown, ..good };
        assert_refused(world.create_pool(&operator, args), E::InvalidCooldown);
    }
    let args = CreatePoolArgs {
        leverage_bps: 9_999,
        ..good
    };
    assert_refused(world.create_pool(&operator, args), E::InvalidLeverage);
    let args = CreatePoolArgs {
        seed: MIN_SEED - 1,
        ..good
    };
    assert_refused(world.create_pool(&operator, args), E::SeedTooSmall);
    let args = CreatePoolArgs {
        signer: Pubkey::default(),
        ..good
    };
    assert_refused(world.create_pool(&operator, args), E::InvalidSigner);
}

#[test]
fn create_pool_happens_once() {
    let world = World::new();
    let operator = world.operator();
    world
        .harness
        .fund(&operator.operator.pubkey(), &world.stake_mint, MIN_SEED);
    let again = terms(&Pubkey::new_unique());
    assert_refused(world.create_pool(&operator.operator, again), ALREADY_IN_USE);
}

#[test]
fn create_pool_is_not_stopped_by_lamports_at_its_addresses() {
    let world = World::new();
    let operator = world.staker(MIN_SEED);
    let pool = client::pool(&world.stake_mint, &operator.pubkey());
    world.harness.chain.airdrop(&pool, 1);
    world.harness.chain.airdrop(&client::vault(&pool), 1);
    world
        .create_pool(&operator, terms(&Pubkey::new_unique()))
        .unwrap();
    assert_eq!(world.read_pool(&pool).staked, MIN_SEED);
}

#[test]
fn create_pool_needs_the_operator_and_his_own_tokens() {
    let world = World::new();
    let operator = world.staker(MIN_SEED);
    let victim = world.staker(MIN_SEED);
    let instruction = client::create_pool(
        &world.payer(),
        &operator.pubkey(),
        &world.stake_mint,
        terms(&Pubkey::new_unique()),
    );
    assert_refused(
        world.send(unsign(instruction.clone(), &operator.pubkey()), &[]),
        ErrorCode::AccountNotSigner,
    );
    let own = token::associated(&operator.pubkey(), &world.stake_mint);
    let theirs = token::associated(&victim.pubkey(), &world.stake_mint);
    assert_refused(
        world.send(swap(instruction, &own, &theirs), &[&operator]),
        TOKEN_OWNER_MISMATCH,
    );
}

// set_signer, transfer_operator, accept_operator

#[test]
fn set_signer_is_the_operators() {
    let world = World::new();
    let operator = world.operator();
    let signer = Pubkey::new_unique();
    let key = &operator.operator;
    let none = Pubkey::default();
    let set = |by: &Pubkey, signer: &Pubkey| client::set_signer(&operator.pool, by, &none, signer);
    world.send(set(&key.pubkey(), &signer), &[key]).unwrap();
    assert_eq!(world.read_pool(&operator.pool).signer, signer);

    let thief = world.harness.key();
    assert_refused(
        world.send(set(&thief.pubkey(), &signer), &[&thief]),
        E::NotOperator,
    );
    assert_refused(
        world.send(unsign(set(&key.pubkey(), &signer), &key.pubkey()), &[]),
        ErrorCode::AccountNotSigner,
    );
    assert_refused(
        world.send(set(&key.pubkey(), &Pubkey::default()), &[key]),
        E::InvalidSigner,
    );
}

#[test]
fn the_operator_changes_in_two_steps() {
    let world = World::new();
    let operator = world.operator();
    let old = &operator.operator;
    let (new, thief) = (world.harness.key(), world.harness.key());
    let pool = operator.pool;
    let offer = |by: &Keypair, to: &Pubkey| {
        world.send(client::transfer_operator(&pool, &by.pubkey(), to), &[by])
    };
    let accept = |by: &Keypair| world.send(client::accept_operator(&pool, &by.pubkey()), &[by]);

    assert_refused(accept(&thief), E::NotPendingOperator);
    assert_refused(offer(&thief, &thief.pubkey()), E::NotOperator);
    // By handing the pool to itself, its stake would become a delegator's, whose slash pays no bounty.
    offer(old, &old.pubkey()).unwrap();
    assert_refused(accept(old), E::SameOperator);
    offer(old, &new.pubkey()).unwrap();
    offer(old, &Pubkey::default()).unwrap();
    assert_refused(accept(&new), E::NotPendingOperator);
    offer(old, &new.pubkey()).unwrap();
    assert_refused(accept(&thief), E::NotPendingOperator);
    accept(&new).unwrap();
    assert_eq!(world.read_pool(&pool).operator, new.pubkey());
    assert_refused(accept(&new), E::NotPendingOperator);
    assert_refused(offer(old, &old.pubkey()), E::NotOperator);

    // The vault still answers to the pool, whose address is of its first operator.
    world.request(old, &pool, 0, STAKE).unwrap();
    world.harness.advance(COOLDOWN);
    world.withdraw(old, &pool, 0).unwrap();
    assert_eq!(world.tokens(old), STAKE);
}

// delegate

#[test]
fn delegate_adds_to_the_owners_shares() {
    let world = World::new();
    let operator = world.pool(10_000);
    let owner = world.harness.key();
    world.delegate(&owner, &operator.pool, 300).unwrap();
    world.delegate(&owner, &operator.pool, 200).unwrap();
    let delegation: Delegation = world
        .harness
        .read(&client::delegation(&operator.pool, &owner.pubkey()));
    assert_eq!(
        (delegation.version, delegation.pool, delegation.owner),
        (1, operator.pool, owner.pubkey())
    );
    assert_eq!((delegation.shares, delegation.withdrawals), (500, 0));
    let pool = world.read_pool(&operator.pool);
    assert_eq!((pool.staked, pool.shares), (MIN_SEED + 500, MIN_SEED + 500));
    assert_eq!(world.harness.balance(&pool.vault), MIN_SEED + 500);
}

#[test]
fn delegate_gives_shares_at_the_price_or_refuses() {
    let world = World::new();
    let operator = world.pool(10_000);
    let owner = world.staker(10_000_000);
    // As a slash of two thirds would leave it
    world.edit::<Pool>(&operator.pool, |pool| pool.staked = MIN_SEED / 4);
    let buy = |amount, min_shares| {
        client::delegate(
            &world.payer(),
            &owner.pubkey(),
            &operator.pool,
            &world.stake_mint,
            amount,
            min_shares,
            0,
        )
    };
    assert_refused(world.send(buy(100, 401), &[&owner]), E::TooFewShares);
    world.send(buy(100, 400), &[&owner]).unwrap();
    assert_refused(world.send(buy(0, 0), &[&owner]), E::ZeroShares);
    assert_refused(world.send(buy(u64::MAX, 0), &[&owner]), E::Overflow);

    world.edit::<Pool>(&operator.pool, |pool| pool.staked = 0);
    assert_refused(world.send(buy(100, 0), &[&owner]), E::DeadPool);
}

#[test]
fn a_donation_moves_no_price() {
    let world = World::new();
    let operator = world.pool(10_000);
    world
        .harness
        .fund(&operator.operator.pubkey(), &world.stake_mint, 0);
    let donor = world.staker(1_000_000_000);
    let donation = anchor_spl::token::spl_token::instruction::transfer(
        &token::TOKEN_PROGRAM,
        &token::associated(&donor.pubkey(), &world.stake_mint),
        &client::vault(&operator.pool),
        &donor.pubkey(),
        &[],
        1_000_000_000,
    )
    .unwrap();
    world.send(donation, &[&donor]).unwrap();
    let owner = world.harness.key();
    world.delegate(&owner, &operator.pool, 1).unwrap();
    let pool = world.read_pool(&operator.pool);
    assert_eq!((pool.staked, pool.shares), (MIN_SEED + 1, MIN_SEED + 1));
}

#[test]
fn delegate_refuses_swapped_accounts() {
    let world = World::new();
    let (operator, other) = (world.pool(10_000), world.pool(10_000));
    let (owner, victim) = (world.staker(1_000), world.staker(1_000));
    world.delegate(&victim, &operator.pool, 500).unwrap();
    let instruction = world.delegate_instruction(&owner, &operator.pool, 100);
    let refuse = |from: &Pubkey, to: &Pubkey, code: u32| {
        assert_refused(
            world.send(swap(instruction.clone(), from, to), &[&owner]),
            code,
        );
    };

    let vault = client::vault(&operator.pool);
    refuse(&vault, &client::vault(&other.pool), E::WrongVault.into());
    let own = token::associated(&owner.pubkey(), &world.stake_mint);
    let theirs = token::associated(&victim.pubkey(), &world.stake_mint);
    refuse(&vault, &theirs, E::WrongVault.into());
    refuse(
        &world.stake_mint,
        &world.harness.mint(),
        E::WrongMint.into(),
    );
    refuse(&own, &theirs, TOKEN_OWNER_MISMATCH);
    refuse(
        &own,
        &vault,
        ErrorCode::ConstraintDuplicateMutableAccount.into(),
    );

    let delegation = client::delegation(&operator.pool, &owner.pubkey());
    let seeds = ErrorCode::ConstraintSeeds.into();
    refuse(
        &delegation,
        &client::delegation(&other.pool, &owner.pubkey()),
        seeds,
    );
    refuse(
        &delegation,
        &client::delegation(&operator.pool, &victim.pubkey()),
        seeds,
    );

    let victims = client::delegation(&operator.pool, &victim.pubkey());
    refuse(
        &operator.pool,
        &victims,
        ErrorCode::AccountDiscriminatorMismatch.into(),
    );
    refuse(
        &operator.pool,
        &world.network,
        ErrorCode::AccountOwnedByWrongProgram.into(),
    );

    assert_refused(
        world.send(unsign(instruction.clone(), &owner.pubkey()), &[]),
        ErrorCode::AccountNotSigner,
    );
}

// request_withdrawal

#[test]
fn a_request_moves_the_shares_worth_to_cooling() {
    let world = World::new();
    let operator = world.pool(10_000);
    let owner = world.harness.key();
    world.delegate(&owner, &operator.pool, 1_000).unwrap();
    world.request(&owner, &operator.pool, 0, 400).unwrap();
    world.request(&owner, &operator.pool, 1, 600).unwrap();

    let pool = world.read_pool(&operator.pool);
    assert_eq!((pool.staked, pool.shares), (MIN_SEED, MIN_SEED));
    assert_eq!((pool.cooling, pool.cooling_shares), (1_000, 1_000));
    let withdrawal: Withdrawal =
        world
            .harness
            .read(&client::withdrawal(&operator.pool, &owner.pubkey(), 1));
    assert_eq!(
        (
            withdrawal.version,
            withdrawal.pool,
            withdrawal.owner,
            withdrawal.number
        ),
        (1, operator.pool, owner.pubkey(), 1)
    );
    assert_eq!(
        (
            withdrawal.cooling_shares,
            withdrawal.generation,
            withdrawal.available_at
        ),
        (600, 0, START + COOLDOWN)
    );
    let delegation: Delegation = world
        .harness
        .read(&client::delegation(&operator.pool, &owner.pubkey()));
    assert_eq!((delegation.shares, delegation.withdrawals), (0, 2));
}

#[test]
fn a_request_takes_only_what_the_owner_has() {
    let world = World::new();
    let (operator, other) = (world.pool(10_000), world.pool(10_000));
    let (owner, thief) = (world.harness.key(), world.harness.key());
    for pool in [&operator.pool, &other.pool] {
        world.delegate(&owner, pool, 1_000).unwrap();
    }
    let pool = &operator.pool;
    for shares in [0, 1_001, u64::MAX] {
        assert_refused(world.request(&owner, pool, 0, shares), E::NotEnoughShares);
    }

    let request = client::request_withdrawal(
        &world.payer(),
        &owner.pubkey(),
        pool,
        &Pubkey::default(),
        0,
        1_000,
    );
    let delegation = client::delegation(pool, &owner.pubkey());
    let refuse = |from: &Pubkey, to: &Pubkey, code: u32| {
        assert_refused(world.send(swap(request.clone(), from, to), &[&owner]), code);
    };
    refuse(
        &delegation,
        &client::delegation(&other.pool, &owner.pubkey()),
        E::WrongPool.into(),
    );
    refuse(
        &client::vault(pool),
        &client::vault(&other.pool),
        E::WrongVault.into(),
    );
    refuse(
        &client::withdrawal(pool, &owner.pubkey(), 0),
        &client::withdrawal(pool, &owner.pubkey(), 1),
        ErrorCode::ConstraintSeeds.into(),
    );
    assert_refused(
        world.send(unsign(request, &owner.pubkey()), &[]),
        ErrorCode::AccountNotSigner,
    );

    let stolen = client::request_withdrawal(
        &world.payer(),
        &thief.pubkey(),
        pool,
        &Pubkey::default(),
        0,
        1_000,
    );
    let own = client::delegation(pool, &thief.pubkey());
    assert_refused(
        world.send(swap(stolen, &own, &delegation), &[&thief]),
        E::NotOwner,
    );
}

#[test]
fn a_request_for_nothing_is_refused() {
    let world = World::new();
    let operator = world.operator();
    world.edit::<Pool>(&operator.pool, |pool| pool.staked = 0);
    assert_refused(
        world.request(&operator.operator, &operator.pool, 0, STAKE),
        E::WorthNothing,
    );
}

// withdraw

#[test]
fn withdraw_pays_once_and_not_before_its_time() {
    let world = World::new();
    let operator = world.pool(10_000);
    let owner = world.harness.key();
    let pool = &operator.pool;
    world.delegate(&owner, pool, 1_000).unwrap();
    world.request(&owner, pool, 0, 1_000).unwrap();
    world.harness.advance(COOLDOWN - 1);
    assert_refused(world.withdraw(&owner, pool, 0), E::StillCooling);
    world.harness.advance(1);

    let withdrawal = client::withdrawal(pool, &owner.pubkey(), 0);
    let lamports = |key: &Pubkey| world.harness.chain.account(key).unwrap().unwrap().lamports;
    let (rent, before) = (lamports(&withdrawal), lamports(&owner.pubkey()));
    world.withdraw(&owner, pool, 0).unwrap();
    assert_eq!(world.tokens(&owner), 1_000);
    assert_eq!(lamports(&owner.pubkey()), before + rent);
    assert!(!world.harness.exists(&withdrawal));
    let after = world.read_pool(pool);
    assert_eq!((after.cooling, after.cooling_shares), (0, 0));
    assert_eq!(world.harness.balance(&after.vault), MIN_SEED);
    assert_refused(
        world.withdraw(&owner, pool, 0),
        ErrorCode::AccountOwnedByWrongProgram,
    );
}

#[test]
fn a_withdrawal_that_is_kept_alive_is_still_paid_once() {
    let world = World::new();
    let operator = world.pool(10_000);
    let owner = world.harness.key();
    world.delegate(&owner, &operator.pool, 1_000).unwrap();
    world.request(&owner, &operator.pool, 0, 500).unwrap();
    world.harness.advance(COOLDOWN);
    let withdraw = world.withdraw_instruction(&owner, &operator.pool, 0);
    let withdrawal = client::withdrawal(&operator.pool, &owner.pubkey(), 0);
    let revive = system_instruction::transfer(&owner.pubkey(), &withdrawal, 10_000_000);
    let twice = [withdraw.clone(), revive.clone(), withdraw.clone()];
    assert_refused(
        world.harness.send(&twice, &[&owner]),
        ErrorCode::AccountOwnedByWrongProgram,
    );
    assert_eq!(world.tokens(&owner), 0);
    // Nor in a later transaction, when what was sent has kept the address in use.
    world.harness.send(&[withdraw, revive], &[&owner]).unwrap();
    assert!(world.harness.exists(&withdrawal));
    assert_eq!(world.tokens(&owner), 500);
    assert_refused(
        world.withdraw(&owner, &operator.pool, 0),
        ErrorCode::AccountOwnedByWrongProgram,
    );
    assert_eq!(world.tokens(&owner), 500);
}

#[test]
fn withdraw_refuses_swapped_accounts() {
    let world = World::new();
    let (operator, other) = (world.pool(10_000), world.pool(10_000));
    let (owner, thief) = (world.staker(0), world.staker(0));
    for pool in [&operator.pool, &other.pool] {
        for owner in [&owner, &thief] {
            world.delegate(owner, pool, 1_000).unwrap();
            world.request(owner, pool, 0, 1_000).unwrap();
        }
    }
    world.harness.advance(COOLDOWN);
    let pool = &operator.pool;
    let stolen = world.withdraw_instruction(&thief, pool, 0);
    let refuse = |from: &Pubkey, to: &Pubkey, code: u32| {
        assert_refused(world.send(swap(stolen.clone(), from, to), &[&thief]), code);
    };
    let own = client::withdrawal(pool, &thief.pubkey(), 0);
    refuse(
        &own,
        &client::withdrawal(pool, &owner.pubkey(), 0),
        E::NotOwner.into(),
    );
    refuse(
        &own,
        &client::withdrawal(&other.pool, &thief.pubkey(), 0),
        E::WrongPool.into(),
    );
    let vault = client::vault(pool);
    refuse(&vault, &client::vault(&other.pool), E::WrongVault.into());
    refuse(
        &world.stake_mint,
        &world.harness.mint(),
        E::WrongMint.into(),
    );
    refuse(
        &own,
        &client::delegation(pool, &thief.pubkey()),
        ErrorCode::AccountDiscriminatorMismatch.into(),
    );
    let destination = token::associated(&thief.pubkey(), &world.stake_mint);
    refuse(
        &destination,
        &vault,
        ErrorCode::ConstraintDuplicateMutableAccount.into(),
    );
    refuse(
        &token::TOKEN_PROGRAM,
        &security_pool::ID,
        ErrorCode::InvalidProgramId.into(),
    );
    assert_refused(
        world.send(unsign(stolen.clone(), &thief.pubkey()), &[]),
        ErrorCode::AccountNotSigner,
    );
}

#[test]
fn cooling_stake_is_paid_at_what_a_slash_has_left() {
    let world = World::new();
    let operator = world.pool(10_000);
    let (first, second) = (world.staker(0), world.staker(0));
    let pool = &operator.pool;
    for owner in [&first, &second] {
        world.delegate(owner, pool, 1_000).unwrap();
        world.request(owner, pool, 0, 1_000).unwrap();
    }
    world.harness.advance(COOLDOWN);
    // As a slash of half
    world.edit::<Pool>(pool, |pool| pool.cooling /= 2);
    world.withdraw(&first, pool, 0).unwrap();
    assert_eq!(world.tokens(&first), 500);
    // As a slash of all the rest
    world.edit::<Pool>(pool, |pool| {
        pool.cooling = 0;
        pool.cooling_shares = 0;
        pool.cooling_generation += 1;
    });
    world.withdraw(&second, pool, 0).unwrap();
    assert_eq!(world.tokens(&second), 0);
    assert!(!world
        .harness
        .exists(&client::withdrawal(pool, &second.pubkey(), 0)));
}

#[test]
fn a_pool_that_owes_more_than_it_has_pays_nobody() {
    let world = World::new();
    let operator = world.pool(10_000);
    let owner = world.harness.key();
    world.delegate(&owner, &operator.pool, 1_000).unwrap();
    world.request(&owner, &operator.pool, 0, 500).unwrap();
    world.harness.advance(COOLDOWN);
    world.edit::<Pool>(&operator.pool, |pool| pool.insurance = 1);
    assert_refused(world.withdraw(&owner, &operator.pool, 0), E::Insolvent);
    assert_refused(world.request(&owner, &operator.pool, 1, 500), E::Insolvent);
    assert_refused(world.delegate(&owner, &operator.pool, 500), E::Insolvent);
}

// create_roster

#[test]
fn create_roster_is_the_networks_authoritys_and_happens_once() {
    let world = World::new();
    let payer = world.payer();
    let create = |by: &Pubkey, terms| {
        client::create_roster(&payer, by, &world.network, &world.stake_mint, terms)
    };
    let authority = &world.authority;
    assert_refused(
        world.send(create(&authority.pubkey(), roster_terms()), &[authority]),
        ALREADY_IN_USE,
    );
    let roster = world.roster();
    assert_eq!((roster.version, roster.count), (1, 0));
    assert_eq!(roster.network, world.network);
    assert_eq!(
        (roster.slash_cap_bps, roster.minimum_allocation),
        (5_000, MINIMUM)
    );
    assert_eq!((roster.bounty_bps, roster.insurance_bps), (3_000, 2_000));
    assert_eq!(roster.slashers, roster_terms().slashers);
    assert_eq!(roster.bond_vault, client::bond_vault(&world.network));
    assert_eq!(world.harness.balance(&roster.bond_vault), 0);
}

#[test]
fn create_roster_refuses_strangers_and_terms_out_of_bounds() {
    let harness = Harness::new();
    let (authority, thief) = (harness.key(), harness.key());
    let id = device_protocol::network_id(
        &device_registry::ID.to_bytes(),
        &[0; 32],
        &authority.pubkey().to_bytes(),
        9,
    );
    let args = CreateNetworkArgs {
        id,
        nonce: 9,
        genesis_hash: [0; 32],
        genesis: START,
        epoch_length: EPOCH,
        timelock: 0,
        flags: 0,
        parameters: Parameters {
            device_bond: 0,
            evidence_window: EVIDENCE,
            answer_window: EVIDENCE / 2,
            challenge_bond: 10_000_000,
            max_speed: 1,
            tier_discount_bps: [0; 4],
            withheld_slash_bps: 1_000,
            _pad: 0,
        },
    };
    let payer = harness.payer.pubkey();
    let mint = harness.mint();
    let create = registry::create_network(&payer, &authority.pubkey(), &mint, &mint, args);
    harness.send(&[create], &[&authority]).unwrap();
    let network = registry::network(&id);
    let open = |by: &Keypair, terms| {
        let instruction = client::create_roster(&payer, &by.pubkey(), &network, &mint, terms);
        harness.send(&[instruction], &[by])
    };
    assert_refused(open(&thief, roster_terms()), E::NotNetworkAuthority);
    for slash_cap_bps in [0, 10_001] {
        let terms = RosterTerms {
            slash_cap_bps,
            ..roster_terms()
        };
        assert_refused(open(&authority, terms), E::InvalidSlashCap);
    }
    let terms = RosterTerms {
        minimum_allocation: 0,
        ..roster_terms()
    };
    assert_refused(open(&authority, terms), E::InvalidMinimum);
    let terms = RosterTerms {
        max_leverage_bps: 9_999,
        ..roster_terms()
    };
    assert_refused(open(&authority, terms), E::InvalidLeverage);
    for (bounty_bps, insurance_bps) in [(5_001, 0), (5_000, 4_001), (1, u16::MAX)] {
        let terms = RosterTerms {
            bounty_bps,
            insurance_bps,
            ..roster_terms()
        };
        assert_refused(open(&authority, terms), E::InvalidShares);
    }
    let mut terms = roster_terms();
    terms.slashers[3] = authority.pubkey();
    assert_refused(open(&authority, terms), E::InvalidSlasher);
    let other = harness.mint();
    let foreign = client::create_roster(
        &payer,
        &authority.pubkey(),
        &network,
        &other,
        roster_terms(),
    );
    assert_refused(harness.send(&[foreign], &[&authority]), E::WrongMint);
    harness.chain.airdrop(&client::roster(&network), 1);
    harness.chain.airdrop(&client::bond_vault(&network), 1);
    open(&authority, roster_terms()).unwrap();
}

// opt_in, opt_out, refresh

#[test]
fn opt_in_allocates_up_to_the_stake() {
    let world = World::new();
    let operator = world.operator();
    assert_refused(world.opt_in(&operator, MINIMUM - 1), E::AllocationTooSmall);
    let stake = MIN_SEED + STAKE;
    assert_refused(world.opt_in(&operator, stake + 1), E::AllocationAboveStake);
    assert_refused(world.opt_in(&operator, u64::MAX), E::AllocationAboveStake);
    world.opt_in(&operator, stake).unwrap();
    assert_eq!(world.read_pool(&operator.pool).allocated, stake);
    let roster = world.roster();
    let entry = roster.entry(&operator.pool).unwrap();
    assert_eq!(
        (
            entry.current,
            entry.next,
            entry.effective_epoch,
            entry.counted
        ),
        (0, stake, 2, stake)
    );
    assert_eq!((entry.release_at, entry.begins_at), (0, START));
    assert_eq!(roster.count, 1);
}

#[test]
fn one_stake_secures_as_many_networks_as_its_leverage_says() {
    let world = World::new();
    let other = world.other_network();
    let operator = world.pool(15_000);
    world
        .delegate(&operator.operator, &operator.pool, 9_000_000)
        .unwrap();
    world.opt_in(&operator, 10_000_000).unwrap();
    assert_refused(
        world.opt_in_to(&other, &operator, 5_000_001),
        E::AllocationAboveLeverage,
    );
    world.opt_in_to(&other, &operator, 5_000_000).unwrap();
    assert_eq!(world.read_pool(&operator.pool).allocated, 15_000_000);
    // A lowered allocation frees nothing while it can still be slashed.
    world.opt_in(&operator, MINIMUM).unwrap();
    assert_refused(
        world.opt_in_to(&other, &operator, 5_000_001),
        E::AllocationAboveLeverage,
    );
}

#[test]
fn opt_in_refuses_other_peoples_and_foreign_accounts() {
    let world = World::new();
    let operator = world.operator();
    let other = world.other_network();
    let thief = world.harness.key();
    let key = &operator.operator;
    let stolen = client::opt_in(&world.network, &operator.pool, &thief.pubkey(), MINIMUM);
    assert_refused(world.send(stolen, &[&thief]), E::NotOperator);
    let instruction = client::opt_in(&world.network, &operator.pool, &key.pubkey(), MINIMUM);
    assert_refused(
        world.send(
            swap(
                instruction.clone(),
                &client::roster(&world.network),
                &client::roster(&other),
            ),
            &[key],
        ),
        E::WrongRoster,
    );
    assert_refused(
        world.send(swap(instruction.clone(), &world.network, &other), &[key]),
        E::WrongRoster,
    );
    assert_refused(
        world.send(unsign(instruction, &key.pubkey()), &[]),
        ErrorCode::AccountNotSigner,
    );
}

#[test]
fn opt_in_wants_the_networks_stake_mint() {
    let mut world = World::new();
    let network_mint = world.stake_mint;
    world.stake_mint = world.harness.mint();
    let operator = world.operator();
    assert_ne!(network_mint, world.stake_mint);
    assert_refused(world.opt_in(&operator, MINIMUM), E::WrongStakeMint);
}

#[test]
fn opt_in_wants_a_cooldown_beyond_epoch_and_evidence() {
    let world = World::new();
    let operator = world.operator();
    world.edit::<Pool>(&operator.pool, |pool| pool.cooldown = EPOCH + EVIDENCE);
    assert_refused(world.opt_in(&operator, MINIMUM), E::CooldownTooShort);
}

#[test]
fn a_pause_stops_opting_in_but_nothing_that_gets_stake_out() {
    let world = World::new();
    let operator = world.operator();
    world.opt_in(&operator, MINIMUM).unwrap();
    let authority = &world.authority;
    let pause = registry::pause_operation(
        &world.network,
        &authority.pubkey(),
        Operation::Stake,
        86_400,
    );
    world.send(pause, &[authority]).unwrap();
    assert_refused(world.opt_in(&operator, MINIMUM), E::Paused);
    world.opt_out(&operator).unwrap();
    world.refresh(&operator.pool).unwrap();
    world
        .request(&operator.operator, &operator.pool, 0, STAKE)
        .unwrap();
    world.harness.advance(COOLDOWN);
    world
        .withdraw(&operator.operator, &operator.pool, 0)
        .unwrap();
}

#[test]
fn opt_out_is_the_operators_and_happens_once() {
    let world = World::new();
    let operator = world.operator();
    assert_refused(world.opt_out(&operator), E::NotOnRoster);
    world.opt_in(&operator, MINIMUM).unwrap();
    let thief = world.harness.key();
    let stolen = client::opt_out(&world.network, &operator.pool, &thief.pubkey());
    assert_refused(world.send(stolen, &[&thief]), E::NotOperator);
    let other = world.other_network();
    let key = &operator.operator;
    let foreign = swap(
        client::opt_out(&world.network, &operator.pool, &key.pubkey()),
        &client::roster(&world.network),
        &client::roster(&other),
    );
    assert_refused(world.send(foreign, &[key]), E::WrongRoster);
    world.opt_out(&operator).unwrap();
    assert_refused(world.opt_out(&operator), E::AlreadyLeaving);
}

#[test]
fn who_leaves_can_be_slashed_until_his_release() {
    let world = World::new();
    let operator = world.operator();
    world.opt_in(&operator, STAKE).unwrap();
    world.enter(2);
    world.opt_out(&operator).unwrap();
    let release_at = START + 3 * EPOCH + COOLDOWN;
    world.harness.chain.set_time(release_at - 1);
    world.refresh(&operator.pool).unwrap();
    assert_eq!(world.roster().count, 1);
    assert_eq!(world.read_pool(&operator.pool).allocated, STAKE);
    world.harness.chain.set_time(release_at);
    world.refresh(&operator.pool).unwrap();
    assert_eq!(world.roster().count, 0);
    assert_eq!(world.read_pool(&operator.pool).allocated, 0);
    assert_refused(world.refresh(&operator.pool), E::NotOnRoster);
}

#[test]
fn refresh_takes_back_what_is_no_longer_staked() {
    let world = World::new();
    let operator = world.operator();
    world.opt_in(&operator, MIN_SEED + STAKE).unwrap();
    world.enter(2);
    world
        .request(&operator.operator, &operator.pool, 0, STAKE - 500_000)
        .unwrap();
    world.refresh(&operator.pool).unwrap();
    let roster = world.roster();
    let entry = roster.entry(&operator.pool).unwrap();
    assert_eq!(
        [2, 3].map(|epoch| entry.allocation_at(epoch)),
        [MIN_SEED + STAKE, MIN_SEED + 500_000]
    );
    // What cools down can still be slashed, and so it still counts.
    assert_eq!(world.read_pool(&operator.pool).allocated, MIN_SEED + STAKE);
    world.harness.advance(COOLDOWN);
    world
        .withdraw(&operator.operator, &operator.pool, 0)
        .unwrap();
    world.refresh(&operator.pool).unwrap();
    assert_eq!(
        world.read_pool(&operator.pool).allocated,
        MIN_SEED + 500_000
    );
    let other = world.other_network();
    let foreign = swap(
        client::refresh(&world.network, &operator.pool),
        &client::roster(&world.network),
        &client::roster(&other),
    );
    assert_refused(world.send(foreign, &[]), E::WrongRoster);
}

// snapshot_committee

#[test]
fn a_committee_is_the_roster_at_the_start_of_its_epoch() {
    let world = World::new();
    let operators = [world.operator(), world.operator()];
    for (operator, allocation) in operators.iter().zip([3_000_000, 5_000_000]) {
        world.opt_in(operator, allocation).unwrap();
    }
    let pools = operators.each_ref().map(|operator| operator.pool);
    for epoch in [0, 1] {
        world.enter(epoch);
        world.snapshot(epoch, &[]).unwrap();
        let committee = world.committee(epoch);
        assert!(committee.is_complete());
        assert_eq!((committee.count, committee.total), (0, 0));
    }
    world.enter(2);
    // What is done within the epoch is too late for it.
    world.opt_in(&operators[0], 9_000_000).unwrap();
    world.opt_out(&operators[1]).unwrap();
    let late = world.operator();
    world.opt_in(&late, STAKE).unwrap();
    world.snapshot(2, &[]).unwrap();
    let committee = world.committee(2);
    assert_eq!(
        (committee.version, committee.network, committee.epoch),
        (1, world.network, 2)
    );
    assert_eq!(committee.payer, world.payer());
    assert_eq!((committee.count, committee.total), (2, 8_000_000));
    let members: Vec<_> = committee
        .members()
        .iter()
        .map(|member| (member.pool, member.signer, member.allocation))
        .collect();
    assert_eq!(
        members,
        [
            (pools[0], operators[0].signer.pubkey(), 3_000_000),
            (pools[1], operators[1].signer.pubkey(), 5_000_000),
        ]
    );
    assert_eq!(committee.member(&pools[1]), Some(1));
    assert_eq!(committee.member(&late.pool), None);
    assert_eq!(committee.member(&Pubkey::default()), None);

    world.enter(3);
    world.snapshot(3, &[]).unwrap();
    assert_eq!(world.committee(3).total, 3_000_000);
    world.enter(4);
    world.snapshot(4, &[]).unwrap();
    assert_eq!(world.committee(4).total, 9_000_000 + STAKE);
}

#[test]
fn a_complete_committee_never_changes() {
    let world = World::new();
    let operator = world.operator();
    world.opt_in(&operator, STAKE).unwrap();
    world.enter(2);
    world.snapshot(2, &[]).unwrap();
    let before = world.committee(2);
    let signer = Pubkey::new_unique();
    let key = &operator.operator;
    world
        .send(
            client::set_signer(&operator.pool, &key.pubkey(), &world.network, &signer),
            &[key],
        )
        .unwrap();
    for pools in [&[][..], &[operator.pool], &[Pubkey::new_unique()]] {
        world.snapshot(2, pools).unwrap();
    }
    assert_eq!(
        bytemuck::bytes_of(&world.committee(2)),
        bytemuck::bytes_of(&before)
    );
}

#[test]
fn a_committee_is_of_the_current_epoch_only() {
    let world = World::new();
    world.enter(2);
    for epoch in [0, 1, 3, u64::MAX] {
        assert_refused(world.snapshot(epoch, &[]), E::WrongEpoch);
    }
    world.snapshot(2, &[]).unwrap();
    world.enter(3);
    assert_refused(world.snapshot(2, &[]), E::WrongEpoch);
}

#[test]
fn a_committee_takes_each_pool_of_several_networks_once_and_in_order() {
    let world = World::new();
    let other = world.other_network();
    let operators = [(); 3].map(|()| world.spread(&other));
    let at_home = world.operator();
    world.opt_in(&at_home, STAKE).unwrap();
    let [a, b, c] = operators.each_ref().map(|operator| operator.pool);
    let stranger = world.operator().pool;
    world.enter(2);
    for (pools, error) in [
        (vec![b, a, c], E::WrongPoolOrder),
        (vec![a, a, b, c], E::WrongPoolOrder),
        (vec![a, c], E::WrongPoolOrder),
        (vec![a, stranger, c], E::WrongPoolOrder),
        (vec![world.network], E::WrongPoolOrder),
        (vec![a, b, c, c], E::TooManyPools),
        (vec![a, b, c, at_home.pool], E::TooManyPools),
        (vec![a, b, c, stranger], E::TooManyPools),
        (vec![], E::MissingPool),
    ] {
        assert_refused(world.snapshot(2, &pools), error);
    }
    assert!(!world.harness.exists(&client::committee(&world.network, 2)));
    world.snapshot(2, &[a, b, c]).unwrap();
}

#[test]
fn a_committee_has_no_members_until_it_is_complete() {
    let world = World::new();
    let other = world.other_network();
    let operators = [(); 2].map(|()| world.spread(&other));
    let [a, b] = operators.each_ref().map(|operator| operator.pool);
    world.enter(2);
    world.snapshot(2, &[a]).unwrap();
    let part = world.committee(2);
    assert!(!part.is_complete());
    assert_eq!((part.count, part.total), (0, 0));
    assert_eq!(part.member(&a), None);
    assert_eq!(
        client::committee_pools(&world.roster(), Some(&part), 2),
        [b]
    );
    assert_refused(world.snapshot(2, &[a]), E::WrongPoolOrder);
    assert_refused(world.snapshot(2, &[]), E::MissingPool);
    world.snapshot(2, &[b]).unwrap();
    assert_eq!(world.committee(2).total, STAKE);
}

#[test]
fn a_member_weighs_no_more_than_its_pool_has_left() {
    let world = World::new();
    let (operator, gone) = (world.operator(), world.operator());
    for operator in [&operator, &gone] {
        world.opt_in(operator, STAKE).unwrap();
    }
    world
        .request(&operator.operator, &operator.pool, 0, STAKE)
        .unwrap();
    world.edit::<Pool>(&gone.pool, |pool| pool.staked = 0);
    world.refresh(&gone.pool).unwrap();
    world.enter(2);
    world.snapshot(2, &[]).unwrap();
    let committee = world.committee(2);
    assert_eq!((committee.count, committee.total), (1, MIN_SEED));
}

/// What a committee would be drawn with of the pool's only network, and what its account says.
#[track_caller]
fn assert_at_home(world: &World, operator: &Operator) {
    let (pool, roster) = (world.read_pool(&operator.pool), world.roster());
    let entry = roster.entry(&operator.pool).unwrap();
    assert_eq!(pool.home, world.network);
    assert_eq!(
        (entry.signer, entry.staked, entry.cooldown),
        (pool.signer, pool.staked, pool.cooldown)
    );
    let network = world.harness.read(&world.network);
    for epochs in 0..4 {
        let now = world.harness.now() + epochs * EPOCH;
        let moment = Moment::at(&network, now).expect("an epoch");
        assert_eq!(entry.weight(moment), pool.weight(entry, moment).unwrap());
    }
}

#[test]
fn a_roster_has_what_is_left_of_a_pool_that_it_alone_counts() {
    let world = World::new();
    let operator = world.operator();
    let key = &operator.operator;
    assert_eq!(world.read_pool(&operator.pool).home, Pubkey::default());
    world.opt_in(&operator, STAKE).unwrap();
    assert_at_home(&world, &operator);
    world.request(key, &operator.pool, 0, STAKE / 2).unwrap();
    assert_at_home(&world, &operator);
    let signer = Pubkey::new_unique();
    let set = client::set_signer(&operator.pool, &key.pubkey(), &world.network, &signer);
    world.send(set, &[key]).unwrap();
    assert_at_home(&world, &operator);
    // More stake counts when the pool is refreshed, not before: it never counts what is not there.
    let before = world.roster().entry(&operator.pool).unwrap().staked;
    world.delegate(key, &operator.pool, 1_000).unwrap();
    assert_eq!(world.roster().entry(&operator.pool).unwrap().staked, before);
    world.refresh(&operator.pool).unwrap();
    assert_at_home(&world, &operator);
    world.enter(2);
    world.snapshot(2, &[]).unwrap();
    let committee = world.committee(2);
    let left = MIN_SEED + STAKE - STAKE / 2 + 1_000;
    assert_eq!(
        (committee.entries[0].signer, committee.total),
        (signer, left)
    );
    // Who left has no home.
    world.opt_out(&operator).unwrap();
    world.enter(3);
    world.harness.advance(COOLDOWN);
    world.refresh(&operator.pool).unwrap();
    assert_eq!(world.read_pool(&operator.pool).home, Pubkey::default());
}

#[test]
fn a_pool_that_a_second_network_counts_is_asked_itself() {
    let world = World::new();
    let other = world.other_network();
    let operator = world.pool(10_000);
    world
        .delegate(&operator.operator, &operator.pool, 9_000_000)
        .unwrap();
    world.opt_in(&operator, 5_000_000).unwrap();
    assert_at_home(&world, &operator);
    // Its home can't be passed over.
    let key = &operator.operator;
    let beside = |home: &Pubkey| {
        let join = client::opt_in_beside(home, &other, &operator.pool, &key.pubkey(), 5_000_000);
        world.send(join, &[key])
    };
    assert_refused(beside(&Pubkey::default()), E::WrongHome);
    assert_refused(beside(&other), E::WrongHome);
    let third = world.harness.key().pubkey();
    assert_refused(beside(&third), ErrorCode::AccountOwnedByWrongProgram);
    beside(&world.network).unwrap();
    assert_eq!(world.read_pool(&operator.pool).home, Pubkey::default());
    let roster = world.roster();
    assert!(!roster.entry(&operator.pool).unwrap().is_home());
    world.enter(2);
    assert_eq!(client::committee_pools(&roster, None, 2), [operator.pool]);
    assert_refused(world.snapshot(2, &[]), E::MissingPool);
    world.snapshot(2, &[operator.pool]).unwrap();

    // Once the second counts nothing of it any more, the first is its home again.
    let leave = client::opt_out(&other, &operator.pool, &key.pubkey());
    world.send(leave, &[key]).unwrap();
    world.enter(3);
    world.harness.advance(COOLDOWN);
    world.refresh(&operator.pool).unwrap();
    assert_eq!(world.read_pool(&operator.pool).home, Pubkey::default());
    world
        .send(client::refresh(&other, &operator.pool), &[])
        .unwrap();
    world.refresh(&operator.pool).unwrap();
    assert_at_home(&world, &operator);
}

#[test]
fn stake_and_signer_change_at_home_too() {
    let world = World::new();
    let other = world.other_network();
    let operator = world.operator();
    let key = &operator.operator;
    world.opt_in(&operator, STAKE).unwrap();
    for (home, error) in [(Pubkey::default(), E::WrongHome), (other, E::WrongHome)] {
        let set = client::set_signer(&operator.pool, &key.pubkey(), &home, &key.pubkey());
        assert_refused(world.send(set, &[key]), error);
        let request = client::request_withdrawal(
            &world.payer(),
            &key.pubkey(),
            &operator.pool,
            &home,
            0,
            STAKE,
        );
        assert_refused(world.send(request, &[key]), error);
    }
    assert_at_home(&world, &operator);
}

#[test]
fn stake_that_left_weighs_in_no_network() {
    let world = World::new();
    let other = world.other_network();
    let operator = world.pool(10_000);
    world
        .delegate(&operator.operator, &operator.pool, 9_000_000)
        .unwrap();
    world.opt_in(&operator, 5_000_000).unwrap();
    world.opt_in_to(&other, &operator, 5_000_000).unwrap();
    // Half of the stake leaves, and nobody refreshes: the other half is not behind both networks at once.
    world
        .request(&operator.operator, &operator.pool, 0, 5_000_000)
        .unwrap();
    world.enter(2);
    world.snapshot(2, &[operator.pool]).unwrap();
    assert_eq!(world.committee(2).total, 2_500_000);
}

#[test]
fn stake_that_can_leave_before_the_evidence_weighs_nothing() {
    let world = World::new();
    let operator = world.operator();
    world.opt_in(&operator, STAKE).unwrap();
    world.edit::<device_registry::state::Network>(&world.network, |network| {
        network.parameters.evidence_window += 1;
    });
    world.enter(2);
    world.snapshot(2, &[]).unwrap();
    let committee = world.committee(2);
    assert_eq!((committee.count, committee.total), (0, 0));
}

#[test]
fn a_committee_comes_from_its_own_networks_roster_and_address() {
    let world = World::new();
    let other = world.other_network();
    let instruction = client::snapshot_committee(&world.payer(), &world.network, 0, &[]);
    let roster = client::roster(&world.network);
    for (from, to, code) in [
        (roster, client::roster(&other), E::WrongRoster.into()),
        (
            roster,
            world.network,
            ErrorCode::AccountOwnedByWrongProgram.into(),
        ),
        (
            client::committee(&world.network, 0),
            client::committee(&world.network, 1),
            ErrorCode::ConstraintSeeds.into(),
        ),
        (world.network, other, ErrorCode::ConstraintSeeds.into()),
    ] {
        let refused: u32 = code;
        assert_refused(
            world.send(swap(instruction.clone(), &from, &to), &[]),
            refused,
        );
    }
    let others = swap(
        client::snapshot_committee(&world.payer(), &other, 0, &[]),
        &client::roster(&other),
        &roster,
    );
    assert_refused(world.send(others, &[]), E::WrongRoster);
    world
        .harness
        .chain
        .airdrop(&client::committee(&world.network, 0), 1);
    world.snapshot(0, &[]).unwrap();
}

#[test]
fn a_full_roster_is_drawn_in_one_transaction() {
    let world = World::new();
    let operators: Vec<_> = (0..MAX_OPERATORS).map(|_| world.pool(10_000)).collect();
    for operator in &operators {
        world.opt_in(operator, MINIMUM).unwrap();
    }
    let late = world.pool(10_000);
    assert_refused(world.opt_in(&late, MINIMUM), E::RosterFull);
    world.enter(2);
    assert_eq!(client::committee_pools(&world.roster(), None, 2), []);
    let drawn = world.snapshot(2, &[]).unwrap();
    assert!(drawn.compute_units <= SNAPSHOT, "{}", drawn.compute_units);
    assert_full(&world, &operators);
}

#[track_caller]
fn assert_full(world: &World, operators: &[Operator]) {
    let committee = world.committee(2);
    assert_eq!(committee.count as usize, MAX_OPERATORS);
    assert_eq!(committee.total, MAX_OPERATORS as u64 * MINIMUM);
    for (index, operator) in operators.iter().enumerate() {
        assert_eq!(committee.member(&operator.pool), Some(index));
    }
}

#[test]
fn a_full_roster_of_pools_of_several_networks_is_drawn_in_two_steps() {
    let world = World::new();
    let other = world.other_network();
    let operators: Vec<_> = (0..MAX_OPERATORS).map(|_| world.pool(20_000)).collect();
    for operator in &operators {
        world.opt_in(operator, MINIMUM).unwrap();
        world.opt_in_to(&other, operator, MINIMUM).unwrap();
    }
    world.enter(2);
    let pools = client::committee_pools(&world.roster(), None, 2);
    assert_eq!(pools.len(), MAX_OPERATORS);
    let largest = world.snapshot(2, &pools[..POOLS_PER_SNAPSHOT]).unwrap();
    assert!(
        largest.compute_units <= LARGEST_STEP,
        "{}",
        largest.compute_units
    );
    let rest = client::committee_pools(&world.roster(), Some(&world.committee(2)), 2);
    assert_eq!(rest, pools[POOLS_PER_SNAPSHOT..]);
    world.snapshot(2, &rest).unwrap();
    assert_full(&world, &operators);
}

#[test]
fn a_pool_of_another_program_can_not_be_drawn() {
    let world = World::new();
    let operator = world.spread(&world.other_network());
    world.enter(2);
    let mut account = world
        .harness
        .chain
        .account(&operator.pool)
        .unwrap()
        .unwrap();
    account.owner = Pubkey::new_unique();
    world.harness.chain.set_account(&operator.pool, account);
    let mut instruction = client::snapshot_committee(&world.payer(), &world.network, 2, &[]);
    instruction
        .accounts
        .push(AccountMeta::new_readonly(operator.pool, false));
    assert_refused(
        world.send(instruction, &[]),
        ErrorCode::AccountOwnedByWrongProgram,
    );
}
