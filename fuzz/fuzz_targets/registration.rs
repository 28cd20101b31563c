//! What a registration signs: an instruction's arguments as a program gets them, the possession and the voucher that
//! they name. Input: network 32, owner 32, maker 32, the arguments.
#![no_main]

use anchor_lang::{AnchorDeserialize, AnchorSerialize};
use device_protocol::{Curve, DeviceKey, Possession, Voucher};
use device_registry::RegisterDeviceArgs;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((parties, arguments)) = bytes.split_first_chunk::<96>() else {
        return;
    };
    let (network, rest) = parties.split_first_chunk::<32>().expect("96 bytes");
    let (owner, maker) = rest.split_first_chunk::<32>().expect("64 bytes");
    let Ok(arguments) = RegisterDeviceArgs::try_from_slice(arguments) else {
        return;
    };
    let mut again = Vec::new();
    arguments.serialize(&mut again).expect("memory");
    assert_eq!(again, bytes[96..]);

    let Ok(key) = DeviceKey::from_parts(arguments.curve, arguments.key) else {
        return;
    };
    assert_eq!((key.curve as u8, key.bytes), (arguments.curve, arguments.key));
    assert_eq!(
        key.as_bytes().len(),
        match key.curve {
            Curve::Ed25519 => 32,
            Curve::P256 => 33,
        }
    );
    let possession = Possession {
        network: *network,
        owner: *owner,
        key,
        nonce: arguments.number,
    };
    let voucher = Voucher {
        network: *network,
        maker: maker.try_into().expect("32 bytes"),
        number: arguments.number,
        device: key.id(),
        tier: arguments.tier,
        serial_hash: arguments.serial_hash,
    };
    // Domains keep them apart, whatever the fields.
    assert_ne!(possession.digest(), voucher.digest());
});
