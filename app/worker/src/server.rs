//! The worker's HTTP interface: readings in, and what other operators, owners and monitors ask for.

mod finals;
mod gate;
mod metrics;
mod room;

use crate::committee::{self, Refused, SignRequest};
use crate::ingest::{Ingest, IngestError, MAX_GRANTS, MAX_READINGS};
use crate::processors::Processors;
use crate::store::StoreError;
use crate::worker::{Journal, Operator, Worker};
use crate::Reject;
use anchor_lang::prelude::Pubkey;
use axum::body::Body;
use axum::extract::{FromRef, Path, Query, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use device_protocol::{Hash, Reading, SignedGrant, SignedReading, SIGNATURE_LEN};
use fieldproof_client::reports::{Conflict, Evidence};
use finals::Finals;
use gate::{Gate, Refusal};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use room::Client;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutWriter;
use tower::ServiceExt;

/// Largest body of readings, in bytes.
const MAX_BODY: usize = MAX_READINGS * (Reading::MAX_LEN + SIGNATURE_LEN);
/// Largest body of grants, in bytes.
const MAX_GRANTS_BODY: usize = MAX_GRANTS * SignedGrant::LEN;
/// Largest body of other operators, in bytes.
const MAX_OTHER_BODY: usize = 4_096;
/// Conflicts in one answer, at most.
const MAX_CONFLICTS: usize = 256;
/// How long a request may take until its answer begins.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a client may take no byte of its answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Seconds after which to send again what can't be judged now.
const UNREADY_PAUSE: &str = "10";
/// How long it waits before it accepts again after that failed, as it does when there are too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What became of the readings or grants of one body.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Accepted {
    /// How many were taken: they are on the disk.
    pub accepted: usize,
    /// For each, `"accepted"` or the reason for its rejection.
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

/// What requests are answered with.
#[derive(Clone)]
struct Served {
    operator: Arc<Operator>,
    ingest: Arc<Ingest>,
    processors: Arc<Processors>,
    gate: Arc<Gate>,
    finals: Arc<Finals>,
    mqtt: Arc<AtomicBool>,
}

impl FromRef<Served> for Arc<Operator> {
    fn from_ref(served: &Served) -> Self {
        served.operator.clone()
    }
}

/// Serves `worker` on `listener` until `stop` is done, then ends what has begun, if that does not take too long.
///
/// # Errors
/// When no threads can be started, or the worker can take no readings until it is started again. A listener that fails for a
/// while is asked again.
pub async fn serve(
    worker: &Worker,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    serve_until(worker, listener, Box::pin(stop)).await
}

/// Not generic, so that it is compiled and optimised here and not with whoever calls.
async fn serve_until(
    worker: &Worker,
    listener: TcpListener,
    mut stop: Pin<Box<dyn Future<Output = ()> + Send>>,
) -> std::io::Result<()> {
    let served = Served {
        operator: worker.operator().clone(),
        ingest: worker.ingest().clone(),
        processors: Arc::new(Processors::new()?),
        gate: Arc::new(Gate::new(worker.limits())),
        finals: Arc::default(),
        mqtt: worker.mqtt(),
    };
    let gate = served.gate.clone();
    let router = router(served);
    let connections = Arc::new(Semaphore::new(worker.limits().connections));
    let ending = GracefulShutdown::new();
    let mut failed = std::pin::pin!(worker.operator().store.ended());
    let ended = loop {
        let accepted = async {
            let place = connections.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut stop => break Ok(()),
            () = &mut failed => break Err(std::io::Error::other(StoreError::Ended)),
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(own_place) = gate.connect(address.ip()) else {
            continue;
        };
        // An answer is one small packet; without this it may wait for the client's next.
        let _ = stream.set_nodelay(true);
        let mut stream = TimeoutWriter::new(stream);
        stream.set_timeout(Some(WRITE_TIMEOUT));
        let (router, gate) = (router.clone(), gate.clone());
        let service =
            service_fn(move |request| answer(router.clone(), gate.clone(), address.ip(), request));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(Box::pin(stream)), service);
        let connection = ending.watch(connection);
        tokio::spawn(async move {
            let _places = (own_place, place);
            if let Err(error) = connection.await {
                tracing::debug!(%error, %address, "connection");
            }
        });
    };
    drop(listener);
    // Whoever takes longer is cut off.
    let _ = tokio::time::timeout(REQUEST_TIMEOUT, ending.shutdown()).await;
    ended
}

async fn answer(
    router: Router,
    gate: Arc<Gate>,
    address: IpAddr,
    request: hyper::Request<Incoming>,
) -> Result<Response, std::convert::Infallible> {
    let mut request = request.map(Body::new);
    let client = gate.client(address, request.headers());
    request.extensions_mut().insert(client);
    // Monitors must see a worker that is overrun.
    let limited = request.uri().path().starts_with("/v1/");
    if limited {
        if let Err(refusal) = gate.enter(client) {
            gate::discard(request.into_body()).await;
            return Ok(gate.refuse(refusal));
        }
    }
    let asks = request.method() == Method::GET;
    let answered = tokio::time::timeout(REQUEST_TIMEOUT, router.oneshot(request)).await;
    let Ok(answered) = answered else {
        return Ok(gate.refuse(Refusal::Timeout));
    };
    let response = answered?;
    Ok(if limited && asks {
        gate.hold(client, response).await
    } else {
        response
    })
}

fn router(served: Served) -> Router {
    Router::new()
        .route("/v1/readings", post(readings))
        .route("/v1/grants", post(grants))
        .route("/v1/payloads/{hash}", get(payload))
        .route("/v1/attestations", post(sign))
        .route("/v1/rewards", get(all_rewards))
        .route("/v1/rewards/{payee}", get(rewards))
        .route("/v1/status", get(status))
        .route("/v1/events", get(events))
        .route("/v1/conflicts", get(conflicts))
        .route("/health", get(|| async { "ok" }))
        .route("/ready", get(ready))
        .route("/metrics", get(figures))
        .with_state(served)
}

async fn readings(
    State(served): State<Served>,
    Extension(client): Extension<Client>,
    request: Request,
) -> Response {
    let held = match served.gate.body(client, request, MAX_BODY).await {
        Ok(held) => held,
        Err(refusal) => return served.gate.refuse(refusal),
    };
    let ingest = served.ingest.clone();
    let work = move || {
        let batch = held.content().map(|content| ingest.check(content));
        (held, batch)
    };
    let (_held, batch) = match served.processors.run(work).await {
        Ok((held, Ok(batch))) => (held, batch),
        Ok((_, Err(refusal))) => return served.gate.refuse(refusal),
        Err(panicked) => return broken(panicked),
    };
    let taken = match batch {
        Ok(batch) => served.ingest.take(batch).await.map_err(IngestError::from),
        Err(error) => Err(error),
    };
    match taken {
        Ok(taken) => results(taken.iter().map(Result::as_ref)),
        Err(IngestError::Store(error)) => unstored(&error),
        Err(IngestError::Time(error)) => unready(error.to_string()),
    }
}

async fn grants(
    State(served): State<Served>,
    Extension(client): Extension<Client>,
    request: Request,
) -> Response {
    let held = match served.gate.body(client, request, MAX_GRANTS_BODY).await {
        Ok(held) => held,
        Err(refusal) => return served.gate.refuse(refusal),
    };
    let ingest = served.ingest.clone();
    let work = move || {
        let grants = held.content().map(|content| ingest.check_grants(&content));
        (held, grants)
    };
    let (_held, grants) = match served.processors.run(work).await {
        Ok((held, Ok(Ok(grants)))) => (held, grants),
        Ok((_, Ok(Err(error)))) => return unready(error.to_string()),
        Ok((_, Err(refusal))) => return served.gate.refuse(refusal),
        Err(panicked) => return broken(panicked),
    };
    // Who waits for the disk needs no processor.
    let ingest = served.ingest.clone();
    match blocking(move || ingest.take_grants(grants)).await {
        Ok(Ok(taken)) => results(taken.iter().map(Result::as_ref)),
        Ok(Err(error)) => unstored(&error),
        Err(response) => response,
    }
}

fn results<'a, T>(items: impl Iterator<Item = Result<T, &'a Reject>>) -> Response {
    #[derive(Serialize)]
    struct Answer {
        accepted: usize,
        results: Vec<&'static str>,
    }
    let results: Vec<_> = items
        .map(|item| item.map_or_else(|reject| reject.name(), |_| "accepted"))
        .collect();
    let accepted = results.iter().filter(|name| **name == "accepted").count();
    Json(Answer { accepted, results }).into_response()
}

