//! What others send as text or bytes: evidence of a worker's or in a file, a cluster's logs, transactions written down.

use super::*;
use base64::prelude::{Engine, BASE64_STANDARD};
use device_protocol::{Reading, SessionGrant, SignedGrant, SignedReading, Values};
use fieldproof_client::certificate::{read_signature, CertificateFile};
use fieldproof_client::event::ran;
use fieldproof_client::reports::{Conflict, ConflictError, Evidence, SignedText};
use fieldproof_client::transaction::Prepared;

/// A reading in a session, with the session's grant.
fn evidence(sequence: u64, values: &[i32], accuracy: u16) -> Evidence {
    let device = signer(Curve::P256).device_key().id();
    let reading = Reading {
        network: [1; 32],
        device,
        leaf_nonce: 3,
        session: 4,
        sequence,
        captured_at: 1_386_892_800_000,
        latitude: 406_925_000,
        longitude: -741_687_000,
        accuracy,
        schema: 1,
        values: Values::new(values).unwrap(),
    };
    let grant = SessionGrant {
        network: [1; 32],
        device,
        leaf_nonce: 3,
        session_key: [2; 32],
        counter: 4,
        not_before: 1_386_892_000,
        expires: 1_386_893_000,
    };
    Evidence {
        reading: SignedReading {
            reading,
            signature: [5; 64],
        },
        grant: Some(SignedGrant {
            grant,
            signature: [6; 64],
        }),
    }
}

fn conflict() -> Conflict {
    let key = signer(Curve::P256).device_key();
    let [first, mut second] = [evidence(9, &[1], 0), evidence(9, &[2, 3], 7)];
    second.grant = None;
    Conflict::new(&key, [&first, &second])
}

/// The five texts of evidence.
fn texts(conflict: &mut Conflict) -> [&mut String; 5] {
    let Conflict {
        curve,
        key,
        first,
        second,
    } = conflict;
    let grant = first.grant.as_mut().unwrap();
    [curve, key, &mut first.reading, grant, &mut second.reading]
}

#[test]
fn evidence_that_is_none_is_refused_for_its_reason() {
    let refused = |place: usize, change: &dyn Fn(&mut String)| {
        let mut changed = conflict();
        change(texts(&mut changed)[place]);
        changed.parse().unwrap_err()
    };
    let other_curve = refused(0, &|curve| *curve = "P256".to_owned());
    assert!(matches!(other_curve, ConflictError::Curve(curve) if curve == "P256"));
    let wrong_curve = refused(0, &|curve| *curve = "ed25519".to_owned());
    assert!(matches!(wrong_curve, ConflictError::Key(_)));
    for place in 1..5 {
        let odd = refused(place, &|text| text.push('0'));
        assert!(matches!(odd, ConflictError::Hex(_)), "{place}");
        let none = refused(place, &|text| text.replace_range(..1, "x"));
        assert!(matches!(none, ConflictError::Hex(_)), "{place}");
    }
    let longer = |place| refused(place, &|text| text.push_str("00"));
    assert!(matches!(longer(1), ConflictError::Key(_)));
    assert!(matches!(longer(2), ConflictError::Trailing));
    assert!(matches!(longer(3), ConflictError::Grant(_)));
    let cut = |place| refused(place, &|text| text.truncate(text.len() - 2));
    assert!(matches!(cut(1), ConflictError::Key(_)));
    assert!(matches!(cut(2), ConflictError::Reading(_)));
    assert!(matches!(cut(3), ConflictError::Grant(_)));
}

