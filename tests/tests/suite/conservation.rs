//! Conservation over random sequences. `cargo xtask conserve` runs more of them.

use tests::conservation;

/// Sequences in each run of the tests.
const SEQUENCES: u64 = 500;
/// How often each kind of action passes in them, at least.
const PASSED: u64 = 100;

#[test]
fn books_agree_after_every_instruction_of_random_sequences() {
    let tally = conservation::run(SEQUENCES, 0, |_| ()).unwrap_or_else(|broken| panic!("{broken}"));
    println!("{tally}");
    assert_eq!(tally.sequences, SEQUENCES);
    assert_eq!(tally.too_rare(), [], "{tally}");
    let least = tally.actions.iter().map(|(_, passed)| *passed).min();
    assert!(least >= Some(PASSED), "{tally}");
}
