//! The instructions sysvar. Input: curve u8, instruction u16, index u8, the sysvar's bytes.
//!
//! What is read must be what the precompile verifies: by its own rule, read here a second time.
#![no_main]

use introspection::{current_instruction, signature, signatures, Precompile};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(([curve, low, high, index], sysvar)) = bytes.split_first_chunk() else {
        return;
    };
    let precompile = match curve & 1 {
        0 => Precompile::Ed25519,
        _ => Precompile::Secp256r1,
    };
    let instruction = u16::from_le_bytes([*low, *high]);
    let _ = current_instruction(sysvar);
    let one = signature(sysvar, precompile, instruction, *index);
    match signatures(sysvar, precompile, instruction) {
        Err(error) => assert_eq!(one, Err(error)),
        Ok(all) => {
            assert_eq!(one, all.get(*index));
            let data = data(sysvar, instruction);
            assert_eq!(all.len(), usize::from(data[0]));
            for place in 0..data[0] {
                let read = all.get(place).expect("within the count");
                let field = |number: usize| {
                    let at = 2 + 14 * usize::from(place) + 2 * number;
                    u16::from_le_bytes([data[at], data[at + 1]])
                };
                let part = |start: usize, instruction_field: usize, len: usize| {
                    let own = field(instruction_field);
                    assert!(own == u16::MAX || own == instruction);
                    let start = usize::from(field(start));
                    &data[start..start + len]
                };
                part(0, 1, 64);
                assert_eq!(read.public_key, part(2, 3, precompile.key_len()));
                assert_eq!(read.message, part(4, 6, usize::from(field(5))));
            }
        }
    }
});

/// The data of an instruction whose place in the sysvar is known to be sound.
fn data(sysvar: &[u8], instruction: u16) -> &[u8] {
    let number = |at: usize| usize::from(u16::from_le_bytes([sysvar[at], sysvar[at + 1]]));
    let start = number(2 + 2 * usize::from(instruction));
    let after_program = start + 2 + 33 * number(start) + 32;
    let len = number(after_program);
    &sysvar[after_program + 2..][..len]
}
