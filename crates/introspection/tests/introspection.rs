//! Sysvars are built by the runtime's own function. Signatures are not verified here, so their bytes are arbitrary.

use introspection::{
    current_instruction, signature, signatures, IntrospectionError, Precompile, Signature, ADDRESS,
};
use proptest::{collection::vec, prelude::*, sample::select};
use solana_instruction::{BorrowedAccountMeta, BorrowedInstruction};
use solana_instructions_sysvar::{construct_instructions_data, store_current_index_checked};

const PRECOMPILES: [Precompile; 2] = [Precompile::Ed25519, Precompile::Secp256r1];

// The seven u16 of a signature's offsets, in their order.
const SIGNATURE: usize = 0;
const SIGNATURE_INSTRUCTION: usize = 1;
const KEY: usize = 2;
const KEY_INSTRUCTION: usize = 3;
const MESSAGE: usize = 4;
const MESSAGE_LEN: usize = 5;
const MESSAGE_INSTRUCTION: usize = 6;

#[derive(Clone, Debug)]
struct Instruction {
    program: [u8; 32],
    accounts: usize,
    data: Vec<u8>,
}

fn sysvar(instructions: &[Instruction], current: u16) -> Vec<u8> {
    let account = [9; 32].into();
    let programs: Vec<_> = instructions.iter().map(|i| i.program.into()).collect();
    let borrowed: Vec<_> = instructions
        .iter()
        .zip(&programs)
        .map(|(instruction, program_id)| BorrowedInstruction {
            program_id,
            accounts: (0..instruction.accounts)
                .map(|_| BorrowedAccountMeta {
                    pubkey: &account,
                    is_signer: true,
                    is_writable: true,
                })
                .collect(),
            data: &instruction.data,
        })
        .collect();
    let mut data = construct_instructions_data(&borrowed);
    store_current_index_checked(&mut data, current).unwrap();
    data
}

/// Another program's instruction, before and after the one under attack.
fn other() -> Instruction {
    Instruction {
        program: [7; 32],
        accounts: 3,
        data: vec![5; 300],
    }
}

fn key(precompile: Precompile, index: u8) -> Vec<u8> {
    vec![100 + index; precompile.key_len()]
}

fn message(index: u8) -> Vec<u8> {
    vec![200 + index; 32 + usize::from(index)]
}

/// An honest instruction with this many signatures.
fn verify(precompile: Precompile, count: u8) -> Instruction {
    let mut data = vec![0; 2 + 14 * usize::from(count)];
    data[0] = count;
    for index in 0..count {
        for (field, part) in [
            (SIGNATURE, vec![index; 64]),
            (KEY, key(precompile, index)),
            (MESSAGE, message(index)),
        ] {
            let start = data.len() as u16;
            set(&mut data, index, field, start);
            data.extend(part);
        }
        set(&mut data, index, MESSAGE_LEN, message(index).len() as u16);
        for field in [SIGNATURE_INSTRUCTION, KEY_INSTRUCTION, MESSAGE_INSTRUCTION] {
            set(&mut data, index, field, u16::MAX);
        }
    }
    Instruction {
        program: *precompile.id(),
        accounts: 0,
        data,
    }
}

