//! Golden vectors were computed apart from this crate, from the layouts in its documentation.

use device_protocol::*;
use proptest::{collection::vec, prelude::*};

#[path = "device_protocol/offence.rs"]
mod offence;

const GRANT: &str = "\
    0101010101010101010101010101010101010101010101010101010101010101\
    0202020202020202020202020202020202020202020202020202020202020202\
    03000000\
    0404040404040404040404040404040404040404040404040404040404040404\
    05000000\
    00f1536500000000\
    8042556500000000";

const READING: &str = "\
    0101010101010101010101010101010101010101010101010101010101010101\
    0202020202020202020202020202020202020202020202020202020202020202\
    03000000\
    04000000\
    0500000000000000\
    7b68e5cf8b010000\
    870eaf1c\
    c192b1b6\
    1900\
    0600\
    03\
    f9ffffff00000000ffffff7f";

fn h(byte: u8) -> Hash {
    [byte; 32]
}

fn p256_key() -> DeviceKey {
    let mut bytes = [8; 33];
    bytes[0] = 2;
    DeviceKey::p256(bytes).unwrap()
}

fn grant() -> SessionGrant {
    SessionGrant {
        network: h(1),
        device: h(2),
        leaf_nonce: 3,
        session_key: h(4),
        counter: 5,
        not_before: 1_700_000_000,
        expires: 1_700_086_400,
    }
}

fn reading() -> Reading {
    Reading {
        network: h(1),
        device: h(2),
        leaf_nonce: 3,
        session: 4,
        sequence: 5,
        captured_at: 1_700_000_000_123,
        latitude: 481_234_567,
        longitude: -1_229_876_543,
        accuracy: 25,
        schema: 6,
        values: Values::new(&[-7, 0, i32::MAX]).unwrap(),
    }
}

#[track_caller]
fn golden(digest: Hash, expected: &str) {
    assert_eq!(hex::encode(digest), expected);
}

#[test]
fn digests_are_golden() {
    golden(
        digest!("empty"),
        "53a8931584091a907f0886a19d1cc04ce47baa9b742e6dc5648c4731e3968006",
    );
    golden(
        digest!("name", b"ab", b"", b"c"),
        "b1b3aab3e6349ab9a0f3c6bd2b86437e6522cedf5f91ebf98aaaead0c5dd2334",
    );
}

#[test]
fn ids_are_golden() {
    golden(
        DeviceKey::ed25519(h(7)).id(),
        "bddd0339bf619cba7c21275ec4eb746d46b292dfe7b8bb8b671aa31a636c8fff",
    );
    golden(
        p256_key().id(),
        "6d8b2533e7f5e6f88c54f81ee37bd140e8736268b56858afa9f55134d438abc0",
    );
    golden(
        network_id(&h(1), &h(2), &h(3), 4),
        "0d1bf8c78226f84fbb09b030532bd5c9310d95c25540174a5290138fdbf7aca9",
    );
    let feed = |cells: &[u64]| {
        let input = InputSpec {
            schema: 4,
            max_gap_s: 5,
            cells,
        };
        feed_id(&h(1), &h(2), &h(3), &input, 6, 7)
    };
    golden(
        feed(&[8, 9]).unwrap(),
        "997b0f59bd5c9e8c9f094efb49f30983afb6a4380197a322cec1d431a4cedc72",
    );
    golden(
        feed(&[]).unwrap(),
        "1ee58a1a60b748cdfc489b34dc3e5e51df0fc78b1499fdd3eb4cc127595f6020",
    );
    assert!(feed(&[1; MAX_CELLS]).is_ok());
    assert_eq!(feed(&[1; MAX_CELLS + 1]), Err(TooManyCells));
}

