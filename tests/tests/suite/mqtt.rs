//! Devices that publish at a real MQTT broker, a worker that takes what they say, and each of them lost and back.

use super::live::{wait, Live};
use device_protocol::Curve;
use device_registry::state::Network;
use fieldproof_client::chain;
use fieldproof_worker::load::Fleet;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use std::net::TcpListener;
use std::process::{Child, Command};
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;

const SECRET: [u8; 32] = [7; 32];
const DEVICES: usize = 20;
/// Readings in a message.
const READINGS: usize = 8;

/// Mosquitto, which keeps sessions and messages on the disk. It is killed when this is dropped.
struct Broker {
    process: Child,
    dir: TempDir,
    port: u16,
}

impl Broker {
    fn start() -> Self {
        let dir = TempDir::new().expect("directory");
        let listener = TcpListener::bind("127.0.0.1:0").expect("port");
        let port = listener.local_addr().expect("address").port();
        drop(listener);
        let config = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\n\
             persistence_location {}/\nmax_queued_messages 0\nuser root\n",
            dir.path().display()
        );
        std::fs::write(dir.path().join("mosquitto.conf"), config).expect("configuration");
        Self {
            process: Self::run(&dir),
            dir,
            port,
        }
    }

    fn run(dir: &TempDir) -> Child {
        // Debian has it where only root's PATH leads.
        let path = std::env::var("PATH").unwrap_or_default();
        Command::new("mosquitto")
            .env("PATH", format!("{path}:/usr/sbin:/usr/local/sbin"))
            .arg("-c")
            .arg(dir.path().join("mosquitto.conf"))
            .spawn()
            .expect("mosquitto: install it with `apt-get install mosquitto`")
    }

    /// Ends it as a machine that is shut down would, and starts it again.
    fn restart(&mut self) {
        let pid = self.process.id().to_string();
        let stopped = Command::new("kill").arg(pid).status().expect("kill");
        assert!(stopped.success());
        self.process.wait().expect("ended");
        self.process = Self::run(&self.dir);
    }

    /// The section of a worker's configuration.
    fn section(&self) -> String {
        format!(
            "\n[mqtt]\nhost = \"127.0.0.1\"\nport = {}\nclient_id = \"worker\"\ntopic = \"fp\"\n",
            self.port
        )
    }

    /// Publishes messages one after the other until the broker has said of each that it has it.
    async fn publish(&self, topic: &str, messages: Vec<Vec<u8>>) {
        let mut options = MqttOptions::new("devices", "127.0.0.1", self.port);
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
