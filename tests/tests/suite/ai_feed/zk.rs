//! Verifying keys, proofs, and models whose weights nobody else knows. Proofs are made with a key's secrets, so that
//! whatever an honest prover could have computed is a proof away, and whatever it couldn't must be refused.

use super::*;
use ai_feed::instructions::RegisterVerifyingKeyArgs;
use ai_feed::state::{
    VerifyingKey, DEVELOPMENT_ALPHA, G1, G2, INSECURE, KEY_BYTES, PRIVATE, REDUCTION_CIRCOM,
};
use client::Proven;
use device_protocol::{attestation_context, private_model_id, SourcesMessage};
use device_registry::state::network::DEVELOPMENT_KEYS;
use fieldproof_client::transaction::{self, V0_BYTES};
use solana_message::VersionedMessage;
use tests::groth16::{self, Secrets};

/// Seconds from a key's registration until its proofs are taken.
const TIMELOCK: i64 = 20;
/// SHA-256 of a ceremony's transcript.
const TRANSCRIPT: [u8; 32] = [9; 32];
/// Order of the field that public inputs lie in, big-endian.
const MODULUS: [u8; 32] = [
    0x30, 0x64, 0x4e, 0x72, 0xe1, 0x31, 0xa0, 0x29, 0xb8, 0x50, 0x45, 0xb6, 0x81, 0x81, 0x58, 0x5d,
    0x28, 0x33, 0xe8, 0x48, 0x79, 0xb9, 0x70, 0x91, 0x43, 0xe1, 0xf5, 0x93, 0xf0, 0x00, 0x00, 0x01,
];
/// Order of the field that coordinates lie in, big-endian.
const COORDINATE_MODULUS: [u8; 32] = [
    0x30, 0x64, 0x4e, 0x72, 0xe1, 0x31, 0xa0, 0x29, 0xb8, 0x50, 0x45, 0xb6, 0x81, 0x81, 0x58, 0x5d,
    0x97, 0x81, 0x6a, 0x91, 0x68, 0x71, 0xca, 0x8d, 0x3c, 0x20, 0x8c, 0x16, 0xd8, 0x7c, 0xfd, 0x47,
];
/// Where each point of a key begins, and its length.
const POINTS: [(usize, usize); 6] = [
    (0, G1),
    (64, G2),
    (192, G2),
    (320, G2),
    (448, G1),
    (512, G1),
];

/// The sum of two big-endian numbers.
fn sum(one: &[u8], other: &[u8; 32]) -> [u8; 32] {
    let mut sum = [0; 32];
    let mut carry = 0;
    for ((place, one), other) in sum.iter_mut().zip(one).zip(other).rev() {
        let digit = u16::from(*one) + u16::from(*other) + carry;
        *place = digit as u8;
        carry = digit >> 8;
    }
    assert_eq!(carry, 0);
    sum
}

/// What a key of a ceremony is registered with.
fn key_args(key: [u8; KEY_BYTES]) -> RegisterVerifyingKeyArgs {
    RegisterVerifyingKeyArgs {
        hash: VerifyingKey::hash_of(&key),
        shape: Header::SHAPE,
        windows: 32,
        reduction: REDUCTION_CIRCOM,
        circuit: [8; 32],
        transcript: TRANSCRIPT,
        key: key.to_vec(),
    }
}

/// A batch that only this number's stream has, whose windows root is a field element.
fn provable_batch(number: u8, windows: u32) -> BatchLeaf {
    BatchLeaf {
        readings_root: [number; 32],
        windows_root: [0x20; 32],
        ..batch_in(FIRST, windows)
    }
}

/// The public input that follows from an attestation.
#[derive(Clone, Copy)]
struct Claim {
    windows_root: [u8; 32],
    model: [u8; 32],
    outputs: [u8; 32],
    windows: u8,
    feed: [u8; 32],
    stream: Pubkey,
    sequence: u64,
    batch_index: u32,
    round: u64,
    pool: Pubkey,
}

impl Claim {
    fn input(&self) -> [u8; 32] {
        let context = attestation_context(
            &self.feed,
            self.stream.as_array(),
            self.sequence,
            self.batch_index,
            self.round,
            self.pool.as_array(),
        );
        inference::public_input(
            &self.windows_root,
            &self.model,
            &self.outputs,
            self.windows,
            &context,
            poseidon,
        )
        .unwrap()
    }
}

/// A network with an active verifying key, and a feed that requires its proofs.
struct Proving {
    world: World,
    secrets: Secrets,
    authority: Keypair,
    key: Pubkey,
    /// Hash of the feed's model, which its id is not if it is private.
    model: [u8; 32],
}

impl Proving {
    fn new() -> Self {
        let world = World::with_feed(&[2, 1, 1], |args| CreateFeedArgs {
            required_mask: Mask::ZK | Mask::SOURCED,
            ..args
        });
        let model = world.model;
        Self::of(world, model)
    }

    fn of(world: World, model: [u8; 32]) -> Self {
        let authority = world.harness.key();
        let secrets = Secrets::new(1);
        let proving = Self {
            key: client::verifying_key(&world.network, &VerifyingKey::hash_of(&secrets.key())),
            world,
            secrets,
            authority,
            model,
        };
        proving.put_network(|_| ());
        proving.register(key_args(secrets.key())).unwrap();
        proving.world.harness.advance(TIMELOCK);
        proving
    }

    fn put_network(&self, change: impl FnOnce(&mut Network)) {
        let mut network = Network {
            authority: self.authority.pubkey(),
            timelock: TIMELOCK,
            ..self.world.network_state()
        };
        change(&mut network);
        self.world.put(&self.world.network, &network);
    }

