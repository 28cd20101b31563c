//! device-registry: governing a network, and registering devices.

use crate::bench::{seed, Bench, Cost};
use crate::credits;
use crate::reports;
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use anchor_spl::token_2022::spl_token_2022::instruction::transfer_checked;
use anyhow::{bail, ensure, Context, Result};
use certificate::Tbs;
use device_protocol::{network_id, Curve, Hash, Possession, RegistryLeaf, Voucher};
use device_registry::state::maker::{TIER_CERTIFICATE, TIER_VOUCHER};
use device_registry::state::network::CREDITS;
use device_registry::state::{tree, Issuer, LeafPlace, Maker, Network, Operation, Parameters};
use device_registry::{
    seeds, CreateNetworkArgs, ProveDeviceArgs, RegisterBatchArgs, RegisterDeviceArgs,
};
use fieldproof_client::chain::Chain;
use fieldproof_client::credits::charge;
use fieldproof_client::device_registry::{self as client, MakerGrant, Registration, SignatureAt};
use fieldproof_client::key::DeviceSigner;
use fieldproof_client::precompile::{self, Entry};
use fieldproof_client::registry_tree::Follower;
use fieldproof_client::token::{associated_2022, create_associated_2022, TOKEN_2022_PROGRAM};
use solana_keypair::Keypair;
use solana_signer::Signer;
use tests::pki::Pki;
use tests::START;

/// Seconds of the timelock.
const TIMELOCK: i64 = 3_600;
/// Depth of the tree: the largest, which costs most.
const DEPTH: u8 = tree::MAX_DEPTH;
/// Canopy of the tree.
const CANOPY: u8 = tree::MIN_CANOPY;
/// How many devices are registered to find the worst.
const DEVICES: u64 = 16;
/// What registering a device may cost its owner, fees of signatures included.
const LAMPORTS: u64 = 16_000;
/// What a device may cost in a batch, fees of signatures alone.
const BATCH_LAMPORTS: u64 = 300;
/// How many batches are registered to find the worst.
const BATCHES: usize = 4;
/// From which number on seeds of devices in batches are, clear of those that are registered one by one.
const LEAVES: u64 = 1 << 32;
/// Seconds in which evidence is taken.
const EVIDENCE_WINDOW: i64 = 7 * 86_400;

