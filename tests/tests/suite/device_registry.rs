//! device-registry: every instruction, and every attack on it.

use anchor_lang::error::ErrorCode;
use anchor_lang::event::EVENT_IX_TAG_LE;
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::{AccountMeta, Instruction};
use anchor_lang::{Event, InstructionData};
use anchor_spl::token::spl_token::native_mint;
use device_protocol::{network_id, Curve, Possession, Voucher};
use device_registry::error::RegistryError as E;
use device_registry::state::maker::{TIER_CERTIFICATE, TIER_SELF_SIGNED, TIER_VOUCHER};
use device_registry::state::network::{
    DEVELOPMENT_KEYS, MAX_CHALLENGE_BOND, MAX_DURATION, MAX_PAUSE, SELF_SIGNED_MAKERS,
};
use device_registry::state::{
    tree, Maker, Network, Operation, Parameters, Pause, Tree, VoucherPage,
};
use device_registry::{instruction, CreateNetworkArgs, RegisterDeviceArgs, ID};
use fieldproof_client::chain::{Chain, Execution};
use fieldproof_client::device_registry::{self as client, MakerGrant, Registration};
use fieldproof_client::key::DeviceSigner;
use fieldproof_client::precompile::{self, Entry};
use fieldproof_client::{transaction, ClientError};
use solana_keypair::Keypair;
use solana_signer::Signer;
use tests::{assert_refused, Harness, PROBE, START};

/// Seconds of an epoch.
const EPOCH: i64 = 86_400;
/// Seconds of the timelock.
const TIMELOCK: i64 = 3_600;
/// The makers' quotas.
const QUOTA: u64 = 20_000;
/// Depth of the trees: the largest, which costs most.
const DEPTH: u8 = tree::MAX_DEPTH;
/// Canopy of the trees.
const CANOPY: u8 = tree::MIN_CANOPY;
/// An H3 cell of resolution 9.
const CELL: u64 = 0x8928308280fffff;
/// What registering may cost at most.
const REGISTER_COMPUTE: u64 = 18_000;
/// What the system program answers when an account is already there.
const ALREADY_IN_USE: u32 = 0;
/// Account metas of `register_device`.
const NETWORK: usize = 0;
const MAKER: usize = 1;
const PAGE: usize = 2;
const TREE: usize = 3;
const OWNER: usize = 4;
const INSTRUCTIONS: usize = 5;
const EVENT_AUTHORITY: usize = 11;

type Outcome = Result<Execution, ClientError>;

/// A network with a tree and a maker whose page 0 is open.
struct World {
    harness: Harness,
    id: [u8; 32],
    network: Pubkey,
    authority: Keypair,
    maker: Keypair,
    tree: Pubkey,
}

fn parameters() -> Parameters {
    Parameters {
        device_bond: 1_000_000,
        evidence_window: 7 * EPOCH,
        answer_window: EPOCH,
        challenge_bond: 10_000_000,
        max_speed: 70,
        tier_discount_bps: [0, 5_000, 7_500, 9_000],
        withheld_slash_bps: 1_000,
        _pad: 0,
    }
}

fn network_args(creator: &Pubkey, nonce: u64) -> CreateNetworkArgs {
    let genesis_hash = [7; 32];
    CreateNetworkArgs {
        id: network_id(&ID.to_bytes(), &genesis_hash, &creator.to_bytes(), nonce),
        nonce,
        genesis_hash,
        genesis: START,
        epoch_length: EPOCH,
        timelock: TIMELOCK,
        flags: SELF_SIGNED_MAKERS,
        parameters: parameters(),
    }
}

/// A further network of the authority; its id and account.
fn create_network(harness: &Harness, authority: &Keypair, nonce: u64) -> ([u8; 32], Pubkey) {
    let args = network_args(&authority.pubkey(), nonce);
    let instruction = client::create_network(
        &harness.payer.pubkey(),
        &authority.pubkey(),
        &harness.mint(),
        &harness.mint(),
        args,
    );
    harness.send(&[instruction], &[authority]).expect("network");
    (args.id, client::network(&args.id))
}

/// The instructions that create a tree of this shape.
fn tree_instructions(
    harness: &Harness,
    network: &Pubkey,
    authority: &Pubkey,
    tree: &Pubkey,
    (depth, canopy): (u8, u8),
) -> [Instruction; 2] {
    let rent = harness.chain.rent(tree::size(depth, canopy)).expect("rent");
    let payer = harness.payer.pubkey();
    [
        client::create_tree_account(&payer, tree, depth, canopy, rent),
        client::add_tree(network, authority, tree, depth, canopy),
    ]
}

fn add_tree(harness: &Harness, network: &Pubkey, authority: &Keypair) -> Pubkey {
    let tree = Keypair::new();
    let instructions = tree_instructions(
        harness,
        network,
        &authority.pubkey(),
        &tree.pubkey(),
        (DEPTH, CANOPY),
    );
    harness
        .send(&instructions, &[authority, &tree])
        .expect("tree");
    tree.pubkey()
}

impl World {
    fn new() -> Self {
        let harness = Harness::new();
        let authority = harness.key();
        let (id, network) = create_network(&harness, &authority, 0);
        let tree = add_tree(&harness, &network, &authority);
        let maker = harness.key();
        let world = Self {
            harness,
            id,
            network,
            authority,
            maker,
            tree,
        };
        world.approve(&world.maker, TIER_VOUCHER).expect("maker");
        world.open_page(&world.maker, 0).expect("page");
        world
    }

    fn payer(&self) -> Pubkey {
        self.harness.payer.pubkey()
    }

    fn maker_account(&self) -> Pubkey {
        client::maker(&self.network, &self.maker.pubkey())
    }

    fn network(&self) -> Network {
        self.harness.read(&self.network)
    }

    /// Sends one instruction that the authority signs.
    fn govern(&self, instruction: Instruction) -> Outcome {
        self.harness.send(&[instruction], &[&self.authority])
    }

    fn approve(&self, maker: &Keypair, max_tier: u8) -> Outcome {
        let grant = MakerGrant {
            key: maker.pubkey(),
            quota: QUOTA,
            max_tier,
        };
        self.govern(client::approve_maker(
            &self.payer(),
            &self.network,
            &self.authority.pubkey(),
            grant,
        ))
    }

    fn open_page(&self, maker: &Keypair, page: u32) -> Outcome {
        let instruction =
            client::open_voucher_page(&self.payer(), &self.network, &maker.pubkey(), page);
        self.harness.send(&[instruction], &[maker])
    }

    fn enrolment(&self, curve: Curve, number: u64) -> Enrolment {
        let device = DeviceSigner::generate(curve);
        let key = device.device_key();
        let owner = self.harness.key();
        Enrolment {
            possession: Possession {
                network: self.id,
                owner: owner.pubkey().to_bytes(),
                key,
                nonce: number,
            },
            voucher: Voucher {
                network: self.id,
                maker: self.maker.pubkey().to_bytes(),
                number,
                device: key.id(),
                tier: TIER_VOUCHER,
                serial_hash: [3; 32],
            },
            args: RegisterDeviceArgs {
                curve: curve as u8,
                key: key.bytes,
                number,
                tier: TIER_VOUCHER,
                serial_hash: [3; 32],
                cell: CELL,
                possession_instruction: 0,
                possession_index: 0,
                voucher_instruction: 1,
                voucher_index: 0,
            },
            place: Registration {
                network: self.network,
                maker: self.maker.pubkey(),
                tree: self.tree,
                owner: owner.pubkey(),
            },
            device,
            maker: self.maker.insecure_clone(),
            owner,
        }
    }