    fn register(&self, args: RegisterVerifyingKeyArgs) -> Result<Execution, ClientError> {
        let world = &self.world;
        let authority = &self.authority;
        let register = client::register_verifying_key(
            &world.payer(),
            &authority.pubkey(),
            &world.network,
            args,
        );
        world.send(&[register], &[authority])
    }

    fn revoke(&self, hash: &[u8; 32]) -> Result<Execution, ClientError> {
        let authority = &self.authority;
        let revoke = client::revoke_verifying_key(&authority.pubkey(), &self.world.network, hash);
        self.world.send(&[revoke], &[authority])
    }

    /// Has an operator commit to a batch and attest these outputs of it.
    fn attest(&mut self, operator: usize, batch: BatchLeaf, outputs: &[u8]) -> Pubkey {
        let sequence = self.world.commit(operator, &[batch]);
        let args = self.world.args(operator, sequence, 0, outputs);
        let round = args.round;
        self.world.submit(operator, args).unwrap();
        self.world.attestation(operator, round, sequence, 0)
    }

    fn claim(&self, attestation: &Pubkey) -> Claim {
        let state: Attestation = self.world.harness.read(attestation);
        Claim {
            windows_root: state.batch.windows_root,
            model: self.model,
            outputs: state.outputs,
            windows: state.windows,
            feed: self.world.feed_id,
            stream: state.stream,
            sequence: state.sequence,
            batch_index: state.batch_index,
            round: state.round,
            pool: state.pool,
        }
    }

    fn proven(&self, attestation: &Pubkey) -> Proven {
        let round = self.world.harness.read::<Attestation>(attestation).round;
        Proven {
            network: self.world.network,
            feed: self.world.feed,
            model: client::model(&self.world.feed().model),
            verifying_key: self.key,
            round: client::round(&self.world.feed, round),
            attestation: *attestation,
        }
    }

    fn prove_with(&self, attestation: &Pubkey, proof: [u8; 256]) -> Result<Execution, ClientError> {
        let prove = client::attest_zk(&self.proven(attestation), proof);
        self.world.send(&[prove], &[])
    }

    /// Brings the proof of what the attestation claims.
    fn prove(&self, attestation: &Pubkey) -> Result<Execution, ClientError> {
        let input = self.claim(attestation).input();
        self.prove_with(attestation, self.secrets.prove(&input))
    }

    fn sources_message(&self, attestation: &Pubkey) -> SourcesMessage {
        let state: Attestation = self.world.harness.read(attestation);
        SourcesMessage {
            network: self.world.network_id,
            feed: self.world.feed_id,
            stream: state.stream.to_bytes(),
            round: state.round,
            sequence: state.sequence,
            batch_index: state.batch_index,
            batch_leaf: state.batch_leaf,
            epoch: state.committee_epoch,
        }
    }

    /// Members sign a message as one about the attestation's sources.
    fn sign_sources(
        &self,
        attestation: &Pubkey,
        members: &[u8],
        message: &[u8; 32],
    ) -> Result<Execution, ClientError> {
        let attested = self.world.attested(attestation);
        self.world.send(
            &[
                self.world.signatures(members, message),
                client::attest_sources(&attested, 0, members.to_vec()),
            ],
            &[],
        )
    }

    /// The attestation's mask, and what has passed of its stream's in the round, by bit.
    fn passed(&self, attestation: &Pubkey) -> (u16, [u16; 8]) {
        let state: Attestation = self.world.harness.read(attestation);
        let round = client::round(&self.world.feed, state.round);
        let round: Round = self.world.harness.read(&round);
        (state.mask, round.slot[state.slot as usize].passed)
    }
}

mod keys {
    use super::*;

    #[test]
    fn is_stored_with_its_timelock() {
        let proving = Proving::new();
        let key: VerifyingKey = proving.world.harness.read(&proving.key);
        let bytes = proving.secrets.key();
        let registered_at = proving.world.harness.now() - TIMELOCK;
        assert_eq!((key.version, key.flags), (1, 0));
        assert_eq!((key.shape, key.windows), (1, 32));
        assert_eq!(key.reduction, REDUCTION_CIRCOM);
        assert_eq!(key.hash, VerifyingKey::hash_of(&bytes));
        assert_eq!(key.network, proving.world.network);
        assert_eq!((key.circuit, key.transcript), ([8; 32], TRANSCRIPT));
        assert_eq!(key.registrant, proving.authority.pubkey());
        assert_eq!(key.registered_at, registered_at);
        assert_eq!(key.active_from, registered_at + TIMELOCK);
        assert_eq!(key.revoked_at, 0);
        let [constant, input] = key.ic;
        let stored: Vec<u8> = [
            &key.alpha[..],
            &key.beta,
            &key.gamma,
            &key.delta,
            &constant,
            &input,
        ]
        .concat();
        assert_eq!(stored, bytes);
    }

    #[test]
    fn with_wrong_arguments_is_refused() {
        let proving = Proving::new();
        let refused = |change: &dyn Fn(&mut RegisterVerifyingKeyArgs), error: E| {
            let mut args = key_args(Secrets::new(2).key());
            change(&mut args);
            assert_refused(proving.register(args), error);
        };
        refused(&|args| args.shape = 2, E::UnknownCircuit);
        refused(&|args| args.windows = 31, E::UnknownCircuit);
        refused(&|args| args.reduction = 0, E::UnknownCircuit);
        refused(&|args| args.key.truncate(575), E::InvalidVerifyingKey);
        refused(&|args| args.key.push(0), E::InvalidVerifyingKey);
        refused(&|args| args.key = vec![], E::InvalidVerifyingKey);
        refused(&|args| args.hash[0] ^= 1, E::VerifyingKeyHashMismatch);
        refused(&|args| args.key[0] ^= 1, E::VerifyingKeyHashMismatch);
    }