/// Measures every instruction; devices are registered in a tree of the largest depth.
pub fn measure(bench: &Bench) -> Result<()> {
    let (payer, authority, heir) = (bench.payer(), bench.key(), bench.key());
    let owner = authority.pubkey();
    let governs = [&authority];
    let (reward_mint, stake_mint) = (bench.mint()?, bench.mint()?);
    let args = network_args(&authority);
    let network = client::network(&args.id);
    bench.measure(
        "create_network",
        "",
        &[client::create_network(
            &payer,
            &owner,
            &reward_mint,
            &stake_mint,
            args,
        )],
        &governs,
    )?;

    let tree = bench.bare_key();
    let rent = bench.harness.chain.rent(tree::size(DEPTH, CANOPY))?;
    bench.measure(
        "add_tree",
        "depth 24, canopy 10",
        &[
            client::create_tree_account(&payer, &tree.pubkey(), DEPTH, CANOPY, rent),
            client::add_tree(&network, &owner, &tree.pubkey(), DEPTH, CANOPY),
        ],
        &[&authority, &tree],
    )?;

    let maker = bench.key();
    let grant = MakerGrant {
        key: maker.pubkey(),
        quota: 1_000,
        max_tier: TIER_VOUCHER,
    };
    let approve = client::approve_maker(&payer, &network, &owner, grant);
    bench.measure("approve_maker", "", &[approve], &governs)?;
    let open = client::open_voucher_page(&payer, &network, &maker.pubkey(), 0);
    bench.measure("open_voucher_page", "", &[open], &[&maker])?;

    let enrolment = Enrolment {
        id: args.id,
        place: Registration {
            network,
            maker: maker.pubkey(),
            tree: tree.pubkey(),
            owner,
        },
        maker: &maker,
    };
    for (curve, case) in [
        (
            Curve::P256,
            "depth 24, canopy 10, P-256 possession, Ed25519 voucher; worst of 16",
        ),
        (
            Curve::Ed25519,
            "depth 24, canopy 10, Ed25519 possession and voucher; worst of 16",
        ),
    ] {
        let costs = (0..DEVICES)
            .map(|number| {
                let number = number + DEVICES * curve as u64;
                bench.run(&enrolment.instructions(curve, number)?, &governs)
            })
            .collect::<Result<Vec<_>>>()?;
        let worst = costs.into_iter().max().context("no device")?;
        bench.record("register_device", case, worst);
    }
    let number = 4 * DEVICES;
    let paid = bench.spent(&enrolment.instructions(Curve::P256, number)?, &authority)?;
    ensure!(paid <= LAMPORTS, "registering costs {paid} lamports");
    bench.note(format!(
        "Registering costs an owner who pays for it {paid} lamports in all, for three signatures; the budget is {LAMPORTS}."
    ));

    measure_paid(bench, &enrolment, &network, &authority)?;
    measure_leaves(bench, &args.id, &network, &governs)?;
    measure_nfts(bench, &network, &tree.pubkey(), &authority)?;
    measure_certificates(bench, &args.id, &tree.pubkey(), &authority)?;

    let pause = client::pause_operation(&network, &owner, Operation::Register, 60);
    bench.measure("pause_operation", "", &[pause], &governs)?;
    let resume = client::resume_operation(&network, &owner, Operation::Register);
    bench.measure("resume_operation", "", &[resume], &governs)?;
    let propose = client::propose_parameters(&network, &owner, args.parameters);
    bench.measure("propose_parameters", "", &[propose], &governs)?;
    bench.harness.advance(TIMELOCK);
    let apply = client::apply_parameters(&network);
    bench.measure("apply_parameters", "", &[apply], &[])?;
    let quota = client::set_maker_quota(&network, &owner, &maker.pubkey(), 2_000);
    bench.measure("set_maker_quota", "", &[quota], &governs)?;
    let revoke = client::revoke_maker(&network, &owner, &maker.pubkey());
    bench.measure("revoke_maker", "", &[revoke], &governs)?;
    let offer = client::transfer_authority(&network, &owner, &heir.pubkey());
    bench.measure("transfer_authority", "", &[offer], &governs)?;
    let accept = client::accept_authority(&network, &heir.pubkey());
    bench.measure("accept_authority", "", &[accept], &[&heir])
}

