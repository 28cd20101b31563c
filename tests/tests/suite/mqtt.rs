//! Devices that publish at a real MQTT broker, a worker that takes what they say, and each of them lost and back.

use super::live::{wait, Live};
use bytes::BytesMut;
use device_protocol::Curve;
use device_registry::state::Network;
use fieldproof_client::chain;
use fieldproof_worker::load::Fleet;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::mqttbytes::{Error, QoS};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;
use tests::port::Port;
use tokio::runtime::Runtime;

const SECRET: [u8; 32] = [7; 32];
const DEVICES: usize = 20;
/// Readings in a message.
const READINGS: usize = 8;
/// Messages that a worker takes before it has acknowledged one.
const IN_FLIGHT: usize = 32;

/// Mosquitto, which keeps sessions and messages on the disk. It is killed when this is dropped.
pub struct Broker {
    process: Child,
    dir: TempDir,
    port: Port,
}

impl Broker {
    pub fn start() -> Self {
        let dir = TempDir::new().expect("directory");
        let port = Port::reserve();
        // It holds back messages for nobody but who asks for it.
        let config = format!(
            "listener {} 127.0.0.1\nallow_anonymous true\npersistence true\n\
             persistence_location {}/\nmax_queued_messages 0\nmax_inflight_messages 0\nuser root\n",
            port.address.port(),
            dir.path().display()
        );
        std::fs::write(dir.path().join("mosquitto.conf"), config).expect("configuration");
        Self {
            process: Self::run(&dir, &port),
            dir,
            port,
        }
    }

    /// Starts it, and waits until it takes connections.
    fn run(dir: &TempDir, port: &Port) -> Child {
        // Debian has it where only root's PATH leads.
        let path = std::env::var("PATH").unwrap_or_default();
        let process = Command::new("mosquitto")
            .env("PATH", format!("{path}:/usr/sbin:/usr/local/sbin"))
            .arg("-c")
            .arg(dir.path().join("mosquitto.conf"))
            .spawn()
            .expect("mosquitto: install it with `apt-get install mosquitto`");
        wait("the broker", || TcpStream::connect(port.address).ok());
        process
    }

    /// Ends it as a machine that is shut down would, and starts it again.
    fn restart(&mut self) {
        let pid = self.process.id().to_string();
        let stopped = Command::new("kill").arg(pid).status().expect("kill");
        assert!(stopped.success());
        self.process.wait().expect("ended");
        self.process = Self::run(&self.dir, &self.port);
    }

    /// The section of a worker's configuration.
    fn section(&self) -> String {
        section(self.port.address.port())
    }