    /// Each of the six points in each way of being none.
    #[test]
    fn with_a_bad_point_is_refused() {
        let proving = Proving::new();
        let good = Secrets::new(2).key();
        let refused = |name: &str, change: &dyn Fn(&mut [u8]), place: (usize, usize), error: E| {
            let (start, length) = place;
            let mut key = good;
            change(&mut key[start..start + length]);
            println!("{name} at {start}");
            assert_refused(proving.register(key_args(key)), error);
        };
        for place in POINTS {
            let last = place.1 - 32;
            refused("infinity", &|point| point.fill(0), place, E::KeyInfinity);
            refused(
                "off the curve",
                &|point| point[last + 31] ^= 1,
                place,
                E::KeyOffCurve,
            );
            // Coordinates have one form; what lies above them the syscalls take as flags: of infinity, and of nothing.
            refused(
                "flag of infinity",
                &|point| point[last] |= 0x40,
                place,
                E::KeyCoordinate,
            );
            refused(
                "flag of the sign",
                &|point| point[last] |= 0x80,
                place,
                E::KeyCoordinate,
            );
            for coordinate in (0..place.1).step_by(32) {
                refused(
                    "aliased",
                    &|point| {
                        let aliased = sum(&point[coordinate..][..32], &COORDINATE_MODULUS);
                        point[coordinate..][..32].copy_from_slice(&aliased);
                    },
                    place,
                    E::KeyCoordinate,
                );
            }
        }
        let outside = groth16::outside_g2();
        for place in &POINTS[1..4] {
            refused(
                "outside G2",
                &|point| point.copy_from_slice(&outside),
                *place,
                E::KeyOffCurve,
            );
        }
        proving.register(key_args(good)).unwrap();
    }

    /// The key of a set-up without its last contribution, and its kin: with any of them everyone can forge.
    #[test]
    fn that_anyone_can_forge_with_is_refused() {
        let proving = Proving::new();
        let good = Secrets::new(2);
        for bad in [
            Secrets {
                delta: good.gamma,
                ..good
            },
            Secrets {
                delta: -good.gamma,
                ..good
            },
            Secrets {
                beta: good.gamma,
                ..good
            },
            Secrets {
                beta: -good.gamma,
                ..good
            },
            Secrets {
                beta: good.delta,
                ..good
            },
            Secrets {
                beta: -good.delta,
                ..good
            },
        ] {
            assert_refused(proving.register(key_args(bad.key())), E::DegenerateKey);
        }
    }

    #[test]
    fn without_a_ceremony_needs_a_network_that_takes_development_keys() {
        let proving = Proving::new();
        let args = RegisterVerifyingKeyArgs {
            transcript: [0; 32],
            ..key_args(Secrets::new(2).key())
        };
        assert_refused(proving.register(args.clone()), E::DevelopmentKey);
        proving.put_network(|network| network.flags = !DEVELOPMENT_KEYS);
        assert_refused(proving.register(args.clone()), E::DevelopmentKey);
        proving.put_network(|network| network.flags = DEVELOPMENT_KEYS);
        proving.register(args.clone()).unwrap();
        let key = client::verifying_key(&proving.world.network, &args.hash);
        let key: VerifyingKey = proving.world.harness.read(&key);
        assert_eq!((key.flags, key.transcript), (INSECURE, [0; 32]));
    }

    /// Whatever its registrant says of a ceremony.
    #[test]
    fn of_the_development_set_up_is_known_by_its_alpha() {
        let proving = Proving::new();
        let mut key = Secrets::new(2).key();
        key[..G1].copy_from_slice(&DEVELOPMENT_ALPHA);
        let args = key_args(key);
        assert_refused(proving.register(args.clone()), E::DevelopmentKey);
        proving.put_network(|network| network.flags = DEVELOPMENT_KEYS);
        proving.register(args.clone()).unwrap();
        let key = client::verifying_key(&proving.world.network, &args.hash);
        let key: VerifyingKey = proving.world.harness.read(&key);
        assert_eq!(key.flags, INSECURE);
    }

    #[test]
    fn needs_the_networks_authority() {
        let proving = Proving::new();
        let world = &proving.world;
        let thief = world.harness.key();
        let args = key_args(Secrets::new(2).key());
        let hash = VerifyingKey::hash_of(&proving.secrets.key());
        let register = |authority: &Pubkey| {
            client::register_verifying_key(&world.payer(), authority, &world.network, args.clone())
        };
        let revoke =
            |authority: &Pubkey| client::revoke_verifying_key(authority, &world.network, &hash);
        for instruction in [register(&thief.pubkey()), revoke(&thief.pubkey())] {
            assert_refused(
                world.send(&[instruction], &[&thief]),
                E::NotNetworkAuthority,
            );
        }
        let authority = proving.authority.pubkey();
        for instruction in [register(&authority), revoke(&authority)] {
            let instruction = unsigned(instruction, &authority);
            assert_refused(world.send(&[instruction], &[]), ErrorCode::AccountNotSigner);
        }
        // The authority of another network.
        let other = Pubkey::new_unique();
        let state = Network {
            authority: thief.pubkey(),
            ..world.network_state()
        };
        world.put(&other, &state);
        let foreign = replace(revoke(&thief.pubkey()), &world.network, other);
        assert_refused(world.send(&[foreign], &[&thief]), E::WrongNetwork);
    }

