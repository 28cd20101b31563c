//! Device keys and precompile instructions, against the precompiles themselves in LiteSVM.

#[path = "client/bytes.rs"]
mod bytes;

use anchor_lang::event::EVENT_IX_TAG_LE;
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::solana_program::system_instruction;
use anchor_lang::Event;
use data_commitment::events::RootCommitted;
use device_protocol::{Curve, DeviceKey};
use fieldproof_client::chain::{Execution, Invocation, PriorityFee};
use fieldproof_client::event::{events, logged};
use fieldproof_client::key::{normalise_low_s, verify, DeviceSigner, KeyError};
use fieldproof_client::precompile::{
    ed25519, secp256r1, signature, Entry, PrecompileError, MAX_ED25519, MAX_SECP256R1,
};
use fieldproof_client::transaction;
use introspection::{IntrospectionError, Precompile};
use litesvm::LiteSVM;
use proptest::collection::vec;
use proptest::prelude::*;
use solana_instruction::error::InstructionError;
use solana_instruction::BorrowedInstruction;
use solana_instructions_sysvar::construct_instructions_data;
use solana_keypair::Keypair;
use solana_signer::Signer;
use solana_transaction::Transaction;
use solana_transaction_error::TransactionError;

const CURVES: [Curve; 2] = [Curve::Ed25519, Curve::P256];

/// The order of the P-256 group, big-endian.
const P256_ORDER: [u8; 32] = [
    0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xBC, 0xE6,
    0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51,
];