fn unstored(error: &StoreError) -> Response {
    if error.is_full() {
        failure(StatusCode::INSUFFICIENT_STORAGE, "full", error.to_string())
    } else {
        failure(StatusCode::SERVICE_UNAVAILABLE, "store", error.to_string())
    }
}

fn unready(detail: String) -> Response {
    let response = failure(StatusCode::SERVICE_UNAVAILABLE, "unready", detail);
    gate::again(response, UNREADY_PAUSE)
}

async fn ready(State(Served { operator, .. }): State<Served>) -> Response {
    if operator.store.figures().failing() {
        return unready("the last write of readings failed".to_owned());
    }
    if operator.time.is_silent() {
        return unready("the chain's time has not been read for a minute".to_owned());
    }
    match operator.time.span() {
        Ok(_) => "ready".into_response(),
        Err(error) => unready(error.to_string()),
    }
}

async fn figures(State(served): State<Served>) -> Response {
    let page = metrics::render(&served);
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], page).into_response()
}

fn parse_hash(text: &str) -> Option<Hash> {
    hex::decode(text).ok()?.try_into().ok()
}

async fn payload(
    State(served): State<Served>,
    Extension(client): Extension<Client>,
    Path(hash): Path<String>,
) -> Response {
    let Some(hash) = parse_hash(&hash) else {
        return failure(
            StatusCode::BAD_REQUEST,
            "hash",
            "give 32 bytes in hex".to_owned(),
        );
    };
    let place = match served.gate.payload(client) {
        Ok(place) => place,
        Err(refusal) => return served.gate.refuse(refusal),
    };
    let _load = served.gate.load().await;
    let store = served.operator.store.clone();
    let read = move || {
        let _place = place;
        store.payload(&hash)
    };
    match blocking(read).await {
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

async fn sign(
    State(served): State<Served>,
    Extension(client): Extension<Client>,
    request: Request,
) -> Response {
    let body = served.gate.body(client, request, MAX_OTHER_BODY).await;
    let content = match body.and_then(|held| held.content()) {
        Ok(content) => content,
        Err(refusal) => return served.gate.refuse(refusal),
    };
    let asked = serde_json::from_slice::<SignRequest>(&content).ok();
    let Some(key) = asked.and_then(|asked| asked.attestation.parse::<Pubkey>().ok()) else {
        return failure(
            StatusCode::BAD_REQUEST,
            "attestation",
            "give the attestation's address".to_owned(),
        );
    };
    let operator = served.operator.clone();
    match errand(&served, client, move || committee::sign(&operator, &key)).await {
        Ok(Ok(signature)) => Json(signature).into_response(),
        Ok(Err(refusal)) => failure(StatusCode::CONFLICT, refusal.name(), refusal.to_string()),
        Err(response) => response,
    }
}

async fn rewards(
    State(served): State<Served>,
    Extension(client): Extension<Client>,
    Path(payee): Path<String>,
) -> Response {
    let Ok(payee) = payee.parse::<Pubkey>() else {
        return failure(
            StatusCode::BAD_REQUEST,
            "payee",
            "give the payee's address".to_owned(),
        );
    };
    let Served {
        operator, finals, ..
    } = served.clone();
    let prove = move || match finals.last(&operator)? {
        Some(last) => last.proof(&payee),
        None => Ok(None),
    };
    match errand(&served, client, prove).await {
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

async fn all_rewards(
    State(served): State<Served>,
    Extension(client): Extension<Client>,
) -> Response {
    let Served {
        operator, finals, ..
    } = served.clone();
    match errand(&served, client, move || finals.last(&operator)).await {
        Ok(Ok(Some(last))) => last.payload.clone().into_response(),
        Ok(Ok(None)) => failure(
            StatusCode::NOT_FOUND,
            "rewards",
            "no rewards are final, or this worker has not got them".to_owned(),
        ),
        Ok(Err(error)) => failure(StatusCode::SERVICE_UNAVAILABLE, "worker", error.to_string()),
        Err(response) => response,
    }
}

/// Whose conflicts are asked for.
#[derive(Deserialize)]
struct Accused {
    /// A device's id, in hex; everybody's if not said.
    device: Option<String>,
}

async fn conflicts(
    State(served): State<Served>,
    Extension(client): Extension<Client>,
    Query(Accused { device }): Query<Accused>,
) -> Response {
    let device = match device.as_deref().map(parse_hash) {
        Some(None) => {
            let detail = "give the device's id, 64 hex digits".to_owned();
            return failure(StatusCode::BAD_REQUEST, "device", detail);
        }
        Some(device) => device,
        None => None,
    };
    let operator = served.operator.clone();
    let find = move || equivocations(&operator, device.as_ref());
    match errand(&served, client, find).await {
        Ok(Ok(conflicts)) => Json(conflicts).into_response(),
        Ok(Err(error)) => unstored(&error),
        Err(response) => response,
    }
}

/// Evidence by which anyone can report a device: what it signed twice.
fn equivocations(operator: &Operator, device: Option<&Hash>) -> Result<Vec<Conflict>, StoreError> {
    let store = &operator.store;
    let evidence = |reading: SignedReading| {
        let Reading {
            device,
            leaf_nonce,
            session,
            ..
        } = reading.reading;
        let grant = match session {
            0 => None,
            counter => store.grant(&device, leaf_nonce, counter)?,
        };
        Ok::<_, StoreError>(Evidence { reading, grant })
    };
    let mut conflicts = Vec::new();
    for [first, second] in store.equivocations(device, MAX_CONFLICTS)? {
        let Some(device) = operator.registry.device(&first.reading.device) else {
            continue;
        };
        let (first, second) = (evidence(first)?, evidence(second)?);
        conflicts.push(Conflict::new(&device.key, [&first, &second]));
    }
    Ok(conflicts)
}

/// Which events are asked for.
#[derive(Deserialize)]
struct Following {
    /// Those after so many.
    #[serde(default)]
    after: u64,
}

async fn events(
    State(operator): State<Arc<Operator>>,
    Query(Following { after }): Query<Following>,
) -> Json<Journal> {
    Json(operator.journal().after(after))
}

async fn status(State(operator): State<Arc<Operator>>) -> Response {
    let counters = operator.store.counters().into_iter();
    let counters = counters.map(|(name, count)| (name.to_owned(), count));
    Json(Status {
        network: operator.network.to_string(),
        pool: operator.pool.to_string(),
        stream: operator.stream.to_string(),
        now: operator.now(),
        devices: operator.registry.count(),
        readings: operator.store.reading_count(),
        counters: counters.collect(),
    })
    .into_response()
}

/// Runs `work`, which reads disk or chain for `client`, if not too much of that is done already. It counts until it ends,
/// whether or not anybody still waits.
async fn errand<T: Send + 'static>(
    served: &Served,
    client: Client,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Response> {
    let place = served.gate.errand(client);
    let place = place.map_err(|refusal| served.gate.refuse(refusal))?;
    blocking(move || {
        let _place = place;
        work()
    })
    .await
}

/// Runs `work`, which waits for disk or network, off the threads that serve.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Response> {
    tokio::task::spawn_blocking(work).await.map_err(broken)
}

fn broken(error: impl std::error::Error) -> Response {
    failure(
        StatusCode::INTERNAL_SERVER_ERROR,
        "worker",
        error.to_string(),
    )
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
