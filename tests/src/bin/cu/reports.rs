//! device-registry: reports, without what the security-pool consumes for the slash, which is measured there.

use crate::bench::Bench;
use crate::device_registry::leaf;
use crate::stream::{full_batch, Proof};
use anchor_lang::prelude::Pubkey;
use anyhow::{bail, Result};
use commitment::ReadingLeaf;
use device_protocol::{Curve, Reading, SessionGrant, SignedGrant, SignedReading, Values};
use device_registry::state::{Maker, Network, Tree};
use device_registry::RegisterBatchArgs;
use fieldproof_client::device_registry as client;
use fieldproof_client::key::DeviceSigner;
use fieldproof_client::registry_tree::Follower;
use fieldproof_client::reports::{
    report_contradiction, report_duplicate, Committed, Contradiction, Evidence, ProvenLeaf,
    Reporter,
};
use fieldproof_client::security_pool as pools;
use security_pool::state::RosterTerms;
use solana_keypair::Keypair;
use solana_signer::Signer;

/// What the owner posts, in base units.
const POSTED: u64 = 10_000_000;

/// Measures each report against a device of its own: `devices` are leaves 0 to 3 of the tree that is followed, vouched for
/// by the payer. The authority has proven and then sold the first.
pub fn measure(
    bench: &Bench,
    network: &Pubkey,
    authority: &Keypair,
    tree: &Pubkey,
    follower: &mut Follower,
    devices: &[DeviceSigner],
) -> Result<()> {
    let payer = bench.payer();
    let Network { id, stake_mint, .. } = bench.harness.read(network);
    let terms = RosterTerms {
        slashers: pools::slashers(),
        slash_cap_bps: 5_000,
        minimum_allocation: 1,
        max_leverage_bps: 10_000,
        bounty_bps: 3_000,
        insurance_bps: 3_000,
    };
    bench.harness.fund(&payer, &stake_mint, POSTED);
    let key = authority.pubkey();
    bench.run(
        &[
            pools::create_roster(&payer, &key, network, &stake_mint, terms),
            pools::post_bond(&payer, &payer, network, &stake_mint, POSTED),
        ],
        &[authority],
    )?;
    let case = Case {
        bench,
        tree: *tree,
        reporter: Reporter {
            network: *network,
            network_id: id,
            stake_mint,
            payer,
            bounty: bench.harness.fund(&bench.address(), &stake_mint, 0),
        },
    };
    let [sold, equivocating, travelling, twice] = devices else {
        bail!("four devices are reported");
    };

    let session = case.session(equivocating, 1);
    let reading = case.reading(equivocating);
    let second = Reading {
        captured_at: reading.captured_at + 1,
        ..reading
    };
    let evidence = [session.signed(reading), session.signed(second)];
    let leaf = case.leaf(follower, 1)?;
    let report = report_contradiction(
        &case.reporter,
        Contradiction::Equivocation,
        &equivocating.device_key(),
        &leaf,
        evidence.each_ref(),
        None,
        0,
    )?;
    bench.measure_without(
        "report_equivocation",
        "without its slash; P-256 session, depth 24, canopy 10",
        &report,
        &security_pool::ID,
    )?;

    let reading = case.reading(travelling);
    let far = Reading {
        latitude: reading.latitude - 1_000_000,
        ..reading
    };
    let evidence = [
        case.session(travelling, 1).signed(reading),
        case.session(travelling, 2).signed(far),
    ];
    let leaf = case.leaf(follower, 2)?;
    let report = report_contradiction(
        &case.reporter,
        Contradiction::Travel,
        &travelling.device_key(),
        &leaf,
        evidence.each_ref(),
        None,
        0,
    )?;
    bench.measure_without(
        "report_travel",
        "without its slash; two P-256 sessions, depth 24, canopy 10",
        &report,
        &security_pool::ID,
    )?;
    case.measure_previous(follower, sold, authority)?;

    let maker = bench.harness.read::<Maker>(&client::maker(network, &payer));
    let args = RegisterBatchArgs {
        batch: maker.batches,
        curve: Curve::P256 as u8,
        tier: 1,
        cell: 0,
        manifest_hash: [3; 32],
        keys: twice.device_key().as_bytes().to_vec(),
    };
    bench.run(&[client::register_batch(network, &payer, tree, args)], &[])?;
    let last = follower.catch_up(&bench.harness.chain)?.leaves().len() - 1;
    let (kept, duplicate) = (
        case.leaf(follower, 3)?,
        case.leaf(follower, u32::try_from(last)?)?,
    );
    bench.measure_without(
        "report_duplicate",
        "without its slash; one tree, depth 24, canopy 10",
        &[report_duplicate(&case.reporter, &kept, &duplicate)],
        &security_pool::ID,
    )
}