fn set(data: &mut [u8], index: u8, field: usize, value: u16) {
    let at = 2 + 14 * usize::from(index) + 2 * field;
    data[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

/// What comes of the instruction under attack, at index 1 between two others.
fn attack(precompile: Precompile, instruction: Instruction) -> Result<usize, IntrospectionError> {
    let sysvar = sysvar(&[other(), instruction, other()], 2);
    let all = signatures(&sysvar, precompile, 1);
    if let Err(error) = all {
        // Asking for a single signature, whichever, checks them all.
        for index in [0, 1, u8::MAX] {
            assert_eq!(signature(&sysvar, precompile, 1, index), Err(error));
        }
    }
    all.map(|signatures| signatures.len())
}

#[test]
fn ids_and_key_lengths_are_the_precompiles() {
    for (precompile, id, key_len) in [
        (
            Precompile::Ed25519,
            "Ed25519SigVerify111111111111111111111111111",
            32,
        ),
        (
            Precompile::Secp256r1,
            "Secp256r1SigVerify1111111111111111111111111",
            33,
        ),
    ] {
        assert_eq!(bs58::encode(precompile.id()).into_string(), id);
        assert_eq!(precompile.key_len(), key_len);
    }
}

#[test]
fn the_address_is_the_sysvars() {
    assert_eq!(ADDRESS, solana_instructions_sysvar::ID.to_bytes());
}

#[test]
fn every_signature_is_read() {
    for precompile in PRECOMPILES {
        let sysvar = sysvar(&[other(), verify(precompile, 8), other()], 2);
        let all = signatures(&sysvar, precompile, 1).unwrap();
        assert_eq!(all.len(), 8);
        for index in 0..8 {
            let (public_key, message) = (key(precompile, index), message(index));
            let expected = Signature {
                public_key: &public_key,
                message: &message,
                bytes: &[index; 64],
            };
            assert_eq!(all.get(index), Ok(expected));
            assert_eq!(signature(&sysvar, precompile, 1, index), Ok(expected));
        }
    }
}

#[test]
fn an_index_beyond_the_signatures_is_refused() {
    for precompile in PRECOMPILES {
        for count in [1, 3, 8] {
            let sysvar = sysvar(&[verify(precompile, count)], 0);
            let all = signatures(&sysvar, precompile, 0).unwrap();
            for index in [count, count + 1, u8::MAX] {
                assert_eq!(all.get(index), Err(IntrospectionError::NoSignature));
                assert_eq!(
                    signature(&sysvar, precompile, 0, index),
                    Err(IntrospectionError::NoSignature)
                );
            }
        }
    }
}

#[test]
fn another_program_is_refused() {
    for (precompile, other) in [
        (Precompile::Ed25519, Precompile::Secp256r1),
        (Precompile::Secp256r1, Precompile::Ed25519),
    ] {
        // Long enough to read as either curve's.
        let honest = verify(precompile, 2);
        let mut programs = vec![[0; 32], *other.id()];
        for byte in 0..32 {
            let mut near = *precompile.id();
            near[byte] ^= 1;
            programs.push(near);
        }
        for program in programs {
            let instruction = Instruction {
                program,
                ..honest.clone()
            };
            assert_eq!(
                attack(precompile, instruction),
                Err(IntrospectionError::WrongProgram)
            );
        }
        assert_eq!(attack(other, honest), Err(IntrospectionError::WrongProgram));
    }
}

#[test]
fn another_instruction_in_any_one_field_of_any_one_signature_is_refused() {
    for precompile in PRECOMPILES {
        for index in 0..5 {
            for field in [SIGNATURE_INSTRUCTION, KEY_INSTRUCTION, MESSAGE_INSTRUCTION] {
                for place in [0, 2, 3, 0x0100, 0x01FF, 0xFF01, 0xFFFE] {
                    let mut instruction = verify(precompile, 5);
                    set(&mut instruction.data, index, field, place);
                    assert_eq!(
                        attack(precompile, instruction),
                        Err(IntrospectionError::OtherInstruction)
                    );
                }
            }
        }
    }
}

#[test]
fn its_own_index_is_the_same_as_none() {
    for precompile in PRECOMPILES {
        for fields in 0..8 {
            let mut instruction = verify(precompile, 2);
            for (bit, field) in [SIGNATURE_INSTRUCTION, KEY_INSTRUCTION, MESSAGE_INSTRUCTION]
                .into_iter()
                .enumerate()
            {
                if fields >> bit & 1 == 1 {
                    set(&mut instruction.data, 1, field, 1);
                }
            }
            assert_eq!(attack(precompile, instruction), Ok(2));
        }
    }
}

#[test]
fn zero_signatures_are_refused() {
    for precompile in PRECOMPILES {
        let mut with_rest = verify(precompile, 1);
        with_rest.data[0] = 0;
        let bare = Instruction {
            data: vec![0, 0],
            ..with_rest.clone()
        };
        for instruction in [with_rest, bare] {
            assert_eq!(
                attack(precompile, instruction),
                Err(IntrospectionError::NoSignatures)
            );
        }
    }
}

#[test]
fn an_offset_reaches_the_end_and_no_further() {
    for precompile in PRECOMPILES {
        for index in 0..3 {
            let honest = verify(precompile, 3);
            let message_len = message(index).len();
            for (field, len) in [
                (SIGNATURE, 64),
                (KEY, precompile.key_len()),
                (MESSAGE, message_len),
            ] {
                let last = (honest.data.len() - len) as u16;
                let with = |start| {
                    let mut instruction = honest.clone();
                    set(&mut instruction.data, index, field, start);
                    attack(precompile, instruction)
                };
                assert_eq!(with(last), Ok(3));
                for start in [last + 1, honest.data.len() as u16, 0xFFFF - 31, 0xFFFF] {
                    assert_eq!(with(start), Err(IntrospectionError::OutOfBounds));
                }
            }
        }
    }
}

#[test]
fn a_message_ends_with_the_data() {
    for precompile in PRECOMPILES {
        let honest = verify(precompile, 3);
        let with = |start, len| {
            let mut instruction = honest.clone();
            set(&mut instruction.data, 2, MESSAGE, start);
            set(&mut instruction.data, 2, MESSAGE_LEN, len);
            attack(precompile, instruction)
        };
        let end = honest.data.len() as u16;
        assert_eq!(with(0, end), Ok(3));
        assert_eq!(with(end, 0), Ok(3));
        for (start, len) in [
            (0, end + 1),
            (1, end),
            (end, 1),
            (end + 1, 0),
            (0, 0xFFFF),
            // In 16 bits these sums are 0, end, and end - 1.
            (1, 0xFFFF),
            (end + 1, 0xFFFF),
            (0xFFFF, end),
            (0xFFFF, 0xFFFF),
        ] {
            assert_eq!(with(start, len), Err(IntrospectionError::OutOfBounds));
        }
    }
}

#[test]
fn a_table_cut_short_is_refused() {
    for precompile in PRECOMPILES {
        let honest = verify(precompile, 3);
        for len in 0..2 + 3 * 14 {
            let instruction = Instruction {
                data: honest.data[..len].to_vec(),
                ..honest.clone()
            };
            assert_eq!(
                attack(precompile, instruction),
                Err(IntrospectionError::DataTooShort)
            );
        }
        let mut more = honest;
        more.data[0] = u8::MAX;
        assert_eq!(
            attack(precompile, more),
            Err(IntrospectionError::DataTooShort)
        );
    }
}

#[test]
fn accounts_are_refused() {
    for precompile in PRECOMPILES {
        for accounts in [1, 2, 255] {
            let instruction = Instruction {
                accounts,
                ..verify(precompile, 1)
            };
            assert_eq!(
                attack(precompile, instruction),
                Err(IntrospectionError::HasAccounts)
            );
        }
    }
}

#[test]
fn an_instruction_beyond_the_last_is_refused() {
    for precompile in PRECOMPILES {
        let sysvar = sysvar(&[verify(precompile, 1), verify(precompile, 1)], 0);
        assert!(signatures(&sysvar, precompile, 1).is_ok());
        for instruction in [2, 3, 255, u16::MAX] {
            assert_eq!(
                signatures(&sysvar, precompile, instruction),
                Err(IntrospectionError::NoInstruction)
            );
        }
    }
}

#[test]
fn a_sysvar_cut_anywhere_is_refused() {
    for precompile in PRECOMPILES {
        let sysvar = sysvar(&[other(), verify(precompile, 2)], 0);
        for len in 0..sysvar.len() {
            assert_eq!(
                signatures(&sysvar[..len], precompile, 1),
                Err(IntrospectionError::Truncated)
            );
        }
    }
}

/// The place of an instruction is a u16 in the sysvar. Accounts cost one byte in a transaction and 33 in the sysvar,
/// so a large transaction can push an instruction beyond 65,535, and an older runtime lets its place wrap around.
#[test]
fn a_place_that_wraps_around_is_refused() {
    let forged = verify(Precompile::Ed25519, 1);
    // The forged instruction lies inside the data of the first, as the sysvar would show it.
    let mut bytes = vec![0, 0];
    bytes.extend(forged.program);
    bytes.extend((forged.data.len() as u16).to_le_bytes());
    bytes.extend(&forged.data);
    let innocent = |accounts, data: Vec<u8>| Instruction {
        program: [7; 32],
        accounts,
        data,
    };
    let transaction = |padding: usize| {
        vec![
            innocent(0, bytes.clone()),
            innocent(1900, vec![0; padding]),
            innocent(0, vec![]),
        ]
    };
    // Behind the table and the first instruction's own head.
    let target = (2 + 3 * 2) + (2 + 32 + 2);
    // The third has a head and nothing else, and the current index is behind it.
    let third = sysvar(&transaction(0), 1).len() - (2 + 32 + 2) - 2;
    let padding = (1 << 16) + target - third;
    let sysvar = sysvar(&transaction(padding), 1);

    assert_eq!(
        usize::from(u16::from_le_bytes([sysvar[6], sysvar[7]])),
        target
    );
    assert_eq!(sysvar[target..target + bytes.len()], bytes);
    for instruction in 0..4 {
        assert_eq!(
            signatures(&sysvar, Precompile::Ed25519, instruction),
            Err(IntrospectionError::TooLong)
        );
    }
}

#[test]
fn the_longest_sysvar_is_read() {
    let with = |accounts, padding| {
        let filler = Instruction {
            program: [7; 32],
            accounts,
            data: vec![0; padding],
        };
        sysvar(&[filler, verify(Precompile::Ed25519, 1)], 0)
    };
    let padding = usize::from(u16::MAX) - with(1900, 0).len();
    let longest = with(1900, padding);
    assert_eq!(longest.len(), usize::from(u16::MAX));
    assert!(signatures(&longest, Precompile::Ed25519, 1).is_ok());
    assert_eq!(
        signatures(&with(1900, padding + 1), Precompile::Ed25519, 1),
        Err(IntrospectionError::TooLong)
    );
}

#[test]
fn the_current_instruction_is_read() {
    for current in [0, 1, 258] {
        assert_eq!(
            current_instruction(&sysvar(&[other(), other()], current)),
            Ok(current)
        );
    }
    for bytes in [&[][..], &[1]] {
        assert_eq!(
            current_instruction(bytes),
            Err(IntrospectionError::Truncated)
        );
    }
}

/// How the precompile finds a part: by instruction, offset and length.
fn part(
    instructions: &[Instruction],
    own: usize,
    place: u16,
    start: u16,
    len: usize,
) -> Option<&[u8]> {
    let place = if place == u16::MAX {
        own
    } else {
        usize::from(place)
    };
    let start = usize::from(start);
    instructions.get(place)?.data.get(start..start + len)
}

fn places() -> impl Strategy<Value = u16> {
    prop_oneof![8 => Just(u16::MAX), 2 => 0..4u16, 1 => any::<u16>()]
}

fn starts() -> impl Strategy<Value = u16> {
    prop_oneof![20 => 0..200u16, 1 => any::<u16>()]
}

prop_compose! {
    /// One signature's offsets, mostly within the instruction.
    fn offsets()(
        signature in starts(),
        signature_place in places(),
        key in starts(),
        key_place in places(),
        message in starts(),
        message_len in prop_oneof![20 => 0..100u16, 1 => any::<u16>()],
        message_place in places(),
    ) -> [u16; 7] {
        [signature, signature_place, key, key_place, message, message_len, message_place]
    }
}

prop_compose! {
    /// An instruction that may be a precompile's, honest or not.
    fn instructions()(
        precompile in select(&PRECOMPILES),
        strange in prop::bool::weighted(0.1),
        accounts in prop_oneof![9 => Just(0usize), 1 => 1..3usize],
        count in prop_oneof![9 => 0..4u8, 1 => any::<u8>()],
        table in vec(offsets(), 0..4),
        rest in vec(any::<u8>(), 100..400),
    ) -> Instruction {
        let mut data = vec![count, 0];
        data.extend(table.iter().flatten().flat_map(|field| field.to_le_bytes()));
        data.extend(rest);
        let program = if strange { [7; 32] } else { *precompile.id() };
        Instruction { program, accounts, data }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// Whatever is read is what the precompile would verify, by the precompile's own rule.
    #[test]
    fn what_is_read_is_what_is_verified(instructions in vec(instructions(), 1..4), precompile in select(&PRECOMPILES)) {
        let sysvar = sysvar(&instructions, 0);
        for (own, instruction) in instructions.iter().enumerate() {
            let Ok(all) = signatures(&sysvar, precompile, own as u16) else { continue };
            prop_assert_eq!(&instruction.program, precompile.id());
            prop_assert_eq!(instruction.accounts, 0);
            prop_assert_eq!(all.len(), usize::from(instruction.data[0]));
            for index in 0..all.len() {
                let field = |field: usize| {
                    let at = 2 + 14 * index + 2 * field;
                    u16::from_le_bytes([instruction.data[at], instruction.data[at + 1]])
                };
                let read = all.get(index as u8).unwrap();
                let find = |place, start, len| part(&instructions, own, field(place), field(start), len);
                prop_assert!(find(SIGNATURE_INSTRUCTION, SIGNATURE, 64).is_some());
                prop_assert_eq!(Some(read.public_key), find(KEY_INSTRUCTION, KEY, precompile.key_len()));
                prop_assert_eq!(
                    Some(read.message),
                    find(MESSAGE_INSTRUCTION, MESSAGE, usize::from(field(MESSAGE_LEN)))
                );
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..200), instruction: u16, index: u8) {
        for precompile in PRECOMPILES {
            // No 200 random bytes hold a precompile's id.
            prop_assert!(signature(&bytes, precompile, instruction, index).is_err());
        }
        prop_assert_eq!(current_instruction(&bytes).is_ok(), bytes.len() >= 2);
    }

    /// Bytes close to an honest sysvar: a few overwritten, anywhere.
    #[test]
    fn no_change_makes_it_panic(
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        precompile in select(&PRECOMPILES),
    ) {
        let mut sysvar = sysvar(&[other(), verify(precompile, 3)], 0);
        for (at, byte) in changes {
            let at = at.index(sysvar.len());
            sysvar[at] = byte;
        }
        for instruction in 0..3 {
            if let Ok(all) = signatures(&sysvar, precompile, instruction) {
                for index in 0..all.len() {
                    prop_assert!(all.get(index as u8).is_ok());
                }
            }
        }
    }
}