/// Measures batches, and what becomes of their leaves, in a tree of the largest depth. The payer is the maker, as it is
/// when a batch is to cost least.
fn measure_leaves(bench: &Bench, id: &Hash, network: &Pubkey, governs: &[&Keypair]) -> Result<()> {
    let maker = bench.harness.payer.insecure_clone();
    let key = maker.pubkey();
    let [authority] = governs else {
        bail!("one key governs");
    };
    let owner = authority.pubkey();
    let grant = MakerGrant {
        key,
        quota: 10_000,
        max_tier: TIER_VOUCHER,
    };
    let approve = client::approve_maker(&key, network, &owner, grant);
    let account = bench.bare_key();
    let tree = account.pubkey();
    let rent = bench.harness.chain.rent(tree::size(DEPTH, CANOPY))?;
    let add = [
        approve,
        client::create_tree_account(&key, &tree, DEPTH, CANOPY, rent),
        client::add_tree(network, &owner, &tree, DEPTH, CANOPY),
    ];
    bench.run(&add, &[authority, &account])?;
    let mut follower = Follower::new(&bench.harness.chain, tree)?;

    let mut registered = Vec::new();
    for (instruction, curve, count, case) in [
        (
            "register_batch",
            Curve::P256,
            client::largest_batch(Curve::P256),
            "a device, of as many P-256 keys as fit v1; worst of 4 batches",
        ),
        (
            "register_batch",
            Curve::Ed25519,
            client::largest_batch(Curve::Ed25519),
            "a device, of as many Ed25519 keys as fit v1; worst of 4 batches",
        ),
        (
            "register_batch",
            Curve::P256,
            client::largest_batch_v0(Curve::P256),
            "a device, of as many P-256 keys as fit v0; worst of 4 batches",
        ),
    ] {
        let mut worst = Cost::default();
        let mut paid = 0;
        for _ in 0..BATCHES {
            let first = registered.len() as u64;
            let signers = (first..first + count as u64)
                .map(|number| DeviceSigner::from_seed(curve, &seed(LEAVES + number)))
                .collect::<Result<Vec<_>, _>>()?;
            let batch = bench.harness.read::<Maker>(&client::maker(network, &key));
            let args = RegisterBatchArgs {
                batch: batch.batches,
                curve: curve as u8,
                tier: TIER_VOUCHER,
                cell: 0x0892_8308_280f_ffff,
                manifest_hash: [3; 32],
                keys: signers
                    .iter()
                    .flat_map(|signer| signer.device_key().as_bytes().to_vec())
                    .collect(),
            };
            let register = client::register_batch(network, &key, &tree, args);
            let before = bench.lamports(&key)?;
            worst = worst.max(bench.run(&[register], &[])?);
            paid = before - bench.lamports(&key)?;
            registered.extend(signers);
        }
        let devices = count as u64;
        bench.record(
            instruction,
            case,
            Cost {
                cu: worst.cu.div_ceil(devices),
                ..Cost::default()
            },
        );
        let share = paid.div_ceil(devices);
        ensure!(
            share <= BATCH_LAMPORTS || case.contains("v0"),
            "a device costs {share} lamports in a batch"
        );
        bench.note(format!(
            "`register_batch` takes {count} {curve:?} keys in one transaction, for {share} lamports of fees each; the \
             budget in v1 is {BATCH_LAMPORTS}."
        ));
    }

    bench.edit::<Network>(network, |network| network.flags |= CREDITS)?;
    credits::provide(bench, network, &key, 0)?;
    let count = client::largest_paid_batch(Curve::P256) as u64;
    let batch = bench.harness.read::<Maker>(&client::maker(network, &key));
    let args = RegisterBatchArgs {
        batch: batch.batches,
        curve: Curve::P256 as u8,
        tier: TIER_VOUCHER,
        cell: 0x0892_8308_280f_ffff,
        manifest_hash: [3; 32],
        keys: (0..count)
            .map(|number| {
                let signer = DeviceSigner::from_seed(Curve::P256, &seed(2 * LEAVES + number))?;
                Ok(signer.device_key().as_bytes().to_vec())
            })
            .collect::<Result<Vec<_>>>()?
            .concat(),
    };
    let register = client::register_batch(network, &key, &tree, args);
    let paid = bench.run(&[charge(register, network, 0, &key)], &[])?;
    bench.record(
        "register_batch",
        "a device, of as many P-256 keys as fit v1, paid with credits",
        Cost {
            cu: paid.cu.div_ceil(count),
            ..Cost::default()
        },
    );
    bench.edit::<Network>(network, |network| network.flags &= !CREDITS)?;

    let heir = bench.key();
    let device = &registered[0];
    let message = Possession {
        network: *id,
        owner: owner.to_bytes(),
        key: device.device_key(),
        nonce: Possession::nonce_of(1, 0),
    }
    .digest();
    let signed = precompile::secp256r1(&[Entry {
        public_key: device.device_key().as_bytes(),
        message: &message,
        signature: &device.sign(&message),
    }])?;
    let (leaf, place) = leaf(bench, &mut follower, 0)?;
    let args = ProveDeviceArgs {
        leaf: (&leaf).into(),
        place,
        curve: Curve::P256 as u8,
        possession_instruction: 0,
        possession_index: 0,
    };
    let prove = [signed, client::prove_device(network, &tree, &owner, args)];
    bench.measure(
        "prove_device",
        "P-256, depth 24, canopy 10",
        &prove,
        governs,
    )?;
    bench.harness.advance(EVIDENCE_WINDOW);
    let (leaf, place) = self::leaf(bench, &mut follower, 0)?;
    let pass_on = client::transfer_device(network, &tree, &heir.pubkey(), &leaf, place);
    let both = [*authority, &heir];
    bench.measure("transfer_device", "depth 24, canopy 10", &[pass_on], &both)?;
    let (leaf, place) = self::leaf(bench, &mut follower, 0)?;
    let locate = client::assert_location(&key, network, &tree, &leaf, place.clone(), 0);
    bench.measure(
        "assert_location",
        "depth 24, canopy 10",
        &[locate],
        &[&heir],
    )?;

    // The oldest proof that is brought up to date: as many changes of near leaves since as the tree remembers.
    let (leaf, place) = self::leaf(bench, &mut follower, 0)?;
    for index in 1..=tree::CHANGELOG as u32 {
        let (other, place) = self::leaf(bench, &mut follower, index)?;
        let locate = client::assert_location(&key, network, &tree, &other, place, 0);
        bench.run(&[locate], &[])?;
    }
    let locate = client::assert_location(&key, network, &tree, &leaf, place, 0x0892_8308_280f_ffff);
    bench.measure(
        "assert_location",
        "depth 24, canopy 10, proof 256 changes old",
        &[locate],
        &[&heir],
    )?;
    let devices = registered.get(..4).context("no devices")?;
    reports::measure(bench, network, authority, &tree, &mut follower, devices)
}

