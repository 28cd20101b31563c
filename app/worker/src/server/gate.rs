//! What stands before the HTTP interface: limits on rate and on what is held in memory, and bodies taken within them.

use super::failure;
use crate::cache::Cache;
use crate::config::Limits;
use axum::body::{to_bytes, Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header::{CONTENT_ENCODING, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use flate2::read::MultiGzDecoder;
use http_body_util::BodyExt;
use std::io::Read;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// A compressed body may be this many times as long when it is not. A signature can't be compressed, so no body of
/// readings or grants shrinks to a fifth.
const MAX_RATIO: usize = 8;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a refused body that are still read.
const MAX_DISCARDED: usize = 4 << 20;
/// Bytes that one permit stands for.
const PERMIT: usize = 1_024;
/// What a body counts at least, for all that goes with a request.
const MIN_CHARGE: usize = 4_096;
/// Addresses whose rates are remembered at least.
const ADDRESSES: usize = 1 << 14;

/// Why a request was not looked at, each with a counter of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Too many bytes are in flight.
    Busy,
    /// Too many requests from this address.
    Rate,
    /// The body is too long.
    Length,
    /// The body can't be decompressed, or is not compressed in a known way.
    Encoding,
    /// The body did not arrive, or not in time.
    Timeout,
}

impl Refusal {
    /// Every refusal, in the order of the variants.
    pub const ALL: [Self; 5] = [
        Self::Busy,
        Self::Rate,
        Self::Length,
        Self::Encoding,
        Self::Timeout,
    ];

    /// Its name in counters and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Rate => "rate",
            Self::Length => "length",
            Self::Encoding => "encoding",
            Self::Timeout => "timeout",
        }
    }
}

/// A body within the limits; it counts as long as this is held.
pub struct Held {
    bytes: Bytes,
    /// The length up to which it is decompressed, if it is compressed.
    gzip: Option<usize>,
    _room: OwnedSemaphorePermit,
}

impl Held {
    /// Its bytes, decompressed.
    ///
    /// # Errors
    /// [`Refusal::Encoding`] or [`Refusal::Length`].
    pub fn content(&self) -> Result<Bytes, Refusal> {
        let Some(most) = self.gzip else {
            return Ok(self.bytes.clone());
        };
        let mut content = Vec::with_capacity(most.min(4 * self.bytes.len()));
        MultiGzDecoder::new(self.bytes.as_ref())
            .take(most as u64 + 1)
            .read_to_end(&mut content)
            .map_err(|_| Refusal::Encoding)?;
        if content.len() > most {
            return Err(Refusal::Length);
        }
        Ok(content.into())
    }
}

/// The limits, and what counts against them.
pub struct Gate {
    room: Arc<Semaphore>,
    turns: Semaphore,
    rate: f64,
    rates: Mutex<Cache<u64, Bucket>>,
    refused: [AtomicU64; Refusal::ALL.len()],
    capacity: usize,
}

/// What is left of an address's requests.
struct Bucket {
    left: f64,
    at: Instant,
}

