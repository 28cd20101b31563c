//! The worker's HTTP interface: readings in, and what other operators, owners and monitors ask for.

use crate::committee::{self, Refused, SignRequest};
use crate::ingest::MAX_READINGS;
use crate::reward;
use crate::worker::{Operator, Worker};
use crate::Reject;
use anchor_lang::prelude::Pubkey;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use device_protocol::{Reading, SIGNATURE_LEN};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

/// Largest body of readings, in bytes.
const MAX_BODY: usize = MAX_READINGS * (Reading::MAX_LEN + SIGNATURE_LEN);

/// What became of the readings of one body.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Accepted {
    /// How many were taken: they are on the disk.
    pub accepted: usize,
    /// For each reading, `"accepted"` or the reason for its rejection.
    pub results: Vec<String>,
}

/// How a worker stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// The network's address.
    pub network: String,
    /// The operator's pool.
    pub pool: String,
    /// Its stream.
    pub stream: String,
    /// The chain's time as read last, unix seconds.
    pub now: i64,
    /// Devices known.
    pub devices: usize,
    /// Readings held.
    pub readings: u64,
    /// Accepted and rejected readings, by reason.
    pub counters: BTreeMap<String, u64>,
}

/// Serves `worker` on `listener` until `stop` is done.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    worker: &Worker,
    listener: tokio::net::TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, router(worker))
        .with_graceful_shutdown(stop)
        .await
}

fn router(worker: &Worker) -> Router {
    let ingest = worker.ingest().clone();
    let readings = move |body: Bytes| async move {
        let results = blocking(move || ingest.accept(&body)).await;
        match results {
            Ok(Ok(results)) => {
                let accepted = results.iter().filter(|result| result.is_ok()).count();
                let results = results
                    .into_iter()
                    .map(|result| result.map_or_else(Reject::name, |()| "accepted").to_owned())
                    .collect();
                Json(Accepted { accepted, results }).into_response()
            }
            Ok(Err(error)) => failure(StatusCode::SERVICE_UNAVAILABLE, "store", error.to_string()),
            Err(response) => response,
        }
    };
    Router::new()
        .route(
            "/v1/readings",
            post(readings).layer(DefaultBodyLimit::max(MAX_BODY)),
        )
        .route("/v1/payloads/{hash}", get(payload))
        .route("/v1/attestations", post(sign))
        .route("/v1/rewards/{payee}", get(rewards))
        .route("/v1/status", get(status))
        .route("/health", get(|| async { "ok" }))
        .with_state(worker.operator().clone())
}

async fn payload(State(operator): State<Arc<Operator>>, Path(hash): Path<String>) -> Response {
    let Some(hash) = hex::decode(hash)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
    else {
        return failure(
            StatusCode::BAD_REQUEST,
            "hash",
            "give 32 bytes in hex".to_owned(),
        );
    };
    match blocking(move || operator.store.payload(&hash)).await {
        Ok(Ok(Some(bytes))) => bytes.into_response(),
        Ok(Ok(None)) => failure(
            StatusCode::NOT_FOUND,
            "payload",
            "no payload with this hash is archived here".to_owned(),
        ),
        Ok(Err(error)) => failure(StatusCode::SERVICE_UNAVAILABLE, "store", error.to_string()),
        Err(response) => response,
    }
}

async fn sign(State(operator): State<Arc<Operator>>, Json(request): Json<SignRequest>) -> Response {
    let Ok(key) = request.attestation.parse::<Pubkey>() else {
        return failure(
            StatusCode::BAD_REQUEST,
            "attestation",
            "give the attestation's address".to_owned(),
        );
    };
    match blocking(move || committee::sign(&operator, &key)).await {
        Ok(Ok(signature)) => Json(signature).into_response(),
        Ok(Err(refusal)) => failure(StatusCode::CONFLICT, refusal.name(), refusal.to_string()),
        Err(response) => response,
    }
}

async fn rewards(State(operator): State<Arc<Operator>>, Path(payee): Path<String>) -> Response {
    let Ok(payee) = payee.parse::<Pubkey>() else {
        return failure(
            StatusCode::BAD_REQUEST,
            "payee",
            "give the payee's address".to_owned(),
        );
    };
    match blocking(move || reward::claim_proof(&operator, &payee)).await {
        Ok(Ok(Some(proof))) => Json(proof).into_response(),
        Ok(Ok(None)) => failure(
            StatusCode::NOT_FOUND,
            "payee",
            "nothing to claim in the last final epoch".to_owned(),
        ),
        Ok(Err(error)) => failure(StatusCode::SERVICE_UNAVAILABLE, "worker", error.to_string()),
        Err(response) => response,
    }
}

async fn status(State(operator): State<Arc<Operator>>) -> Response {
    let read = move || {
        Ok::<_, crate::store::StoreError>(Status {
            network: operator.network.to_string(),
            pool: operator.pool.to_string(),
            stream: operator.stream.to_string(),
            now: operator.now(),
            devices: operator.registry.all().len(),
            readings: operator.store.reading_count()?,
            counters: operator.store.counters()?.into_iter().collect(),
        })
    };
    match blocking(read).await {
        Ok(Ok(status)) => Json(status).into_response(),
        Ok(Err(error)) => failure(StatusCode::SERVICE_UNAVAILABLE, "store", error.to_string()),
        Err(response) => response,
    }
}

/// Runs `work`, which waits for disk or network, off the threads that serve.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Response> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        failure(
            StatusCode::INTERNAL_SERVER_ERROR,
            "worker",
            error.to_string(),
        )
    })
}

fn failure(status: StatusCode, name: &str, detail: String) -> Response {
    (
        status,
        Json(Refused {
            refused: name.to_owned(),
            detail,
        }),
    )
        .into_response()
}
