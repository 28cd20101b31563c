//! A fleet of devices with real keys that drives a worker: for measuring one, and for trying one out.

use crate::server::Accepted;
use device_protocol::{
    Curve, DeviceKey, Hash, Reading, SessionGrant, SignedGrant, SignedReading, Values,
    SIGNATURE_LEN,
};
use fieldproof_client::key::DeviceSigner;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long to wait before a refused body is sent again.
const PAUSE: Duration = Duration::from_millis(20);
/// Grants in one body.
const GRANTS: usize = 256;

/// Devices whose keys all follow from one secret.
pub struct Fleet {
    devices: Vec<Device>,
    next: AtomicUsize,
}

struct Device {
    hardware: DeviceSigner,
    id: Hash,
    /// The session's number and key; none signs with the hardware key.
    session: Option<(u32, DeviceSigner)>,
    sequence: AtomicU64,
}

impl Fleet {
    /// `count` devices, which number their readings from `first_sequence` on.
    ///
    /// # Errors
    /// When a secret is no key of the curve, which happens to nobody.
    pub fn new(
        secret: &Hash,
        curve: Curve,
        count: usize,
        first_sequence: u64,
    ) -> Result<Self, LoadError> {
        let devices = (0..count)
            .map(|number| {
                let hardware = key(secret, "device", curve, number)?;
                Ok(Device {
                    id: hardware.device_key().id(),
                    hardware,
                    session: None,
                    sequence: AtomicU64::new(first_sequence),
                })
            })
            .collect::<Result<_, LoadError>>()?;
        Ok(Self {
            devices,
            next: AtomicUsize::new(0),
        })
    }

    /// The devices' hardware keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = DeviceKey> + '_ {
        self.devices
            .iter()
            .map(|device| device.hardware.device_key())
    }

    /// Lets every device grant the session `counter` from `now` (unix seconds) for as long as is allowed, and sign with
    /// its Ed25519 key from now on. Returns the signed grants.
    ///
    /// # Errors
    /// When a secret is no key of the curve, which happens to nobody.
    pub fn grant(
        &mut self,
        secret: &Hash,
        network: &Hash,
        counter: u32,
        now: i64,
    ) -> Result<Vec<u8>, LoadError> {
        let mut grants = Vec::new();
        for (number, device) in self.devices.iter_mut().enumerate() {
            let signer = key(
                secret,
                &format!("session {counter}"),
                Curve::Ed25519,
                number,
            )?;
            let mut session_key = [0; 32];
            session_key.copy_from_slice(signer.device_key().as_bytes());
            let grant = SessionGrant {
                network: *network,
                device: device.id,
                leaf_nonce: 0,
                session_key,
                counter,
                not_before: now,
                expires: now + SessionGrant::MAX_SECONDS,
            };
            let signature = device.hardware.sign(&grant.digest());
            grants.extend(SignedGrant { grant, signature }.to_array());
            device.session = Some((counter, signer));
        }
        Ok(grants)
    }

    /// A body of `count` readings, of the devices whose turn it is, captured at `captured_at` (ms).
    pub fn body(&self, network: &Hash, count: usize, captured_at: i64) -> Vec<u8> {
        let mut body = Vec::with_capacity(count * (Reading::HEADER + 4 + SIGNATURE_LEN));
        for _ in 0..count {
            let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.devices.len();
            let device = &self.devices[turn];
            let sequence = device.sequence.fetch_add(1, Ordering::Relaxed);
            let (session, signer) = match &device.session {
                Some((session, signer)) => (*session, signer),
                None => (0, &device.hardware),
            };
            let reading = Reading {
                network: *network,
                device: device.id,
                leaf_nonce: 0,
                session,
                sequence,
                captured_at,
                latitude: 522_000_000,
                longitude: 134_000_000,
                accuracy: 20,
                schema: 1,
                values: values(turn, sequence),
            };
            let signature = signer.sign(&reading.digest());
            body.extend(SignedReading { reading, signature }.to_bytes());
        }
        body
    }
}

/// A temperature of 20 °C that moves a little, in hundredths of a degree.
fn values(turn: usize, sequence: u64) -> Values {
    let wave = (turn as u64).wrapping_add(sequence) % 64;
    // One value always fits.
    Values::new(&[1_968 + wave as i32]).unwrap_or_else(|_| unreachable!())
}

fn key(secret: &Hash, what: &str, curve: Curve, number: usize) -> Result<DeviceSigner, LoadError> {
    let mut hash = Sha256::new();
    hash.update(secret);
    hash.update(what);
    hash.update((number as u64).to_le_bytes());
    DeviceSigner::from_seed(curve, &hash.finalize().into()).map_err(|_| LoadError::Key(number))
}

/// How a worker is driven.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The worker's base URL.
    pub url: String,
    /// The network's id.
    pub network: Hash,
    /// The chain's time at the start, unix seconds.
    pub now: i64,
    /// For how long.
    pub duration: Duration,
    /// Readings in one body.
    pub body: usize,
    /// Requests at a time.
    pub connections: usize,
}