    /// An Ed25519 device's enrolment, for what does not depend on the curve.
    fn simple(&self, number: u64) -> Enrolment {
        self.enrolment(Curve::Ed25519, number)
    }

    fn register(&self, enrolment: &Enrolment) -> Outcome {
        self.harness
            .send(&enrolment.instructions(), &[&enrolment.owner])
    }

    /// Registers with one of the accounts of `register_device` exchanged.
    fn register_with(&self, enrolment: &Enrolment, meta: usize, account: Pubkey) -> Outcome {
        let mut instructions = enrolment.instructions();
        instructions[2].accounts[meta].pubkey = account;
        self.harness.send(&instructions, &[&enrolment.owner])
    }
}

/// A registration: what device and maker sign, and what the instruction says, each to be changed on its own.
struct Enrolment {
    device: DeviceSigner,
    maker: Keypair,
    owner: Keypair,
    possession: Possession,
    voucher: Voucher,
    args: RegisterDeviceArgs,
    place: Registration,
}

impl Enrolment {
    /// The device's signature, the maker's, the registration.
    fn instructions(&self) -> [Instruction; 3] {
        [
            self.possession_instruction(),
            self.voucher_instruction(),
            client::register_device(self.place, self.args),
        ]
    }

    fn possession_instruction(&self) -> Instruction {
        let message = self.possession.digest();
        let entry = Entry {
            public_key: self.possession.key.as_bytes(),
            message: &message,
            signature: &self.device.sign(&message),
        };
        match self.possession.key.curve {
            Curve::Ed25519 => precompile::ed25519(&[entry]),
            Curve::P256 => precompile::secp256r1(&[entry]),
        }
        .expect("possession")
    }

    fn voucher_instruction(&self) -> Instruction {
        let message = self.voucher.digest();
        precompile::ed25519(&[Entry {
            public_key: &self.maker.pubkey().to_bytes(),
            message: &message,
            signature: &self.maker.sign_message(&message).into(),
        }])
        .expect("voucher")
    }
}

#[test]
fn a_network_is_created_once_by_its_creator() {
    let harness = Harness::new();
    let creator = harness.key();
    let (reward_mint, stake_mint) = (harness.mint(), harness.mint());
    let mut args = network_args(&creator.pubkey(), 5);
    args.flags = SELF_SIGNED_MAKERS | DEVELOPMENT_KEYS;
    let create = |args| {
        client::create_network(
            &harness.payer.pubkey(),
            &creator.pubkey(),
            &reward_mint,
            &stake_mint,
            args,
        )
    };
    let address = client::network(&args.id);
    // Lamports sent ahead do not block the address.
    harness.chain.airdrop(&address, 1);
    harness.send(&[create(args)], &[&creator]).expect("network");

    let network: Network = harness.read(&address);
    assert_eq!((network.version, network.flags), (1, 3));
    assert_eq!(
        Pubkey::create_program_address(&[b"network", &args.id, &[network.bump]], &ID),
        Ok(address)
    );
    assert_eq!(network.id, args.id);
    assert_eq!(network.genesis_hash, args.genesis_hash);
    assert_eq!(network.creator, creator.pubkey());
    assert_eq!(network.nonce, 5);
    assert_eq!(network.authority, creator.pubkey());
    assert_eq!(network.pending_authority, Pubkey::default());
    assert_eq!(network.reward_mint, reward_mint);
    assert_eq!(network.stake_mint, stake_mint);
    assert_eq!(network.genesis, START);
    assert_eq!(network.epoch_length, EPOCH);
    assert_eq!(network.timelock, TIMELOCK);
    assert_eq!(network.parameters, parameters());
    assert_eq!(network.pending_at, 0);
    assert_eq!((network.trees, network.makers, network.devices), (0, 0, 0));

    assert_refused(harness.send(&[create(args)], &[&creator]), ALREADY_IN_USE);
}

#[test]
fn a_network_needs_its_creator_and_real_mints() {
    let harness = Harness::new();
    let creator = harness.key();
    let stranger = harness.key();
    let payer = harness.payer.pubkey();
    let mint = harness.mint();
    let args = network_args(&creator.pubkey(), 0);

    // The id is the creator's, whoever else asks for it, and whatever else goes into it.
    let squat = client::create_network(&payer, &stranger.pubkey(), &mint, &mint, args);
    assert_refused(harness.send(&[squat], &[&stranger]), E::WrongNetworkId);
    for changed in [
        CreateNetworkArgs { nonce: 1, ..args },
        CreateNetworkArgs {
            genesis_hash: [8; 32],
            ..args
        },
        CreateNetworkArgs {
            id: [1; 32],
            ..args
        },
    ] {
        let create = client::create_network(&payer, &creator.pubkey(), &mint, &mint, changed);
        assert_refused(harness.send(&[create], &[&creator]), E::WrongNetworkId);
    }
    let mut unsigned = client::create_network(&payer, &creator.pubkey(), &mint, &mint, args);
    unsigned.accounts[1].is_signer = false;
    assert_refused(
        harness.send(&[unsigned], &[]),
        ErrorCode::AccountNotSigner as u32,
    );
    // Neither a wallet nor another address than the id's.
    let walleted = client::create_network(&payer, &creator.pubkey(), &mint, &payer, args);
    assert_refused(
        harness.send(&[walleted], &[&creator]),
        ErrorCode::AccountOwnedByWrongProgram as u32,
    );
    let mut elsewhere = client::create_network(&payer, &creator.pubkey(), &mint, &mint, args);
    elsewhere.accounts[0].pubkey = client::network(&[9; 32]);
    assert_refused(
        harness.send(&[elsewhere], &[&creator]),
        ErrorCode::ConstraintSeeds as u32,
    );
}

