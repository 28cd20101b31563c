//! Somebody between a worker and its cluster: an RPC server that fails as servers do, and a line that is cut.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::Router;
use serde_json::{json, Value};
use std::collections::BTreeMap;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Runtime;

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// There is never an answer.
    Stall,
    /// 429: too many requests.
    Busy,
    /// 500, and the request is not passed on.
    Error,
    /// 500 after the request was passed on: what it did is done.
    LostAnswer,
    /// An answer that is no JSON.
    Malformed,
    /// A transaction is taken, and nothing done with it.
    Forgotten,
    /// The request is passed on twice.
    Twice,
}

/// The fault of the `number`th request (from 0) of `method`, if it has one.
pub type Plan = fn(method: &str, number: usize) -> Option<Fault>;

/// An RPC server that passes on what it is asked, and fails by plan.
pub struct Rpc {
    /// Its address.
    pub url: String,
    line: Arc<Line>,
    _runtime: Runtime,
}

struct Line {
    upstream: String,
    client: reqwest::Client,
    plan: Plan,
    failing: AtomicBool,
    requests: Mutex<BTreeMap<String, usize>>,
    faults: Mutex<BTreeMap<Fault, usize>>,
}

impl Rpc {
    /// A server before the one at `upstream`, which fails by `plan` once it is told to.
    pub fn start(upstream: &str, plan: Plan) -> Self {
        let runtime = Runtime::new().expect("runtime");
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .expect("port");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        let line = Arc::new(Line {
            upstream: upstream.to_owned(),
            client: reqwest::Client::new(),
            plan,
            failing: AtomicBool::new(false),
            requests: Mutex::default(),
            faults: Mutex::default(),
        });
        let router = Router::new().fallback(answer).with_state(line.clone());
        runtime.spawn(async { axum::serve(listener, router).await });
        Self {
            url,
            line,
            _runtime: runtime,
        }
    }

    /// Fails from now on, or no longer.
    pub fn fail(&self, failing: bool) {
        self.line.failing.store(failing, Ordering::Relaxed);
    }

    /// How often each fault happened.
    pub fn faults(&self) -> BTreeMap<Fault, usize> {
        self.line
            .faults
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

async fn answer(State(line): State<Arc<Line>>, body: Bytes) -> Response {
    let request: Value = serde_json::from_slice(&body).expect("a request");
    let fault = line.fault(request["method"].as_str().expect("a method"));
    match fault {
        None => line.pass_on(body).await,
        Some(Fault::Stall) => std::future::pending().await,
        Some(Fault::Busy) => StatusCode::TOO_MANY_REQUESTS.into_response(),
        Some(Fault::Error) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Some(Fault::LostAnswer) => {
            line.pass_on(body).await;
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Some(Fault::Malformed) => "{\"jsonrpc\": \"2.0\", \"result\": ".into_response(),
        Some(Fault::Forgotten) => {
            let signature = signature(&request);
            axum::Json(json!({"jsonrpc": "2.0", "id": request["id"], "result": signature}))
                .into_response()
        }
        Some(Fault::Twice) => {
            line.pass_on(body.clone()).await;
            line.pass_on(body).await
        }
    }
}

impl Line {
    fn fault(&self, method: &str) -> Option<Fault> {
        if !self.failing.load(Ordering::Relaxed) {
            return None;
        }
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let number = requests.entry(method.to_owned()).or_default();
        let fault = (self.plan)(method, *number);
        *number += 1;
        if let Some(fault) = fault {
            let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
            *faults.entry(fault).or_default() += 1;
        }
        fault
    }

    async fn pass_on(&self, body: Bytes) -> Response {
        let request = self
            .client
            .post(&self.upstream)
            .header("content-type", "application/json")
            .body(body);
        let answered = async {
            let response = request.send().await?;
            let status = response.status();
            Ok::<_, reqwest::Error>((status, response.bytes().await?))
        };
        match answered.await {
            Ok(answer) => answer.into_response(),
            Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
        }
    }
}

/// The first signature of the transaction that a `sendTransaction` carries.
fn signature(request: &Value) -> String {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(request["params"][0].as_str().expect("a transaction"))
        .expect("base64");
    let transaction: solana_transaction::versioned::VersionedTransaction =
        wincode::deserialize(&bytes).expect("a transaction");
    transaction.signatures[0].to_string()
}

/// A line to a server that can be cut and mended.
pub struct Wire {
    /// Where it begins.
    pub address: SocketAddr,
    cut: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Wire {
    /// A line to `upstream`.
    pub fn to(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("port");
        let wire = Self {
            address: listener.local_addr().expect("address"),
            cut: Arc::default(),
            open: Arc::default(),
        };
        let (cut, open) = (wire.cut.clone(), wire.open.clone());
        // Ends with the test's process.
        std::thread::spawn(move || {
            for incoming in listener.incoming() {
                let incoming = incoming.expect("connection");
                if cut.load(Ordering::Relaxed) {
                    continue;
                }
                let outgoing = TcpStream::connect(upstream).expect("server");
                for (from, to) in [(&incoming, &outgoing), (&outgoing, &incoming)] {
                    let (mut from, mut to) = (copy(from), copy(to));
                    std::thread::spawn(move || {
                        // It ends when either end closes, or the line is cut.
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
                let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
                open.extend([incoming, outgoing]);
            }
        });
        wire
    }

    /// Cuts all connections, and refuses new ones.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::Relaxed);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in open.drain(..) {
            // It may be closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Takes connections again.
    pub fn mend(&self) {
        self.cut.store(false, Ordering::Relaxed);
    }
}

fn copy(stream: &TcpStream) -> TcpStream {
    stream.try_clone().expect("handle")
}
