//! What stands before the HTTP interface: limits on rate and on what is held in memory, and bodies taken within them.

use super::failure;
use super::room::{Client, Place, Room};
use crate::cache::Cache;
use crate::config::Limits;
use crate::payload;
use axum::body::{to_bytes, Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header::{CONTENT_ENCODING, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use flate2::read::MultiGzDecoder;
use http_body_util::BodyExt;
use std::io::Read;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit};

/// A compressed body may be this many times as long when it is not. A signature can't be compressed, so no body of
/// readings or grants shrinks to a fifth.
const MAX_RATIO: usize = 8;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a refused body that are still read.
const MAX_DISCARDED: usize = 4 << 20;
/// Requests that read disk or chain at a time: far fewer than there may be threads for it, of which grants need some.
const ERRANDS: usize = 64;
/// Payloads that are read from the disk at a time.
const LOADS: usize = 2;
/// Bytes of answers held at a time, until clients have read them: those of a few of the largest payloads.
const ANSWERS: usize = 4 * payload::MAX_LEN;
/// What a body or an answer counts at least, for all that goes with a request.
const MIN_CHARGE: usize = 4_096;
/// Addresses whose rates are remembered at least.
const ADDRESSES: usize = 1 << 14;

/// Why a request was not looked at, each with a counter of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Too much is in flight, of all or of this address.
    Busy,
    /// Too many requests from this address.
    Rate,
    /// The body is too long.
    Length,
    /// The body can't be decompressed, or is not compressed in a known way.
    Encoding,
    /// The body did not arrive, or the request was not done with, in time.
    Timeout,
    /// Too many connections from this address.
    Connections,
}

impl Refusal {
    /// Every refusal, in the order of the variants.
    pub const ALL: [Self; 6] = [
        Self::Busy,
        Self::Rate,
        Self::Length,
        Self::Encoding,
        Self::Timeout,
        Self::Connections,
    ];

    /// Its name in counters and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Rate => "rate",
            Self::Length => "length",
            Self::Encoding => "encoding",
            Self::Timeout => "timeout",
            Self::Connections => "connections",
        }
    }
}

/// A body within the limits; it counts as long as this is held.
pub struct Held {
    bytes: Bytes,
    /// The length up to which it is decompressed, if it is compressed.
    gzip: Option<usize>,
    _place: Place,
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

/// The bytes of an answer, which count until the connection has no more use for them.
struct Answer {
    bytes: Bytes,
    _place: Place,
}

impl AsRef<[u8]> for Answer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The limits, and what counts against them.
pub struct Gate {
    connections: Arc<Room>,
    bodies: Arc<Room>,
    answers: Arc<Room>,
    errands: Arc<Room>,
    payloads: Arc<Room>,
    loads: Semaphore,
    rate: f64,
    rates: Mutex<Cache<Client, Bucket>>,
    proxies: Vec<IpAddr>,
    refused: [AtomicU64; Refusal::ALL.len()],
}

/// What is left of an address's requests.
struct Bucket {
    left: f64,
    at: Instant,
}

impl Gate {
    /// A gate with these limits.
    pub fn new(limits: &Limits) -> Self {
        Self {
            connections: Room::new(limits.connections),
            bodies: Room::new(limits.in_flight_bytes),
            answers: Room::new(ANSWERS),
            errands: Room::new(ERRANDS),
            payloads: Room::new(ERRANDS),
            loads: Semaphore::new(LOADS),
            rate: f64::from(limits.requests_per_second),
            rates: Mutex::new(Cache::new(ADDRESSES)),
            proxies: limits.proxies.iter().map(IpAddr::to_canonical).collect(),
            refused: Default::default(),
        }
    }

    /// The place of a connection from `address`. A proxy needs none.
    ///
    /// # Errors
    /// [`Refusal::Connections`], which is counted.
    pub fn connect(&self, address: IpAddr) -> Result<Option<Place>, Refusal> {
        if self.is_proxy(address) {
            return Ok(None);
        }
        match self.connections.take(address.into(), 1) {
            Some(place) => Ok(Some(place)),
            None => Err(self.count(Refusal::Connections)),
        }
    }

    /// Whom a request is counted for that came with `headers` from `address`.
    pub fn client(&self, address: IpAddr, headers: &HeaderMap) -> Client {
        let named = self.is_proxy(address).then(|| forwarded(headers)).flatten();
        named.unwrap_or(address).into()
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        self.proxies.contains(&address.to_canonical())
    }