#[test]
fn a_network_has_bounds() {
    let harness = Harness::new();
    let creator = harness.key();
    let mint = harness.mint();
    let refused = |change: fn(&mut CreateNetworkArgs), error: E| {
        let mut args = network_args(&creator.pubkey(), 0);
        change(&mut args);
        let create = client::create_network(
            &harness.payer.pubkey(),
            &creator.pubkey(),
            &mint,
            &mint,
            args,
        );
        assert_refused(harness.send(&[create], &[&creator]), error);
    };
    refused(|a| a.genesis = -1, E::InvalidGenesis);
    refused(|a| a.epoch_length = 0, E::InvalidEpochLength);
    refused(|a| a.epoch_length = -1, E::InvalidEpochLength);
    refused(|a| a.epoch_length = MAX_DURATION + 1, E::InvalidEpochLength);
    refused(|a| a.timelock = -1, E::InvalidTimelock);
    refused(|a| a.timelock = i64::MAX, E::InvalidTimelock);
    refused(|a| a.flags = 8, E::UnknownFlag);
    refused(|a| a.flags = 255, E::UnknownFlag);
    refused(
        |a| a.parameters.evidence_window = 0,
        E::InvalidEvidenceWindow,
    );
    refused(
        |a| a.parameters.evidence_window = MAX_DURATION + 1,
        E::InvalidEvidenceWindow,
    );
    refused(
        |a| a.parameters.answer_window = a.parameters.evidence_window,
        E::InvalidAnswerWindow,
    );
    refused(|a| a.parameters.max_speed = 0, E::InvalidMaxSpeed);
    refused(
        |a| a.parameters.tier_discount_bps[0] = 10_001,
        E::InvalidTierDiscount,
    );
    refused(
        |a| a.parameters.withheld_slash_bps = 10_001,
        E::InvalidWithheldSlash,
    );
    refused(
        |a| a.parameters.challenge_bond = MAX_CHALLENGE_BOND + 1,
        E::InvalidChallengeBond,
    );
    refused(|a| a.parameters._pad = 1, E::ReservedNotZero);
}

#[test]
fn stake_that_can_not_be_burned_is_refused() {
    let harness = Harness::new();
    let authority = harness.key();
    // The token program's native mint, as clusters have it.
    let mut account = harness.chain.account(&harness.mint());
    let account = account.as_mut().expect("chain").take().expect("mint");
    harness.chain.set_account(&native_mint::ID, account);
    let create = client::create_network(
        &harness.payer.pubkey(),
        &authority.pubkey(),
        &harness.mint(),
        &native_mint::ID,
        network_args(&authority.pubkey(), 1),
    );
    assert_refused(harness.send(&[create], &[&authority]), E::NativeStakeMint);
}

#[test]
fn authority_passes_in_two_steps() {
    let world = World::new();
    let harness = &world.harness;
    let (next, stranger) = (harness.key(), harness.key());
    let offer = |by: &Keypair, to: &Pubkey| {
        harness.send(
            &[client::transfer_authority(&world.network, &by.pubkey(), to)],
            &[by],
        )
    };
    let accept = |by: &Keypair| {
        harness.send(
            &[client::accept_authority(&world.network, &by.pubkey())],
            &[by],
        )
    };
    assert_refused(offer(&stranger, &stranger.pubkey()), E::NotAuthority);
    assert_refused(accept(&stranger), E::NotPendingAuthority);

    // An offer taken back can't be accepted.
    offer(&world.authority, &stranger.pubkey()).expect("offer");
    offer(&world.authority, &Pubkey::default()).expect("take back");
    assert_refused(accept(&stranger), E::NotPendingAuthority);

    offer(&world.authority, &next.pubkey()).expect("offer");
    assert_eq!(world.network().authority, world.authority.pubkey());
    assert_refused(accept(&stranger), E::NotPendingAuthority);
    assert_refused(accept(&world.authority), E::NotPendingAuthority);
    let mut unsigned = client::accept_authority(&world.network, &next.pubkey());
    unsigned.accounts[1].is_signer = false;
    assert_refused(
        harness.send(&[unsigned], &[]),
        ErrorCode::AccountNotSigner as u32,
    );

    accept(&next).expect("accept");
    let network = world.network();
    assert_eq!(network.authority, next.pubkey());
    assert_eq!(network.pending_authority, Pubkey::default());
    // The old one is out, and the offer is used up.
    assert_refused(
        offer(&world.authority, &world.authority.pubkey()),
        E::NotAuthority,
    );
    assert_refused(accept(&next), E::NotPendingAuthority);
    offer(&next, &stranger.pubkey()).expect("offer");
}

#[test]
fn parameters_change_behind_the_timelock() {
    let world = World::new();
    let harness = &world.harness;
    let stranger = harness.key();
    let changed = Parameters {
        device_bond: 7,
        ..parameters()
    };
    let propose = |by: &Keypair, parameters| {
        harness.send(
            &[client::propose_parameters(
                &world.network,
                &by.pubkey(),
                parameters,
            )],
            &[by],
        )
    };
    let apply = || harness.send(&[client::apply_parameters(&world.network)], &[]);
    assert_refused(apply(), E::NothingProposed);
    assert_refused(propose(&stranger, changed), E::NotAuthority);
    assert_refused(
        propose(
            &world.authority,
            Parameters {
                max_speed: 0,
                ..changed
            },
        ),
        E::InvalidMaxSpeed,
    );
    // Who has joined can't leave in time, and who demands readings counts on having the time.
    let harsher: [fn(&mut Parameters); 7] = [
        |new| new.evidence_window -= 1,
        |new| new.evidence_window += TIMELOCK + 1,
        |new| new.answer_window -= 1,
        |new| new.answer_window += 1,
        |new| new.max_speed -= 1,
        |new| new.withheld_slash_bps += 1,
        |new| new.withheld_slash_bps = 0,
    ];
    for change in harsher {
        let mut harsher = changed;
        change(&mut harsher);
        assert_refused(propose(&world.authority, harsher), E::HarsherParameters);
    }
    let milder = Parameters {
        evidence_window: parameters().evidence_window + TIMELOCK,
        answer_window: parameters().answer_window + TIMELOCK,
        max_speed: parameters().max_speed + 1,
        withheld_slash_bps: 1,
        ..changed
    };
    propose(&world.authority, milder).expect("propose");
    propose(&world.authority, changed).expect("propose");
    assert_eq!(world.network().parameters, parameters());
    assert_eq!(world.network().pending, changed);
    assert_eq!(world.network().pending_at, START + TIMELOCK);
    assert_refused(apply(), E::TimelockRunning);
    harness.advance(TIMELOCK - 1);
    assert_refused(apply(), E::TimelockRunning);
    // Another proposal at the last moment waits its own time.
    propose(&world.authority, changed).expect("propose");
    harness.advance(1);
    assert_refused(apply(), E::TimelockRunning);
    harness.advance(TIMELOCK - 1);
    apply().expect("anyone applies");
    let network = world.network();
    assert_eq!(network.parameters, changed);
    assert_eq!(network.pending_at, 0);
    assert_refused(apply(), E::NothingProposed);
}

