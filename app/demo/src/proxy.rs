//! Somebody between an operator and its peers, who changes a byte of the first payload that passes, whoever serves it,
//! until told to stop.

use anyhow::Result;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{header, HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::Router;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Runtime;

/// Who tampers, on all of the lines that it was put into.
#[derive(Clone, Default)]
pub struct Tamperer {
    target: Arc<Mutex<Target>>,
}

/// What is tampered with.
#[derive(Default)]
enum Target {
    /// The first payload, which has not passed yet.
    #[default]
    First,
    /// The payload with this path.
    Payload(String),
    /// Nothing any more.
    Nothing,
}

#[derive(Clone)]
struct Line {
    tamperer: Tamperer,
    upstream: String,
    client: reqwest::Client,
}

impl Tamperer {
    /// Puts it in front of the worker at `upstream`. Returns the address of the line.
    pub fn tap(&self, runtime: &Runtime, upstream: &str) -> Result<String> {
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
        let url = format!("http://{}", listener.local_addr()?);
        let line = Line {
            tamperer: self.clone(),
            upstream: upstream.to_owned(),
            client: reqwest::Client::new(),
        };
        let router = Router::new().fallback(pass).with_state(line);
        runtime.spawn(async { axum::serve(listener, router).await });
        Ok(url)
    }

    /// From now on all passes as it is.
    pub fn stop(&self) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = Target::Nothing;
    }

    /// Whether what is served at `path` is to be changed.
    fn changes(&self, path: &str) -> bool {
        let mut target = self.target.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*target, Target::First) && path.starts_with("/v1/payloads/") {
            *target = Target::Payload(path.to_owned());
        }
        matches!(&*target, Target::Payload(payload) if payload == path)
    }
}

async fn pass(
    State(line): State<Line>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match line.forward(method, &uri, &headers, body).await {
        Ok(response) => response,
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

impl Line {
    async fn forward(
        &self,
        method: Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: Bytes,
    ) -> reqwest::Result<Response> {
        let mut request = self
            .client
            .request(method, format!("{}{uri}", self.upstream))
            .body(body);
        if let Some(kind) = headers.get(header::CONTENT_TYPE) {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let response = request.send().await?;
        let status = response.status();
        let mut bytes = response.bytes().await?.to_vec();
        let middle = bytes.len() / 2;
        if let Some(byte) = bytes.get_mut(middle) {
            if status.is_success() && self.tamperer.changes(uri.path()) {
                *byte ^= 1;
            }
        }
        Ok((status, bytes).into_response())
    }
}