#[test]
fn messages_are_golden() {
    let possession = |key| Possession {
        network: h(1),
        owner: h(2),
        key,
        nonce: 9,
    };
    golden(
        possession(DeviceKey::ed25519(h(7))).digest(),
        "823ed6d677cbde08c0c19262d7581f5de000efaac889d307a117fc8c9d987297",
    );
    golden(
        possession(p256_key()).digest(),
        "f075c95827bf903e7bfcac3034ea291fadf4902a69c9e8c5825ec2a2d761111e",
    );
    let voucher = Voucher {
        network: h(1),
        maker: h(2),
        number: 3,
        device: h(4),
        tier: 1,
        serial_hash: h(5),
    };
    golden(
        voucher.digest(),
        "d77832ae31829e7872ae0584a9b808357a74b85e0157979d2084288b34039bc2",
    );
    let grant = RootGrant {
        network: h(1),
        maker: h(2),
        root: p256_key().bytes,
    };
    golden(
        grant.digest(),
        "8653012b888ee478db30fe82bc0481cde07dad6d673d900a356664013036b690",
    );
    let leaf = RegistryLeaf {
        device: h(1),
        owner: h(2),
        maker: h(3),
        tier: 1,
        status: Status::Nft,
        cell: 0x0892_8308_280f_ffff,
        registered_slot: 5,
        previous_owner: h(6),
        owner_changed_at: 7,
        nonce: 8,
    };
    golden(
        leaf.hash(),
        "23c9572547c87772402269196dc86734089d0479073e5c2aa7b7d3e5742e2212",
    );
    let attestation = AttestationMessage {
        network: h(1),
        feed: h(2),
        stream: h(3),
        round: 4,
        sequence: 5,
        batch_index: 6,
        batch_leaf: h(7),
        model: h(8),
        outputs: h(9),
        epoch: 10,
    };
    golden(
        attestation.digest(),
        "71e844b5fee26e337a19573cb5b4914f1b5a8b22d1febcf88a2fcb1151c954fb",
    );
    let sources = SourcesMessage {
        network: h(1),
        feed: h(2),
        stream: h(3),
        round: 4,
        sequence: 5,
        batch_index: 6,
        batch_leaf: h(7),
        epoch: 10,
    };
    golden(
        sources.digest(),
        "5ac2d2ab0ba5e4292d8096c8c7e60ba36f4641c55f7f3b1f468f94399873bc0f",
    );
    golden(
        private_model_id(&h(1), &[2; 25]),
        "1c716ba3f66ee0c498d5287bffa293389d2a4c0159356c9ca1a6f9f8ba462bda",
    );
    // All three of the digest's top bits were set.
    golden(
        attestation_context(&h(1), &h(2), 3, 4, 5, &h(9)),
        "092e9a141c23290e42cf5c7932d8a7cd702ee4864802a81b22d46289dfc4d066",
    );
    let vote = VoteMessage {
        network: h(1),
        epoch: 2,
        ballot: 3,
        base: 10,
        depth: 9,
        score_hash: h(4),
        score_sum: 5,
        reward_hash: h(6),
        reward_sum: 7,
        committee_epoch: 8,
    };
    golden(
        vote.digest(),
        "13548b329b35a65830ab2271ef0f5c5c79672394247a87b5d2a6ef27b19ec12a",
    );
}

#[test]
fn a_grant_is_golden() {
    assert_eq!(hex::encode(grant().to_array()), GRANT);
    golden(
        grant().digest(),
        "7352a32c8f87173e69bfdb97c89de827fe2ab23e98a0ef74e85ef862d8173cee",
    );
}

#[test]
fn a_signed_grant_is_its_grant_and_the_signature() {
    let signed = SignedGrant {
        grant: grant(),
        signature: [9; SIGNATURE_LEN],
    };
    let mut bytes = signed.to_array().to_vec();
    assert_eq!(
        hex::encode(&bytes),
        format!("{GRANT}{}", "09".repeat(SIGNATURE_LEN))
    );
    assert_eq!(SignedGrant::parse(&bytes), Ok(signed));
    for len in 0..bytes.len() {
        assert_eq!(SignedGrant::parse(&bytes[..len]), Err(GrantError::Length));
    }
    bytes.push(9);
    assert_eq!(SignedGrant::parse(&bytes), Err(GrantError::Length));
}