/// A leaf of a followed tree and its place, as they stand now.
pub fn leaf(
    bench: &Bench,
    follower: &mut Follower,
    index: u32,
) -> Result<(RegistryLeaf, LeafPlace)> {
    let tree = follower.catch_up(&bench.harness.chain)?;
    let place = tree.place(index)?;
    let leaf = tree.leaves().get(index as usize).context("no leaf")?;
    Ok((*leaf, place))
}

/// Measures the NFTs of the devices registered so far; the tree's and so the mints' addresses are the same in every run.
fn measure_nfts(bench: &Bench, network: &Pubkey, tree: &Pubkey, owner: &Keypair) -> Result<()> {
    const URI: &str = "https://example.org/devices/1.json";
    let buyer = bench.key();
    let mut follower = Follower::new(&bench.harness.chain, *tree)?;
    let mut costs = [const { Vec::new() }; 3];
    for index in 0..DEVICES as u32 {
        let (old, place) = leaf(bench, &mut follower, index)?;
        let payer = owner.pubkey();
        let promote = client::promote_device(&payer, network, tree, &old, place, URI.to_owned());
        costs[0].push(bench.run(&[promote], &[owner])?);

        let mint = client::nft(tree, index);
        let from = associated_2022(&payer, &mint);
        let to = associated_2022(&buyer.pubkey(), &mint);
        let open = create_associated_2022(&bench.payer(), &buyer.pubkey(), &mint);
        let sell = transfer_checked(&TOKEN_2022_PROGRAM, &from, &mint, &to, &payer, &[], 1, 0)?;
        bench.run(&[open, sell], &[owner])?;
        let (old, place) = leaf(bench, &mut follower, index)?;
        let bind = client::bind_device(network, tree, &buyer.pubkey(), &to, &old, place);
        costs[1].push(bench.run(&[bind], &[&buyer])?);
        let (old, place) = leaf(bench, &mut follower, index)?;
        let demote = client::demote_device(network, tree, &buyer.pubkey(), Some(&to), &old, place);
        costs[2].push(bench.run(&[demote], &[&buyer])?);
    }
    for (instruction, costs) in ["promote_device", "bind_device", "demote_device"]
        .into_iter()
        .zip(costs)
    {
        let worst = costs.into_iter().max().context("no device")?;
        bench.record(instruction, "depth 24, canopy 10; worst of 16", worst);
    }
    Ok(())
}

