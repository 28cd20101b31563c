//! One address that takes all that it gets: others are served.

use super::super::live::{wait, Live};
use super::limits::{figure, limited};
use super::rewards::{computed, reward_epoch};
use super::*;
use fieldproof_client::chain::{Chain, Cursor, Execution, Filter, Lifetime};
use fieldproof_worker::config::Limits;
use reqwest::StatusCode;
use socket2::{Domain, Socket, Type};
use solana_account::Account;
use solana_message::Hash as Blockhash;
use solana_signature::Signature;
use solana_transaction::versioned::VersionedTransaction;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A connection to the worker at `url` from another address of this machine, 127.0.0.`host`, with `sent`.
pub fn connect(host: u8, url: &str, sent: &str) -> TcpStream {
    let to: SocketAddr = url.trim_start_matches("http://").parse().expect("address");
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("socket");
    let from = SocketAddr::from(([127, 0, 0, host], 0));
    socket.bind(&from.into()).expect("address");
    socket.connect(&to.into()).expect("connection");
    let mut stream = TcpStream::from(socket);
    // The worker may have closed it already.
    let _ = stream.write_all(sent.as_bytes());
    stream
}

/// All that the worker says until it closes the connection.
fn answer(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Closed before it was read, a connection ends in an error.
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

fn status_of(answer: &[u8]) -> u16 {
    let line = String::from_utf8_lossy(answer.get(..12).expect("an answer")).into_owned();
    let (_, status) = line.split_once(' ').expect("a status");
    status.parse().expect("a status")
}

const NO_BODY: &str = "POST /v1/attestations HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n";

#[test]
fn of_connections_hold_an_eighth() {
    let world = World::new();
    let served = limited(
        &world,
        Limits {
            connections: 32,
            ..Limits::default()
        },
    );
    let held: Vec<TcpStream> = (0..40).map(|_| connect(2, &served.url, NO_BODY)).collect();
    wait("the worker to refuse the rest", || {
        let refused = "fieldproof_requests_refused_total{reason=\"connections\"}";
        (figure(&world, &served, refused) >= 36.0).then_some(())
    });
    let reading = world.reading(0, world.now() * 1_000, 500).to_bytes();
    let post = world.http.post(format!("{}/v1/readings", served.url));
    let answer = post.body(reading).send().expect("answer");
    assert_eq!(answer.status(), StatusCode::OK);
    drop(held);
}

#[test]
fn of_bodies_that_never_come_are_cut_off() {
    let world = World::new();
    let stalled = connect(2, &world.workers[0].url, NO_BODY);
    let patience = Some(Duration::from_secs(40));
    stalled.set_read_timeout(patience).expect("timeout");
    assert_eq!(status_of(&answer(stalled)), 408);
}

#[test]
fn of_bodies_hold_an_eighth_of_the_room() {
    let world = World::new();
    let served = limited(
        &world,
        Limits {
            in_flight_bytes: 12 << 20,
            ..Limits::default()
        },
    );
    let head = "POST /v1/readings HTTP/1.1\r\nhost: x\r\ncontent-length: 1200000\r\n\r\n";
    let held: Vec<TcpStream> = (0..20).map(|_| connect(2, &served.url, head)).collect();
    wait("a body in flight", || {
        (figure(&world, &served, "fieldproof_in_flight_bytes") >= 1_200_000.0).then_some(())
    });
    let post = world.http.post(format!("{}/v1/readings", served.url));
    let answered = post.body(vec![0; 1_000_000]).send().expect("answer");
    assert_eq!(answered.status(), StatusCode::OK);
    // Each is answered in the end: the first that its body never came, the others that there is no room.
    let mut statuses: Vec<u16> = held
        .into_iter()
        .map(|held| status_of(&answer(held)))
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses[0], 408);
    assert_eq!(statuses[1..], [429; 19]);
}

#[test]
fn of_answers_that_are_not_read_hold_an_eighth_of_the_room_and_not_for_long() {
    let world = World::new();
    let served = &world.workers[0];
    let payload = vec![7; 20 << 20];
    let store = &served.worker.operator().store;
    let hash = hex::encode(store.put_payload(&payload).expect("store"));
    let get = format!("GET /v1/payloads/{hash} HTTP/1.1\r\nhost: x\r\n\r\n");
    let bytes = || figure(&world, served, "fieldproof_answer_bytes");
    let unread = connect(2, &served.url, &get);
    wait("an answer in flight", || {
        (bytes() >= payload.len() as f64).then_some(())
    });
    let mut first_line = [0; 12];
    let mut second = connect(2, &served.url, &get);
    second.read_exact(&mut first_line).expect("answer");
    assert_eq!(status_of(&first_line), 429);
    let url = format!("{}/v1/payloads/{hash}", served.url);
    let whole = world.http.get(url).send().and_then(Response::bytes);
    assert!(whole.expect("payload") == payload);
    wait("the worker to give up who does not read", || {
        (bytes() == 0.0).then_some(())
    });
    assert!(answer(unread).len() < payload.len());
}

