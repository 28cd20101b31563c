use anchor_lang::prelude::{ProgramError, Pubkey};
use feed_reader::cpi::{instruction, parse, READ_FEED, RETURNED_LEN, RETURNED_VERSION};
use feed_reader::AI_FEED_ID;
use sha2::{Digest, Sha256};

#[test]
fn the_call_is_as_told() {
    assert_eq!(READ_FEED, Sha256::digest("global:read_feed")[..8]);
    let feed = Pubkey::new_unique();
    let call = instruction(&feed, &[9; 32], 600, 5);
    assert_eq!(call.program_id.to_bytes(), AI_FEED_ID);
    let [meta] = call.accounts.as_slice() else {
        panic!("one account");
    };
    assert_eq!(
        (meta.pubkey, meta.is_signer, meta.is_writable),
        (feed, false, false)
    );
    let expected = [&READ_FEED, [9; 32].as_slice(), &[88, 2, 0, 0, 5, 0]].concat();
    assert_eq!(call.data, expected);
}

#[test]
fn only_as_many_bytes_of_this_version_are_a_value() {
    let bytes = [RETURNED_VERSION; RETURNED_LEN + 1];
    assert_eq!(parse(&bytes[..RETURNED_LEN]).unwrap().exponent, 1);
    let later = [2; RETURNED_LEN];
    for wrong in [&bytes[..], &bytes[..RETURNED_LEN - 1], &[], &later] {
        assert_eq!(parse(wrong), Err(ProgramError::InvalidAccountData));
    }
}
