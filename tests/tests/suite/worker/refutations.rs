//! Workers that recompute what others attest.

use super::*;
use ai_feed::instructions::WindowArgs;
use ai_feed::state::{FALSE_OUTPUT, FALSE_WINDOW};
use anchor_lang::solana_program::instruction::AccountMeta;

impl World {
    fn attestation(&self, key: &Pubkey) -> Attestation {
        chain::read(self.chain.as_ref(), key).expect("attestation")
    }

    /// What a worker does in some steps, with the time between two looks at the others.
    fn steps_of(&self, worker: usize) -> Vec<Event> {
        (0..4)
            .flat_map(|_| {
                self.set_time(self.now() + 15);
                self.workers[worker].worker.step().expect("step")
            })
            .collect()
    }

    /// Base units of stake that a worker was paid as bounties.
    pub(super) fn bounty(&self, worker: usize) -> u64 {
        let signer = self.operators[worker].signer.pubkey();
        let account = token::associated(&signer, &self.network.stake_mint);
        chain::read_borsh::<TokenAccount>(self.chain.as_ref(), &account)
            .expect("token account")
            .amount
    }
}

fn refuted(events: &[Event]) -> Vec<u8> {
    let found = events.iter().filter_map(|event| match event {
        Event::Refuted { window, .. } => Some(*window),
        _ => None,
    });
    found.collect()
}