proptest! {
    #[test]
    fn evidence_comes_back(
        curve in prop::sample::select(CURVES.as_slice()),
        sequence: u64,
        values in vec(any::<i32>(), 1..=Values::MAX),
        is_granted: [bool; 2],
    ) {
        let key = signer(curve).device_key();
        let both = is_granted.map(|is_granted| {
            let evidence = evidence(sequence, &values, 0);
            Evidence { grant: evidence.grant.filter(|_| is_granted), ..evidence }
        });
        let text = serde_json::to_string(&Conflict::new(&key, [&both[0], &both[1]])).unwrap();
        let read: Conflict = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(read.parse().unwrap(), (key, both));
    }

    #[test]
    fn no_bytes_in_the_place_of_a_certificates_file_panic(
        bytes in vec(any::<u8>(), 0..400),
        label in "CERTIFICATE|PUBLIC KEY|.{0,8}",
        is_text: bool,
    ) {
        let pem = || {
            let body = BASE64_STANDARD.encode(&bytes);
            let lines: Vec<&[u8]> = body.as_bytes().chunks(64).collect();
            let (begin, end) = (format!("-----BEGIN {label}-----\n"), format!("\n-----END {label}-----\n"));
            [begin.as_bytes(), &lines.join(&b'\n'), end.as_bytes()].concat()
        };
        let content = if is_text { pem() } else { bytes.clone() };
        prop_assert!(CertificateFile::read(&content).is_err());
        let _ = read_signature(&content);
    }

    #[test]
    fn no_text_in_the_place_of_evidence_panics(
        bytes in vec(any::<u8>(), 0..200),
        curve in "ed25519|p256|.{0,8}",
        hex in prop::array::uniform3("([0-9a-fA-F]{2}){0,300}|.{0,40}"),
        grant in prop::option::of("([0-9a-f]{2}){184}|.{0,40}"),
    ) {
        let [key, first, second] = hex;
        let conflict = Conflict {
            curve,
            key,
            first: SignedText { reading: first, grant: grant.clone() },
            second: SignedText { reading: second, grant },
        };
        let text = serde_json::to_vec(&conflict).unwrap();
        prop_assert_eq!(&serde_json::from_slice::<Conflict>(&text).unwrap(), &conflict);
        prop_assert!(conflict.parse().is_err());
        prop_assert!(serde_json::from_slice::<Conflict>(&bytes).is_err());
    }

    /// What a worker changes is other evidence or none.
    #[test]
    fn evidence_with_a_digit_changed_is_refused_or_other(
        text in 1..5usize,
        place in any::<prop::sample::Index>(),
        digit in "[0-9a-f]",
    ) {
        let mut changed = conflict();
        let place = {
            let text = &mut texts(&mut changed)[text];
            let place = place.index(text.len());
            text.replace_range(place..=place, &digit);
            place
        };
        prop_assume!(changed != conflict());
        if let Ok(read) = changed.parse() {
            prop_assert_ne!(read, conflict().parse().unwrap(), "{} {}", text, place);
        }
    }

    /// Whatever a cluster says that was logged: an event is in the data of the program's own.
    #[test]
    fn no_log_makes_the_reader_of_events_panic(
        lines in vec(
            prop_oneof![
                ".{0,60}",
                "Program (data|log|return): .{0,40}",
                vec(any::<u8>(), 0..120)
                    .prop_map(|bytes| format!("Program data: {}", BASE64_STANDARD.encode(bytes))),
                Just(format!("Program {} invoke [1]", data_commitment::ID)),
                Just(format!("Program {} success", data_commitment::ID)),
                Just("Program  invoke [".to_owned()),
                Just("Program x failed: ".to_owned()),
            ],
            0..20,
        ),
    ) {
        let mut done = execution([]);
        done.logs = lines;
        let found: Vec<RootCommitted> = logged(&done, &data_commitment::ID);
        prop_assert!(found.is_empty(), "no line holds its tag");
    }

    #[test]
    fn no_instruction_makes_their_reader_panic(
        bytes in vec(any::<u8>(), 0..400),
        is_called: bool,
    ) {
        type Submit = ai_feed::instruction::SubmitAttestation;
        let tag = <Submit as anchor_lang::Discriminator>::DISCRIMINATOR;
        for data in [bytes.clone(), [tag, &bytes].concat()] {
            let calls = [(ai_feed::ID, data)];
            let mut done = execution(calls);
            if !is_called {
                std::mem::swap(&mut done.inner, &mut done.outer);
            }
            for (_, submitted) in ran::<Submit>(&done, &ai_feed::ID) {
                let written = anchor_lang::InstructionData::data(&submitted);
                prop_assert!(done.outer.iter().chain(&done.inner).any(|call| call.data.starts_with(&written)));
            }
        }
    }

    #[test]
    fn bytes_are_no_transaction_or_the_one_that_was_written(bytes in vec(any::<u8>(), 0..400)) {
        if let Ok(read) = Prepared::from_bytes(&bytes) {
            let written = read.to_bytes().unwrap();
            let again = Prepared::from_bytes(&written).unwrap();
            prop_assert_eq!(again.transaction, read.transaction);
        }
    }

    #[test]
    fn no_text_makes_a_priority_fee_panic(text in "[0-9%:+ -]{0,12}|.{0,12}") {
        if let Ok(fee) = text.parse::<PriorityFee>() {
            let chosen = fee.choose(vec![1, u64::MAX]);
            let most = match fee {
                PriorityFee::Fixed(price) => price,
                PriorityFee::Recent { percentile, cap } => {
                    prop_assert!(percentile <= 100);
                    cap
                }
            };
            prop_assert!(chosen <= most);
        }
    }
}
