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

/// Slot of the oldest transaction; each is in the next one.
const FIRST_SLOT: u64 = 100;

/// What a server knows: transactions by number, from old to new, and whether it knows those that others told of.
#[derive(Clone, Copy)]
struct Server {
    /// Before this one it has forgotten all.
    first: u64,
    count: u64,
    /// Whether it loses the thread after the first page, as another one behind the same address that lags.
    lags: bool,
}

fn signature(number: u64) -> Signature {
    let mut bytes = [1; 64];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes.into()
}

fn cursor(number: u64) -> Cursor {
    Cursor {
        signature: signature(number),
        slot: FIRST_SLOT + number,
    }
}

/// Answers `getSignaturesForAddress` as Agave does: from the newest or what is before `before`, of which it has nothing if it
/// does not know it, down to `until`, or to the oldest if it does not know that one.
async fn answer(State(server): State<Arc<Server>>, Json(request): Json<Value>) -> Json<Value> {
    let config = &request["params"][1];
    let find = |wanted: &str| {
        let mut known = server.first..server.count;
        known.find(|number| signature(*number).to_string() == wanted)
    };
    if request["method"] == "getSignatureStatuses" {
        let wanted = request["params"][0][0].as_str().expect("signature");
        let status = find(wanted).map(|number| {
            json!({
                "slot": FIRST_SLOT + number, "confirmations": 1, "err": null, "status": { "Ok": null },
                "confirmationStatus": "confirmed",
            })
        });
        let result = json!({ "context": { "slot": FIRST_SLOT }, "value": [status] });
        return Json(json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }));
    }
    let number = |name: &str| Some(find(config[name].as_str()?));
    let newest = match number("before") {
        None => server.count,
        Some(_) if server.lags => 0,
        Some(before) => before.unwrap_or(0),
    };
    let oldest = number("until")
        .flatten()
        .map_or(server.first, |until| until + 1);
    let limit = config["limit"].as_u64().expect("limit");
    let found: Vec<Value> = (oldest..newest)
        .rev()
        .take(usize::try_from(limit).expect("limit"))
        .map(|number| {
            json!({
                "signature": signature(number).to_string(),
                "slot": FIRST_SLOT + number,
                "err": null, "memo": null, "blockTime": null, "confirmationStatus": "confirmed",
            })
        })
        .collect();
    Json(json!({ "jsonrpc": "2.0", "id": request["id"], "result": found }))
}

/// What a client is told that has read up to `after`.
fn history(server: Server, after: Option<Cursor>) -> Result<Vec<u64>, ClientError> {
    let runtime = Runtime::new().expect("runtime");
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .expect("port");
    let url = format!("http://{}", listener.local_addr().expect("address"));
    let router = Router::new()
        .route("/", post(answer))
        .with_state(Arc::new(server));
    runtime.spawn(async move { axum::serve(listener, router).await });
    let told = RpcChain::new(url).history(&Pubkey::new_unique(), after.as_ref())?;
    let number = |signature: Signature| {
        let bytes: &[u8] = signature.as_ref();
        bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
    };
    Ok(told.into_iter().filter_map(number).collect())
}

#[track_caller]
fn assert_unknown(server: Server, after: Cursor) {
    let refused = history(server, Some(after)).expect_err("a history");
    assert!(
        matches!(refused, ClientError::UnknownCursor(unknown) if unknown == after.signature),
        "{refused}"
    );
}

fn server(count: u64) -> Server {
    Server {
        first: 0,
        count,
        lags: false,
    }
}

#[test]
fn goes_on_from_where_it_was_read() {
    let all = |first: u64, count: u64| (first..count).collect::<Vec<_>>();
    // Within a page, and over several, one of them full to its end.
    for count in [0, 1, 10, 1_000, 2_500] {
        assert_eq!(history(server(count), None).expect("all"), all(0, count));
        if let Some(newest) = count.checked_sub(1) {
            let told = |after| history(server(count), Some(cursor(after))).expect("newer");
            assert_eq!(told(newest), all(count, count));
            assert_eq!(told(newest / 2), all(newest / 2 + 1, count));
            assert_eq!(told(0), all(1, count));
        }
    }
}

#[test]
fn is_not_told_anew_by_a_server_that_lags_behind() {
    // It has not seen the newest transaction yet.
    assert_unknown(server(10), cursor(10));
    assert_unknown(server(2_500), cursor(2_500));
}

#[test]
fn is_not_told_anew_after_a_transaction_was_rolled_back() {
    let gone = Cursor {
        signature: signature(9_999),
        ..cursor(5)
    };
    assert_unknown(server(10), gone);
    assert_unknown(server(2_500), gone);
}

#[test]
fn has_no_gap_where_another_server_goes_on() {
    let lagging = Server {
        lags: true,
        ..server(2_500)
    };
    assert_unknown(lagging, cursor(10));
}

#[test]
fn has_no_gap_where_a_server_has_forgotten_it() {
    let forgetful = Server {
        first: 20,
        ..server(30)
    };
    assert_unknown(forgetful, cursor(10));
    let told = history(forgetful, Some(cursor(20))).expect("newer");
    assert_eq!(told, (21..30).collect::<Vec<_>>());
}