fn doubted(events: &[Event]) -> Vec<String> {
    let doubts = events.iter().filter_map(|event| match event {
        Event::Doubted { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    doubts.collect()
}

fn two_windows(world: &World) -> Lie {
    world.honest(world.batch(vec![
        world.window(0, world.readings(0, HOUR, 500)),
        world.window(1, world.readings(1, HOUR, 900)),
    ]))
}

#[test]
fn what_is_true_stands() {
    let world = World::new();
    let key = world.attest(&two_windows(&world));
    let before = world.staked();
    for worker in [1, 2] {
        assert!(refuted(&world.steps_of(worker)).is_empty());
    }
    assert!(!world.attestation(&key).is_false());
    assert_eq!(world.staked(), before);
}

#[test]
fn an_output_that_the_model_does_not_give_costs_its_attester() {
    let world = World::new();
    let mut lie = two_windows(&world);
    lie.outputs[1] ^= 1;
    let key = world.attest(&lie);
    let before = world.staked();
    assert_eq!(refuted(&world.steps_of(1)), [1]);
    assert!(world.attestation(&key).flags & FALSE_OUTPUT != 0);
    let after = world.staked();
    assert!(after[0] < before[0]);
    assert_eq!(after[1..], before[1..]);
    assert!(world.bounty(1) > 0);
    // Once.
    assert!(refuted(&world.steps_of(1)).is_empty());
    assert!(refuted(&world.steps_of(2)).is_empty());
    assert_eq!(world.staked(), after);
}

#[test]
fn windows_that_their_readings_do_not_make_cost_their_attester() {
    let world = World::new();
    let batch = world.batch(vec![world.window(0, world.readings(0, HOUR, 500))]);
    let mut windows = window::compute(&batch, &model()).expect("batch").windows;
    windows[0].features[3] ^= 64;
    let leaves: Vec<[u8; 32]> = windows
        .iter()
        .map(|window: &WindowArgs| window.leaf().expect("leaf"))
        .collect();
    let mut lie = world.honest(batch);
    lie.leaves[0].windows_root = inference::windows_root(&leaves, poseidon).expect("root");
    lie.outputs[0] = inference::infer(&model(), &windows[0].features);
    let key = world.attest(&lie);
    // Nobody can tell which windows, until they are shown.
    let events = world.steps_of(1);
    assert!(refuted(&events).is_empty());
    let doubts = doubted(&events);
    assert!(
        matches!(doubts.as_slice(), [reason] if reason.contains("not those of its readings")),
        "said once: {doubts:?}"
    );
    assert!(!world.attestation(&key).is_false());
    let round = feeds::round(&world.feed, world.attestation(&key).round);
    world
        .send(&[feeds::show_windows(&round, &key, windows)])
        .expect("shown");
    world.set_time(world.now() + 240);
    assert_eq!(refuted(&world.steps_of(1)), [0]);
    assert!(world.attestation(&key).flags & FALSE_WINDOW != 0);
}

/// Who shows windows by which the output is false is not helped by keeping the payload back.
#[test]
fn a_payload_that_is_kept_back_does_not_hide_a_false_output() {
    let world = World::new();
    let batch = world.batch(vec![world.window(0, world.readings(0, HOUR, 500))]);
    let windows = window::compute(&batch, &model()).expect("batch").windows;
    let mut lie = world.honest(batch);
    lie.outputs[0] ^= 1;
    lie.is_served = false;
    let key = world.attest(&lie);
    let events = world.steps_of(1);
    assert!(refuted(&events).is_empty());
    let doubts = doubted(&events);
    assert!(
        matches!(doubts.as_slice(), [reason] if reason.contains("can't be had")),
        "said once: {doubts:?}"
    );
    let round = feeds::round(&world.feed, world.attestation(&key).round);
    world
        .send(&[feeds::show_windows(&round, &key, windows)])
        .expect("shown");
    world.set_time(world.now() + 240);
    assert_eq!(refuted(&world.steps_of(1)), [0]);
    assert!(world.attestation(&key).flags & FALSE_OUTPUT != 0);
}

/// A liar could show the windows of something else first, in a transaction that names the lie.
#[test]
fn windows_of_another_attestation_do_not_hide_a_false_output() {
    let world = World::new();
    let [batch, other] = [(0, 500), (1, 900)].map(|(device, value)| {
        world.batch(vec![
            world.window(device, world.readings(device, HOUR, value))
        ])
    });
    let [windows, others] =
        [&batch, &other].map(|batch| window::compute(batch, &model()).expect("batch").windows);
    let honest = world.attest(&world.honest(other));
    let mut lie = world.honest(batch);
    lie.outputs[0] ^= 1;
    lie.is_served = false;
    let key = world.attest(&lie);
    let round = feeds::round(&world.feed, world.attestation(&key).round);
    let mut aside = feeds::show_windows(&round, &honest, others.clone());
    aside.accounts.push(AccountMeta::new_readonly(key, false));
    world.send(&[aside]).expect("shown");
    let shown =
        |attestation| feeds::shown_windows(world.chain.as_ref(), attestation).expect("chain");
    assert_eq!(shown(&key), None);
    let show = feeds::show_windows(&round, &key, windows.clone());
    world.send(&[show]).expect("shown");
    assert_eq!(shown(&key), Some(windows));
    assert_eq!(shown(&honest), Some(others));
    let events = [world.steps_of(1), {
        world.set_time(world.now() + 240);
        world.steps_of(1)
    }];
    assert_eq!(refuted(&events.concat()), [0]);
    assert!(world.attestation(&key).flags & FALSE_OUTPUT != 0);
    assert!(!world.attestation(&honest).is_false());
}

/// Readings that the feed does not take refute an attestation, however true the rest is.
#[test]
fn readings_that_the_feed_does_not_take_cost_their_attester() {
    let world = World::new();
    let mut gap = world.readings(1, HOUR, 900);
    let mut late = gap[1].reading;
    late.captured_at += 1_000;
    gap[1] = sign(&world.devices[1].signer, late);
    let lie = world.honest(world.batch(vec![
        world.window(0, world.readings(0, HOUR, 500)),
        world.window(1, gap),
    ]));
    let key = world.attest(&lie);
    assert_eq!(refuted(&world.steps_of(1)), [1]);
    assert!(world.attestation(&key).flags & FALSE_WINDOW != 0);
}

/// That nobody signed a reading no recomputation shows: only a challenge of availability does.
#[test]
fn readings_that_nobody_signed_are_doubted() {
    let world = World::new();
    let mut readings = world.readings(0, HOUR, 500);
    readings[7].signature[3] ^= 1;
    let lie = world.honest(world.batch(vec![world.window(0, readings)]));
    let key = world.attest(&lie);
    let events = [world.steps_of(1), world.steps_of(1)].concat();
    assert!(refuted(&events).is_empty());
    let doubts = doubted(&events);
    assert!(
        matches!(doubts.as_slice(), [reason] if reason.contains("signature")),
        "said once: {doubts:?}"
    );
    assert!(!world.attestation(&key).is_false());
}

#[test]
fn who_signed_it_pays_too() {
    let world = World::of_one_stream();
    let mut lie = world.honest(world.batch(vec![world.window(0, world.readings(0, HOUR, 500))]));
    lie.outputs[0] ^= 1;
    let key = world.finalize(&lie);
    let before = world.staked();
    let events = world.steps_of(1);
    assert_eq!(refuted(&events), [0]);
    let slashed = events
        .iter()
        .filter(|event| matches!(event, Event::SignerSlashed { .. }));
    // The other signer; nobody reports himself.
    assert_eq!(slashed.count(), 1, "{events:?}");
    let after = world.staked();
    assert!(after[0] < before[0] && after[2] < before[2]);
    assert_eq!(after[1], before[1]);
    // The third operator does the rest.
    world.steps_of(2);
    assert!(world.staked()[1] < before[1]);
    assert!(world.attestation(&key).is_false());
}
