//! Readings and grants by MQTT 5, from a broker that devices publish to.
//!
//! The session at the broker outlives connections, and a message is acknowledged once what it holds is on the disk, or
//! refused for good. Until then it is the broker's, who sends it again after a connection or either side was lost; what was
//! taken already is then a replay. A few messages are held at a time, none larger than a body may be, and what the
//! broker sends beyond waits in its connection: so the memory has a bound, and a worker that is behind slows the broker and
//! nobody else.

use crate::ingest::{Ingest, IngestError, MAX_READINGS};
use crate::processors::{Panicked, Processors};
use crate::worker::Worker;
use axum::body::Bytes;
use device_protocol::{Reading, SIGNATURE_LEN};
use futures_util::stream::FuturesOrdered;
use futures_util::StreamExt;
use rumqttc::v5::mqttbytes::v5::{Filter, Packet, Publish, SubscribeReasonCode};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::{AsyncClient, ClientError, ConnectionError, Event, EventLoop, MqttOptions};
use serde::Deserialize;
use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tracing::{info, warn};

/// Messages that the broker may send before one is acknowledged.
const IN_FLIGHT: u16 = 32;
/// Acknowledgements that may wait while messages are read, far more than those of the messages held.
const ACKNOWLEDGEMENTS: usize = 1_024;
/// Bytes of a message at most: a body's, its topic's and a header's.
const MAX_MESSAGE: usize = MAX_READINGS * (Reading::MAX_LEN + SIGNATURE_LEN) + (64 << 10);
/// How long to wait before connecting anew.
const PAUSE: Duration = Duration::from_secs(1);
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// A broker, and what to ask of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Broker {
    /// Host name or address.
    pub host: String,
    /// Port.
    #[serde(default = "port")]
    pub port: u16,
    /// Name of the session: each worker has its own.
    pub client_id: String,
    /// Devices publish signed readings to `TOPIC/readings` and signed grants to `TOPIC/grants`, and to topics below.
    pub topic: String,
    /// Who to be.
    pub user: Option<String>,
    /// File with the password.
    pub password: Option<PathBuf>,
}

fn port() -> u16 {
    1883
}