#[test]
fn behind_a_proxy_count_for_the_address_that_it_names() {
    let world = World::new();
    let served = limited(
        &world,
        Limits {
            requests_per_second: 1,
            proxies: vec![[127, 0, 0, 1].into()],
            ..Limits::default()
        },
    );
    let start = Instant::now();
    let taken_of = |named: &dyn Fn(usize) -> String| {
        let taken = (0..20).filter(|number| {
            let get = world.http.get(format!("{}/v1/status", served.url));
            let get = get.header("x-forwarded-for", named(*number));
            get.send().expect("answer").status().is_success()
        });
        taken.count()
    };
    assert_eq!(taken_of(&|number| format!("192.0.2.{number}")), 20);
    // What a client says itself stands before what the proxy adds.
    let one = taken_of(&|number| format!("192.0.2.{number}, 198.51.100.1"));
    assert!(one as f64 <= 1.0 + start.elapsed().as_secs_f64());
    // Who is no proxy is believed nothing.
    let start = Instant::now();
    let taken = (0..20).filter(|number| {
        let get = format!(
            "GET /v1/status HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-forwarded-for: 192.0.2.{number}\r\n\r\n"
        );
        status_of(&answer(connect(2, &served.url, &get))) == 200
    });
    assert!(taken.count() as f64 <= 1.0 + start.elapsed().as_secs_f64());
}

/// A chain on which the reads of accounts are counted.
struct Counted(Arc<LocalChain>, AtomicUsize);

type Result<T> = std::result::Result<T, ClientError>;

impl Chain for Counted {
    fn accounts(&self, keys: &[Pubkey]) -> Result<Vec<Option<Account>>> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.accounts(keys)
    }
    fn program_accounts(
        &self,
        program: &Pubkey,
        filters: &[Filter<'_>],
    ) -> Result<Vec<(Pubkey, Account)>> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.program_accounts(program, filters)
    }
    fn clock(&self) -> Result<anchor_lang::prelude::Clock> {
        self.0.clock()
    }
    fn lifetime(&self) -> Result<Lifetime> {
        self.0.lifetime()
    }
    fn genesis_hash(&self) -> Result<Blockhash> {
        self.0.genesis_hash()
    }
    fn block_height(&self) -> Result<u64> {
        self.0.block_height()
    }
    fn rent(&self, bytes: usize) -> Result<u64> {
        self.0.rent(bytes)
    }
    fn simulate(&self, transaction: &VersionedTransaction) -> Result<Execution> {
        self.0.simulate(transaction)
    }
    fn send(&self, transaction: &VersionedTransaction) -> Result<()> {
        self.0.send(transaction)
    }
    fn execution(&self, signature: &Signature) -> Result<Option<Execution>> {
        self.0.execution(signature)
    }
    fn history(&self, address: &Pubkey, after: &Cursor) -> Result<Vec<Signature>> {
        self.0.history(address, after)
    }
}

#[test]
fn that_ask_for_rewards_have_the_chain_read_no_more_often_for_it() {
    let world = World::new();
    let counted = Arc::new(Counted(world.chain.clone(), AtomicUsize::new(0)));
    let served = super::limits::another_on(&world, counted.clone(), |worker| worker);
    let owner = world.owners[0].pubkey();
    let asks = |expected: StatusCode| {
        let before = counted.1.load(Ordering::SeqCst);
        let start = Instant::now();
        for _ in 0..25 {
            for path in ["rewards".to_owned(), format!("rewards/{owner}")] {
                let get = world.http.get(format!("{}/v1/{path}", served.url));
                assert_eq!(get.send().expect("answer").status(), expected);
            }
        }
        let reads = counted.1.load(Ordering::SeqCst) - before;
        // One, and one more each two seconds.
        assert!(reads as f64 <= 1.0 + start.elapsed().as_secs_f64() / 2.0);
    };
    asks(StatusCode::NOT_FOUND);

    for device in 0..3 {
        world.deliver(device, &world.readings(device, HOUR, 800));
    }
    world.settle();
    reward_epoch(&world, 2);
    // This worker computed them, too, and has come to the end of a step since it was asked.
    let other = world.workers[0].worker.operator();
    let (record, _) = computed(other);
    let payload = other.store.payload(&record.payload_hash).expect("store");
    let operator = served.worker.operator();
    let archived = operator.store.put_payload(&payload.expect("trees"));
    assert_eq!(archived.expect("store"), record.payload_hash);
    operator.store.put_epoch(2, &record).expect("store");
    served.worker.work(Part::Rewards).expect("step");
    asks(StatusCode::OK);
}

/// With as few files as a worker needs for itself it would take no connection beyond, if it did not ask for more.
#[test]
fn of_connections_find_enough_open_files() {
    let live = Live::start(1);
    let _worker = live.worker_with_files(0, 100);
    let url = &live.operators[0].url;
    let held: Vec<TcpStream> = (0..120).map(|_| connect(2, url, "")).collect();
    let ready = connect(
        3,
        url,
        "GET /ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    );
    let patience = Some(Duration::from_secs(20));
    ready.set_read_timeout(patience).expect("timeout");
    assert_eq!(status_of(&answer(ready)), 200);
    drop(held);
}
