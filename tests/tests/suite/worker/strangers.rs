//! What somebody who is no operator says, to keep operators from their work.

use super::rewards::reward_epoch;
use super::*;

impl World {
    /// Has every worker read that `stream` posted a commitment at `posted_at` (unix seconds).
    fn tell_of(&self, stream: [u8; 32], posted_at: i64) {
        let leaf = CommitmentLeaf {
            sequence: 0,
            posted_at,
            root: [1; 32],
            batches: 1,
            payload_hash: [2; 32],
            payload_len: 1,
        };
        for served in &self.workers {
            let store = &served.worker.operator().store;
            let cursor = store.cursor().expect("store").expect("a cursor");
            store
                .follow::<()>(&[], &[(stream, leaf)], &cursor)
                .expect("store");
        }
    }
}

#[test]
fn have_no_epoch_fail_by_what_they_commit_before_the_networks_genesis() {
    let world = World::new();
    for device in 0..3 {
        world.deliver(device, &world.readings(device, HOUR, 800));
    }
    world.settle();
    world.tell_of([9; 32], START - 1);
    reward_epoch(&world, 2);
    let owner = world.owners[1].pubkey();
    assert!(world.proof(0, &owner).expect("proof").cumulative > 0);
}

#[test]
fn end_no_worker_by_readings_from_both_ends_of_time() {
    let world = World::new();
    let mut window = world.window(0, world.readings(0, HOUR, 800));
    window.readings[0].reading.captured_at = i64::MIN;
    window.readings[1].reading.captured_at = i64::MAX;
    let batch = world.batch(vec![window]);
    let registry = &world.workers[0].worker.operator().registry;
    let checked = window::check_batch(
        &batch,
        &world.feed(),
        batch.round,
        &world.network.id,
        registry.at(world.now()),
    );
    assert_eq!(checked, Err(BatchError::Gap));
}