/// Measures tier 2, with certificates that openssl makes. Their keys are drawn anew in each run; an issuer is taken whose
/// address is found at the first try, so that runs cost the same.
fn measure_certificates(
    bench: &Bench,
    id: &Hash,
    tree: &Pubkey,
    authority: &Keypair,
) -> Result<()> {
    const FIRST: SignatureAt = SignatureAt {
        instruction: 0,
        index: 0,
    };
    let (payer, network) = (bench.payer(), client::network(id));
    let maker = bench.key();
    let maker_key = client::maker(&network, &maker.pubkey());
    let grant = MakerGrant {
        key: maker.pubkey(),
        quota: 1_000,
        max_tier: TIER_CERTIFICATE,
    };
    bench.run(
        &[
            client::approve_maker(&payer, &network, &authority.pubkey(), grant),
            client::open_voucher_page(&payer, &network, &maker.pubkey(), 0),
        ],
        &[authority, &maker],
    )?;

    let pki = Pki::new();
    let root = pki.root_grant(*id, maker.pubkey().to_bytes());
    let granted = precompile::secp256r1(&[Entry {
        public_key: &root.root,
        message: &root.digest(),
        signature: &pki.sign("root", &root.digest()),
    }])?;
    let set = client::set_maker_root(&network, &maker.pubkey(), FIRST);
    bench.measure("set_maker_root", "", &[granted, set], &[&maker])?;

    let issuer = loop {
        let issuer = pki.issue_ca(|script| script);
        let seeds = [
            seeds::ISSUER,
            maker_key.as_ref(),
            &Issuer::seed(&issuer.key),
        ];
        if Pubkey::find_program_address(&seeds, &device_registry::ID).1 == u8::MAX {
            break issuer;
        }
    };
    let valid = Tbs::parse(&issuer.signed)?;
    bench.harness.chain.set_time(valid.not_before + 60);
    let signed = precompile::secp256r1(&[issuer.entry(&root.root)])?;
    let add = client::add_issuer(&payer, &network, &maker.pubkey(), &issuer.key, FIRST);
    bench.measure("add_issuer", "", &[signed, add], &[&maker])?;

    let issuer_key = client::issuer(&maker_key, &issuer.key);
    let registration = |number: u64| -> Result<[Instruction; 2]> {
        let device = DeviceSigner::from_seed(Curve::P256, &seed(1_000 + number))?;
        let key = device.device_key();
        let certificate = pki.issue(&key, number, |script| script);
        let possession = Possession {
            network: *id,
            owner: authority.pubkey().to_bytes(),
            key,
            nonce: number,
        }
        .digest();
        let signatures = precompile::secp256r1(&[
            Entry {
                public_key: key.as_bytes(),
                message: &possession,
                signature: &device.sign(&possession),
            },
            certificate.entry(&issuer.key),
        ])?;
        let place = Registration {
            network,
            maker: maker.pubkey(),
            tree: *tree,
            owner: authority.pubkey(),
        };
        let args = RegisterDeviceArgs {
            curve: Curve::P256 as u8,
            key: key.bytes,
            number,
            tier: TIER_CERTIFICATE,
            serial_hash: [0; 32],
            cell: 0x0892_8308_280f_ffff,
            possession_instruction: 0,
            possession_index: 0,
            voucher_instruction: 0,
            voucher_index: 1,
        };
        let register = client::register_certified_device(place, &issuer_key, args);
        Ok([signatures, register])
    };
    let costs = (1..=DEVICES)
        .map(|number| bench.run(&registration(number)?, &[authority]))
        .collect::<Result<Vec<_>>>()?;
    bench.record(
        "register_device",
        "depth 24, canopy 10, P-256 possession and certificate; worst of 16",
        costs.into_iter().max().context("no device")?,
    );
    bench.edit::<Network>(&network, |network| network.flags |= CREDITS)?;
    let owner = authority.pubkey();
    let present = bench
        .harness
        .read::<Network>(&network)
        .epoch(bench.harness.now())?;
    credits::provide(bench, &network, &owner, present)?;
    let costs = (1..=DEVICES)
        .map(|number| {
            let [signatures, register] = registration(DEVICES + number)?;
            let register = charge(register, &network, present, &owner);
            bench.run(&[signatures, register], &[authority])
        })
        .collect::<Result<Vec<_>>>()?;
    bench.record(
        "register_device",
        "depth 24, canopy 10, P-256 possession and certificate, paid with credits; worst of 16",
        costs.into_iter().max().context("no device")?,
    );
    bench.edit::<Network>(&network, |network| network.flags &= !CREDITS)?;
    let revoke = client::revoke_issuer(&network, &maker.pubkey(), &issuer.key, &maker.pubkey());
    bench.measure("revoke_issuer", "", &[revoke], &[&maker])
}