    #[test]
    fn is_registered_and_revoked_once() {
        let proving = Proving::new();
        let args = key_args(proving.secrets.key());
        assert_refused(proving.register(args.clone()), ALREADY_IN_USE);
        proving.revoke(&args.hash).unwrap();
        let key: VerifyingKey = proving.world.harness.read(&proving.key);
        assert_eq!(key.revoked_at, proving.world.harness.now());
        assert_refused(proving.revoke(&args.hash), E::KeyRevoked);
        assert_refused(proving.register(args), ALREADY_IN_USE);
    }
}

mod proofs {
    use super::*;

    #[test]
    fn pass_the_bit_and_with_sources_the_round() {
        let mut proving = Proving::new();
        let attestation = proving.attest(0, provable_batch(1, 3), &[10, 50, 20]);
        proving.prove(&attestation).unwrap();
        let mask = Mask::ZK;
        assert_eq!(
            proving.passed(&attestation),
            (mask, [0, 0, 0, 1, 0, 0, 0, 0])
        );
        assert_refused(proving.world.finalize(FIRST), E::StreamPending);

        proving.world.sign(&attestation, &[0, 1]).unwrap();
        let mask = Mask::ZK | Mask::COMMITTEE | Mask::SOURCED;
        assert_eq!(
            proving.passed(&attestation),
            (mask, [1, 0, 1, 1, 0, 0, 0, 0])
        );
        proving.world.finalize(FIRST).unwrap();
        let value = proving.world.read(600, Mask::ZK | Mask::SOURCED).unwrap();
        assert_eq!((value.value, value.mask), (-500 + 10 * 20, mask));
    }

    #[test]
    fn come_after_signatures_too_and_past_the_deadline() {
        let mut proving = Proving::new();
        let attestation = proving.attest(0, provable_batch(1, 1), &[10]);
        proving.world.sign(&attestation, &[0, 1]).unwrap();
        proving.world.harness.advance(CHALLENGE);
        proving.prove(&attestation).unwrap();
        proving.world.finalize(FIRST).unwrap();
    }

    /// Nothing says of the windows where they come from but SOURCED. What becomes of invented ones is in `optimistic`.
    #[test]
    fn without_sources_make_no_value() {
        let mut proving = Proving::new();
        let attestation = proving.attest(0, provable_batch(1, 1), &[10]);
        proving.prove(&attestation).unwrap();
        proving.world.harness.advance(GRACE + 1);
        assert_refused(proving.world.finalize(FIRST), E::TooFewStreams);
    }

    /// The very transaction that lands, with its limits, for as many windows as a batch has.
    #[test]
    fn take_one_v0_transaction() {
        let mut proving = Proving::new();
        let attestation = proving.attest(0, provable_batch(1, 32), &[10; 32]);
        let proof = proving.secrets.prove(&proving.claim(&attestation).input());
        let prove = client::attest_zk(&proving.proven(&attestation), proof);
        let Harness { chain, payer } = &proving.world.harness;
        let prepared = transaction::prepare(chain, &[prove], payer, &[], &[]).unwrap();
        let bytes = transaction::size(&prepared.transaction).unwrap();
        println!("attest_zk: {bytes} bytes");
        assert!(bytes <= V0_BYTES);
        let message = &prepared.transaction.message;
        assert!(matches!(message, VersionedMessage::V0(_)));
        transaction::land(chain, &prepared).unwrap();
        assert_eq!(proving.passed(&attestation).0, Mask::ZK);
    }

    #[test]
    fn are_taken_once() {
        let mut proving = Proving::new();
        let attestation = proving.attest(0, provable_batch(1, 1), &[10]);
        proving.prove(&attestation).unwrap();
        assert_refused(proving.prove(&attestation), E::AlreadyProven);
        assert_eq!(proving.passed(&attestation).1[3], 1);
    }

    #[test]
    fn of_anything_else_are_refused() {
        let mut proving = Proving::new();
        let attestation = proving.attest(0, provable_batch(1, 3), &[10, 50, 20]);
        let claim = proving.claim(&attestation);
        let mut other_outputs = claim.outputs;
        other_outputs[0] ^= 1;
        let mut outputs_beyond = claim.outputs;
        outputs_beyond[31] = 1;
        let mut other_model = model();
        other_model.weights[0] = 2;
        let other = Pubkey::new_unique();
        for (name, other) in [
            (
                "windows",
                Claim {
                    windows_root: [0x21; 32],
                    ..claim
                },
            ),
            (
                "weights",
                Claim {
                    model: hash_of(&other_model),
                    ..claim
                },
            ),
            (
                "outputs",
                Claim {
                    outputs: other_outputs,
                    ..claim
                },
            ),
            (
                "outputs beyond",
                Claim {
                    outputs: outputs_beyond,
                    ..claim
                },
            ),
            (
                "fewer windows",
                Claim {
                    windows: 2,
                    ..claim
                },
            ),
            (
                "more windows",
                Claim {
                    windows: 4,
                    ..claim
                },
            ),
            (
                "feed",
                Claim {
                    feed: [1; 32],
                    ..claim
                },
            ),
            (
                "stream",
                Claim {
                    stream: other,
                    ..claim
                },
            ),
            (
                "sequence",
                Claim {
                    sequence: 1,
                    ..claim
                },
            ),
            (
                "batch",
                Claim {
                    batch_index: 1,
                    ..claim
                },
            ),
            (
                "round",
                Claim {
                    round: FIRST + 1,
                    ..claim
                },
            ),
            (
                "attester",
                Claim {
                    pool: other,
                    ..claim
                },
            ),
        ] {
            println!("{name}");
            let proof = proving.secrets.prove(&other.input());
            assert_refused(proving.prove_with(&attestation, proof), E::InvalidProof);
        }
        let proof = proving.secrets.prove(&claim.input());
        proving.prove_with(&attestation, proof).unwrap();
    }