/// What came of it so far.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Totals {
    /// Seconds since the start.
    pub seconds: f64,
    /// Readings that the worker says are on its disk.
    pub accepted: u64,
    /// Readings that it did not take, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// Bodies that it put off (429), each of which was sent again.
    pub put_off: u64,
    /// Bodies that failed otherwise, by reason; they too were sent again.
    pub failed: BTreeMap<String, u64>,
    /// Time until a body was on the disk, ms, in the middle.
    pub latency_p50: f64,
    /// And of the slowest hundredth.
    pub latency_p99: f64,
}

/// Why a worker can't be driven.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A key can't be made.
    #[error("device {0} has no key: take another secret")]
    Key(usize),
    /// The worker can't be reached, or says no.
    #[error("the worker: {0}")]
    Http(#[from] reqwest::Error),
    /// The worker did not take a grant.
    #[error("the worker took {0} of {1} grants: are the devices registered?")]
    Grants(usize, usize),
}

/// Sends signed grants.
///
/// # Errors
/// [`LoadError`] unless all are taken.
pub async fn send_grants(url: &str, grants: &[u8]) -> Result<(), LoadError> {
    let client = reqwest::Client::builder().timeout(TIMEOUT).build()?;
    for body in grants.chunks(GRANTS * SignedGrant::LEN) {
        let count = body.len() / SignedGrant::LEN;
        let answer: Accepted = client
            .post(format!("{url}/v1/grants"))
            .body(body.to_vec())
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?;
        if answer.accepted != count {
            return Err(LoadError::Grants(answer.accepted, count));
        }
    }
    Ok(())
}

/// Sends bodies as fast as the worker takes them, one after another on each connection, and shows `progress` every
/// second.
///
/// # Errors
/// [`LoadError`] when no client can be made. What the worker refuses is counted.
pub async fn drive(
    fleet: Arc<Fleet>,
    plan: &Plan,
    mut progress: impl FnMut(&Totals),
) -> Result<Totals, LoadError> {
    let client = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .pool_max_idle_per_host(plan.connections)
        .build()?;
    let tally = Arc::new(Mutex::new(Tally::default()));
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..plan.connections {
        let sender = Sender {
            client: client.clone(),
            fleet: fleet.clone(),
            plan: plan.clone(),
            tally: tally.clone(),
            start,
        };
        tasks.spawn(sender.run());
    }
    let read = || {
        let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.totals(start.elapsed())
    };
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            ended = tasks.join_next() => if ended.is_none() { break },
            _ = ticks.tick() => progress(&read()),
        }
    }
    Ok(read())
}

/// One connection.
struct Sender {
    client: reqwest::Client,
    fleet: Arc<Fleet>,
    plan: Plan,
    tally: Arc<Mutex<Tally>>,
    start: Instant,
}

impl Sender {
    async fn run(self) {
        let url = format!("{}/v1/readings", self.plan.url);
        while self.start.elapsed() < self.plan.duration {
            let captured_at = self.plan.now * 1_000 + self.start.elapsed().as_millis() as i64;
            let body = self
                .fleet
                .body(&self.plan.network, self.plan.body, captured_at);
            let body = axum::body::Bytes::from(body);
            let sent = Instant::now();
            while !self.send(&url, body.clone(), sent).await {
                if self.start.elapsed() >= self.plan.duration {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Whether the worker answered with what became of the readings.
    async fn send(&self, url: &str, body: axum::body::Bytes, sent: Instant) -> bool {
        let answer = self.client.post(url).body(body).send().await;
        let answer = match answer.and_then(reqwest::Response::error_for_status) {
            Ok(response) => response.json::<Accepted>().await,
            Err(error) => Err(error),
        };
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Ok(answer) => {
                tally.count(&answer, sent.elapsed());
                true
            }
            Err(error) => {
                match error.status() {
                    Some(status) if status.as_u16() == 429 => tally.put_off += 1,
                    Some(status) => *tally.failed.entry(status.to_string()).or_default() += 1,
                    None => *tally.failed.entry("no answer".to_owned()).or_default() += 1,
                }
                false
            }
        }
    }
}

/// What is counted; latencies by their power of 2^(1/4) microseconds.
#[derive(Default)]
struct Tally {
    accepted: u64,
    rejected: BTreeMap<String, u64>,
    put_off: u64,
    failed: BTreeMap<String, u64>,
    latencies: BTreeMap<u32, u64>,
}

impl Tally {
    fn count(&mut self, answer: &Accepted, latency: Duration) {
        self.accepted += answer.accepted as u64;
        for result in answer.results.iter().filter(|result| *result != "accepted") {
            *self.rejected.entry(result.clone()).or_default() += 1;
        }
        let microseconds = (latency.as_micros() as f64).max(1.0);
        *self
            .latencies
            .entry((microseconds.log2() * 4.0) as u32)
            .or_default() += 1;
    }

    fn totals(&self, elapsed: Duration) -> Totals {
        Totals {
            seconds: elapsed.as_secs_f64(),
            accepted: self.accepted,
            rejected: self.rejected.clone(),
            put_off: self.put_off,
            failed: self.failed.clone(),
            latency_p50: self.latency(0.5),
            latency_p99: self.latency(0.99),
        }
    }

    fn latency(&self, part: f64) -> f64 {
        let all: u64 = self.latencies.values().sum();
        let mut below = 0;
        for (power, count) in &self.latencies {
            below += count;
            if below as f64 >= all as f64 * part {
                return (f64::from(*power + 1) / 4.0).exp2() / 1_000.0;
            }
        }
        0.0
    }
}