/// What every report needs.
struct Case<'a> {
    bench: &'a Bench,
    tree: Pubkey,
    reporter: Reporter,
}

impl Case<'_> {
    /// The seller of leaf 0 is reported. Of sessions, in streams as long, the report exceeds a transaction.
    fn measure_previous(
        &self,
        follower: &mut Follower,
        device: &DeviceSigner,
        seller: &Keypair,
    ) -> Result<()> {
        let Reporter {
            network,
            stake_mint,
            payer,
            ..
        } = self.reporter;
        let owner = seller.pubkey();
        self.bench.harness.fund(&owner, &stake_mint, POSTED);
        let post = pools::post_bond(&payer, &owner, &network, &stake_mint, POSTED);
        self.bench.run(&[post], &[seller])?;

        let accused = self.leaf(follower, 0)?;
        let before = accused.leaf.owner_changed_at - 1;
        let reading = Reading {
            leaf_nonce: accused.leaf.nonce - 1,
            captured_at: before * 1_000,
            ..self.reading(device)
        };
        let far = Reading {
            latitude: reading.latitude - 1_000_000,
            ..reading
        };
        let evidence = [reading, far].map(|reading| Evidence {
            reading: SignedReading {
                reading,
                signature: device.sign(&reading.digest()),
            },
            grant: None,
        });
        let [first, second] = &evidence;
        let committed = [
            self.committed(1, first, before)?,
            self.committed(2, second, before)?,
        ];
        let report = report_contradiction(
            &self.reporter,
            Contradiction::Travel,
            &device.device_key(),
            &accused,
            [first, second],
            Some(committed),
            0,
        )?;
        self.bench.measure_without(
            "report_travel",
            "without its slash; of a seller, P-256 key, 2 streams of 2^20 commitments, 1 batch, depth 24, canopy 10",
            &report,
            &security_pool::ID,
        )
    }

    /// The proof that a stream committed to a reading at `posted_at` (unix seconds).
    fn committed(&self, stream: u8, evidence: &Evidence, posted_at: i64) -> Result<Committed> {
        let leaf = ReadingLeaf::of(&evidence.reading, evidence.grant.as_ref()).hash();
        let (batch, readings) = full_batch(leaf)?;
        let proof = Proof::new(batch, 1, posted_at)?;
        // Not numbered like the keys: those of the cases after this one would cost otherwise.
        let key = Pubkey::new_from_array([stream; 32]);
        let account = proof.stream(self.reporter.network, key);
        self.bench.put(&key, &account)?;
        Ok(Committed::new(
            key,
            &proof.commitment,
            proof.mmr_path,
            (0, &proof.batch, proof.batch_path),
            (0, readings.path(0)?),
        ))
    }

    fn leaf(&self, follower: &mut Follower, index: u32) -> Result<ProvenLeaf> {
        let (leaf, place) = leaf(self.bench, follower, index)?;
        let header = self.bench.harness.read::<Tree>(&self.tree);
        Ok(ProvenLeaf {
            tree: self.tree,
            tree_index: header.index,
            leaf,
            place,
        })
    }

    fn reading(&self, device: &DeviceSigner) -> Reading {
        Reading {
            network: self.reporter.network_id,
            device: device.device_key().id(),
            leaf_nonce: 0,
            session: 0,
            sequence: 1,
            captured_at: self.bench.harness.now() * 1_000,
            latitude: 520_000_000,
            longitude: 130_000_000,
            accuracy: 25,
            schema: 1,
            values: Values::new(&[1]).expect("one value"),
        }
    }

    fn session(&self, device: &DeviceSigner, counter: u32) -> Session {
        let key = DeviceSigner::from_seed(Curve::Ed25519, &[7; 32]).expect("any seed");
        let mut session_key = [0; 32];
        session_key.copy_from_slice(key.device_key().as_bytes());
        let now = self.bench.harness.now();
        let grant = SessionGrant {
            network: self.reporter.network_id,
            device: device.device_key().id(),
            leaf_nonce: 0,
            session_key,
            counter,
            not_before: now,
            expires: now + SessionGrant::MAX_SECONDS,
        };
        let signature = device.sign(&grant.digest());
        Session {
            key,
            granted: SignedGrant { grant, signature },
        }
    }
}

/// A session key with its grant.
struct Session {
    key: DeviceSigner,
    granted: SignedGrant,
}

impl Session {
    fn signed(&self, reading: Reading) -> Evidence {
        let reading = Reading {
            session: self.granted.grant.counter,
            ..reading
        };
        Evidence {
            reading: SignedReading {
                reading,
                signature: self.key.sign(&reading.digest()),
            },
            grant: Some(self.granted),
        }
    }
}
