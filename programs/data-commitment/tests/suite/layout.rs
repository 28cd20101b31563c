use data_commitment::state::{Challenge, Stream};
use std::mem::{offset_of, size_of};

#[test]
fn stream() {
    let fields = [
        (offset_of!(Stream, version), 1),
        (offset_of!(Stream, bump), 1),
        (offset_of!(Stream, _pad), 6),
        (offset_of!(Stream, network), 32),
        (offset_of!(Stream, pool), 32),
        (offset_of!(Stream, count), 8),
        (offset_of!(Stream, last_posted_at), 8),
        (offset_of!(Stream, open_challenges), 4),
        (offset_of!(Stream, _pad2), 4),
        (offset_of!(Stream, peaks), 32 * 32),
        (offset_of!(Stream, withheld_at), 8),
        (offset_of!(Stream, reserved), 120),
    ];
    let mut end = 0;
    for (offset, size) in fields {
        assert_eq!(offset, end);
        end += size;
    }
    assert_eq!(end, 1_248);
    assert_eq!(size_of::<Stream>(), end);
    assert_eq!(Stream::SPACE, 1_256);
}

#[test]
fn challenge() {
    let fields = [
        (offset_of!(Challenge, version), 1),
        (offset_of!(Challenge, bump), 1),
        (offset_of!(Challenge, reading), 2),
        (offset_of!(Challenge, batch), 4),
        (offset_of!(Challenge, sequence), 8),
        (offset_of!(Challenge, stream), 32),
        (offset_of!(Challenge, challenger), 32),
        (offset_of!(Challenge, readings_root), 32),
        (offset_of!(Challenge, answer_by), 8),
        (offset_of!(Challenge, bond), 8),
        (offset_of!(Challenge, slash_bps), 2),
        (offset_of!(Challenge, _pad), 6),
        (offset_of!(Challenge, reserved), 64),
    ];
    let mut end = 0;
    for (offset, size) in fields {
        assert_eq!(offset, end);
        end += size;
    }
    assert_eq!(end, 200);
    assert_eq!(size_of::<Challenge>(), end);
    assert_eq!(Challenge::SPACE, 208);
}