#[test]
fn pauses_are_bounded_and_each_its_own() {
    let world = World::new();
    let harness = &world.harness;
    let stranger = harness.key();
    let pause = |by: &Keypair, operation, seconds| {
        harness.send(
            &[client::pause_operation(
                &world.network,
                &by.pubkey(),
                operation,
                seconds,
            )],
            &[by],
        )
    };
    let resume = |by: &Keypair, operation| {
        harness.send(
            &[client::resume_operation(
                &world.network,
                &by.pubkey(),
                operation,
            )],
            &[by],
        )
    };
    assert_refused(pause(&stranger, Operation::Register, 1), E::NotAuthority);
    for seconds in [0, -1, MAX_PAUSE + 1, i64::MAX] {
        assert_refused(
            pause(&world.authority, Operation::Register, seconds),
            E::PauseLength,
        );
    }
    let mut unknown = client::pause_operation(
        &world.network,
        &world.authority.pubkey(),
        Operation::Stake,
        1,
    );
    unknown.data = instruction::PauseOperation {
        operation: 6,
        seconds: 1,
    }
    .data();
    assert_refused(world.govern(unknown), E::UnknownOperation);
    assert_refused(resume(&world.authority, Operation::Register), E::NotPaused);

    pause(&world.authority, Operation::Register, 100).expect("pause");
    assert_eq!(
        world.network().pauses[Operation::Register as usize],
        Pause {
            paused_at: START,
            until: START + 100
        }
    );
    let enrolment = world.simple(0);
    assert_refused(world.register(&enrolment), E::Paused);
    assert_refused(
        pause(&world.authority, Operation::Register, 100),
        E::PauseTooSoon,
    );
    assert_refused(resume(&stranger, Operation::Register), E::NotAuthority);
    // Governing goes on, and another operation's pause is its own.
    pause(&world.authority, Operation::Root, MAX_PAUSE).expect("pause");
    resume(&world.authority, Operation::Root).expect("resume");
    world.open_page(&world.maker, 1).expect("page");

    // It ends by itself, and rests as long as it took.
    harness.advance(99);
    assert_refused(world.register(&enrolment), E::Paused);
    harness.advance(1);
    world.register(&enrolment).expect("registered");
    harness.advance(99);
    assert_refused(
        pause(&world.authority, Operation::Register, 1),
        E::PauseTooSoon,
    );
    harness.advance(1);
    pause(&world.authority, Operation::Register, 1).expect("pause");
    resume(&world.authority, Operation::Register).expect("resume");
    world.register(&world.simple(1)).expect("registered");
}

#[test]
fn makers_are_the_authoritys() {
    let world = World::new();
    let harness = &world.harness;
    let (stranger, newcomer) = (harness.key(), harness.key());
    let grant = MakerGrant {
        key: newcomer.pubkey(),
        quota: 5,
        max_tier: TIER_CERTIFICATE,
    };
    let approve = |by: &Keypair, grant| {
        let instruction =
            client::approve_maker(&world.payer(), &world.network, &by.pubkey(), grant);
        harness.send(&[instruction], &[by])
    };
    assert_refused(approve(&stranger, grant), E::NotAuthority);
    for max_tier in [TIER_CERTIFICATE + 1, u8::MAX] {
        assert_refused(
            approve(&world.authority, MakerGrant { max_tier, ..grant }),
            E::InvalidTier,
        );
    }
    approve(&world.authority, grant).expect("approved");
    let address = client::maker(&world.network, &newcomer.pubkey());
    let maker: Maker = harness.read(&address);
    assert_eq!((maker.version, maker.revoked, maker.max_tier), (1, 0, 2));
    assert_eq!(maker.network, world.network);
    assert_eq!(maker.key, newcomer.pubkey());
    assert_eq!((maker.quota, maker.vouched), (5, 0));
    assert_eq!(world.network().makers, 2);
    assert_refused(approve(&world.authority, grant), ALREADY_IN_USE);

    let set_quota = |by: &Keypair, quota| {
        let instruction =
            client::set_maker_quota(&world.network, &by.pubkey(), &newcomer.pubkey(), quota);
        harness.send(&[instruction], &[by])
    };
    let revoke = |by: &Keypair| {
        let instruction = client::revoke_maker(&world.network, &by.pubkey(), &newcomer.pubkey());
        harness.send(&[instruction], &[by])
    };
    assert_refused(set_quota(&stranger, 9), E::NotAuthority);
    assert_refused(set_quota(&newcomer, 9), E::NotAuthority);
    set_quota(&world.authority, 9).expect("quota");
    assert_eq!(harness.read::<Maker>(&address).quota, 9);

    // The authority of one network has no say over another's makers.
    let (_, own_network) = create_network(harness, &stranger, 0);
    let mut foreign = client::revoke_maker(&own_network, &stranger.pubkey(), &newcomer.pubkey());
    foreign.accounts[1].pubkey = address;
    assert_refused(harness.send(&[foreign], &[&stranger]), E::WrongNetwork);
    let mut foreign =
        client::set_maker_quota(&own_network, &stranger.pubkey(), &newcomer.pubkey(), 0);
    foreign.accounts[1].pubkey = address;
    assert_refused(harness.send(&[foreign], &[&stranger]), E::WrongNetwork);

    assert_refused(revoke(&stranger), E::NotAuthority);
    revoke(&world.authority).expect("revoked");
    assert_eq!(harness.read::<Maker>(&address).revoked, 1);
    assert_refused(revoke(&world.authority), E::MakerRevoked);
    assert_refused(set_quota(&world.authority, 10), E::MakerRevoked);
    // Revoked is revoked: the key can't be approved anew.
    assert_refused(approve(&world.authority, grant), ALREADY_IN_USE);
}

#[test]
fn voucher_pages_are_the_makers() {
    let world = World::new();
    let harness = &world.harness;
    let stranger = harness.key();
    let page: VoucherPage = harness.read(&client::voucher_page(&world.maker_account(), 0));
    assert_eq!((page.version, page.page, page.used), (1, 0, 0));
    assert_eq!(page.maker, world.maker_account());

    assert_refused(world.open_page(&world.maker, 0), ALREADY_IN_USE);
    // The quota of 20,000 needs pages 0 to 2.
    world.open_page(&world.maker, 2).expect("last page");
    assert_refused(world.open_page(&world.maker, 3), E::PageBeyondQuota);
    assert_refused(world.open_page(&world.maker, u32::MAX), E::PageBeyondQuota);

    let mut instruction =
        client::open_voucher_page(&world.payer(), &world.network, &world.maker.pubkey(), 1);
    instruction.accounts[2].pubkey = stranger.pubkey();
    assert_refused(
        harness.send(&[instruction.clone()], &[&stranger]),
        E::NotMaker,
    );
    instruction.accounts[2] = AccountMeta::new_readonly(world.maker.pubkey(), false);
    assert_refused(
        harness.send(&[instruction.clone()], &[]),
        ErrorCode::AccountNotSigner as u32,
    );
    instruction.accounts[2].is_signer = true;
    instruction.accounts[1].pubkey = client::voucher_page(&world.maker_account(), 7);
    assert_refused(
        harness.send(&[instruction], &[&world.maker]),
        ErrorCode::ConstraintSeeds as u32,
    );

    world
        .govern(client::revoke_maker(
            &world.network,
            &world.authority.pubkey(),
            &world.maker.pubkey(),
        ))
        .expect("revoked");
    assert_refused(world.open_page(&world.maker, 1), E::MakerRevoked);
}

