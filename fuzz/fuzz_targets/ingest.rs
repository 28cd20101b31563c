//! Bodies of readings, as a worker takes them from anybody: nothing is accepted, since no bytes here are signed by a
//! registered device, and of each reading it is said why.
#![no_main]

use device_protocol::{Reading, SIGNATURE_LEN};
use fieldproof_worker::ingest::{Ingest, MAX_READINGS};
use fieldproof_worker::plausibility::Rules;
use fieldproof_worker::registry::Registry;
use fieldproof_worker::store::Store;
use fieldproof_worker::time::Time;
use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, LazyLock};

static INGEST: LazyLock<Ingest> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("directory");
    let store = Arc::new(Store::open(directory.path()).expect("database"));
    let time = Arc::new(Time::new(1_386_892_800));
    Ingest::new(store, Registry::default(), [7; 32], time, Rules::default())
});

fuzz_target!(|body: &[u8]| {
    let results = INGEST.accept(body).expect("database");
    let shortest = Reading::HEADER + 4 + SIGNATURE_LEN;
    assert!(results.len() <= (body.len() / shortest).min(MAX_READINGS) + 1);
    assert_eq!(results.is_empty(), body.is_empty());
    assert!(results.iter().all(Result::is_err));
});
