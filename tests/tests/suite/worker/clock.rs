//! Readings that come while the chain does not tell its time: what is acknowledged is on the disk, and what can't be judged is
//! not acknowledged.

use super::super::live::wait;
use super::super::mqtt::{Broker, Tap};
use super::*;
use fieldproof_worker::mqtt;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

fn ago(seconds: u64) -> Instant {
    let past = Instant::now().checked_sub(Duration::from_secs(seconds));
    past.expect("the machine runs for longer")
}

/// The first operator's worker, whose chain told the time `before` seconds ago, and nothing since, or always the same. Returns
/// the time that it is now, unix seconds, too.
fn out_of_touch(world: &World, before: i64, stands: bool) -> (&Worker, i64) {
    let worker = &world.workers[0].worker;
    let time = &worker.operator().time;
    let told = time.now() + 1;
    time.set(told, ago(before as u64));
    if stands {
        time.set(told, Instant::now());
    }
    (worker, told + before)
}

#[test]
fn of_a_chain_that_is_silent_or_stands_still_goes_on() {
    let world = World::new();
    for stands in [false, true] {
        let (_, now) = out_of_touch(&world, 45, stands);
        let now = now * 1_000;
        let sequence = 2_000 * i64::from(stands);
        let fresh = world.reading(0, now - sequence, 500);
        let future = world.reading(0, now + 600_000 - sequence, 500);
        let answer = world.post(0, [fresh, future].map(|signed| signed.to_bytes()).concat());
        assert_eq!(answer.results, ["accepted", "clock_in_future"]);
    }
}

#[test]
fn that_is_unknown_has_nothing_acknowledged_over_http() {
    let world = World::new();
    let url = &world.workers[0].url;
    let session = DeviceSigner::generate(Curve::Ed25519);
    let granted = grant(&world, &world.devices[1].signer, &session, 1);
    let fresh = world.reading(0, world.now() * 1_000, 500).to_bytes();
    let refused = |request: reqwest::blocking::RequestBuilder| {
        let answer = request.send().expect("answer");
        assert_eq!(answer.status().as_u16(), 503);
        assert!(answer.headers().contains_key("retry-after"));
        let refused: Refused = answer.json().expect("refusal");
        assert_eq!(refused.refused, "unready");
    };
    for stands in [false, true] {
        out_of_touch(&world, 301, stands);
        for (what, body) in [("readings", &fresh), ("grants", &granted)] {
            let post = world.http.post(format!("{url}/v1/{what}"));
            refused(post.body(body.clone()));
        }
        refused(world.http.get(format!("{url}/ready")));
    }
    let status = world.status(0);
    assert_eq!((status.readings, status.counters), (0, BTreeMap::new()));

    world.set_time(world.now() + 10);
    world.workers[0].worker.tick().expect("clock");
    let ready = world.http.get(format!("{url}/ready")).send();
    assert_eq!(ready.expect("answer").status().as_u16(), 200);
    assert_eq!(world.post(0, fresh).results, ["accepted"]);
    assert_eq!(world.post_to(0, "grants", granted).results, ["accepted"]);
}

#[test]
fn that_is_unknown_leaves_messages_to_the_broker() {
    let world = World::new();
    let broker = Broker::start();
    // It is there once it has this.
    let published = broker.publish("other", vec![vec![0]]);
    world.runtime.block_on(published);
    let tap = Tap::to(&broker);
    let worker = world.workers[0].worker.clone();
    let section = mqtt::Broker {
        host: "127.0.0.1".to_owned(),
        port: tap.port,
        client_id: "worker".to_owned(),
        topic: "fp".to_owned(),
        user: None,
        password: None,
    };
    let (taker, connected) = (worker.clone(), worker.mqtt());
    world.runtime.spawn(async move {
        mqtt::follow(&taker, section).await.expect("threads");
    });
    wait("the worker to subscribe", || {
        connected.load(Ordering::Relaxed).then_some(())
    });
    out_of_touch(&world, 301, false);
    let fresh = world.reading(0, world.now() * 1_000, 500).to_bytes();
    let published = broker.publish("fp/readings", vec![fresh]);
    world.runtime.block_on(published);
    wait("the worker to give the message back", || {
        (tap.most() > 0 && !connected.load(Ordering::Relaxed)).then_some(())
    });
    assert_eq!(tap.acknowledged(), 0);

    world.set_time(world.now() + 10);
    worker.tick().expect("clock");
    wait("the worker to take the message", || {
        (tap.acknowledged() == 1).then_some(())
    });
    let counters = worker.operator().store.counters();
    assert_eq!(counters, [("accepted", 1)]);
}