#[test]
fn a_grant_permits_its_own_session_alone() {
    #[track_caller]
    fn permits(change: impl FnOnce(&mut Reading)) -> bool {
        let grant = grant();
        let mut reading = Reading {
            session: grant.counter,
            captured_at: grant.not_before * 1000,
            ..reading()
        };
        change(&mut reading);
        grant.permits(&reading.header())
    }
    assert!(permits(|_| ()));
    assert!(!permits(|r| r.network = h(9)));
    assert!(!permits(|r| r.device = h(9)));
    assert!(!permits(|r| r.leaf_nonce += 1));
    assert!(!permits(|r| r.session += 1));
    assert!(!permits(|r| r.session = 0));
    assert!(!permits(|r| r.captured_at -= 1));
    assert!(!permits(|r| r.captured_at = grant().expires * 1000));
}

#[test]
fn a_reading_is_golden() {
    assert_eq!(hex::encode(reading().to_bytes()), READING);
    assert_eq!(reading().encoded_len(), READING.len() / 2);
    golden(
        reading().digest(),
        "e30a74fa0c2f70ce9ddeb9c8b658f9d83e190a6792b6b18ed12d3b0c2333c699",
    );
    let signed = SignedReading {
        reading: reading(),
        signature: [9; SIGNATURE_LEN],
    };
    assert_eq!(
        hex::encode(signed.to_bytes()),
        format!("{READING}{}", "09".repeat(SIGNATURE_LEN))
    );
}

#[test]
fn a_key_has_one_form() {
    let mut padded = [7; 33];
    padded[32] = 0;
    assert_eq!(
        DeviceKey::from_parts(0, padded),
        Ok(DeviceKey::ed25519(h(7)))
    );
    assert_eq!(DeviceKey::ed25519(h(7)).as_bytes(), h(7));
    assert_eq!(DeviceKey::from_parts(0, [7; 33]), Err(KeyError::NotPadded));
    assert_eq!(
        DeviceKey::from_parts(2, [2; 33]),
        Err(KeyError::UnknownCurve)
    );
    for first in 0..=u8::MAX {
        let mut bytes = [8; 33];
        bytes[0] = first;
        let key = DeviceKey::from_parts(1, bytes);
        if first == 2 || first == 3 {
            assert_eq!(key.unwrap().as_bytes(), bytes);
        } else {
            assert_eq!(key, Err(KeyError::NotCompressed));
        }
    }
}

#[test]
fn a_curve_and_a_status_are_their_numbers() {
    for number in 0..=u8::MAX {
        match Curve::try_from(number) {
            Ok(curve) => assert_eq!(curve as u8, number),
            Err(error) => assert!(number > 1 && error == KeyError::UnknownCurve),
        }
        match Status::try_from(number) {
            Ok(status) => assert_eq!(status as u8, number),
            Err(UnknownStatus) => assert!(number > 4),
        }
    }
}

#[test]
fn a_grant_keeps_its_bounds() {
    #[track_caller]
    fn refused(change: impl FnOnce(&mut SessionGrant), error: GrantError) {
        let mut grant = grant();
        change(&mut grant);
        assert_eq!(SessionGrant::parse(&grant.to_array()), Err(error));
    }
    refused(|g| g.counter = 0, GrantError::Counter);
    refused(|g| g.expires = g.not_before, GrantError::Times);
    refused(|g| g.not_before = -1, GrantError::Times);
    refused(|g| g.not_before = i64::MIN, GrantError::Times);
    refused(|g| g.expires = i64::MIN, GrantError::Times);
    refused(|g| g.expires += 1, GrantError::TooLong);
    refused(|g| g.expires = i64::MAX, GrantError::TooLong);
}

#[test]
fn a_grant_covers_its_seconds() {
    let grant = grant();
    assert!(!grant.covers(grant.not_before * 1000 - 1));
    assert!(grant.covers(grant.not_before * 1000));
    assert!(grant.covers(grant.expires * 1000 - 1));
    assert!(!grant.covers(grant.expires * 1000));
    assert!(!grant.covers(i64::MIN));
    assert!(!grant.covers(i64::MAX));
}