#[test]
fn trees_are_the_authoritys() {
    let world = World::new();
    let harness = &world.harness;
    let stranger = harness.key();
    let header: Tree = harness.read(&world.tree);
    assert_eq!(
        (header.version, header.depth, header.canopy),
        (1, DEPTH, CANOPY)
    );
    assert_eq!((header.network, header.index), (world.network, 0));
    let second: Tree = harness.read(&add_tree(harness, &world.network, &world.authority));
    assert_eq!(second.index, 1);
    assert_eq!(world.network().trees, 2);

    let add = |by: &Keypair, shape: (u8, u8), said: (u8, u8)| {
        let tree = Keypair::new();
        let [create, _] =
            tree_instructions(harness, &world.network, &by.pubkey(), &tree.pubkey(), shape);
        let add = client::add_tree(&world.network, &by.pubkey(), &tree.pubkey(), said.0, said.1);
        harness.send(&[create, add], &[by, &tree])
    };
    assert_refused(add(&stranger, (20, 10), (20, 10)), E::NotAuthority);
    let authority = &world.authority;
    assert_refused(add(authority, (20, 10), (19, 10)), E::InvalidDepth);
    assert_refused(add(authority, (20, 10), (25, 10)), E::InvalidDepth);
    assert_refused(add(authority, (20, 10), (20, 9)), E::InvalidCanopy);
    assert_refused(add(authority, (20, 10), (20, 15)), E::InvalidCanopy);
    assert_refused(add(authority, (20, 10), (21, 10)), E::WrongTreeSize);
    assert_refused(add(authority, (21, 10), (20, 10)), E::WrongTreeSize);
    assert_refused(add(authority, (20, 11), (20, 10)), E::WrongTreeSize);
    // All shapes fit a transaction, the largest canopy too.
    for depth in tree::MIN_DEPTH..=tree::MAX_DEPTH {
        add(
            authority,
            (depth, tree::MAX_CANOPY),
            (depth, tree::MAX_CANOPY),
        )
        .expect("tree");
    }
}

#[test]
fn a_network_has_as_many_trees_as_it_can_count() {
    let world = World::new();
    let harness = &world.harness;
    let mut account = harness
        .chain
        .account(&world.network)
        .expect("chain")
        .expect("network");
    let network: &mut Network = bytemuck::from_bytes_mut(&mut account.data[8..]);
    network.trees = u16::MAX - 1;
    harness.chain.set_account(&world.network, account);
    let last: Tree = harness.read(&add_tree(harness, &world.network, &world.authority));
    assert_eq!(last.index, u16::MAX - 1);
    let tree = Keypair::new();
    let authority = &world.authority;
    let instructions = tree_instructions(
        harness,
        &world.network,
        &authority.pubkey(),
        &tree.pubkey(),
        (DEPTH, CANOPY),
    );
    assert_refused(
        harness.send(&instructions, &[authority, &tree]),
        E::TooManyTrees,
    );
    assert_eq!(world.network().trees, u16::MAX);
}

#[test]
fn a_tree_account_is_taken_over_once_and_with_its_key() {
    let world = World::new();
    let harness = &world.harness;
    let thief = harness.key();
    let (_, thiefs_network) = create_network(harness, &thief, 0);

    // An account that is created but not yet taken over is safe from another network's authority.
    let tree = Keypair::new();
    let shape = (20, 10);
    let [create, add] = tree_instructions(
        harness,
        &world.network,
        &world.authority.pubkey(),
        &tree.pubkey(),
        shape,
    );
    harness.send(&[create], &[&tree]).expect("account");
    let mut steal = client::add_tree(
        &thiefs_network,
        &thief.pubkey(),
        &tree.pubkey(),
        shape.0,
        shape.1,
    );
    steal.accounts[1].is_signer = false;
    assert_refused(
        harness.send(&[steal], &[&thief]),
        ErrorCode::ConstraintSigner as u32,
    );
    harness
        .send(std::slice::from_ref(&add), &[&world.authority, &tree])
        .expect("tree");
    // A second time would empty it.
    assert_refused(
        harness.send(&[add], &[&world.authority, &tree]),
        ErrorCode::ConstraintZero as u32,
    );

    // An account of another program, which is as it should be otherwise, and one without data.
    let foreign = Keypair::new();
    let [mut create, add] = tree_instructions(
        harness,
        &world.network,
        &world.authority.pubkey(),
        &foreign.pubkey(),
        shape,
    );
    let owner = create.data.len() - 32;
    create.data[owner..].copy_from_slice(data_commitment::ID.as_ref());
    assert_refused(
        harness.send(&[create, add], &[&world.authority, &foreign]),
        ErrorCode::AccountOwnedByWrongProgram as u32,
    );
    let wallet = harness.key();
    let empty = client::add_tree(
        &world.network,
        &world.authority.pubkey(),
        &wallet.pubkey(),
        shape.0,
        shape.1,
    );
    assert_refused(
        harness.send(&[empty], &[&world.authority, &wallet]),
        ErrorCode::AccountDidNotDeserialize as u32,
    );
}

#[test]
fn a_device_registers_with_either_curve() {
    let world = World::new();
    let harness = &world.harness;
    for (index, (curve, number)) in [(Curve::Ed25519, 0), (Curve::P256, 8_191)]
        .into_iter()
        .enumerate()
    {
        let enrolment = world.enrolment(curve, number);
        let slot = harness.chain.clock().expect("clock").slot;
        let execution = world.register(&enrolment).expect("registered");
        let events = client::registrations(&execution);
        let [event] = events.as_slice() else {
            panic!("{events:?}");
        };
        assert_eq!(event.network, world.network);
        assert_eq!(event.tree, world.tree);
        assert_eq!((event.tree_index, event.index), (0, index as u32));
        assert_eq!(event.device, enrolment.possession.key.id());
        assert_eq!(event.owner, enrolment.owner.pubkey());
        assert_eq!(event.maker, world.maker.pubkey());
        assert_eq!((event.tier, event.status, event.nonce), (1, 1, 0));
        assert_eq!(event.cell, CELL);
        assert_eq!(event.registered_slot, slot);
        assert_eq!(event.previous_owner, Pubkey::default());
        assert_eq!(event.owner_changed_at, START);
        assert_eq!(event.curve, curve as u8);
        assert_eq!(event.key, enrolment.args.key);
        assert_eq!((event.number, event.serial_hash), (number, [3; 32]));
    }
    let network = world.network();
    assert_eq!(network.devices, 2);
    let maker: Maker = harness.read(&world.maker_account());
    assert_eq!(maker.vouched, 2);
    let page: VoucherPage = harness.read(&client::voucher_page(&world.maker_account(), 0));
    assert_eq!(page.used, 2);
    assert_eq!((page.bitmap[0], page.bitmap[1023]), (1, 0x80));
}

#[test]
fn events_rebuild_the_tree() {
    let world = World::new();
    let account = || {
        let account = world.harness.chain.account(&world.tree);
        account.expect("chain").expect("tree").data
    };
    // A follower's copy of the tree, 8-aligned as account data are.
    let mut words = vec![0u64; tree::size(DEPTH, CANOPY) / 8];
    let data: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
    data[..tree::NODES].copy_from_slice(&account()[..tree::NODES]);
    tree::initialize(data).expect("copy");
    for number in 0..5 {
        let execution = world.register(&world.simple(number)).expect("registered");
        let event = client::registrations(&execution).remove(0);
        let leaf = event.leaf().expect("leaf").hash();
        let appended = tree::append(data, &[&leaf]).expect("appended");
        assert_eq!((appended.index, appended.root), (event.index, event.root));
        assert_eq!(appended.sequence, event.sequence);
    }
    assert_eq!(account(), *data);
}