/// The order of the Ed25519 group, little-endian.
const ED25519_ORDER: [u8; 32] = [
    0xED, 0xD3, 0xF5, 0x5C, 0x1A, 0x63, 0x12, 0x58, 0xD6, 0x9C, 0xF7, 0xA2, 0xDE, 0xF9, 0xDE, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

struct Chain {
    svm: LiteSVM,
    payer: Keypair,
}

impl Chain {
    fn new() -> Self {
        let mut svm = LiteSVM::new();
        let payer = Keypair::new();
        svm.airdrop(&payer.pubkey(), 1_000_000_000_000).unwrap();
        Self { svm, payer }
    }

    /// Whether the precompile accepts its instruction.
    fn accepts(&mut self, instruction: Instruction) -> bool {
        self.svm.expire_blockhash(); // The same instruction may be asked for twice.
        let transaction = Transaction::new_signed_with_payer(
            &[instruction],
            Some(&self.payer.pubkey()),
            &[&self.payer],
            self.svm.latest_blockhash(),
        );
        match self.svm.send_transaction(transaction) {
            Ok(_) => true,
            Err(failed) => {
                assert!(
                    matches!(
                        failed.err,
                        TransactionError::InstructionError(0, InstructionError::Custom(_))
                    ),
                    "refused, but not by the precompile: {}",
                    failed.err
                );
                false
            }
        }
    }

    /// Asserts that the precompile and [`verify`] agree, and returns what they say.
    #[track_caller]
    fn judge(&mut self, key: &DeviceKey, message: &[u8; 32], signature: &[u8; 64]) -> bool {
        let entry = Entry {
            public_key: key.as_bytes(),
            message,
            signature,
        };
        let instruction = match key.curve {
            Curve::Ed25519 => ed25519(&[entry]),
            Curve::P256 => secp256r1(&[entry]),
        };
        let accepted = self.accepts(instruction.unwrap());
        assert_eq!(
            verify(key, message, signature),
            accepted,
            "{key:?} {message:?} {signature:?}"
        );
        accepted
    }
}

fn signer(curve: Curve) -> DeviceSigner {
    DeviceSigner::from_seed(curve, &[7; 32]).unwrap()
}

/// order - S: the other S of a P-256 signature.
fn other_s(signature: &[u8; 64]) -> [u8; 64] {
    let mut other = *signature;
    let mut borrow = 0;
    for at in (0..32).rev() {
        let difference = i32::from(P256_ORDER[at]) - i32::from(signature[32 + at]) - borrow;
        borrow = i32::from(difference < 0);
        other[32 + at] = difference.rem_euclid(256) as u8;
    }
    other
}

#[test]
fn keys_come_back_from_their_seeds() {
    for curve in CURVES {
        let one = DeviceSigner::generate(curve);
        let same = DeviceSigner::from_seed(curve, &one.to_seed()).unwrap();
        assert_eq!(one.device_key(), same.device_key());
        assert_eq!(one.device_key().curve, curve);
        assert_eq!(one.sign(&[1; 32]), same.sign(&[1; 32]));
        let key = one.device_key();
        assert_eq!(DeviceKey::from_parts(curve as u8, key.bytes), Ok(key));
        assert_ne!(key, DeviceSigner::generate(curve).device_key());
    }
    for seed in [[0; 32], P256_ORDER, [0xFF; 32]] {
        assert_eq!(
            DeviceSigner::from_seed(Curve::P256, &seed).unwrap_err(),
            KeyError::Seed
        );
    }
}

#[test]
fn public_keys_are_golden() {
    // RFC 8032, section 7.1, test 2.
    let ed25519_seed = [
        0x4c, 0xcd, 0x08, 0x9b, 0x28, 0xff, 0x96, 0xda, 0x9d, 0xb6, 0xc3, 0x46, 0xec, 0x11, 0x4e,
        0x0f, 0x5b, 0x8a, 0x31, 0x9f, 0x35, 0xab, 0xa6, 0x24, 0xda, 0x8c, 0xf6, 0xed, 0x4f, 0xb8,
        0xa6, 0xfb,
    ];
    let ed25519_key = [
        0x3d, 0x40, 0x17, 0xc3, 0xe8, 0x43, 0x89, 0x5a, 0x92, 0xb7, 0x0a, 0xa7, 0x4d, 0x1b, 0x7e,
        0xbc, 0x9c, 0x98, 0x2c, 0xcf, 0x2e, 0xc4, 0x96, 0x8c, 0xc0, 0xcd, 0x55, 0xf1, 0x2a, 0xf4,
        0x66, 0x0c,
    ];
    let signer = DeviceSigner::from_seed(Curve::Ed25519, &ed25519_seed).unwrap();
    assert_eq!(signer.device_key(), DeviceKey::ed25519(ed25519_key));

    // RFC 6979, section A.2.5; its y is odd.
    let p256_seed = [
        0xC9, 0xAF, 0xA9, 0xD8, 0x45, 0xBA, 0x75, 0x16, 0x6B, 0x5C, 0x21, 0x57, 0x67, 0xB1, 0xD6,
        0x93, 0x4E, 0x50, 0xC3, 0xDB, 0x36, 0xE8, 0x9B, 0x12, 0x7B, 0x8A, 0x62, 0x2B, 0x12, 0x0F,
        0x67, 0x21,
    ];
    let p256_key = [
        0x03, 0x60, 0xFE, 0xD4, 0xBA, 0x25, 0x5A, 0x9D, 0x31, 0xC9, 0x61, 0xEB, 0x74, 0xC6, 0x35,
        0x6D, 0x68, 0xC0, 0x49, 0xB8, 0x92, 0x3B, 0x61, 0xFA, 0x6C, 0xE6, 0x69, 0x62, 0x2E, 0x60,
        0xF2, 0x9F, 0xB6,
    ];
    let signer = DeviceSigner::from_seed(Curve::P256, &p256_seed).unwrap();
    assert_eq!(signer.device_key(), DeviceKey::p256(p256_key).unwrap());
}

#[test]
fn what_is_signed_is_accepted() {
    let mut chain = Chain::new();
    for curve in CURVES {
        for _ in 0..16 {
            let signer = DeviceSigner::generate(curve);
            let message = DeviceSigner::generate(curve).to_seed();
            assert!(chain.judge(&signer.device_key(), &message, &signer.sign(&message)));
        }
    }
}

#[test]
fn any_changed_bit_is_refused() {
    let mut chain = Chain::new();
    for curve in CURVES {
        let signer = signer(curve);
        let (key, message) = (signer.device_key(), [1; 32]);
        let signature = signer.sign(&message);
        let bits = |byte: usize| [1 << (byte % 8), 0x80];
        for byte in 0..64 {
            for bit in bits(byte) {
                let mut changed = signature;
                changed[byte] ^= bit;
                assert!(!chain.judge(&key, &message, &changed));
            }
        }
        for byte in 0..32 {
            for bit in bits(byte) {
                let mut changed = message;
                changed[byte] ^= bit;
                assert!(!chain.judge(&key, &changed, &signature));
            }
        }
        for byte in 0..key.as_bytes().len() {
            for bit in bits(byte) {
                let mut changed = key;
                changed.bytes[byte] ^= bit;
                assert!(!chain.judge(&changed, &message, &signature));
            }
        }
    }
}

#[test]
fn a_high_s_is_refused_until_normalised() {
    let mut chain = Chain::new();
    let signer = signer(Curve::P256);
    let key = signer.device_key();
    for byte in 0..8 {
        let message = [byte; 32];
        let low = signer.sign(&message);
        let high = other_s(&low);
        assert!(chain.judge(&key, &message, &low));
        assert!(!chain.judge(&key, &message, &high));
        assert_eq!(normalise_low_s(&high), Ok(low));
        assert_eq!(normalise_low_s(&low), Ok(low));
    }
}

#[test]
fn a_p256_signature_out_of_range_is_refused() {
    let mut chain = Chain::new();
    let signer = signer(Curve::P256);
    let (key, message) = (signer.device_key(), [1; 32]);
    let signature = signer.sign(&message);
    for number in [[0; 32], P256_ORDER, [0xFF; 32]] {
        for half in [0, 32] {
            let mut changed = signature;
            changed[half..half + 32].copy_from_slice(&number);
            assert!(!chain.judge(&key, &message, &changed));
            assert_eq!(normalise_low_s(&changed), Err(KeyError::Signature));
        }
    }
}

#[test]
fn a_p256_key_in_another_form_is_refused() {
    let mut chain = Chain::new();
    let message = [1; 32];
    // Both parities, so that the compact form stands for one of the keys at least.
    let mut parities = [false; 2];
    for byte in 1..20 {
        let signer = DeviceSigner::from_seed(Curve::P256, &[byte; 32]).unwrap();
        let key = signer.device_key();
        parities[usize::from(key.bytes[0] - 2)] = true;
        let signature = signer.sign(&message);
        assert!(chain.judge(&key, &message, &signature));
        for form in [0, 1, 4, 5, 6, 7] {
            let mut changed = key;
            changed.bytes[0] = form;
            assert!(!chain.judge(&changed, &message, &signature));
        }
    }
    assert_eq!(parities, [true; 2]);
}

#[test]
fn a_padded_ed25519_key_has_one_form() {
    let signer = signer(Curve::Ed25519);
    let mut key = signer.device_key();
    let signature = signer.sign(&[1; 32]);
    assert!(verify(&key, &[1; 32], &signature));
    key.bytes[32] = 1;
    assert!(!verify(&key, &[1; 32], &signature));
}

/// S + order is the same scalar; a lax verifier takes both.
#[test]
fn a_malleated_ed25519_signature_is_refused() {
    let mut chain = Chain::new();
    let signer = signer(Curve::Ed25519);
    let message = [1; 32];
    let mut signature = signer.sign(&message);
    let mut carry = 0;
    for at in 0..32 {
        let sum = u16::from(signature[32 + at]) + u16::from(ED25519_ORDER[at]) + carry;
        signature[32 + at] = sum as u8;
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    assert!(!chain.judge(&signer.device_key(), &message, &signature));
}

/// With a key of small order, R = the identity and S = 0 sign every message that hashes right: verifiers that are not
/// strict take it.
#[test]
fn an_ed25519_key_or_r_of_small_order_is_refused() {
    let identity = {
        let mut point = [0; 32];
        point[0] = 1;
        point
    };
    let order_four = [0; 32];
    let order_two = {
        let mut point = [0xFF; 32];
        point[0] = 0xEC;
        point[31] = 0x7F;
        point
    };
    // The identity again, as p + 1.
    let not_canonical = {
        let mut point = [0xFF; 32];
        point[0] = 0xEE;
        point[31] = 0x7F;
        point
    };
    let weak = [identity, order_four, order_two, not_canonical];
    let mut chain = Chain::new();
    let signer = signer(Curve::Ed25519);
    for key in weak
        .into_iter()
        .chain([signer.device_key().bytes[..32].try_into().unwrap()])
    {
        for r in weak {
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(&r);
            for byte in 0..4 {
                assert!(!chain.judge(&DeviceKey::ed25519(key), &[byte; 32], &signature));
            }
        }
    }
}

#[test]
fn eight_signatures_are_all_verified() {
    let mut chain = Chain::new();
    for curve in CURVES {
        let message = [1; 32];
        let signed: Vec<_> = (1..=8)
            .map(|seed| {
                let signer = DeviceSigner::from_seed(curve, &[seed; 32]).unwrap();
                (signer.device_key(), signer.sign(&message))
            })
            .collect();
        let send = |signed: &[(DeviceKey, [u8; 64])]| {
            let entries: Vec<_> = signed
                .iter()
                .map(|(key, signature)| Entry {
                    public_key: key.as_bytes(),
                    message: &message,
                    signature,
                })
                .collect();
            match curve {
                Curve::Ed25519 => ed25519(&entries),
                Curve::P256 => secp256r1(&entries),
            }
            .unwrap()
        };
        // A legacy transaction of 1,232 bytes holds the eight, since they share their message.
        assert!(chain.accepts(send(&signed)));
        for wrong in 0..8 {
            let mut signed = signed.clone();
            signed[wrong].1[40] ^= 1;
            assert!(!chain.accepts(send(&signed)));
        }
    }
}

#[test]
fn a_shared_key_or_message_is_stored_once() {
    let len = |messages: &[[u8; 32]]| {
        let entries: Vec<_> = messages
            .iter()
            .map(|message| Entry {
                public_key: &[2; 33],
                message,
                signature: &[1; 64],
            })
            .collect();
        secp256r1(&entries).unwrap().data.len()
    };
    let (key, each) = (33, 14 + 64);
    assert_eq!(len(&[[3; 32]]), 2 + each + key + 32);
    assert_eq!(len(&[[3; 32]; 8]), 2 + 8 * each + key + 32);
    assert_eq!(len(&[[3; 32], [4; 32], [3; 32]]), 2 + 3 * each + key + 64);
}

#[test]
fn what_a_precompile_does_not_take_is_refused() {
    fn entry<'a>(public_key: &'a [u8], message: &'a [u8]) -> Entry<'a> {
        Entry {
            public_key,
            message,
            signature: &[1; 64],
        }
    }
    let (ed, p) = (entry(&[2; 32], &[3; 32]), entry(&[2; 33], &[3; 32]));

    assert_eq!(ed25519(&[]), Err(PrecompileError::Empty));
    assert_eq!(secp256r1(&[]), Err(PrecompileError::Empty));
    assert!(secp256r1(&[p; MAX_SECP256R1]).is_ok());
    assert_eq!(
        secp256r1(&[p; MAX_SECP256R1 + 1]),
        Err(PrecompileError::TooMany(8))
    );
    assert!(ed25519(&[ed; MAX_ED25519]).is_ok());
    assert_eq!(
        ed25519(&[ed; MAX_ED25519 + 1]),
        Err(PrecompileError::TooMany(255))
    );
    assert_eq!(ed25519(&[ed, p]), Err(PrecompileError::KeyLength(32)));
    assert_eq!(secp256r1(&[p, ed]), Err(PrecompileError::KeyLength(33)));

    let long = [3; 1 << 16];
    assert_eq!(
        ed25519(&[entry(&[2; 32], &long)]),
        Err(PrecompileError::TooLong)
    );
    let halves = [[3; 40_000], [4; 40_000]];
    assert_eq!(
        ed25519(&[entry(&[2; 32], &halves[0]), entry(&[2; 32], &halves[1]), ed]),
        Err(PrecompileError::TooLong)
    );
}

fn sysvar(instructions: &[Instruction]) -> Vec<u8> {
    let borrowed: Vec<_> = instructions
        .iter()
        .map(|instruction| BorrowedInstruction {
            program_id: &instruction.program_id,
            accounts: Vec::new(),
            data: &instruction.data,
        })
        .collect();
    construct_instructions_data(&borrowed)
}

type Signed = (Vec<u8>, Vec<u8>, [u8; 64]);

/// Keys, messages (some of them shared) and signatures, of arbitrary bytes.
fn signed(max: usize) -> impl Strategy<Value = Vec<Signed>> {
    let messages = vec(vec(any::<u8>(), 0..100), 1..4);
    let entries = vec(
        (
            vec(any::<u8>(), 33),
            any::<prop::sample::Index>(),
            vec(any::<u8>(), 64),
        ),
        1..=max,
    );
    (messages, entries).prop_map(|(messages, entries)| {
        entries
            .into_iter()
            .map(|(key, message, signature)| {
                (
                    key,
                    message.get(&messages).clone(),
                    signature.try_into().unwrap(),
                )
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn introspection_reads_what_was_built(
        signed in prop_oneof![signed(MAX_SECP256R1), signed(40)],
        before in vec(vec(any::<u8>(), 0..50), 0..3),
    ) {
        for precompile in [Precompile::Ed25519, Precompile::Secp256r1] {
            let entries: Vec<_> = signed
                .iter()
                .map(|(key, message, signature)| Entry {
                    public_key: &key[..precompile.key_len()],
                    message,
                    signature,
                })
                .collect();
            let built = match precompile {
                Precompile::Ed25519 => ed25519(&entries),
                Precompile::Secp256r1 if entries.len() > MAX_SECP256R1 => continue,
                Precompile::Secp256r1 => secp256r1(&entries),
            };
            let mut instructions: Vec<_> = before
                .iter()
                .map(|data| Instruction::new_with_bytes(Pubkey::default(), data, Vec::new()))
                .collect();
            let own = instructions.len() as u16;
            instructions.push(built.unwrap());

            let sysvar = sysvar(&instructions);
            let all = introspection::signatures(&sysvar, precompile, own).unwrap();
            prop_assert_eq!(all.len(), entries.len());
            let data = &instructions[usize::from(own)].data;
            for (index, entry) in entries.iter().enumerate() {
                let read = all.get(index as u8).unwrap();
                prop_assert_eq!((read.public_key, read.message), (entry.public_key, entry.message));
                prop_assert_eq!(signature(data, index as u8), Some(*entry.signature));
            }
            prop_assert_eq!(signature(data, entries.len() as u8), None);
            prop_assert_eq!(all.get(entries.len() as u8), Err(IntrospectionError::NoSignature));
        }
    }
}

fn root_committed(number: u64) -> RootCommitted {
    RootCommitted {
        network: Pubkey::new_from_array([1; 32]),
        stream: Pubkey::new_from_array([2; 32]),
        sequence: number,
        posted_at: 3,
        root: [4; 32],
        batches: 5,
        payload_hash: [6; 32],
        payload_len: 7,
    }
}

/// What `program` did when it called the programs named, with these data.
fn execution(calls: impl IntoIterator<Item = (Pubkey, Vec<u8>)>) -> Execution {
    Execution {
        signature: Default::default(),
        slot: 0,
        error: None,
        logs: Vec::new(),
        outer: Vec::new(),
        inner: calls
            .into_iter()
            .map(|(program, data)| Invocation {
                program,
                accounts: Vec::new(),
                data,
            })
            .collect(),
        compute_units: 0,
        fee: 0,
        return_data: Vec::new(),
    }
}

/// An event as a program's call of itself carries it.
fn call(event: &impl Event) -> Vec<u8> {
    [EVENT_IX_TAG_LE, &event.data()].concat()
}

#[test]
fn events_are_read_in_order_and_from_their_program_alone() {
    let (own, other) = (data_commitment::ID, Pubkey::new_from_array([9; 32]));
    let done = execution([
        (own, call(&root_committed(0))),
        (other, call(&root_committed(1))),
        (own, vec![1, 2, 3]),
        (own, call(&root_committed(2))),
    ]);
    let found: Vec<u64> = events::<RootCommitted>(&done, &own)
        .iter()
        .map(|event| event.sequence)
        .collect();
    assert_eq!(found, [0, 2]);
}

proptest! {
    #[test]
    fn a_call_cut_short_holds_no_event(len in any::<prop::sample::Index>()) {
        let mut data = call(&root_committed(0));
        data.truncate(len.index(data.len()));
        let done = execution([(data_commitment::ID, data)]);
        prop_assert_eq!(events::<RootCommitted>(&done, &data_commitment::ID).len(), 0);
    }

    /// Whatever a cluster says that a program called: at most one event a call, and it is in the bytes.
    #[test]
    fn no_call_makes_the_reader_of_events_panic(
        calls in vec((any::<bool>(), vec(any::<u8>(), 0..200)), 0..6),
    ) {
        let tag = &call(&root_committed(0))[..16];
        let done = execution(calls.iter().map(|(tagged, bytes)| {
            let data = if *tagged { [tag, bytes].concat() } else { bytes.clone() };
            (data_commitment::ID, data)
        }));
        let found = events::<RootCommitted>(&done, &data_commitment::ID);
        let whole = call(&root_committed(0)).len() - 16;
        let expected: Vec<&[u8]> = calls
            .iter()
            .filter(|(tagged, bytes)| *tagged && bytes.len() >= whole)
            .map(|(_, bytes)| &bytes[..whole])
            .collect();
        let bytes: Vec<Vec<u8>> = found.iter().map(|event| call(event)[16..].to_vec()).collect();
        prop_assert_eq!(bytes, expected);
    }

    #[test]
    fn no_bytes_make_the_check_of_a_signature_panic(
        curve in 0..2u8,
        start in 0..4u8,
        rest in vec(any::<u8>(), 31),
        digest: [u8; 32],
        signature in vec(any::<u8>(), 64),
    ) {
        let mut bytes = [0; 33];
        bytes[0] = start;
        bytes[1..32].copy_from_slice(&rest);
        if let Ok(key) = DeviceKey::from_parts(curve, bytes) {
            prop_assert!(!verify(&key, &digest, &signature.try_into().unwrap()));
        }
    }
}

#[test]
fn a_priority_fee_is_read_as_it_is_written() {
    assert_eq!("1000".parse(), Ok(PriorityFee::Fixed(1_000)));
    let recent = PriorityFee::Recent {
        percentile: 75,
        cap: 50_000,
    };
    assert_eq!("75%:50000".parse(), Ok(recent));
    for text in ["", "-1", "75%", "101%:1", "75:1", "%:1", "75%:", "75%:1 "] {
        assert!(text.parse::<PriorityFee>().is_err(), "{text}");
    }
}

#[test]
fn a_recent_priority_fee_is_the_percentile_of_what_was_paid_up_to_the_cap() {
    for (percentile, cap, expected) in [
        (0, 99, 10),
        (50, 99, 30),
        (51, 99, 40),
        (100, 99, 50),
        (100, 45, 45),
    ] {
        let fee = PriorityFee::Recent { percentile, cap };
        assert_eq!(
            fee.choose(vec![50, 10, 40, 20, 30]),
            expected,
            "{percentile}"
        );
    }
    let fee = PriorityFee::Recent {
        percentile: 75,
        cap: 99,
    };
    assert_eq!(fee.choose(Vec::new()), 0);
}

#[test]
fn only_what_a_program_logs_itself_is_its_event() {
    use ai_feed::events::AttestationPassed;
    use base64::prelude::{Engine, BASE64_STANDARD};

    let event = AttestationPassed {
        feed: Pubkey::new_unique(),
        attestation: Pubkey::new_unique(),
        round: 7,
        mask: 5,
        signers: 3,
    };
    let data = format!("Program data: {}", BASE64_STANDARD.encode(event.data()));
    let (program, other) = (ai_feed::ID, Pubkey::new_unique());
    let of = |lines: &[String]| {
        let execution = Execution {
            signature: Default::default(),
            slot: 0,
            error: None,
            logs: lines.to_vec(),
            outer: Vec::new(),
            inner: Vec::new(),
            compute_units: 0,
            fee: 0,
            return_data: Vec::new(),
        };
        let events: Vec<AttestationPassed> = logged(&execution, &program);
        events.iter().map(|event| event.round).collect::<Vec<_>>()
    };
    let starts = |program: &Pubkey, depth: u8| format!("Program {program} invoke [{depth}]");
    let ends = |program: &Pubkey| format!("Program {program} success");
    let log = |text: &str| format!("Program log: {text}");
    let own = [starts(&program, 1), log("so"), data.clone(), ends(&program)];
    assert_eq!(of(&own), [7]);
    // Within another's call, and after a call of its own
    let within = [&[starts(&other, 1)], &own[..], &[ends(&other)]].concat();
    assert_eq!(of(&within), [7]);
    let after = [
        starts(&program, 1),
        starts(&other, 2),
        ends(&other),
        data.clone(),
    ];
    assert_eq!(of(&after), [7]);

    let others = [starts(&other, 1), data.clone(), ends(&other)];
    assert!(of(&others).is_empty());
    let beside = [starts(&program, 1), starts(&other, 2), data.clone()];
    assert!(of(&beside).is_empty());
    let behind = [&own[..2], &own[3..], &[starts(&other, 1), data.clone()]].concat();
    assert!(of(&behind).is_empty());
    // What a program writes into its log starts and ends nothing.
    let [as_if_started, as_if_ended] = [starts(&program, 1), ends(&other)].map(|line| log(&line));
    let spoofed = [
        starts(&program, 1),
        starts(&other, 2),
        as_if_ended,
        log("success"),
        as_if_started,
        log("invoke [1]"),
        data,
    ];
    assert!(of(&spoofed).is_empty());
}

#[test]
fn proposals_are_those_of_the_network_that_is_named_first() {
    use fieldproof_client::reward_emission as emissions;
    use reward_emission::instructions::{Half, ProposeRootArgs};

    let half = Half {
        hash: [1; 32],
        sum: 1,
    };
    let args = ProposeRootArgs {
        epoch: 7,
        ballot: 0,
        base: 0,
        member: 0,
        depth: 2,
        score_hash: [2; 32],
        score_sum: 3,
        owners: half,
        operators: half,
        sequence: 4,
    };
    let [network, other, stranger] = [(); 3].map(|()| Pubkey::new_unique());
    let propose = emissions::propose_root(&other, &network, &other, &other, &other, args);
    let accounts: Vec<Pubkey> = propose.accounts.iter().map(|meta| meta.pubkey).collect();
    let call = |program: Pubkey| Invocation {
        program,
        accounts: accounts.clone(),
        data: propose.data.clone(),
    };
    let by = |program| Execution {
        outer: vec![call(program)],
        ..execution([])
    };
    let done = by(propose.program_id);
    assert_eq!(emissions::proposals(&done, &network), [(other, args)]);
    assert!(emissions::proposals(&done, &other).is_empty());
    assert!(emissions::proposals(&by(stranger), &network).is_empty());
    // Whoever calls it
    let called = Execution {
        inner: vec![call(propose.program_id)],
        ..execution([])
    };
    assert_eq!(emissions::proposals(&called, &network), [(other, args)]);
}

#[test]
fn instructions_are_packed_in_their_order_as_many_as_a_transaction_takes() {
    let payer = Keypair::new();
    let transfers: Vec<Instruction> = (1..=200)
        .map(|to: u8| {
            let to = Pubkey::new_from_array([to; 32]);
            system_instruction::transfer(&payer.pubkey(), &to, 1)
        })
        .collect();
    let packed = transaction::pack(transfers.clone(), &payer).unwrap();
    assert_eq!(packed.concat(), transfers);
    for (part, next) in packed.iter().zip(&packed[1..]) {
        assert!(transaction::fits(part, &payer, &[]).unwrap());
        let more = [&part[..], &next[..1]].concat();
        assert!(!transaction::fits(&more, &payer, &[]).unwrap());
    }
    // The payer and the program are among the 64 accounts of a transaction.
    assert_eq!(packed[0].len(), 62);
    assert!(transaction::pack([], &payer).unwrap().is_empty());
}