    /// Counts a request of this client.
    ///
    /// # Errors
    /// [`Refusal::Rate`].
    pub fn enter(&self, client: Client) -> Result<(), Refusal> {
        let now = Instant::now();
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        let full = || {
            Ok::<_, std::convert::Infallible>(Bucket {
                left: self.rate,
                at: now,
            })
        };
        let Ok(bucket) = rates.get_or_try_insert_with(client, full);
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

    /// Takes the body of a request of `client`, of at most `most` bytes, if there is room for it now.
    ///
    /// # Errors
    /// Any [`Refusal`] but of the rate.
    pub async fn body(
        &self,
        client: Client,
        request: Request,
        most: usize,
    ) -> Result<Held, Refusal> {
        let encoding = request.headers().get(CONTENT_ENCODING).cloned();
        let body = request.into_body();
        let (place, gzip) = match self.place(client, encoding.as_ref(), &body, most) {
            Ok(place) => place,
            Err(refusal) => {
                discard(body).await;
                return Err(refusal);
            }
        };
        let bytes = arrive(body, most).await?;
        Ok(Held {
            bytes,
            gzip,
            _place: place,
        })
    }

    /// Room for a body, and the length up to which it is decompressed if it is compressed.
    fn place(
        &self,
        client: Client,
        encoding: Option<&HeaderValue>,
        body: &Body,
        most: usize,
    ) -> Result<(Place, Option<usize>), Refusal> {
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
        let place = self.bodies.take(client, charge.max(MIN_CHARGE));
        Ok((place.ok_or(Refusal::Busy)?, gzip.then_some(content)))
    }

    /// A place for a request that reads disk or chain.
    ///
    /// # Errors
    /// [`Refusal::Busy`].
    pub fn errand(&self, client: Client) -> Result<Place, Refusal> {
        self.errands.take(client, 1).ok_or(Refusal::Busy)
    }

    /// A place for a request of a payload, which no other errand takes away: without payloads no operator scores an epoch.
    ///
    /// # Errors
    /// [`Refusal::Busy`].
    pub fn payload(&self, client: Client) -> Result<Place, Refusal> {
        self.payloads.take(client, 1).ok_or(Refusal::Busy)
    }

    /// Waits until a payload may be read from the disk.
    pub async fn load(&self) -> Option<SemaphorePermit<'_>> {
        self.loads.acquire().await.ok()
    }

    /// Has an answer to `client` count until it is read, or says that there is no room for it.
    pub async fn hold(&self, client: Client, response: Response) -> Response {
        let (parts, body) = response.into_parts();
        // It is in memory already.
        let Ok(bytes) = to_bytes(body, usize::MAX).await else {
            return self.refuse(Refusal::Busy);
        };
        match self.answers.take(client, bytes.len().max(MIN_CHARGE)) {
            Some(place) => {
                let answer = Answer {
                    bytes,
                    _place: place,
                };
                Response::from_parts(parts, Bytes::from_owner(answer).into())
            }
            None => self.refuse(Refusal::Busy),
        }
    }

    /// The answer to a refused request, which is counted.
    pub fn refuse(&self, refusal: Refusal) -> Response {
        let (status, detail) = match self.count(refusal) {
            Refusal::Busy => (
                StatusCode::TOO_MANY_REQUESTS,
                "as much is waiting as is held at a time: nothing was taken, send again",
            ),
            Refusal::Rate | Refusal::Connections => (
                StatusCode::TOO_MANY_REQUESTS,
                "too many requests or connections from this address: put more readings into each",
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
                "the body did not arrive whole within ten seconds, or the answer was not made in thirty",
            ),
        };
        let response = failure(status, refusal.name(), detail.to_owned());
        if status == StatusCode::TOO_MANY_REQUESTS {
            return again(response, "1");
        }
        response
    }

    fn count(&self, refusal: Refusal) -> Refusal {
        self.refused[refusal as usize].fetch_add(1, Ordering::Relaxed);
        refusal
    }

    /// How many were refused for each reason.
    pub fn refused(&self) -> impl Iterator<Item = (Refusal, u64)> + '_ {
        let counts = self
            .refused
            .iter()
            .map(|count| count.load(Ordering::Relaxed));
        Refusal::ALL.into_iter().zip(counts)
    }

    /// Bytes of bodies held at present.
    pub fn in_flight(&self) -> usize {
        self.bodies.held()
    }

    /// Bytes of answers held at present.
    pub fn answers(&self) -> usize {
        self.answers.held()
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

/// For whom a proxy says that it asks: the last address, which is its own word. Those before are the client's.
fn forwarded(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?;
    last.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()
}