    /// The same windows and outputs, in the thief's own stream.
    #[test]
    fn stolen_by_another_attester_are_refused() {
        let mut proving = Proving::new();
        let victims = proving.attest(0, provable_batch(1, 1), &[10]);
        let thiefs = proving.attest(1, provable_batch(2, 1), &[10]);
        let proof = proving.secrets.prove(&proving.claim(&victims).input());
        assert_refused(proving.prove_with(&thiefs, proof), E::InvalidProof);
        proving.prove_with(&victims, proof).unwrap();
        assert_refused(proving.prove_with(&thiefs, proof), E::InvalidProof);
        assert_eq!(proving.passed(&thiefs).0, 0);
    }

    #[test]
    fn with_any_byte_changed_are_refused() {
        let mut proving = Proving::new();
        let attestation = proving.attest(0, provable_batch(1, 1), &[10]);
        let proof = proving.secrets.prove(&proving.claim(&attestation).input());
        for byte in 0..proof.len() {
            for bit in [0, 7] {
                let mut changed = proof;
                changed[byte] ^= 1 << bit;
                assert_refused(proving.prove_with(&attestation, changed), E::InvalidProof);
            }
        }
        proving.prove_with(&attestation, proof).unwrap();
    }

    #[test]
    fn with_points_at_infinity_are_refused() {
        let mut proving = Proving::new();
        let attestation = proving.attest(0, provable_batch(1, 1), &[10]);
        let proof = proving.secrets.prove(&proving.claim(&attestation).input());
        for infinite in [0..64, 64..192, 192..256, 0..192, 64..256, 0..256] {
            let mut changed = proof;
            changed[infinite].fill(0);
            assert_refused(proving.prove_with(&attestation, changed), E::InvalidProof);
        }
        let mut outside = proof;
        outside[64..192].copy_from_slice(&groth16::outside_g2());
        assert_refused(proving.prove_with(&attestation, outside), E::InvalidProof);
    }

    /// The windows root plus the modulus hashes like the root itself, if it is let in.
    #[test]
    fn of_an_aliased_input_are_refused() {
        let mut proving = Proving::new();
        let batch = provable_batch(1, 1);
        let aliased = BatchLeaf {
            windows_root: sum(&batch.windows_root, &MODULUS),
            ..batch
        };
        let modulus = BatchLeaf {
            windows_root: MODULUS,
            readings_root: [3; 32],
            ..batch
        };
        for (batch, reduced) in [(aliased, batch.windows_root), (modulus, [0; 32])] {
            let attestation = proving.attest(0, batch, &[10]);
            let claim = Claim {
                windows_root: reduced,
                ..proving.claim(&attestation)
            };
            let proof = proving.secrets.prove(&claim.input());
            assert_refused(proving.prove_with(&attestation, proof), E::NotAFieldElement);
        }
    }

    #[test]
    fn under_another_key_are_refused() {
        let mut proving = Proving::new();
        let attestation = proving.attest(0, provable_batch(1, 1), &[10]);
        let input = proving.claim(&attestation).input();
        let other = Secrets::new(2);
        assert_refused(
            proving.prove_with(&attestation, other.prove(&input)),
            E::InvalidProof,
        );

        // One that is not active yet, and then is.
        let args = key_args(other.key());
        proving.register(args.clone()).unwrap();
        proving.key = client::verifying_key(&proving.world.network, &args.hash);
        let proof = other.prove(&input);
        proving.world.harness.advance(TIMELOCK - 1);
        assert_refused(proving.prove_with(&attestation, proof), E::KeyNotActive);
        proving.world.harness.advance(1);
        let of_first = proving.secrets.prove(&input);
        assert_refused(proving.prove_with(&attestation, of_first), E::InvalidProof);

        proving.revoke(&args.hash).unwrap();
        assert_refused(proving.prove_with(&attestation, proof), E::KeyRevoked);
    }

    /// A revocation takes nothing back that has passed.
    #[test]
    fn under_a_key_revoked_later_stay() {
        let mut proving = Proving::new();
        let attestation = proving.attest(0, provable_batch(1, 1), &[10]);
        proving.prove(&attestation).unwrap();
        let hash = VerifyingKey::hash_of(&proving.secrets.key());
        proving.revoke(&hash).unwrap();
        proving.world.sign(&attestation, &[0, 1]).unwrap();
        proving.world.finalize(FIRST).unwrap();
    }

    #[test]
    fn under_another_networks_key_are_refused() {
        let mut proving = Proving::new();
        let attestation = proving.attest(0, provable_batch(1, 1), &[10]);
        let world = &proving.world;
        let thief = world.harness.key();
        let other = Pubkey::new_unique();
        world.put(
            &other,
            &Network {
                authority: thief.pubkey(),
                ..world.network_state()
            },
        );
        let secrets = Secrets::new(2);
        let args = key_args(secrets.key());
        let hash = args.hash;
        let register =
            client::register_verifying_key(&world.payer(), &thief.pubkey(), &other, args);
        world.send(&[register], &[&thief]).unwrap();
        let proof = secrets.prove(&proving.claim(&attestation).input());
        proving.key = client::verifying_key(&other, &hash);
        assert_refused(proving.prove_with(&attestation, proof), E::WrongNetwork);
    }

