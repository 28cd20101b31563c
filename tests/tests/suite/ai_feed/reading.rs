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
    let expected = world.read(60, BY_COMMITTEE).unwrap();
    let call = client::read_feed(world.feed_id, 60, BY_COMMITTEE);
    let execution = world.send(std::slice::from_ref(&call), &[]).unwrap();
    let read = feed_reader::cpi::parse(&returned(&execution)).unwrap();
    assert_eq!(read, expected);
    let value = FeedValue::try_from_slice(&returned(&execution)).unwrap();
    assert_eq!((value.value, value.round), (-300, FIRST + 1));

    // Without Anchor, and by another program
    let plain = feed_reader::cpi::instruction(&world.feed, &world.feed_id, 60, BY_COMMITTEE);
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
    assert_refused(read([9; 32], 60, BY_COMMITTEE), FeedError::Id);
    assert_refused(read(world.feed_id, 60, 0), FeedError::NoMask);
    assert_refused(read(world.feed_id, 60, Mask::ZK), FeedError::NotVerified);
    world.harness.advance(61);
    assert_refused(read(world.feed_id, 60, BY_COMMITTEE), FeedError::TooOld);
    let called = world.send(&[by_probe(&world, world.feed_id, 60)], &[]);
    assert_refused(called, FeedError::TooOld);

    // Another account of ai-feed's, and one that only looks like a feed
    let call = client::read_feed(world.feed_id, 600, BY_COMMITTEE);
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
    let mut call = feed_reader::cpi::instruction(&world.feed, &id, max_age, BY_COMMITTEE);
    let args = call.data.split_off(8);
    call.data = [&case, args.as_slice()].concat();
    let ai_feed = std::mem::replace(&mut call.program_id, PROBE);
    call.accounts
        .push(anchor_lang::prelude::AccountMeta::new_readonly(
            ai_feed, false,
        ));
    call
}

#[test]
fn in_typescript_passes_the_golden_vectors() {
    let printed = tests::typescript::test().unwrap_or_else(|printed| panic!("{printed}"));
    assert!(printed.contains("# fail 0"), "{printed}");
    let passed = printed
        .lines()
        .find_map(|line| line.strip_prefix("# pass "));
    assert!(passed.is_some_and(|passed| passed.parse::<u32>().unwrap() > 30));
}

/// Programs of other people, ../examples.
mod examples {
    use super::*;
    use anchor_lang::prelude::AccountMeta;
    use anchor_lang::solana_program::system_program;
    use sha2::{Digest, Sha256};

    fn deploy(world: &World, id: &Pubkey, name: &str) {
        let file = tests::programs_dir().join(name);
        world
            .harness
            .chain
            .deploy(id, &file)
            .expect("run `cargo xtask test`, which builds the examples");
    }

    #[test]
    fn a_guard_made_with_the_reader_crate_lets_a_transaction_pass_or_not() {
        let world = world();
        let id = Pubkey::new_unique();
        deploy(&world, &id, "frost_guard.so");
        let guard = |feed_id: [u8; 32], least: i64, max_age: u32, feed| {
            let instruction = Instruction {
                program_id: id,
                accounts: vec![AccountMeta::new_readonly(feed, false)],
                data: [
                    feed_id.as_slice(),
                    &least.to_le_bytes(),
                    &max_age.to_le_bytes(),
                ]
                .concat(),
            };
            world.send(&[instruction], &[])
        };
        let (feed, feed_id) = (world.feed, world.feed_id);
        let passed = guard(feed_id, -300, 60, feed).unwrap();
        println!("frost-guard: {} CU", passed.compute_units);
        assert_refused(guard(feed_id, -299, 60, feed), 1u32);
        assert_refused(guard([9; 32], -300, 60, feed), FeedError::Id);
        let network = world.network;
        assert_refused(guard(feed_id, -300, 60, network), FeedError::Owner);
        world.harness.advance(61);
        assert_refused(guard(feed_id, -300, 60, feed), FeedError::TooOld);
    }

    #[test]
    fn a_board_made_from_the_interface_alone_shows_the_newest_value() {
        let mut world = World::new(&[1, 1]);
        world.run_round(0, FIRST, 100, &[0, 1]);
        let id: Pubkey = "BeeFobpsPqPS8vuX2mZ8QBzkWdyTdr5hoQ2q3n5mvJTw"
            .parse()
            .unwrap();
        deploy(&world, &id, "station_board.so");
        let (board, _) = Pubkey::find_program_address(&[b"board", world.feed.as_ref()], &id);
        let discriminator = |name: &str| Sha256::digest(format!("global:{name}"))[..8].to_vec();
        let put_up = Instruction {
            program_id: id,
            accounts: vec![
                AccountMeta::new(world.payer(), true),
                AccountMeta::new_readonly(world.feed, false),
                AccountMeta::new(board, false),
                AccountMeta::new_readonly(system_program::ID, false),
            ],
            data: discriminator("put_up"),
        };
        let show = Instruction {
            program_id: id,
            accounts: vec![
                AccountMeta::new_readonly(world.feed, false),
                AccountMeta::new(board, false),
                AccountMeta::new_readonly(ai_feed::ID, false),
            ],
            data: discriminator("show"),
        };
        world.send(&[put_up], &[]).unwrap();
        let shown = |world: &World| {
            let data = world.harness.chain.account(&board).unwrap().unwrap().data;
            let feed_id: [u8; 32] = data[8..40].try_into().unwrap();
            assert_eq!((feed_id, data[72] as i8), (world.feed_id, -1));
            (
                u64::from_le_bytes(data[73..81].try_into().unwrap()),
                i64::from_le_bytes(data[81..89].try_into().unwrap()),
            )
        };
        let done = world.send(std::slice::from_ref(&show), &[]).unwrap();
        println!("station-board, show: {} CU", done.compute_units);
        assert_eq!(shown(&world), (FIRST, 500));

        let nothing_new = 6000u32;
        assert_refused(world.send(std::slice::from_ref(&show), &[]), nothing_new);
        world.harness.advance(ROUND);
        world.run_round(0, FIRST + 1, 20, &[0, 1]);
        world.send(std::slice::from_ref(&show), &[]).unwrap();
        assert_eq!(shown(&world), (FIRST + 1, -300));
        world.harness.advance(601);
        assert_refused(
            world.send(std::slice::from_ref(&show), &[]),
            FeedError::TooOld,
        );
        let feed = world.feed;
        let forged = replace(show, &feed, world.network);
        let owner = ErrorCode::AccountOwnedByWrongProgram;
        assert_refused(world.send(&[forged], &[]), owner);
    }
}