/// Registering in the network while it charges credits.
fn measure_paid(
    bench: &Bench,
    enrolment: &Enrolment,
    network: &Pubkey,
    authority: &Keypair,
) -> Result<()> {
    let owner = authority.pubkey();
    bench.edit::<Network>(network, |network| network.flags |= CREDITS)?;
    credits::provide(bench, network, &owner, 0)?;
    let costs = (0..DEVICES)
        .map(|number| {
            let number = number + 5 * DEVICES;
            let [possessed, vouched, register] = enrolment.instructions(Curve::P256, number)?;
            let register = charge(register, network, 0, &owner);
            bench.run(&[possessed, vouched, register], &[authority])
        })
        .collect::<Result<Vec<_>>>()?;
    let case =
        "depth 24, canopy 10, P-256 possession, Ed25519 voucher, paid with credits; worst of 16";
    bench.record(
        "register_device",
        case,
        costs.into_iter().max().context("no device")?,
    );
    bench.edit::<Network>(network, |network| network.flags &= !CREDITS)
}

/// A network's arguments, of epochs of a day.
pub fn network_args(creator: &Keypair) -> CreateNetworkArgs {
    let genesis_hash = [7; 32];
    let program = device_registry::ID.to_bytes();
    CreateNetworkArgs {
        id: network_id(&program, &genesis_hash, &creator.pubkey().to_bytes(), 0),
        nonce: 0,
        genesis_hash,
        genesis: START,
        epoch_length: 86_400,
        timelock: TIMELOCK,
        flags: 0,
        parameters: Parameters {
            device_bond: 1_000_000,
            evidence_window: EVIDENCE_WINDOW,
            answer_window: 86_400,
            challenge_bond: 10_000_000,
            max_speed: 70,
            tier_discount_bps: [0, 5_000, 7_500, 9_000],
            withheld_slash_bps: 1_000,
            _pad: 0,
        },
    }
}

/// Where devices are registered, and who vouches for them.
struct Enrolment<'a> {
    id: Hash,
    place: Registration,
    maker: &'a Keypair,
}

impl Enrolment<'_> {
    /// The device's signature, the maker's, the registration.
    fn instructions(&self, curve: Curve, number: u64) -> Result<[Instruction; 3]> {
        let device = DeviceSigner::from_seed(curve, &seed(number))?;
        let key = device.device_key();
        let serial_hash = [3; 32];
        let possession = Possession {
            network: self.id,
            owner: self.place.owner.to_bytes(),
            key,
            nonce: number,
        }
        .digest();
        let voucher = Voucher {
            network: self.id,
            maker: self.place.maker.to_bytes(),
            number,
            device: key.id(),
            tier: TIER_VOUCHER,
            serial_hash,
        }
        .digest();
        let possessed = [Entry {
            public_key: key.as_bytes(),
            message: &possession,
            signature: &device.sign(&possession),
        }];
        let vouched = [Entry {
            public_key: self.place.maker.as_ref(),
            message: &voucher,
            signature: &self.maker.sign_message(&voucher).into(),
        }];
        let args = RegisterDeviceArgs {
            curve: curve as u8,
            key: key.bytes,
            number,
            tier: TIER_VOUCHER,
            serial_hash,
            // An H3 cell of resolution 9
            cell: 0x0892_8308_280f_ffff,
            possession_instruction: 0,
            possession_index: 0,
            voucher_instruction: 1,
            voucher_index: 0,
        };
        Ok([
            match curve {
                Curve::Ed25519 => precompile::ed25519(&possessed)?,
                Curve::P256 => precompile::secp256r1(&possessed)?,
            },
            precompile::ed25519(&vouched)?,
            client::register_device(self.place, args),
        ])
    }
}