    #[test]
    fn with_swapped_accounts_are_refused() {
        let mut proving = Proving::new();
        let attestation = proving.attest(0, provable_batch(1, 1), &[10]);
        let proof = proving.secrets.prove(&proving.claim(&attestation).input());
        let world = &proving.world;
        let proven = proving.proven(&attestation);
        let put_copy = |key: &Pubkey, change: &dyn Fn(&mut [u8])| {
            let copy = Pubkey::new_unique();
            let mut account = world.harness.chain.account(key).unwrap().unwrap();
            change(&mut account.data);
            world.harness.chain.set_account(&copy, account);
            copy
        };
        let refused = |proven: Proven, error: u32| {
            let prove = client::attest_zk(&proven, proof);
            assert_refused(world.send(&[prove], &[]), error);
        };
        // The program's own accounts of the right kind, which belong to something else.
        let network = put_copy(&proven.network, &|_| ());
        refused(Proven { network, ..proven }, E::WrongNetwork.into());
        let feed = put_copy(&proven.feed, &|_| ());
        refused(Proven { feed, ..proven }, E::WrongFeed.into());
        let mut other = model();
        other.weights[0] = 2;
        let hash = hash_of(&other);
        let bytes = other.to_bytes().to_vec();
        world
            .send(&[client::register_model(&world.payer(), hash, bytes)], &[])
            .unwrap();
        let model = client::model(&hash);
        refused(Proven { model, ..proven }, E::WrongModel.into());
        let round = put_copy(&proven.round, &|data| data[8 + 40] ^= 1);
        refused(Proven { round, ..proven }, E::WrongRoundAccount.into());

        // Accounts of another kind, and of another program.
        let confused: u32 = ErrorCode::AccountDiscriminatorMismatch.into();
        refused(
            Proven {
                verifying_key: proven.model,
                ..proven
            },
            confused,
        );
        refused(
            Proven {
                model: proven.verifying_key,
                ..proven
            },
            confused,
        );
        let forge = |key: &Pubkey| {
            let forged = Pubkey::new_unique();
            let mut account = world.harness.chain.account(key).unwrap().unwrap();
            account.owner = Pubkey::new_unique();
            world.harness.chain.set_account(&forged, account);
            forged
        };
        let prove = client::attest_zk(&proven, proof);
        let [states @ .., event_authority, _program] = prove.accounts.as_slice() else {
            panic!("{} accounts", prove.accounts.len());
        };
        for meta in states {
            let forged = replace(prove.clone(), &meta.pubkey, forge(&meta.pubkey));
            assert_refused(
                world.send(&[forged], &[]),
                ErrorCode::AccountOwnedByWrongProgram,
            );
        }
        // Who else would speak for the program.
        let authority = event_authority.pubkey;
        let forged = replace(prove.clone(), &authority, Pubkey::new_unique());
        assert_refused(world.send(&[forged], &[]), ErrorCode::ConstraintAddress);
        world.send(&[prove], &[]).unwrap();
    }

    #[test]
    fn stop_in_a_pause_after_the_round_and_with_the_feed() {
        let mut proving = Proving::new();
        let attestation = proving.attest(0, provable_batch(1, 1), &[10]);
        proving.put_network(|network| {
            network.pauses[Operation::Attest as usize] = Pause {
                paused_at: 0,
                until: i64::MAX,
            };
        });
        assert_refused(proving.prove(&attestation), E::Paused);
        proving.put_network(|_| ());

        // A later round is final; this one is still there.
        let mut feed = proving.world.feed();
        feed.last_round = FIRST;
        proving.world.put(&proving.world.feed, &feed);
        assert_refused(proving.prove(&attestation), E::RoundOver);
        feed.last_round = 0;
        proving.world.put(&proving.world.feed, &feed);

        let freeze = client::freeze_feed(&proving.world.feed, &proving.world.creator.pubkey());
        let world = &proving.world;
        world.send(&[freeze], &[&world.creator]).unwrap();
        assert_refused(proving.prove(&attestation), E::FeedFrozen);
    }
}

mod private_models {
    use super::*;

    /// The id and address of the usual model as a private one, and the instruction that registers it.
    fn private(payer: &Pubkey) -> ([u8; 32], Instruction) {
        client::register_private_model(payer, hash_of(&model()), &model().header)
    }

    /// A network with a feed of a private model, which requires these verifications.
    fn feed_of_private_model(required_mask: u16) -> (World, Result<Execution, ClientError>) {
        let mut world = World::new(&[2, 1, 1]);
        let (id, register) = private(&world.payer());
        world.send(&[register], &[]).unwrap();
        let args = CreateFeedArgs {
            required_mask,
            ..feed_args(&world.network_id, &world.creator.pubkey(), &id)
        };
        let (feed, feed_id) = (client::feed(&args.id), args.id);
        let creator = world.creator.pubkey();
        let create = client::create_feed(&world.payer(), &creator, &world.network, &id, args);
        let created = world.send(&[create], &[&world.creator]);
        (world.model, world.feed, world.feed_id) = (id, feed, feed_id);
        (world, created)
    }

    fn proving() -> Proving {
        let (world, created) = feed_of_private_model(Mask::ZK | Mask::SOURCED);
        created.unwrap();
        Proving::of(world, hash_of(&model()))
    }

    #[test]
    fn is_stored_without_its_weights() {
        let world = World::new(&[1]);
        let (id, register) = private(&world.payer());
        world.send(&[register], &[]).unwrap();
        let stored: Model = world.harness.read(&client::model(&id));
        assert_eq!((stored.version, stored.flags), (1, PRIVATE));
        assert_eq!((stored.hash, stored.id), (hash_of(&model()), id));
        assert_eq!(stored.publisher, world.payer());
        let (header, rest) = stored.bytes.split_at(Header::BYTES);
        assert_eq!(header, model().header.to_bytes());
        assert!(rest.iter().all(|byte| *byte == 0));
        // Neither takes the other's place.
        assert_ne!(client::model(&id), client::model(&world.model));
    }