#[test]
fn a_reading_keeps_its_bounds() {
    fn parsed(change: impl FnOnce(&mut Reading)) -> Result<Reading, ReadingError> {
        let mut reading = reading();
        change(&mut reading);
        Reading::parse(&reading.to_bytes())
    }
    for sign in [-1, 1] {
        assert!(parsed(|r| r.latitude = sign * MAX_LATITUDE).is_ok());
        assert!(parsed(|r| r.longitude = sign * MAX_LONGITUDE).is_ok());
        assert_eq!(
            parsed(|r| r.latitude = sign * (MAX_LATITUDE + 1)),
            Err(ReadingError::Latitude)
        );
        assert_eq!(
            parsed(|r| r.longitude = sign * (MAX_LONGITUDE + 1)),
            Err(ReadingError::Longitude)
        );
    }
    assert_eq!(
        parsed(|r| r.latitude = i32::MIN),
        Err(ReadingError::Latitude)
    );
    assert_eq!(
        parsed(|r| r.longitude = i32::MIN),
        Err(ReadingError::Longitude)
    );
    assert!(parsed(|r| r.captured_at = 0).is_ok());
    assert_eq!(parsed(|r| r.captured_at = -1), Err(ReadingError::Time));
}

#[test]
fn a_reading_has_1_to_32_values() {
    assert_eq!(Values::new(&[]), Err(ReadingError::Count));
    assert_eq!(Values::new(&[0; 33]), Err(ReadingError::Count));
    assert_eq!(&Values::new(&[5; 32]).unwrap()[..], [5; 32]);

    let mut bytes = reading().to_bytes();
    for count in [0, 33, 255] {
        bytes[Reading::HEADER - 1] = count;
        bytes.resize(Reading::HEADER + 4 * usize::from(count), 0);
        assert_eq!(Reading::parse(&bytes), Err(ReadingError::Count));
    }
}

prop_compose! {
    fn hash()(hash: Hash) -> Hash { hash }
}

prop_compose! {
    fn readings()(
        network in hash(),
        device in hash(),
        leaf_nonce: u32,
        session: u32,
        sequence: u64,
        captured_at in 0..=i64::MAX,
        latitude in -MAX_LATITUDE..=MAX_LATITUDE,
        longitude in -MAX_LONGITUDE..=MAX_LONGITUDE,
        accuracy: u16,
        schema: u16,
        values in vec(any::<i32>(), 1..=Values::MAX),
    ) -> Reading {
        let values = Values::new(&values).unwrap();
        Reading {
            network, device, leaf_nonce, session, sequence, captured_at, latitude, longitude, accuracy, schema, values,
        }
    }
}

prop_compose! {
    fn grants()(
        network in hash(),
        device in hash(),
        leaf_nonce: u32,
        session_key in hash(),
        counter in 1..=u32::MAX,
        not_before in 0..i64::MAX - SessionGrant::MAX_SECONDS,
        seconds in 1..=SessionGrant::MAX_SECONDS,
    ) -> SessionGrant {
        let expires = not_before + seconds;
        SessionGrant { network, device, leaf_nonce, session_key, counter, not_before, expires }
    }
}

/// Bytes whose count of values and length agree, so that a parser gets far.
fn likely_readings() -> impl Strategy<Value = Vec<u8>> {
    (vec(any::<u8>(), Reading::MAX_LEN), any::<u8>()).prop_map(|(mut bytes, count)| {
        let count = count % 40;
        bytes[Reading::HEADER - 1] = count;
        bytes.truncate(Reading::HEADER + 4 * usize::from(count));
        bytes
    })
}