    /// Publishes messages one after the other until the broker has said of each that it has it.
    pub async fn publish(&self, topic: &str, messages: Vec<Vec<u8>>) {
        let mut options = MqttOptions::new("devices", "127.0.0.1", self.port.address.port());
        options
            .set_clean_start(false)
            .set_session_expiry_interval(Some(3_600));
        let count = messages.len();
        let (client, mut connection) = AsyncClient::new(options, 10);
        let topic = topic.to_owned();
        tokio::spawn(async move {
            for message in messages {
                let published = client.publish(&topic, QoS::AtLeastOnce, false, message);
                published.await.expect("publish");
            }
            // Whoever drops it ends the connection.
            std::future::pending::<()>().await;
        });
        let mut acknowledged = 0;
        while acknowledged < count {
            match connection.poll().await {
                Ok(Event::Incoming(Packet::PubAck(_))) => acknowledged += 1,
                Ok(_) => {}
                // The broker is away; the connection is made anew, and what it did not acknowledge is sent again.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

/// The section of the configuration of a worker, whose broker is at `port`.
fn section(port: u16) -> String {
    format!(
        "\n[mqtt]\nhost = \"127.0.0.1\"\nport = {port}\nclient_id = \"worker\"\ntopic = \"fp\"\n"
    )
}

/// A line between a worker and its broker on which packets are counted.
pub struct Tap {
    /// Where it begins, on this machine.
    pub port: u16,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    /// Messages that the worker had been sent on one connection and not acknowledged, at most.
    most: AtomicUsize,
    /// Messages that it acknowledged.
    acknowledged: AtomicUsize,
}

impl Tap {
    pub fn to(broker: &Broker) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("port");
        let port = listener.local_addr().expect("address").port();
        let counts = Arc::<Counts>::default();
        let (upstream, counted) = (broker.port.address, counts.clone());
        // Ends with the test's process.
        thread::spawn(move || {
            for worker in listener.incoming() {
                let worker = worker.expect("connection");
                // Without a broker the worker connects anew.
                let Ok(broker) = TcpStream::connect(upstream) else {
                    continue;
                };
                let copy = |stream: &TcpStream| stream.try_clone().expect("handle");
                let (to_worker, to_broker) = (copy(&worker), copy(&broker));
                let open = Arc::new(AtomicUsize::new(0));
                let (counts, sent) = (counted.clone(), open.clone());
                thread::spawn(move || {
                    forward(broker, to_worker, |packet| {
                        if matches!(packet, Packet::Publish(_)) {
                            let open = sent.fetch_add(1, Ordering::SeqCst) + 1;
                            counts.most.fetch_max(open, Ordering::SeqCst);
                        }
                    });
                });
                let counts = counted.clone();
                thread::spawn(move || {
                    forward(worker, to_broker, |packet| match packet {
                        Packet::PubAck(_) => {
                            open.fetch_sub(1, Ordering::SeqCst);
                            counts.acknowledged.fetch_add(1, Ordering::SeqCst);
                        }
                        Packet::Connect(connect, ..) => {
                            let properties = connect.properties.as_ref().expect("properties");
                            let most = properties.receive_maximum.map(usize::from);
                            assert_eq!(most, Some(IN_FLIGHT));
                        }
                        _ => {}
                    });
                });
            }
        });
        Self { port, counts }
    }

    /// Messages that the worker had been sent on one connection and not acknowledged, at most.
    pub fn most(&self) -> usize {
        self.counts.most.load(Ordering::SeqCst)
    }

    /// Messages that it acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.counts.acknowledged.load(Ordering::SeqCst)
    }
}

/// Passes on what comes, until either end closes; `see` has seen a packet before it is passed on.
fn forward(mut from: TcpStream, mut to: TcpStream, mut see: impl FnMut(&Packet)) {
    let (mut unread, mut chunk) = (BytesMut::new(), vec![0; 1 << 16]);
    while let Ok(length @ 1..) = from.read(&mut chunk) {
        unread.extend_from_slice(&chunk[..length]);
        loop {
            match Packet::read(&mut unread, None) {
                Ok(packet) => see(&packet),
                Err(Error::InsufficientBytes(_)) => break,
                Err(error) => panic!("no MQTT: {error}"),
            }
        }
        if to.write_all(&chunk[..length]).is_err() {
            break;
        }
    }
    // Either may be closed already.
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A network with a fleet that its maker registered.
fn start() -> (Live, Fleet, [u8; 32]) {
    let live = Live::start(1);
    let fleet = Fleet::new(&SECRET, Curve::Ed25519, DEVICES, 1).expect("keys");
    let keys: String = fleet
        .keys()
        .map(|key| hex::encode(key.as_bytes()) + "\n")
        .collect();
    live.file("fleet.txt", &keys);
    let batch = [
        "batch",
        "--curve",
        "ed25519",
        "--keys",
        "fleet.txt",
        "--manifest",
        "fleet.txt",
    ];
    live.cli_done("maker.json", &batch);
    let network: Network = chain::read(&live.chain, &live.deployment.network).expect("network");
    (live, fleet, network.id)
}

fn figure(live: &Live, name: &str) -> Option<u64> {
    let url = format!("{}/metrics", live.operators[0].url);
    let page = reqwest::blocking::get(url).ok()?.text().ok()?;
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix(&format!("fieldproof_{name} ")))?;
    line.parse().ok()
}

fn until_ready(live: &Live) {
    wait("the worker to subscribe and to know the devices", || {
        let ready = figure(live, "mqtt_connected")? == 1 && live.status(0)?.devices == DEVICES;
        ready.then_some(())
    });
}

fn until_taken(live: &Live, readings: usize) {
    wait("the worker to take the readings", || {
        (live.status(0)?.readings >= readings as u64).then_some(())
    });
}

#[test]
fn what_devices_publish_is_taken_and_the_rest_is_counted() {
    let (live, mut fleet, network) = start();
    let broker = Broker::start();
    live.configure_also(0, &broker.section());
    let _worker = live.worker(0);
    until_ready(&live);
    let runtime = Runtime::new().expect("runtime");
    let now = live.now();
    let mut altered = fleet.body(&network, 1, now * 1_000);
    *altered.last_mut().expect("signature") ^= 1;
    runtime.block_on(async {
        let good = fleet.body(&network, READINGS, now * 1_000);
        let messages = vec![good.clone(), good, altered, b"no reading".to_vec()];
        broker.publish("fp/readings/roof", messages).await;
        // A grant, and at once what its session signs.
        let grants = fleet.grant(&SECRET, &network, 1, now).expect("grants");
        broker.publish("fp/grants", vec![grants]).await;
        let signed = fleet.body(&network, READINGS, now * 1_000);
        broker.publish("fp/readings", vec![signed]).await;
    });
    until_taken(&live, 2 * READINGS);
    let counters = live.status(0).expect("status").counters;
    let expected = [
        ("replay", READINGS as u64),
        ("bad_signature", 1),
        ("malformed", 1),
    ];
    for (reason, count) in expected {
        assert_eq!(counters.get(reason), Some(&count), "{reason}");
    }
    assert!(!counters.contains_key("unknown_session"), "{counters:?}");
}

/// The worker is killed and the broker restarted while devices publish: what the broker took is on the worker's disk in
/// the end, once.
#[test]
fn a_lost_worker_or_broker_loses_nothing_and_takes_nothing_twice() {
    const MESSAGES: usize = 300;
    let (live, fleet, network) = start();
    let mut broker = Broker::start();
    live.configure_also(0, &broker.section());
    let worker = live.worker(0);
    until_ready(&live);
    let now = live.now();
    let bodies = |count: usize| -> Vec<Vec<u8>> {
        (0..count)
            .map(|_| fleet.body(&network, READINGS, now * 1_000))
            .collect()
    };
    let runtime = Runtime::new().expect("runtime");

    // Killed while messages come.
    runtime.block_on(broker.publish("fp/readings", bodies(MESSAGES)));
    until_taken(&live, READINGS);
    worker.kill();
    // Published while it is away, over a restart of the broker.
    runtime.block_on(broker.publish("fp/readings", bodies(MESSAGES)));
    broker.restart();
    let worker = live.worker(0);
    until_taken(&live, 2 * MESSAGES * READINGS);
    // The broker goes while the worker is connected.
    until_ready(&live);
    broker.restart();
    runtime.block_on(broker.publish("fp/readings", bodies(MESSAGES)));
    until_taken(&live, 3 * MESSAGES * READINGS);
    worker.kill();

    // All of it is there after another start, and nothing twice.
    let _worker = live.worker(0);
    until_ready(&live);
    let status = live.status(0).expect("status");
    assert_eq!(status.readings, (3 * MESSAGES * READINGS) as u64);
    assert_eq!(status.counters.get("equivocation"), None);
}

/// A worker that stands still is sent as many messages as it asked for; the rest waits at the broker, and devices go on.
/// Once there is an acknowledgement Mosquitto sends all it has (its issue 2301), which then waits in the connection.
#[test]
fn a_worker_that_stands_still_holds_nobody_up() {
    const MESSAGES: usize = 100;
    let (live, fleet, network) = start();
    let broker = Broker::start();
    let tap = Tap::to(&broker);
    live.configure_also(0, &section(tap.port));
    let worker = live.worker(0);
    until_ready(&live);
    let now = live.now();
    let bodies = |count: usize| -> Vec<Vec<u8>> {
        (0..count)
            .map(|_| fleet.body(&network, READINGS, now * 1_000))
            .collect()
    };
    let runtime = Runtime::new().expect("runtime");

    worker.pause();
    // Each returns when the broker has all of it.
    runtime.block_on(broker.publish("fp/readings", bodies(MESSAGES)));
    wait("the broker to send what it may", || {
        (tap.most() >= IN_FLIGHT).then_some(())
    });
    runtime.block_on(broker.publish("fp/readings", bodies(MESSAGES)));
    assert_eq!((tap.most(), tap.acknowledged()), (IN_FLIGHT, 0));
    worker.go_on();
    until_taken(&live, 2 * MESSAGES * READINGS);
    wait("the last acknowledgements", || {
        (tap.acknowledged() == 2 * MESSAGES).then_some(())
    });
    let counters = live.status(0).expect("status").counters;
    assert_eq!(counters["accepted"], (2 * MESSAGES * READINGS) as u64);
    assert_eq!(counters.get("replay"), None, "{counters:?}");
}

/// What a worker has no room for stays at the broker until there is room, and what it acknowledged is on its disk.
#[test]
fn a_full_disk_loses_nothing_that_was_published() {
    /// Files of 6 MiB at most.
    const BLOCKS: u64 = 12 << 10;
    /// Readings in a message.
    const BODY: usize = 512;
    /// Messages at a time.
    const LUMP: usize = 8;
    let (live, fleet, network) = start();
    let broker = Broker::start();
    let tap = Tap::to(&broker);
    live.configure_also(0, &section(tap.port));
    let worker = live.worker_on_a_full_disk(0, BLOCKS);
    until_ready(&live);
    let now = live.now();
    let runtime = Runtime::new().expect("runtime");
    let mut published = 0;
    let mut publish = || {
        let bodies = (0..LUMP).map(|_| fleet.body(&network, BODY, now * 1_000));
        runtime.block_on(broker.publish("fp/readings", bodies.collect()));
        published += LUMP;
        published
    };
    let unready = || {
        let url = format!("{}/ready", live.operators[0].url);
        let answer = reqwest::blocking::get(url).expect("answer");
        answer.status().as_u16() == 503
    };
    let held = || live.status(0).expect("status").readings as usize;
    loop {
        let sent = publish() * BODY;
        let full = wait("the worker to take all or to be full", || {
            let full = unready();
            (full || held() == sent).then_some(full)
        });
        if full {
            break;
        }
    }
    // Devices publish on.
    let all = publish() * BODY;
    let acknowledged = tap.acknowledged() * BODY;
    let taken = held();
    assert!(
        acknowledged <= taken && taken < all,
        "{acknowledged} {taken} {all}"
    );
    worker.kill();

    // With the old limit gone there is room.
    let worker = live.worker(0);
    until_taken(&live, all);
    assert_eq!(held(), all);
    worker.kill();
    let _worker = live.worker(0);
    let status = live.status(0).expect("status");
    assert_eq!(status.readings as usize, all);
    assert_eq!(status.counters.get("equivocation"), None);
}