    #[test]
    fn with_a_wrong_id_hash_or_header_is_refused() {
        let harness = Harness::new();
        let payer = harness.payer.pubkey();
        let hash = hash_of(&model());
        let header = model().header;
        let unknown = Header { shape: 2, ..header };
        let other = Header {
            output_step: 11,
            ..header
        };
        let (id, good) = client::register_private_model(&payer, hash, &header);
        let register = |hash: [u8; 32], header: &Header| {
            let mut instruction = good.clone();
            let args = ai_feed::instruction::RegisterPrivateModel {
                id,
                hash,
                header: header.to_bytes(),
            };
            instruction.data = anchor_lang::InstructionData::data(&args);
            harness.send(&[instruction], &[])
        };
        assert_refused(register(hash, &other), E::ModelHashMismatch);
        assert_refused(register([1; 32], &header), E::ModelHashMismatch);
        let (_, invalid) = client::register_private_model(&payer, hash, &unknown);
        assert_refused(harness.send(&[invalid], &[]), E::InvalidModel);
        let (_, beyond) = client::register_private_model(&payer, MODULUS, &header);
        assert_refused(harness.send(&[beyond], &[]), E::NotAFieldElement);
        register(hash, &header).unwrap();
        assert_refused(register(hash, &header), ALREADY_IN_USE);
    }

    #[test]
    fn make_feeds_of_proofs_and_sources_alone() {
        for mask in [
            Mask::COMMITTEE,
            Mask::SOURCED,
            Mask::COMMITTEE | Mask::SOURCED,
            Mask::COMMITTEE | Mask::SOURCED | Mask::ZK,
        ] {
            let (_, created) = feed_of_private_model(mask);
            assert_refused(created, E::PrivateModelPolicy);
        }
        let (_, created) = feed_of_private_model(Mask::ZK);
        assert_refused(created, E::SourcesNotRequired);
        let (world, created) = feed_of_private_model(Mask::ZK | Mask::SOURCED);
        created.unwrap();
        let feed = world.feed();
        assert_eq!((feed.private_model, feed.exponent), (1, -1));
        assert_eq!(
            feed.model,
            private_model_id(&hash_of(&model()), &model().header.to_bytes())
        );
    }

    #[test]
    fn give_values_by_a_proof_and_signatures_for_sources() {
        let mut proving = proving();
        let attestation = proving.attest(0, provable_batch(1, 3), &[10, 50, 20]);
        let message = proving.sources_message(&attestation).digest();
        proving.prove(&attestation).unwrap();
        proving.sign_sources(&attestation, &[0], &message).unwrap();
        assert_eq!(proving.passed(&attestation).0, Mask::ZK);
        proving.world.harness.advance(1);
        proving
            .sign_sources(&attestation, &[0, 2], &message)
            .unwrap();
        let mask = Mask::ZK | Mask::SOURCED;
        assert_eq!(
            proving.passed(&attestation),
            (mask, [0, 0, 1, 1, 0, 0, 0, 0])
        );
        let state: Attestation = proving.world.harness.read(&attestation);
        assert_eq!((state.source_signers, state.source_signed), (0b101, 3));
        assert_eq!((state.signers, state.signed), (0, 0));
        assert_eq!(state.deadline, proving.world.harness.now() + CHALLENGE);

        // Once more changes nothing.
        proving.world.harness.advance(1);
        proving.sign_sources(&attestation, &[1], &message).unwrap();
        let again: Attestation = proving.world.harness.read(&attestation);
        assert_eq!(again.deadline, state.deadline);
        assert_eq!(
            proving.passed(&attestation),
            (mask, [0, 0, 1, 1, 0, 0, 0, 0])
        );

        proving.world.finalize(FIRST).unwrap();
        let value = proving.world.read(600, mask).unwrap();
        assert_eq!((value.value, value.mask), (-500 + 10 * 20, mask));
        let unsigned = proving.world.read(600, Mask::COMMITTEE);
        assert_eq!(unsigned, Err(FeedError::NotVerified));
    }

    /// Nobody can recompute a private model, so nobody can honestly say that he did.
    #[test]
    fn are_not_for_a_committee_to_recompute() {
        let mut proving = proving();
        let attestation = proving.attest(0, provable_batch(1, 1), &[10]);
        assert_refused(
            proving.world.sign(&attestation, &[0, 1, 2]),
            E::PrivateModel,
        );
    }

    #[test]
    fn a_public_account_of_the_same_hash_does_not_stand_in() {
        let mut proving = proving();
        let sequence = proving.world.commit(0, &[provable_batch(1, 1)]);
        let args = proving.world.args(0, sequence, 0, &[10]);
        let attesting = Attesting {
            model: client::model(&hash_of(&model())),
            ..proving.world.attesting(0)
        };
        assert_refused(proving.world.submit_with(0, attesting, args), E::WrongModel);
    }
}

mod sources {
    use super::*;