proptest! {
    #[test]
    fn a_header_is_the_readings(bytes in likely_readings(), cut in 0..3usize, more in vec(any::<u8>(), 0..3)) {
        let mut bytes = bytes;
        bytes.truncate(bytes.len() - cut);
        bytes.extend(more);
        let header = Reading::parse(&bytes).ok().map(|reading| reading.header());
        prop_assert_eq!(ReadingHeader::parse(&bytes).ok(), header);
    }

    #[test]
    fn a_header_comes_back(reading in readings()) {
        let (bytes, header) = (reading.to_bytes(), reading.header());
        prop_assert_eq!(usize::from(header.values), reading.values.len());
        prop_assert_eq!(ReadingHeader::parse(&bytes), Ok(header));
        let rest = ReadingHeader::parse_rest(
            reading.network,
            reading.device,
            reading.leaf_nonce,
            &bytes[ReadingHeader::OWNED..],
        );
        prop_assert_eq!(rest, Ok(header));
    }

    #[test]
    fn a_reading_comes_back(reading in readings()) {
        let bytes = reading.to_bytes();
        prop_assert_eq!(Reading::parse(&bytes), Ok(reading));
        prop_assert_eq!(reading.digest(), digest!("reading", &bytes));
    }

    #[test]
    fn only_a_whole_reading_is_one(reading in readings(), after in vec(any::<u8>(), 1..200)) {
        let mut bytes = reading.to_bytes();
        for len in 0..bytes.len() {
            prop_assert_eq!(Reading::parse(&bytes[..len]), Err(ReadingError::Length));
        }
        bytes.extend_from_slice(&after);
        prop_assert_eq!(Reading::parse(&bytes), Err(ReadingError::Length));
        prop_assert_eq!(Reading::parse_front(&bytes), Ok((reading, &after[..])));
    }

    #[test]
    fn signed_readings_come_back_one_after_another(
        readings in vec((readings(), vec(any::<u8>(), SIGNATURE_LEN)), 0..5),
    ) {
        let signed: Vec<_> = readings
            .into_iter()
            .map(|(reading, signature)| SignedReading { reading, signature: signature.try_into().unwrap() })
            .collect();
        let bytes: Vec<u8> = signed.iter().flat_map(SignedReading::to_bytes).collect();
        let mut rest = &bytes[..];
        for expected in signed {
            let len = expected.reading.encoded_len() + SIGNATURE_LEN;
            for cut in 0..len {
                prop_assert_eq!(SignedReading::parse(&rest[..cut]), Err(ReadingError::Length));
            }
            let (parsed, after) = SignedReading::parse(rest).unwrap();
            prop_assert_eq!(parsed, expected);
            rest = after;
        }
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn what_parses_as_a_reading_has_one_encoding(bytes in likely_readings()) {
        if let Ok(reading) = Reading::parse(&bytes) {
            prop_assert_eq!(reading.to_bytes(), bytes);
        }
    }

    #[test]
    fn a_grant_comes_back(grant in grants(), after in vec(any::<u8>(), 1..50)) {
        let bytes = grant.to_array();
        prop_assert_eq!(SessionGrant::parse(&bytes), Ok(grant));
        for len in 0..bytes.len() {
            prop_assert_eq!(SessionGrant::parse(&bytes[..len]), Err(GrantError::Length));
        }
        prop_assert_eq!(SessionGrant::parse(&[&bytes[..], &after].concat()), Err(GrantError::Length));
    }

    #[test]
    fn a_signed_grant_comes_back(grant in grants(), signature in vec(any::<u8>(), 64), after in vec(any::<u8>(), 1..50)) {
        let signature = signature.try_into().expect("64 bytes");
        let signed = SignedGrant { grant, signature };
        let bytes = signed.to_array();
        prop_assert_eq!(SignedGrant::parse(&bytes), Ok(signed));
        for len in 0..bytes.len() {
            prop_assert_eq!(SignedGrant::parse(&bytes[..len]), Err(GrantError::Length));
        }
        prop_assert_eq!(SignedGrant::parse(&[&bytes[..], &after].concat()), Err(GrantError::Length));
    }

    #[test]
    fn no_bytes_make_a_parser_panic(bytes in vec(any::<u8>(), 0..300)) {
        if let Ok(reading) = Reading::parse(&bytes) {
            prop_assert_eq!(reading.to_bytes(), &bytes[..]);
        }
        if let Some((owner, rest)) = bytes.split_at_checked(ReadingHeader::OWNED) {
            let (network, device) = (&owner[..32], &owner[32..64]);
            let nonce = u32::from_le_bytes(owner[64..].try_into().unwrap());
            prop_assert_eq!(
                Reading::parse_rest(network.try_into().unwrap(), device.try_into().unwrap(), nonce, rest),
                Reading::parse_front(&bytes)
            );
        }
        if let Ok((signed, rest)) = SignedReading::parse(&bytes) {
            prop_assert_eq!([signed.to_bytes(), rest.to_vec()].concat(), &bytes[..]);
        }
        if let Ok(grant) = SessionGrant::parse(&bytes) {
            prop_assert_eq!(&grant.to_array()[..], &bytes[..]);
        }
    }

    #[test]
    fn a_changed_byte_makes_another_reading_or_none(
        reading in readings(),
        place in any::<prop::sample::Index>(),
        change in 1..=255u8,
    ) {
        let mut bytes = reading.to_bytes();
        let place = place.index(bytes.len());
        bytes[place] ^= change;
        if let Ok(other) = Reading::parse(&bytes) {
            prop_assert_ne!(other, reading);
            prop_assert_ne!(other.digest(), reading.digest());
            prop_assert_eq!(other.to_bytes(), bytes);
        }
    }

    #[test]
    fn a_changed_byte_makes_another_grant_or_none(
        grant in grants(),
        place in 0..SessionGrant::LEN,
        change in 1..=255u8,
    ) {
        let mut bytes = grant.to_array();
        bytes[place] ^= change;
        if let Ok(other) = SessionGrant::parse(&bytes) {
            prop_assert_ne!(other, grant);
            prop_assert_ne!(other.digest(), grant.digest());
            prop_assert_eq!(other.to_array(), bytes);
        }
    }

    /// Keys come as a curve's number and 33 bytes: only one form of each is taken, so that a device has one id.
    #[test]
    fn no_other_bytes_are_a_key(
        curve in 0..4u8,
        start in prop_oneof![0..5u8, any::<u8>()],
        rest: [u8; 31],
        end in prop_oneof![Just(0u8), any::<u8>()],
    ) {
        let mut bytes = [0; 33];
        bytes[0] = start;
        bytes[1..32].copy_from_slice(&rest);
        bytes[32] = end;
        let key = DeviceKey::from_parts(curve, bytes);
        let expected = match curve {
            0 if end == 0 => Ok(()),
            0 => Err(KeyError::NotPadded),
            1 if start == 2 || start == 3 => Ok(()),
            1 => Err(KeyError::NotCompressed),
            _ => Err(KeyError::UnknownCurve),
        };
        prop_assert_eq!(key.map(drop), expected);
        if let Ok(key) = key {
            prop_assert_eq!((key.curve as u8, key.bytes), (curve, bytes));
            prop_assert_eq!(key.as_bytes(), &bytes[..32 + usize::from(curve)]);
        }
    }

    /// A leaf's status comes as a number from events: the numbers of the five, and no other.
    #[test]
    fn a_status_has_one_number(number: u8) {
        match Status::try_from(number) {
            Ok(status) => prop_assert_eq!(status as u8, number),
            Err(UnknownStatus) => prop_assert!(number > Status::Void as u8),
        }
    }

    #[test]
    fn no_number_makes_a_grant_panic(not_before: i64, expires: i64, captured_at: i64) {
        let grant = SessionGrant { not_before, expires, ..grant() };
        if grant.check().is_ok() {
            prop_assert!((1..=SessionGrant::MAX_SECONDS).contains(&(expires - not_before)));
        }
        prop_assert_eq!(
            grant.covers(captured_at),
            (i128::from(not_before) * 1000..i128::from(expires) * 1000).contains(&i128::from(captured_at))
        );
    }
}
