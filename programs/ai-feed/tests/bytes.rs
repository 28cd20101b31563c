//! Bytes that whoever sends a transaction chooses: a challenged window's readings, verifying keys, proofs.

use std::sync::LazyLock;

use ai_feed::error::AiFeedError as E;
use ai_feed::instructions::{ChallengeWindowArgs, OwnerArgs, WindowArgs, NO_GRANT, WINDOWS_DEPTH};
use ai_feed::state::{Feed, VerifyingKey, G1, G2, KEY_BYTES, PROOF_BYTES};
use anchor_lang::error::Error;
use anchor_lang::{AnchorDeserialize, AnchorSerialize};
use bytemuck::Zeroable;
use commitment::{node, ReadingLeaf, READINGS_PER_WINDOW};
use device_protocol::{Reading, ReadingHeader, Values, SIGNATURE_LEN};
use inference::{features, Header, SHIFTS};
use proptest::collection::vec;
use proptest::prelude::*;
use solana_bn254::prelude::{alt_bn128_g1_multiplication_be, alt_bn128_g2_multiplication_be};

const NETWORK: [u8; 32] = [7; 32];
const OWNER: OwnerArgs = OwnerArgs {
    device: [5; 32],
    leaf_nonce: 2,
};
const GRANT: [u8; SIGNATURE_LEN] = [3; SIGNATURE_LEN];
/// The round in which the readings end, of a minute.
const ROUND: u64 = 1_000;

const HEADER: Header = Header {
    version: Header::VERSION,
    shape: Header::SHAPE,
    shifts: SHIFTS,
    schema: 3,
    value_index: 1,
    level_offset: 0,
    level_gain: 1,
    delta_gain: 1,
    output_offset: 0,
    output_step: 1,
    exponent: 0,
};

fn feed() -> Feed {
    Feed {
        schema: 3,
        max_gap: 120,
        round_length: 60,
        ..Feed::zeroed()
    }
}

/// 16 readings that the feed takes, every other in a session.
fn readings() -> [Reading; READINGS_PER_WINDOW] {
    std::array::from_fn(|number| Reading {
        network: NETWORK,
        device: OWNER.device,
        leaf_nonce: OWNER.leaf_nonce,
        session: number as u32 % 2,
        sequence: number as u64,
        captured_at: (ROUND * 60 + number as u64) as i64 * 1_000,
        latitude: 520_000_000,
        longitude: 130_000_000,
        accuracy: 5,
        schema: 3,
        values: Values::new(&[-1, 100 * number as i32]).unwrap(),
    })
}

/// A challenge of the window that these readings do make.
fn honest() -> ChallengeWindowArgs {
    let readings = readings();
    let mut bytes = Vec::new();
    for (number, reading) in readings.iter().enumerate() {
        let grant = if reading.session == 0 { NO_GRANT } else { 0 };
        let mut buffer = [0; Reading::MAX_LEN];
        let end = reading.write(&mut buffer);
        bytes.extend([0, grant]);
        bytes.extend(&buffer[ReadingHeader::OWNED..end]);
        bytes.extend([number as u8; SIGNATURE_LEN]);
    }
    ChallengeWindowArgs {
        number: 0,
        window: WindowArgs {
            features: features(
                &HEADER,
                &readings.each_ref().map(|reading| reading.values[1]),
            ),
            tree: 0,
            index: 0,
            nonce: OWNER.leaf_nonce,
            last_capture: readings[15].captured_at,
        },
        path: [[0; 32]; WINDOWS_DEPTH],
        owners: vec![OWNER],
        grants: vec![GRANT],
        readings: bytes,
        readings_path: Vec::new(),
    }
}

/// Root of the readings' subtree, and whether they make the window.
fn recompute(args: &ChallengeWindowArgs) -> Result<([u8; 32], bool), Error> {
    let recomputed = args.recompute(&NETWORK, &feed(), ROUND, 0, &HEADER)?;
    Ok((recomputed.subtree, recomputed.holds))
}

fn malformed<T>() -> Result<T, Error> {
    Err(E::MalformedReadings.into())
}

#[test]
fn readings_give_their_own_subtree_and_window() {
    let mut nodes: Vec<[u8; 32]> = readings()
        .iter()
        .enumerate()
        .map(|(number, reading)| {
            let leaf = ReadingLeaf {
                digest: reading.digest(),
                signature: &[number as u8; SIGNATURE_LEN],
                grant: (reading.session != 0).then_some(&GRANT),
            };
            leaf.hash()
        })
        .collect();
    while nodes.len() > 1 {
        nodes = nodes
            .chunks(2)
            .map(|pair| node(&pair[0], &pair[1]))
            .collect();
    }
    assert_eq!(recompute(&honest()), Ok((nodes[0], true)));
}

#[test]
fn readings_that_are_cut_or_followed_by_anything_are_refused() {
    let whole = honest();
    for len in 0..whole.readings.len() {
        let mut cut = whole.clone();
        cut.readings.truncate(len);
        assert_eq!(recompute(&cut), malformed(), "{len}");
    }
    let mut longer = whole;
    longer.readings.push(0);
    assert_eq!(recompute(&longer), malformed());
}

