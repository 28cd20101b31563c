//! An address's history over RPC, from servers that do not know how far it was read, or lose the thread.

use anchor_lang::prelude::Pubkey;
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use fieldproof_client::chain::{Chain, Cursor, RpcChain};
use fieldproof_client::ClientError;
use serde_json::{json, Value};
use solana_signature::Signature;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Slot of transaction 0.
const FIRST_SLOT: u64 = 100;
/// Transactions that are in one slot, the last one's excepted.
const SLOT: u64 = 2;

/// What a server knows, and whether it knows what others told of.
#[derive(Clone)]
struct Server {
    /// Numbers of transactions, from old to new as the server has it.
    transactions: Vec<u64>,
    /// Whether it loses the thread after the first page, as another one behind the same address that lags.
    lags: bool,
}

impl Server {
    /// Which has forgotten all transactions before `first`, and does not know `end`.
    fn of(first: u64, end: u64) -> Self {
        Self {
            transactions: (first..end).collect(),
            lags: false,
        }
    }
}

fn signature(number: u64) -> Signature {
    let mut bytes = [1; 64];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes.into()
}

fn slot(number: u64) -> u64 {
    FIRST_SLOT + number / SLOT
}

/// Of who has read the transactions up to and including `number`.
fn cursor(number: u64) -> Cursor {
    let first = number - number % SLOT;
    Cursor {
        slot: slot(number),
        read: (first..=number).map(signature).collect(),
        earlier: first.checked_sub(1).map(signature),
    }
}

/// Answers `getSignaturesForAddress` as Agave does: from the newest or what is before `before`, of which it has nothing if it
/// does not know it, down to `until`, or to the oldest if it does not know that one.
async fn answer(State(server): State<Arc<Server>>, Json(request): Json<Value>) -> Json<Value> {
    assert_eq!(request["method"], "getSignaturesForAddress");
    let config = &request["params"][1];
    let known = server.transactions.as_slice();
    let find = |name: &str| {
        let wanted = config[name].as_str()?;
        let mut known = known.iter();
        Some(known.position(|number| signature(*number).to_string() == wanted))
    };
    let newest = match find("before") {
        None => known.len(),
        Some(_) if server.lags => 0,
        Some(before) => before.unwrap_or(0),
    };
    let oldest = find("until").flatten().map_or(0, |until| until + 1);
    let limit = config["limit"].as_u64().expect("limit");
    let found: Vec<Value> = known[oldest..newest]
        .iter()
        .rev()
        .take(usize::try_from(limit).expect("limit"))
        .map(|number| {
            json!({
                "signature": signature(*number).to_string(),
                "slot": slot(*number),
                "err": null, "memo": null, "blockTime": null, "confirmationStatus": "confirmed",
            })
        })
        .collect();
    Json(json!({ "jsonrpc": "2.0", "id": request["id"], "result": found }))
}

/// What a client is told that has read up to `after`.
fn history(server: Server, after: &Cursor) -> Result<Vec<u64>, ClientError> {
    let runtime = Runtime::new().expect("runtime");
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .expect("port");
    let url = format!("http://{}", listener.local_addr().expect("address"));
    let router = Router::new()
        .route("/", post(answer))
        .with_state(Arc::new(server));
    runtime.spawn(async move { axum::serve(listener, router).await });
    let told = RpcChain::new(url).history(&Pubkey::new_unique(), after)?;
    let number = |signature: Signature| {
        let bytes: &[u8] = signature.as_ref();
        bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
    };
    Ok(told.into_iter().filter_map(number).collect())
}

#[track_caller]
fn assert_unknown(server: Server, after: &Cursor) {
    let refused = history(server, after).expect_err("a history");
    assert!(
        matches!(refused, ClientError::UnknownCursor(unknown) if after.read.contains(&unknown)),
        "{refused}"
    );
}

#[test]
fn goes_on_from_where_it_was_read() {
    let all = |first: u64, count: u64| (first..count).collect::<Vec<_>>();
    // Within a page, and over several, one of them full to its end.
    for count in [0, 1, 10, 1_000, 2_501] {
        let server = Server::of(0, count);
        let told = history(server.clone(), &Cursor::START).expect("all");
        assert_eq!(told, all(0, count));
        if let Some(newest) = count.checked_sub(1) {
            let told = |after| history(server.clone(), &cursor(after)).expect("newer");
            assert_eq!(told(newest), all(count, count));
            assert_eq!(told(newest / 2), all(newest / 2 + 1, count));
            assert_eq!(told(0), all(1, count));
        }
    }
}

#[test]
fn leaves_out_nothing_of_a_slot_that_fills_while_it_is_read() {
    // The server orders a slot's transactions as it likes: 5 lands after 4, or before it.
    for transactions in [[2, 3, 4, 5], [2, 3, 5, 4]] {
        let server = Server {
            transactions: transactions.to_vec(),
            lags: false,
        };
        for after in [cursor(2), cursor(4)] {
            let told = history(server.clone(), &after).expect("newer");
            let read = |number: &u64| after.read.contains(&signature(*number));
            let newer = transactions.into_iter().filter(|number| !read(number));
            let newer: Vec<u64> = newer.filter(|number| slot(*number) >= after.slot).collect();
            assert_eq!(told, newer);
            assert!(told.contains(&5));
        }
    }
}

#[test]
fn is_not_told_anew_by_a_server_that_lags_behind() {
    // It has not seen the newest transaction yet, of a slot that it knows and of one that it does not.
    for count in [10, 11, 2_500, 2_501] {
        assert_unknown(Server::of(0, count), &cursor(count));
    }
}

#[test]
fn is_not_told_anew_after_a_transaction_was_rolled_back() {
    let gone = Cursor {
        read: vec![signature(9_999)],
        ..cursor(5)
    };
    assert_unknown(Server::of(0, 10), &gone);
    assert_unknown(Server::of(0, 2_500), &gone);
}

#[test]
fn has_no_gap_where_another_server_goes_on() {
    let lagging = Server {
        lags: true,
        ..Server::of(0, 2_500)
    };
    assert_unknown(lagging, &cursor(10));
}

#[test]
fn has_no_gap_where_a_server_has_forgotten_it() {
    let forgetful = Server::of(20, 30);
    assert_unknown(forgetful.clone(), &cursor(10));
    assert_unknown(forgetful.clone(), &cursor(19));
    for after in [20, 21] {
        let told = history(forgetful.clone(), &cursor(after)).expect("newer");
        assert_eq!(told, (after + 1..30).collect::<Vec<_>>());
    }
}
