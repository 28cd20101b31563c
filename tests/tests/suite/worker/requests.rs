//! Requests of anybody: a worker answers each, whatever its bytes, and serves on.

use super::*;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};
use reqwest::Url;

/// Of one address a second's worth of requests is taken.
const CASES: u32 = 64;

#[track_caller]
fn is_refused(answer: Response, status: u16, name: &str) {
    assert_eq!(answer.status(), status);
    let refused: Refused = answer.json().expect("why");
    assert_eq!(refused.refused, name, "{}", refused.detail);
}

#[test]
fn of_any_bytes_are_refused_for_their_reason() {
    let world = World::new();
    let base = Url::parse(&world.workers[0].url).expect("address");
    let post = |path: &str, kind: (reqwest::header::HeaderName, &str), body: Vec<u8>| {
        let url = base.join(path).expect("path");
        let request = world.http.post(url).header(kind.0, kind.1).body(body);
        request.send().expect("answer")
    };
    let get = |path: &[&str], query: Option<(&str, &str)>| {
        let mut url = base.clone();
        url.path_segments_mut().expect("path").extend(path);
        if let Some((name, value)) = query {
            url.query_pairs_mut().append_pair(name, value);
        }
        world.http.get(url).send().expect("answer")
    };
    let json = (CONTENT_TYPE, "application/json");
    let gzip = (CONTENT_ENCODING, "gzip");
    let input = (
        prop::collection::vec(any::<u8>(), 0..200),
        "[0-9a-fA-F]{1,80}|[1-9A-Za-z]{32,44}|[^./]{1,80}",
    );
    let mut runner = TestRunner::new(Config::with_cases(CASES));
    let asked = runner.run(&input, |(bytes, text)| {
        let answer = post("v1/attestations", json.clone(), bytes.clone());
        prop_assert!(answer.status().is_client_error(), "{}", answer.status());
        let request = SignRequest {
            attestation: text.clone(),
        };
        let request = serde_json::to_vec(&request).expect("JSON");
        let answer = post("v1/attestations", json.clone(), request);
        match text.parse::<Pubkey>() {
            Ok(_) => is_refused(answer, 409, "chain"),
            Err(_) => is_refused(answer, 400, "attestation"),
        }
        let answer = get(&["v1", "payloads", &text], None);
        match hex::decode(&text) {
            Ok(hash) if hash.len() == 32 => is_refused(answer, 404, "payload"),
            _ => is_refused(answer, 400, "hash"),
        }
        let answer = get(&["v1", "rewards", &text], None);
        match text.parse::<Pubkey>() {
            Ok(_) => is_refused(answer, 404, "payee"),
            Err(_) => is_refused(answer, 400, "payee"),
        }
        let answer = get(&["v1", "conflicts"], Some(("device", &text)));
        match hex::decode(&text) {
            Ok(id) if id.len() == 32 => prop_assert!(answer.status().is_success()),
            _ => is_refused(answer, 400, "device"),
        }
        let answer = get(&["v1", "events"], Some(("after", &text)));
        prop_assert_eq!(answer.status().is_success(), text.parse::<u64>().is_ok());
        for path in ["v1/readings", "v1/grants"] {
            is_refused(post(path, gzip.clone(), bytes.clone()), 415, "encoding");
        }
        Ok(())
    });
    asked.expect("answers");
    world.deliver(0, &world.readings(0, HOUR, 500));
}