proptest! {
    /// Nothing is refuted by readings other than those that the attester committed to.
    #[test]
    fn readings_with_a_byte_changed_are_refused_or_others(
        place in any::<prop::sample::Index>(),
        change in 1..=u8::MAX,
    ) {
        let honest = honest();
        let mut changed = honest.clone();
        let place = place.index(changed.readings.len());
        changed.readings[place] ^= change;
        match recompute(&changed) {
            Ok((subtree, _)) => prop_assert_ne!(subtree, recompute(&honest).unwrap().0),
            refused => prop_assert_eq!(refused, malformed()),
        }
    }

    #[test]
    fn no_bytes_in_the_place_of_readings_panic(
        readings in vec(prop_oneof![Just(0u8), Just(NO_GRANT), any::<u8>()], 0..3_000),
        owners in 0..3usize,
        grants in 0..3usize,
    ) {
        let args = ChallengeWindowArgs {
            owners: vec![OWNER; owners],
            grants: vec![GRANT; grants],
            readings,
            ..honest()
        };
        if let Err(refused) = recompute(&args) {
            prop_assert_eq!(refused, Error::from(E::MalformedReadings));
        }
    }

    /// The instruction's own arguments, as they come in a transaction.
    #[test]
    fn no_arguments_panic(
        bytes in vec(any::<u8>(), 0..1_000),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let mut altered = Vec::new();
        honest().serialize(&mut altered).unwrap();
        for (place, byte) in changes {
            let place = place.index(altered.len());
            altered[place] = byte;
        }
        for bytes in [bytes, altered] {
            let Ok(args) = ChallengeWindowArgs::try_from_slice(&bytes) else {
                continue;
            };
            let mut written = Vec::new();
            args.serialize(&mut written).unwrap();
            prop_assert_eq!(written, bytes);
            if let Err(refused) = recompute(&args) {
                prop_assert_eq!(refused, Error::from(E::MalformedReadings));
            }
        }
    }
}

/// Generators of both groups; coordinates as the program takes them.
const GENERATOR_G1: &str = concat!(
    "0000000000000000000000000000000000000000000000000000000000000001",
    "0000000000000000000000000000000000000000000000000000000000000002",
);
const GENERATOR_G2: &str = concat!(
    "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2",
    "1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed",
    "090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b",
    "12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa",
);

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// A key of sound points, none of which is another.
static KEY: LazyLock<[u8; KEY_BYTES]> = LazyLock::new(|| {
    let times = |generator: &str, scalar: u8| {
        let scalar: [u8; 32] = std::array::from_fn(|place| if place == 31 { scalar } else { 0 });
        [bytes(generator), scalar.to_vec()].concat()
    };
    let g1 = |scalar| alt_bn128_g1_multiplication_be(&times(GENERATOR_G1, scalar)).unwrap();
    let g2 = |scalar| {
        let input: [u8; G2 + 32] = times(GENERATOR_G2, scalar).try_into().unwrap();
        alt_bn128_g2_multiplication_be(&input).unwrap()
    };
    let points = [g1(2), g2(3), g2(5), g2(7), g1(11), g1(13)];
    points.concat().try_into().unwrap()
});

fn set(key: &[u8; KEY_BYTES]) -> Result<VerifyingKey, Error> {
    let mut account = VerifyingKey::zeroed();
    account.set_points(key)?;
    Ok(account)
}

#[test]
fn a_key_of_sound_points_is_taken() {
    let account = set(&KEY).unwrap();
    assert_eq!(account.alpha, KEY[..G1]);
    assert_eq!(account.delta, KEY[G1 + 2 * G2..G1 + 3 * G2]);
    assert_eq!(account.ic.as_flattened(), &KEY[G1 + 3 * G2..]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Of random coordinates hardly any are a point; those beyond the field are refused before they are looked at.
    #[test]
    fn no_bytes_but_points_are_a_key(
        mut key in vec(any::<u8>(), KEY_BYTES),
        in_field: bool,
    ) {
        if in_field {
            key.chunks_mut(32).for_each(|coordinate| coordinate[0] &= 0x1F);
        }
        let refused = set(&key.try_into().unwrap()).err();
        let expected = if in_field { E::KeyOffCurve } else { E::KeyCoordinate };
        prop_assert_eq!(refused, Some(Error::from(expected)));
    }

    #[test]
    fn a_key_with_a_byte_changed_is_refused(place in 0..KEY_BYTES, change in 1..=u8::MAX) {
        let mut key = *KEY;
        key[place] ^= change;
        let refused = set(&key).err();
        prop_assert!(
            [E::KeyCoordinate, E::KeyOffCurve]
                .into_iter()
                .any(|expected| refused == Some(Error::from(expected))),
            "{refused:?}"
        );
    }

    /// Neither is anything but a proof, whatever it is said to prove.
    #[test]
    fn no_bytes_are_a_proof(
        mut proof in vec(any::<u8>(), PROOF_BYTES),
        input: [u8; 32],
        in_field: bool,
        of_points: bool,
    ) {
        if in_field {
            proof.chunks_mut(32).for_each(|coordinate| coordinate[0] &= 0x1F);
        }
        if of_points {
            // A sound point of each group, in its place.
            proof[..G1].copy_from_slice(&KEY[..G1]);
            proof[G1..G1 + G2].copy_from_slice(&KEY[G1..G1 + G2]);
            proof[G1 + G2..].copy_from_slice(&KEY[KEY_BYTES - G1..]);
        }
        let account = set(&KEY).unwrap();
        let refused = account.verify(&proof.try_into().unwrap(), &input);
        prop_assert_eq!(refused, Err(E::InvalidProof.into()));
    }
}