#[test]
fn registering_stays_within_its_budget() {
    let world = World::new();
    let mut most = 0;
    for number in 0..8 {
        for (curve, number) in [(Curve::Ed25519, number), (Curve::P256, 100 + number)] {
            let enrolment = world.enrolment(curve, number);
            let prepared = transaction::prepare(
                &world.harness.chain,
                &enrolment.instructions(),
                &world.harness.payer,
                &[&enrolment.owner],
                &[],
            )
            .expect("prepared");
            assert!(
                transaction::size(&prepared.transaction).expect("size") <= transaction::V0_BYTES
            );
            let execution = transaction::land(&world.harness.chain, &prepared).expect("landed");
            most = most.max(execution.compute_units);
        }
    }
    assert!(most <= REGISTER_COMPUTE, "{most} compute units");
}

#[test]
fn both_signatures_may_share_an_instruction() {
    let world = World::new();
    let mut enrolment = world.simple(0);
    let (possession, voucher) = (enrolment.possession.digest(), enrolment.voucher.digest());
    let both = precompile::ed25519(&[
        Entry {
            public_key: &world.maker.pubkey().to_bytes(),
            message: &voucher,
            signature: &world.maker.sign_message(&voucher).into(),
        },
        Entry {
            public_key: enrolment.possession.key.as_bytes(),
            message: &possession,
            signature: &enrolment.device.sign(&possession),
        },
    ])
    .expect("signatures");
    let send = |enrolment: &Enrolment| {
        let register = client::register_device(enrolment.place, enrolment.args);
        world
            .harness
            .send(&[both.clone(), register], &[&enrolment.owner])
    };
    enrolment.args.voucher_instruction = 0;
    // The wrong one of the two is the wrong one.
    assert_refused(send(&enrolment), E::WrongPossession);
    enrolment.args.possession_index = 1;
    enrolment.args.voucher_index = 1;
    assert_refused(send(&enrolment), E::WrongVoucher);
    enrolment.args.voucher_index = 2;
    assert_refused(send(&enrolment), E::BadSignatureReference);
    enrolment.args.voucher_index = 0;
    send(&enrolment).expect("registered");
}

#[test]
fn the_owner_signs() {
    let world = World::new();
    let enrolment = world.simple(0);
    let mut instructions = enrolment.instructions();
    instructions[2].accounts[OWNER].is_signer = false;
    assert_refused(
        world.harness.send(&instructions, &[]),
        ErrorCode::AccountNotSigner as u32,
    );
    // Somebody else can't put himself in the owner's place with the device's signature.
    let thief = world.harness.key();
    let mut instructions = enrolment.instructions();
    instructions[2].accounts[OWNER].pubkey = thief.pubkey();
    assert_refused(
        world.harness.send(&instructions, &[&thief]),
        E::WrongPossession,
    );
}

#[test]
fn the_device_signs_for_this_network_owner_and_number() {
    let world = World::new();
    let refused = |change: fn(&mut Enrolment)| {
        for curve in [Curve::Ed25519, Curve::P256] {
            let mut enrolment = world.enrolment(curve, 0);
            change(&mut enrolment);
            assert_refused(world.register(&enrolment), E::WrongPossession);
        }
    };
    refused(|e| e.possession.network = [1; 32]);
    refused(|e| e.possession.owner = [1; 32]);
    refused(|e| e.possession.nonce += 1);
    // Another device's signature, over its own possession or over this one's.
    refused(|e| {
        e.device = DeviceSigner::generate(e.possession.key.curve);
        e.possession.key = e.device.device_key();
    });
    // The key of the possession, said to be another's.
    refused(|e| {
        let other = DeviceSigner::generate(e.possession.key.curve).device_key();
        e.args.key = other.bytes;
        e.voucher.device = other.id();
    });
    // The maker's signature in the device's place.
    let mut enrolment = world.simple(0);
    enrolment.args.possession_instruction = 1;
    assert_refused(world.register(&enrolment), E::WrongPossession);
}

#[test]
fn the_maker_signs_for_this_network_number_device_tier_and_serial() {
    let world = World::new();
    let refused = |change: fn(&mut Enrolment)| {
        let mut enrolment = world.simple(0);
        change(&mut enrolment);
        assert_refused(world.register(&enrolment), E::WrongVoucher);
    };
    refused(|e| e.voucher.network = [1; 32]);
    refused(|e| e.voucher.maker = [1; 32]);
    refused(|e| e.voucher.number += 1);
    refused(|e| e.voucher.device = [1; 32]);
    refused(|e| e.voucher.tier = TIER_SELF_SIGNED);
    refused(|e| e.voucher.serial_hash = [4; 32]);
    refused(|e| e.args.serial_hash = [4; 32]);
    // Signed by a key that is no maker's.
    refused(|e| e.maker = Keypair::new());
    // The device's signature in the maker's place.
    refused(|e| e.args.voucher_instruction = 0);
}

#[test]
fn a_voucher_is_used_once() {
    let world = World::new();
    let first = world.simple(7);
    world.register(&first).expect("registered");
    assert_refused(world.register(&first), E::VoucherUsed);
    // Not for another device of the same maker either.
    assert_refused(world.register(&world.simple(7)), E::VoucherUsed);
    assert_refused(
        world.register(&world.enrolment(Curve::P256, 7)),
        E::VoucherUsed,
    );
    world.register(&world.simple(8)).expect("the next number");
    // What failed left no trace.
    assert_eq!(world.network().devices, 2);
}

#[test]
fn voucher_numbers_have_bounds() {
    let world = World::new();
    world.open_page(&world.maker, 1).expect("page");
    world.open_page(&world.maker, 2).expect("page");
    for number in [8_191, 8_192, 16_384, QUOTA - 1] {
        world.register(&world.simple(number)).expect("registered");
    }
    let page = client::voucher_page(&world.maker_account(), 2);
    for number in [QUOTA, QUOTA + 1, u64::MAX] {
        assert_refused(
            world.register_with(&world.simple(number), PAGE, page),
            E::NumberBeyondQuota,
        );
    }
    // The right number on the wrong page of the right maker.
    for (number, page) in [(8_190, 1), (8_193, 0), (16_385, 1), (0, 2)] {
        let page = client::voucher_page(&world.maker_account(), page);
        assert_refused(
            world.register_with(&world.simple(number), PAGE, page),
            E::WrongVoucherPage,
        );
    }
    // A smaller quota counts at once.
    world
        .govern(client::set_maker_quota(
            &world.network,
            &world.authority.pubkey(),
            &world.maker.pubkey(),
            5,
        ))
        .expect("quota");
    assert_refused(world.register(&world.simple(5)), E::NumberBeyondQuota);
    world.register(&world.simple(4)).expect("registered");
}

