//! Evidence against a device, from a worker or in a file. Input: its JSON. What parses is written and read as the same.
#![no_main]

use fieldproof_client::reports::Conflict;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(conflict) = serde_json::from_slice::<Conflict>(bytes) else {
        return;
    };
    let Ok((key, [first, second])) = conflict.parse() else {
        return;
    };
    let written = Conflict::new(&key, [&first, &second]);
    let text = serde_json::to_vec(&written).expect("JSON");
    let read: Conflict = serde_json::from_slice(&text).expect("what was written");
    assert_eq!(read, written);
    assert_eq!(read.parse().expect("evidence"), (key, [first, second]));
});
