//! A challenged window with its readings. Input: the arguments of `challenge_window`, as the program gets them.
#![no_main]

use ai_feed::instructions::ChallengeWindowArgs;
use ai_feed::state::Feed;
use anchor_lang::{AnchorDeserialize, AnchorSerialize};
use bytemuck::Zeroable;
use inference::{Header, SHIFTS};
use libfuzzer_sys::fuzz_target;

const NETWORK: [u8; 32] = [7; 32];

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

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut args) = ChallengeWindowArgs::try_from_slice(bytes) else {
        return;
    };
    let mut written = Vec::new();
    args.serialize(&mut written).expect("memory");
    assert_eq!(written, bytes);
    let Some(subtree) = subtree(&args) else {
        return;
    };
    // The same readings have no second form: neither longer, nor shorter, nor with another signature at their end.
    let last = args.readings.pop().expect("16 readings");
    assert_eq!(self::subtree(&args), None);
    args.readings.push(last ^ 1);
    assert_ne!(self::subtree(&args), Some(subtree));
    args.readings.push(0);
    assert_eq!(self::subtree(&args), None);
});

fn subtree(args: &ChallengeWindowArgs) -> Option<[u8; 32]> {
    let feed = Feed {
        schema: 3,
        max_gap: 120,
        round_length: 60,
        ..Feed::zeroed()
    };
    let recomputed = args.recompute(&NETWORK, &feed, 1_000, 0, &HEADER).ok()?;
    Some(recomputed.subtree)
}