impl Gate {
    /// A gate with these limits.
    pub fn new(limits: Limits) -> Self {
        let capacity = limits.in_flight_bytes / PERMIT;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            room: Arc::new(Semaphore::new(capacity)),
            turns: Semaphore::new(processors),
            rate: f64::from(limits.requests_per_second),
            rates: Mutex::new(Cache::new(ADDRESSES)),
            refused: Default::default(),
            capacity,
        }
    }

    /// Counts a request from this address.
    ///
    /// # Errors
    /// [`Refusal::Rate`].
    pub fn enter(&self, address: IpAddr) -> Result<(), Refusal> {
        let now = Instant::now();
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        let full = || {
            Ok::<_, std::convert::Infallible>(Bucket {
                left: self.rate,
                at: now,
            })
        };
        let Ok(bucket) = rates.get_or_try_insert_with(network_of(address), full);
        let came = now.duration_since(bucket.at).as_secs_f64() * self.rate;
        *bucket = Bucket {
            left: (bucket.left + came).min(self.rate),
            at: now,
        };
        if bucket.left < 1.0 {
            return Err(Refusal::Rate);
        }
        bucket.left -= 1.0;
        Ok(())
    }

    /// Takes a request's body of at most `most` bytes, if there is room for it now.
    ///
    /// # Errors
    /// Any [`Refusal`] but of the rate.
    pub async fn body(&self, request: Request, most: usize) -> Result<Held, Refusal> {
        let encoding = request.headers().get(CONTENT_ENCODING).cloned();
        let body = request.into_body();
        let (room, gzip) = match self.room(encoding.as_ref(), &body, most) {
            Ok(room) => room,
            Err(refusal) => {
                discard(body).await;
                return Err(refusal);
            }
        };
        let bytes = arrive(body, most).await?;
        Ok(Held {
            bytes,
            gzip,
            _room: room,
        })
    }

    /// Room for a body, and the length up to which it is decompressed if it is compressed.
    fn room(
        &self,
        encoding: Option<&HeaderValue>,
        body: &Body,
        most: usize,
    ) -> Result<(OwnedSemaphorePermit, Option<usize>), Refusal> {
        let gzip = match encoding {
            None => false,
            Some(encoding) if encoding == "identity" => false,
            Some(encoding) if encoding == "gzip" => true,
            Some(_) => return Err(Refusal::Encoding),
        };
        let len = body.size_hint().exact();
        let len = len.map_or(Ok(most), usize::try_from).unwrap_or(usize::MAX);
        if len > most {
            return Err(Refusal::Length);
        }
        let content = (len * MAX_RATIO).min(most);
        let charge = if gzip { len + content } else { len };
        let permits = u32::try_from(charge.max(MIN_CHARGE).div_ceil(PERMIT)).unwrap_or(u32::MAX);
        let room = self.room.clone().try_acquire_many_owned(permits);
        Ok((room.map_err(|_| Refusal::Busy)?, gzip.then_some(content)))
    }

    /// Waits until a processor is free for the work of one body. Those who wait hold room.
    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.turns.acquire().await.ok()
    }

    /// The answer to a refused request, which is counted.
    pub fn refuse(&self, refusal: Refusal) -> Response {
        self.refused[refusal as usize].fetch_add(1, Ordering::Relaxed);
        let (status, detail) = match refusal {
            Refusal::Busy => (
                StatusCode::TOO_MANY_REQUESTS,
                "as much is waiting as is held at a time: nothing was taken, send again",
            ),
            Refusal::Rate => (
                StatusCode::TOO_MANY_REQUESTS,
                "too many requests from this address: put more readings into each",
            ),
            Refusal::Length => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "the body is too long, or too long when decompressed: split it",
            ),
            Refusal::Encoding => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the body is not what its content encoding says: send gzip, or as it is",
            ),
            Refusal::Timeout => (
                StatusCode::REQUEST_TIMEOUT,
                "the body did not arrive whole within ten seconds",
            ),
        };
        let response = failure(status, refusal.name(), detail.to_owned());
        if status == StatusCode::TOO_MANY_REQUESTS {
            return again(response, "1");
        }
        response
    }

    /// How many were refused for each reason.
    pub fn refused(&self) -> impl Iterator<Item = (Refusal, u64)> + '_ {
        let counts = self
            .refused
            .iter()
            .map(|count| count.load(Ordering::Relaxed));
        Refusal::ALL.into_iter().zip(counts)
    }

    /// Bytes held at present.
    pub fn in_flight(&self) -> usize {
        (self.capacity - self.room.available_permits()) * PERMIT
    }
}

/// The response with the seconds after which to ask again.
pub fn again(mut response: Response, seconds: &'static str) -> Response {
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from_static(seconds));
    response
}

async fn arrive(body: Body, most: usize) -> Result<Bytes, Refusal> {
    match tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, most)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => {
            let error = error.into_inner();
            let long = error.is::<http_body_util::LengthLimitError>();
            Err(if long {
                Refusal::Length
            } else {
                Refusal::Timeout
            })
        }
        Err(_) => Err(Refusal::Timeout),
    }
}

/// Reads what a refused request still sends, up to a bound: a client that is cut off while it writes does not read why.
pub async fn discard(mut body: Body) {
    let read = async {
        let mut left = MAX_DISCARDED;
        while let Some(Ok(frame)) = body.frame().await {
            let len = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(len) {
                Some(less) => left = less,
                None => break,
            }
        }
    };
    // Who is slower is cut off.
    let _ = tokio::time::timeout(BODY_TIMEOUT, read).await;
}

/// What an address's rate is counted under: the address, of IPv6 the network that one subscriber has.
fn network_of(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => u64::from(u32::from(address)),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => u64::from(u32::from(address)),
            None => (u128::from(address) >> 64) as u64,
        },
    }
}