    /// What members sign for one thing is of no use for another.
    #[test]
    fn take_signatures_of_their_own_message_alone() {
        let mut proving = Proving::new();
        let attestation = proving.attest(0, provable_batch(1, 1), &[10]);
        let other = proving.attest(1, provable_batch(2, 1), &[10]);
        let outputs = proving
            .world
            .harness
            .read::<Attestation>(&attestation)
            .message;
        let of_other = proving.sources_message(&other).digest();
        let message = proving.sources_message(&attestation);
        for wrong in [
            outputs,
            of_other,
            SourcesMessage {
                network: [8; 32],
                ..message
            }
            .digest(),
            SourcesMessage {
                feed: [8; 32],
                ..message
            }
            .digest(),
            SourcesMessage {
                round: FIRST + 1,
                ..message
            }
            .digest(),
            SourcesMessage {
                epoch: 1,
                ..message
            }
            .digest(),
        ] {
            assert_refused(
                proving.sign_sources(&attestation, &[0, 1], &wrong),
                E::WrongMessage,
            );
        }
        let world = &proving.world;
        let attested = world.attested(&attestation);
        let as_outputs = [
            world.signatures(&[0, 1], &message.digest()),
            client::attest_committee(&attested, 0, vec![0, 1]),
        ];
        assert_refused(world.send(&as_outputs, &[]), E::WrongMessage);
        proving
            .sign_sources(&attestation, &[0, 1], &message.digest())
            .unwrap();
    }

    #[test]
    fn take_members_signatures_alone() {
        let mut proving = Proving::new();
        let attestation = proving.attest(0, provable_batch(1, 1), &[10]);
        let message = proving.sources_message(&attestation).digest();
        let world = &proving.world;
        let attested = world.attested(&attestation);
        let signatures = world.signatures(&[0, 1], &message);
        let attest = |members: &[u8]| {
            let attest = client::attest_sources(&attested, 0, members.to_vec());
            world.send(&[signatures.clone(), attest], &[])
        };
        assert_refused(attest(&[1, 0]), E::WrongSigner);
        assert_refused(attest(&[0]), E::MembersMismatch);
        assert_refused(attest(&[0, 3]), E::NotMember);
        let alone = client::attest_sources(&attested, 0, vec![]);
        assert_refused(world.send(&[alone], &[]), E::BadSignatureReference);
        attest(&[0, 1]).unwrap();
    }

    /// Half is no quorum, and a quorum of one is not the two that the feed asks for.
    #[test]
    fn pass_with_a_quorum_of_enough_members() {
        let mut proving = Proving::new();
        let attestation = proving.attest(0, provable_batch(1, 1), &[10]);
        let message = proving.sources_message(&attestation).digest();
        let heavy = proving.world.committee_state(0, &[6, 1, 1]);
        proving
            .sign_sources(&attestation, &[1, 2], &message)
            .unwrap();
        assert_eq!(proving.passed(&attestation).0, 0);
        proving.world.put(&proving.world.committee, &heavy);
        let other = proving.attest(1, provable_batch(2, 1), &[10]);
        let message = proving.sources_message(&other).digest();
        proving.sign_sources(&other, &[0], &message).unwrap();
        assert_eq!(proving.passed(&other).0, 0);
        proving.sign_sources(&other, &[1], &message).unwrap();
        assert_eq!(proving.passed(&other).0, Mask::SOURCED);
    }

    #[test]
    fn stop_at_the_deadline_in_a_pause_and_with_the_feed() {
        let mut proving = Proving::new();
        let attestation = proving.attest(0, provable_batch(1, 1), &[10]);
        let message = proving.sources_message(&attestation).digest();
        let sign = |proving: &Proving| proving.sign_sources(&attestation, &[0, 1], &message);
        proving.put_network(|network| {
            network.pauses[Operation::Attest as usize] = Pause {
                paused_at: 0,
                until: i64::MAX,
            };
        });
        assert_refused(sign(&proving), E::Paused);
        proving.put_network(|_| ());
        let world = &proving.world;
        let freeze = client::freeze_feed(&world.feed, &world.creator.pubkey());
        let active = world.feed();
        world.send(&[freeze], &[&world.creator]).unwrap();
        assert_refused(sign(&proving), E::FeedFrozen);
        world.put(&world.feed, &active);
        world.harness.advance(CHALLENGE);
        assert_refused(sign(&proving), E::SignedTooLate);
    }

    #[test]
    fn with_swapped_accounts_are_refused() {
        let mut proving = Proving::new();
        let attestation = proving.attest(0, provable_batch(1, 1), &[10]);
        let message = proving.sources_message(&attestation).digest();
        let world = &proving.world;
        let attested = world.attested(&attestation);
        let copy = |key: &Pubkey| {
            let copy = Pubkey::new_unique();
            let account = world.harness.chain.account(key).unwrap().unwrap();
            world.harness.chain.set_account(&copy, account);
            copy
        };
        let other_round = Pubkey::new_unique();
        let state: Round = world.harness.read(&attested.round);
        world.put(
            &other_round,
            &Round {
                round: FIRST + 1,
                ..state
            },
        );
        for (swapped, error) in [
            (
                Attested {
                    network: copy(&attested.network),
                    ..attested
                },
                E::WrongNetwork,
            ),
            (
                Attested {
                    feed: copy(&attested.feed),
                    ..attested
                },
                E::WrongFeed,
            ),
            (
                Attested {
                    committee: copy(&attested.committee),
                    ..attested
                },
                E::WrongCommittee,
            ),
            (
                Attested {
                    round: other_round,
                    ..attested
                },
                E::WrongRoundAccount,
            ),
        ] {
            let attest = client::attest_sources(&swapped, 0, vec![0, 1]);
            let signatures = world.signatures(&[0, 1], &message);
            assert_refused(world.send(&[signatures, attest], &[]), error);
        }
        let attest = client::attest_sources(&attested, 0, vec![0, 1]);
        let forged = replace(attest, &Instructions::id(), Pubkey::new_unique());
        let signatures = world.signatures(&[0, 1], &message);
        assert_refused(
            world.send(&[signatures, forged], &[]),
            ErrorCode::ConstraintAddress,
        );
    }
}