/// What ended a connection.
#[derive(Debug, thiserror::Error)]
enum MqttError {
    #[error("{0}")]
    Connection(#[from] Box<ConnectionError>),
    #[error("{0}")]
    Client(#[from] Box<ClientError>),
    #[error("the broker does not let this worker subscribe: {0:?}")]
    Refused(SubscribeReasonCode),
    #[error("the broker ended the connection")]
    Disconnected,
    #[error("{0}")]
    Ingest(#[from] IngestError),
    #[error("{0}")]
    Panicked(#[from] Panicked),
    #[error("{0}: {1}")]
    Password(PathBuf, std::io::Error),
}

/// Takes what devices publish at `broker` for `worker`, for ever. It is verified on threads of its own, so that who sends by
/// one way does not stand in line behind the other.
///
/// # Errors
/// When no threads can be started.
pub async fn follow(worker: &Worker, broker: Broker) -> io::Result<Infallible> {
    let (taker, connected) = (Taker::new(worker)?, worker.mqtt());
    loop {
        let Err(error) = taker.take_all(&broker, &connected).await;
        connected.store(false, Ordering::Relaxed);
        warn!(%error, host = broker.host, port = broker.port, "MQTT: connecting anew");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Takes what messages hold.
struct Taker {
    ingest: Arc<Ingest>,
    processors: Processors,
}

impl Taker {
    fn new(worker: &Worker) -> io::Result<Self> {
        Ok(Self {
            ingest: worker.ingest().clone(),
            processors: Processors::new()?,
        })
    }

    /// Takes what comes over one connection. What is not acknowledged when it ends comes again over the next.
    async fn take_all(
        &self,
        broker: &Broker,
        connected: &AtomicBool,
    ) -> Result<Infallible, MqttError> {
        let (client, connection) = AsyncClient::new(broker.options()?, ACKNOWLEDGEMENTS);
        let filters = ["readings", "grants"]
            .map(|kind| Filter::new(format!("{}/{kind}/#", broker.topic), QoS::AtLeastOnce));
        client.try_subscribe_many(filters).map_err(Box::new)?;
        let (sender, receiver) = mpsc::channel(usize::from(IN_FLIGHT));
        let grants = format!("{}/grants", broker.topic);
        tokio::select! {
            ended = receive(connection, sender, connected) => ended,
            ended = self.take(&client, &grants, receiver) => ended,
        }
    }

    /// Takes messages, many at a time, and acknowledges them in their order.
    async fn take(
        &self,
        client: &AsyncClient,
        grants: &str,
        mut messages: mpsc::Receiver<Publish>,
    ) -> Result<Infallible, MqttError> {
        let mut begun = FuturesOrdered::new();
        loop {
            tokio::select! {
                message = messages.recv(), if begun.len() < usize::from(IN_FLIGHT) => {
                    let message = message.ok_or(MqttError::Disconnected)?;
                    if message.topic.starts_with(grants.as_bytes()) {
                        // A session's readings may be next: they need its grant.
                        while let Some(taken) = begun.next().await {
                            acknowledge(client, taken)?;
                        }
                        acknowledge(client, self.take_grants(message).await)?;
                    } else {
                        begun.push_back(self.take_readings(message));
                    }
                }
                Some(taken) = begun.next() => acknowledge(client, taken)?,
            }
        }
    }

    async fn take_readings(&self, message: Publish) -> Result<Publish, MqttError> {
        let (body, ingest) = (message.payload.clone(), self.ingest.clone());
        let batch = self.processors.run(move || ingest.check(body)).await??;
        let taken = self.ingest.take(batch).await;
        taken.map_err(IngestError::from)?;
        Ok(message)
    }

    async fn take_grants(&self, message: Publish) -> Result<Publish, MqttError> {
        let (body, ingest): (Bytes, _) = (message.payload.clone(), self.ingest.clone());
        let check = move || ingest.check_grants(&body);
        let grants = self.processors.run(check).await?;
        let (grants, ingest) = (grants.map_err(IngestError::from)?, self.ingest.clone());
        let taken = tokio::task::spawn_blocking(move || ingest.take_grants(grants)).await;
        taken.map_err(|_| Panicked)?.map_err(IngestError::from)?;
        Ok(message)
    }
}

/// Hands on what the broker sends.
async fn receive(
    mut connection: EventLoop,
    messages: mpsc::Sender<Publish>,
    connected: &AtomicBool,
) -> Result<Infallible, MqttError> {
    loop {
        match connection.poll().await.map_err(Box::new)? {
            Event::Incoming(Packet::Publish(message)) => {
                // A broker may send more than it was asked for: it waits in its connection.
                let sent = messages.send(message).await;
                sent.map_err(|_| MqttError::Disconnected)?;
            }
            Event::Incoming(Packet::SubAck(answer)) => {
                let refused = answer
                    .return_codes
                    .into_iter()
                    .find(|code| *code != SubscribeReasonCode::Success(QoS::AtLeastOnce));
                if let Some(code) = refused {
                    return Err(MqttError::Refused(code));
                }
                connected.store(true, Ordering::Relaxed);
                info!("MQTT: subscribed");
            }
            Event::Incoming(Packet::Disconnect(_)) => return Err(MqttError::Disconnected),
            _ => {}
        }
    }
}

fn acknowledge(client: &AsyncClient, taken: Result<Publish, MqttError>) -> Result<(), MqttError> {
    client.try_ack(&taken?).map_err(Box::new)?;
    Ok(())
}

impl Broker {
    fn options(&self) -> Result<MqttOptions, MqttError> {
        let mut options = MqttOptions::new(&self.client_id, &self.host, self.port);
        options
            .set_keep_alive(KEEP_ALIVE)
            .set_clean_start(false)
            .set_session_expiry_interval(Some(u32::MAX))
            .set_receive_maximum(Some(IN_FLIGHT))
            .set_max_packet_size(Some(MAX_MESSAGE as u32))
            .set_manual_acks(true);
        if let Some(user) = &self.user {
            let password = match &self.password {
                Some(file) => std::fs::read_to_string(file)
                    .map_err(|error| MqttError::Password(file.clone(), error))?,
                None => String::new(),
            };
            options.set_credentials(user, password.trim_end());
        }
        Ok(options)
    }
}
