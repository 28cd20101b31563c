//! Somebody between two workers, who changes one byte of the first payload that passes, and nothing after that.

use anyhow::Result;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{header, HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::Router;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use tokio::runtime::Runtime;

struct Tampering {
    upstream: String,
    client: reqwest::Client,
    done: AtomicBool,
}

/// Starts it in front of the worker at `upstream`. Returns its own address.
pub fn start(runtime: &Runtime, upstream: &str) -> Result<String> {
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    let url = format!("http://{}", listener.local_addr()?);
    let state = Arc::new(Tampering {
        upstream: upstream.to_owned(),
        client: reqwest::Client::new(),
        done: AtomicBool::new(false),
    });
    let router = Router::new().fallback(pass).with_state(state);
    runtime.spawn(async { axum::serve(listener, router).await });
    Ok(url)
}

async fn pass(
    State(state): State<Arc<Tampering>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match state.forward(method, &uri, &headers, body).await {
        Ok(response) => response,
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

impl Tampering {
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
        let payload = status.is_success() && uri.path().starts_with("/v1/payloads/");
        if payload && !self.done.swap(true, Ordering::Relaxed) {
            let middle = bytes.len() / 2;
            if let Some(byte) = bytes.get_mut(middle) {
                *byte ^= 1;
            }
        }
        Ok((status, bytes).into_response())
    }
}
