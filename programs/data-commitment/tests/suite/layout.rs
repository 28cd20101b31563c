use data_commitment::state::Stream;
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
        (offset_of!(Stream, reserved), 128),
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
