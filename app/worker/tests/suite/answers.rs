//! What other operators, and whoever runs an RPC server, say: their bytes are theirs to choose.

use anchor_lang::prelude::Pubkey;
use device_protocol::Curve;
use device_registry::events::DevicesRegistered;
use fieldproof_client::device_registry::RegistryEvent;
use fieldproof_client::key::DeviceSigner;
use fieldproof_worker::committee::{read_answer, MemberSignature, Refused, SignRequest};
use fieldproof_worker::registry::Registry;
use fieldproof_worker::reward::ClaimProof;
use fieldproof_worker::store::StoreError;
use proptest::prelude::*;
use solana_signature::Signature;

proptest! {
    #[test]
    fn to_a_request_for_a_signature_are_read_as_they_were_given(
        member: u8,
        signature: [[u8; 32]; 2],
        refused in ".{0,20}",
        detail in ".{0,60}",
    ) {
        let signature = Signature::try_from(signature.as_flattened()).unwrap();
        let signed = serde_json::to_vec(&MemberSignature { member, signature }).unwrap();
        let read = read_answer(true, &signed).unwrap();
        prop_assert_eq!((read.member, read.signature), (member, signature));
        prop_assert!(read_answer(false, &signed).is_err());

        let said = format!("{refused}: {detail}");
        let refusal = serde_json::to_vec(&Refused { refused, detail }).unwrap();
        prop_assert_eq!(read_answer(false, &refusal).unwrap_err(), said);
        prop_assert!(read_answer(true, &refusal).is_err());
    }

    #[test]
    fn that_are_none_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        member in prop_oneof![any::<i64>().prop_map(|number| number.to_string()), "[0-9.eE-]{0,9}"],
        digits in "[0-9a-f]{120,136}|.{0,140}",
    ) {
        prop_assert!(read_answer(true, &bytes).is_err());
        prop_assert!(read_answer(false, &bytes).is_err());
        prop_assert!(serde_json::from_slice::<SignRequest>(&bytes).is_err());
        prop_assert!(serde_json::from_slice::<ClaimProof>(&bytes).is_err());
        let text = serde_json::to_string(&digits).unwrap();
        let answer = format!("{{\"member\": {member}, \"signature\": {text}}}");
        if let Ok(read) = read_answer(true, answer.as_bytes()) {
            prop_assert_eq!(hex::encode(read.signature), digits.to_lowercase());
            prop_assert_eq!(read.member.to_string(), member);
        }
    }

    /// At the ends of the integers too, where one device more has no place.
    #[test]
    fn of_a_batch_of_devices_are_records_or_damaged(
        index in prop_oneof![any::<u32>(), Just(u32::MAX), Just(u32::MAX - 1)],
        sequence in prop_oneof![any::<u64>(), Just(u64::MAX), Just(u64::MAX - 1)],
        count in 0..4usize,
        rest in prop::collection::vec(any::<u8>(), 0..40),
        is_cut: bool,
    ) {
        let mut keys: Vec<u8> = (0..count)
            .flat_map(|_| DeviceSigner::generate(Curve::Ed25519).device_key().as_bytes().to_vec())
            .collect();
        if is_cut {
            keys.extend(&rest);
        }
        let event = DevicesRegistered {
            network: Pubkey::default(),
            tree: Pubkey::default(),
            tree_index: 0,
            index,
            sequence,
            maker: Pubkey::default(),
            tier: 0,
            cell: 0,
            registered_slot: 0,
            owner_changed_at: 0,
            batch: 0,
            manifest_hash: [0; 32],
            root: [0; 32],
            curve: 0,
            keys,
        };
        let last = count.saturating_sub(1);
        let fits = index.checked_add(last as u32).is_some() && sequence.checked_add(last as u64).is_some();
        let registry = Registry::default();
        match registry.records(&[RegistryEvent::Batch(Box::new(event))]) {
            Ok(records) => {
                prop_assert!(fits && (records.len() == count || is_cut));
                for record in records {
                    registry.insert(record).unwrap();
                }
            }
            Err(StoreError::Damaged(what)) => {
                prop_assert!(what == "device" && (!fits || is_cut));
            }
            Err(other) => prop_assert!(false, "{other}"),
        }
    }
}