#[test]
fn a_voucher_page_of_another_maker_is_no_way_round() {
    let world = World::new();
    let other = world.harness.key();
    world.approve(&other, TIER_VOUCHER).expect("maker");
    world.open_page(&other, 0).expect("page");
    let others_account = client::maker(&world.network, &other.pubkey());
    let others_page = client::voucher_page(&others_account, 0);
    let used = world.simple(0);
    world.register(&used).expect("registered");
    assert_refused(
        world.register_with(&used, PAGE, others_page),
        E::WrongVoucherPage,
    );
    // With the other maker's account as well, the voucher isn't that maker's.
    let mut instructions = used.instructions();
    instructions[2].accounts[MAKER].pubkey = others_account;
    instructions[2].accounts[PAGE].pubkey = others_page;
    assert_refused(
        world.harness.send(&instructions, &[&used.owner]),
        E::WrongVoucher,
    );
}

#[test]
fn tiers_are_what_the_network_approved() {
    let world = World::new();
    let with_tier = |maker: &Keypair, number, tier| {
        let mut enrolment = world.simple(number);
        enrolment.maker = maker.insecure_clone();
        enrolment.place.maker = maker.pubkey();
        enrolment.voucher.maker = maker.pubkey().to_bytes();
        enrolment.voucher.tier = tier;
        enrolment.args.tier = tier;
        enrolment
    };
    for tier in [TIER_CERTIFICATE, 3, u8::MAX] {
        assert_refused(
            world.register(&with_tier(&world.maker, 0, tier)),
            E::TierNotApproved,
        );
    }
    let certified = world.harness.key();
    world.approve(&certified, TIER_CERTIFICATE).expect("maker");
    world.open_page(&certified, 0).expect("page");
    assert_refused(
        world.register(&with_tier(&certified, 0, TIER_CERTIFICATE)),
        E::CertificateNeeded,
    );
    world
        .register(&with_tier(&certified, 0, TIER_VOUCHER))
        .expect("registered");

    // Tier 0 is for the maker's own devices.
    assert_refused(
        world.register(&with_tier(&world.maker, 1, TIER_SELF_SIGNED)),
        E::SelfSignedNotAllowed,
    );
    let tinkerer = world.harness.key();
    world.approve(&tinkerer, TIER_SELF_SIGNED).expect("maker");
    world.open_page(&tinkerer, 0).expect("page");
    let mut own = with_tier(&tinkerer, 0, TIER_SELF_SIGNED);
    assert_refused(world.register(&own), E::SelfSignedNotAllowed);
    own.owner = tinkerer.insecure_clone();
    own.place.owner = tinkerer.pubkey();
    own.possession.owner = tinkerer.pubkey().to_bytes();
    let event = client::registrations(&world.register(&own).expect("registered")).remove(0);
    assert_eq!(event.tier, TIER_SELF_SIGNED);
    assert_refused(
        world.register(&with_tier(&tinkerer, 1, TIER_VOUCHER)),
        E::TierNotApproved,
    );
}

#[test]
fn tier_0_needs_a_network_that_allows_it() {
    let harness = Harness::new();
    let authority = harness.key();
    let mint = harness.mint();
    let args = CreateNetworkArgs {
        flags: 0,
        ..network_args(&authority.pubkey(), 0)
    };
    let create = client::create_network(
        &harness.payer.pubkey(),
        &authority.pubkey(),
        &mint,
        &mint,
        args,
    );
    harness.send(&[create], &[&authority]).expect("network");
    let network = client::network(&args.id);
    let tree = add_tree(&harness, &network, &authority);
    let maker = harness.key();
    let world = World {
        harness,
        id: args.id,
        network,
        authority,
        maker,
        tree,
    };
    world.approve(&world.maker, TIER_VOUCHER).expect("maker");
    world.open_page(&world.maker, 0).expect("page");
    let mut own = world.simple(0);
    own.voucher.tier = TIER_SELF_SIGNED;
    own.args.tier = TIER_SELF_SIGNED;
    own.owner = world.maker.insecure_clone();
    own.place.owner = own.owner.pubkey();
    own.possession.owner = own.owner.pubkey().to_bytes();
    assert_refused(world.register(&own), E::SelfSignedNotAllowed);
}

#[test]
fn a_revoked_maker_vouches_no_more() {
    let world = World::new();
    world.register(&world.simple(0)).expect("registered");
    world
        .govern(client::revoke_maker(
            &world.network,
            &world.authority.pubkey(),
            &world.maker.pubkey(),
        ))
        .expect("revoked");
    assert_refused(world.register(&world.simple(1)), E::MakerRevoked);
}

#[test]
fn accounts_of_another_network_are_refused() {
    let world = World::new();
    let attacker = world.harness.key();
    let (other_id, other_network) = create_network(&world.harness, &attacker, 0);
    let other_tree = add_tree(&world.harness, &other_network, &attacker);
    let grant = MakerGrant {
        key: attacker.pubkey(),
        quota: QUOTA,
        max_tier: TIER_VOUCHER,
    };
    let approve = client::approve_maker(&world.payer(), &other_network, &attacker.pubkey(), grant);
    let open = client::open_voucher_page(&world.payer(), &other_network, &attacker.pubkey(), 0);
    world
        .harness
        .send(&[approve, open], &[&attacker])
        .expect("maker");
    let other_maker = client::maker(&other_network, &attacker.pubkey());

    let enrolment = world.simple(0);
    assert_refused(
        world.register_with(&enrolment, TREE, other_tree),
        E::WrongNetwork,
    );
    assert_refused(
        world.register_with(&enrolment, NETWORK, other_network),
        E::WrongNetwork,
    );
    // An attacker's own maker, with a page and a voucher that are in order but for the network.
    let mut enrolment = world.simple(0);
    enrolment.maker = attacker.insecure_clone();
    enrolment.voucher.maker = attacker.pubkey().to_bytes();
    let mut instructions = enrolment.instructions();
    instructions[2].accounts[MAKER].pubkey = other_maker;
    instructions[2].accounts[PAGE].pubkey = client::voucher_page(&other_maker, 0);
    assert_refused(
        world.harness.send(&instructions, &[&enrolment.owner]),
        E::WrongNetwork,
    );
    // All accounts of the other network, with signatures for this one.
    let mut enrolment = world.simple(0);
    enrolment.maker = attacker.insecure_clone();
    enrolment.voucher.maker = attacker.pubkey().to_bytes();
    enrolment.place.network = other_network;
    enrolment.place.maker = attacker.pubkey();
    enrolment.place.tree = other_tree;
    assert_refused(world.register(&enrolment), E::WrongPossession);
    enrolment.possession.network = other_id;
    assert_refused(world.register(&enrolment), E::WrongVoucher);
    enrolment.voucher.network = other_id;
    world.register(&enrolment).expect("registered there");
}

