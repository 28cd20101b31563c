//! How other programs read a feed that ai-feed made: with the reader crate, and by a call.

use super::*;
use ai_feed::FeedValue;
use anchor_lang::AnchorDeserialize;
use base64::prelude::{Engine, BASE64_STANDARD};
use tests::PROBE;

/// A world whose feed has two values, the newer a minute old.
fn world() -> World {
    let mut world = World::new(&[1, 1]);
    world.run_round(0, FIRST, 100, &[0, 1]);
    world.harness.advance(ROUND);
    world.run_round(0, FIRST + 1, 20, &[0, 1]);
    world
}

#[test]
fn by_a_call_gives_what_the_reader_crate_gives() {
    let world = world();
    let expected = world.read(60, PASSABLE).unwrap();
    let call = client::read_feed(world.feed_id, 60, PASSABLE);
    let execution = world.send(&[call.clone()], &[]).unwrap();
    let read = feed_reader::cpi::parse(&returned(&execution)).unwrap();
    assert_eq!(read, expected);
    let value = FeedValue::try_from_slice(&returned(&execution)).unwrap();
    assert_eq!((value.value, value.round), (-300, FIRST + 1));

    // Without Anchor, and by another program
    let plain = feed_reader::cpi::instruction(&world.feed, &world.feed_id, 60, PASSABLE);
    assert_eq!(plain, call);
    world.harness.deploy_probe(&PROBE);
    let execution = world
        .send(&[by_probe(&world, world.feed_id, 60)], &[])
        .unwrap();
    let read = feed_reader::cpi::parse(&returned(&execution)).unwrap();
    assert_eq!(read, expected);
}

#[test]
fn by_a_call_fails_as_the_reader_crate_fails() {
    let world = world();
    world.harness.deploy_probe(&PROBE);
    let read = |id, max_age, mask| {
        let call = feed_reader::cpi::instruction(&world.feed, &id, max_age, mask);
        world.send(&[call], &[])
    };
    assert_refused(read([9; 32], 60, PASSABLE), FeedError::Id);
    assert_refused(read(world.feed_id, 60, 0), FeedError::NoMask);
    assert_refused(read(world.feed_id, 60, Mask::ZK), FeedError::NotVerified);
    world.harness.advance(61);
    assert_refused(read(world.feed_id, 60, PASSABLE), FeedError::TooOld);
    let called = world.send(&[by_probe(&world, world.feed_id, 60)], &[]);
    assert_refused(called, FeedError::TooOld);

    // Another account of ai-feed's, and one that only looks like a feed
    let call = client::read_feed(world.feed_id, 600, PASSABLE);
    let model = replace(call.clone(), &world.feed, client::model(&world.model));
    let kind = ErrorCode::AccountDiscriminatorMismatch;
    assert_refused(world.send(&[model], &[]), kind);
    let forged = Pubkey::new_unique();
    let copy = world.harness.chain.account(&world.feed).unwrap().unwrap();
    let copy = Account {
        owner: PROBE,
        ..copy
    };
    world.harness.chain.set_account(&forged, copy);
    let forged = replace(call.clone(), &world.feed, forged);
    let owner = ErrorCode::AccountOwnedByWrongProgram;
    assert_refused(world.send(&[forged], &[]), owner);

    let freeze = client::freeze_feed(&world.feed, &world.creator.pubkey());
    world.send(&[freeze], &[&world.creator]).unwrap();
    assert_refused(world.send(&[call], &[]), FeedError::Frozen);
}

/// What ai-feed returned, as the log tells: later instructions of a transaction replace it.
fn returned(execution: &Execution) -> Vec<u8> {
    let prefix = format!("Program return: {} ", ai_feed::ID);
    let mut logs = execution.logs.iter();
    let data = logs.find_map(|line| line.strip_prefix(&prefix));
    BASE64_STANDARD
        .decode(data.expect("a return"))
        .expect("base64")
}

/// The probe's read by CPI.
fn by_probe(world: &World, id: [u8; 32], max_age: u32) -> Instruction {
    let case = [probe::CALL_READ_FEED];
    let mut call = feed_reader::cpi::instruction(&world.feed, &id, max_age, PASSABLE);
    let args = call.data.split_off(8);
    call.data = [&case, args.as_slice()].concat();
    let ai_feed = std::mem::replace(&mut call.program_id, PROBE);
    call.accounts
        .push(anchor_lang::prelude::AccountMeta::new_readonly(
            ai_feed, false,
        ));
    call
}