#[test]
fn accounts_of_other_types_and_owners_are_refused() {
    let world = World::new();
    let enrolment = world.simple(0);
    let page = client::voucher_page(&world.maker_account(), 0);
    for (meta, account) in [
        (NETWORK, world.maker_account()),
        (MAKER, page),
        (PAGE, world.tree),
        (TREE, page),
    ] {
        assert_refused(
            world.register_with(&enrolment, meta, account),
            ErrorCode::AccountDiscriminatorMismatch as u32,
        );
    }
    // Copies of the real accounts that belong to another program.
    for (meta, account) in [
        (NETWORK, world.network),
        (MAKER, world.maker_account()),
        (PAGE, page),
        (TREE, world.tree),
    ] {
        let mut copy = world
            .harness
            .chain
            .account(&account)
            .expect("chain")
            .expect("account");
        copy.owner = data_commitment::ID;
        let address = Pubkey::new_unique();
        world.harness.chain.set_account(&address, copy);
        assert_refused(
            world.register_with(&enrolment, meta, address),
            ErrorCode::AccountOwnedByWrongProgram as u32,
        );
    }
    assert_refused(
        world.register_with(&enrolment, EVENT_AUTHORITY, Pubkey::new_unique()),
        ErrorCode::ConstraintAddress as u32,
    );
}

#[test]
fn a_forged_instructions_sysvar_is_refused() {
    let world = World::new();
    let enrolment = world.simple(0);
    let forged = Pubkey::new_unique();
    let lamports = world.harness.chain.rent(1_000).expect("rent");
    world.harness.chain.set_account(
        &forged,
        solana_account::Account {
            lamports,
            data: vec![0; 1_000],
            ..Default::default()
        },
    );
    assert_refused(
        world.register_with(&enrolment, INSTRUCTIONS, forged),
        ErrorCode::ConstraintAddress as u32,
    );
}

#[test]
fn signature_references_must_be_the_precompiles_own() {
    let world = World::new();
    let refused = |change: fn(&mut RegisterDeviceArgs)| {
        let mut enrolment = world.simple(0);
        change(&mut enrolment.args);
        assert_refused(world.register(&enrolment), E::BadSignatureReference);
    };
    // The registration itself, the compute budget, nothing.
    refused(|a| a.possession_instruction = 2);
    refused(|a| a.voucher_instruction = 3);
    refused(|a| a.possession_instruction = u16::MAX);
    refused(|a| a.voucher_instruction = 99);
    refused(|a| a.possession_index = 1);
    refused(|a| a.voucher_index = u8::MAX);
    // A P-256 device's signature is looked for at the P-256 precompile, the maker's never there.
    let mut enrolment = world.enrolment(Curve::P256, 0);
    enrolment.args.possession_instruction = 1;
    assert_refused(world.register(&enrolment), E::BadSignatureReference);
    let mut enrolment = world.enrolment(Curve::P256, 0);
    enrolment.args.voucher_instruction = 0;
    assert_refused(world.register(&enrolment), E::BadSignatureReference);

    // The same bytes for another program, which takes them without a look.
    world.harness.deploy_probe(&PROBE);
    for curve in [Curve::Ed25519, Curve::P256] {
        let enrolment = world.enrolment(curve, 0);
        for forged in 0..2 {
            let mut instructions = enrolment.instructions();
            assert_eq!(instructions[forged].data[0], probe::ONE_SIGNATURE);
            instructions[forged].program_id = PROBE;
            assert_refused(
                world.harness.send(&instructions, &[&enrolment.owner]),
                E::BadSignatureReference,
            );
        }
    }

    // A precompile's instruction that verifies what lies in another instruction shows something else than it verifies:
    // here each of the three indices in turn names the instruction before, which has the same bytes.
    let enrolment = world.simple(0);
    for field in [4, 8, 14] {
        let [possession, voucher, register] = enrolment.instructions();
        let mut elsewhere = voucher.clone();
        elsewhere.data[field..field + 2].copy_from_slice(&1u16.to_le_bytes());
        let mut args = enrolment.args;
        args.voucher_instruction = 2;
        let register = Instruction {
            data: instruction::RegisterDevice { args }.data(),
            ..register
        };
        assert_refused(
            world.harness.send(
                &[possession, voucher, elsewhere, register],
                &[&enrolment.owner],
            ),
            E::BadSignatureReference,
        );
    }
}

#[test]
fn device_keys_and_cells_have_a_form() {
    let world = World::new();
    let refused = |curve, change: fn(&mut RegisterDeviceArgs), error: E| {
        let mut enrolment = world.enrolment(curve, 0);
        change(&mut enrolment.args);
        assert_refused(world.register(&enrolment), error);
    };
    refused(Curve::Ed25519, |a| a.curve = 2, E::UnknownCurve);
    refused(Curve::Ed25519, |a| a.key[32] = 1, E::InvalidDeviceKey);
    refused(Curve::P256, |a| a.key[0] = 4, E::InvalidDeviceKey);
    refused(Curve::Ed25519, |a| a.cell = 1, E::InvalidCell);
    refused(Curve::Ed25519, |a| a.cell = u64::MAX, E::InvalidCell);
    refused(Curve::Ed25519, |a| a.cell |= 1 << 63, E::InvalidCell);
    let mut nowhere = world.simple(0);
    nowhere.args.cell = 0;
    world.register(&nowhere).expect("registered without a cell");
}

#[test]
fn a_full_tree_takes_no_more() {
    let world = World::new();
    let chain = &world.harness.chain;
    let mut account = chain.account(&world.tree).expect("chain").expect("tree");
    // The count of leaves stands behind height and canopy.
    let count = tree::NODES + 16..tree::NODES + 24;
    account.data[count].copy_from_slice(&((1u64 << DEPTH) - 1).to_le_bytes());
    chain.set_account(&world.tree, account);
    let last = world.register(&world.simple(0)).expect("the last place");
    assert_eq!(client::registrations(&last)[0].index, (1 << DEPTH) - 1);
    assert_refused(world.register(&world.simple(1)), E::TreeFull);
    // The network goes on in another tree.
    let second = add_tree(&world.harness, &world.network, &world.authority);
    let mut enrolment = world.simple(1);
    enrolment.place.tree = second;
    let event = client::registrations(&world.register(&enrolment).expect("registered")).remove(0);
    assert_eq!((event.tree_index, event.index), (1, 0));
}

#[test]
fn nobody_else_speaks_for_a_program() {
    let world = World::new();
    let execution = world.register(&world.simple(0)).expect("registered");
    let event = client::registrations(&execution).remove(0).data();
    let stranger = world.harness.key();
    for (program_id, authority) in [
        (ID, device_registry::EVENT_AUTHORITY_AND_BUMP.0),
        (
            data_commitment::ID,
            data_commitment::EVENT_AUTHORITY_AND_BUMP.0,
        ),
        (ai_feed::ID, ai_feed::EVENT_AUTHORITY_AND_BUMP.0),
        (
            reward_emission::ID,
            reward_emission::EVENT_AUTHORITY_AND_BUMP.0,
        ),
    ] {
        let forge = |authority, signer: &[&Keypair]| {
            let forged = Instruction {
                program_id,
                accounts: vec![AccountMeta::new_readonly(authority, !signer.is_empty())],
                data: [EVENT_IX_TAG_LE, &event].concat(),
            };
            world.harness.send(&[forged], signer)
        };
        let refusal = |error: ErrorCode| (program_id, error as u32);
        assert_refused(forge(authority, &[]), refusal(ErrorCode::ConstraintSigner));
        assert_refused(
            forge(stranger.pubkey(), &[&stranger]),
            refusal(ErrorCode::ConstraintSeeds),
        );
    }
}
