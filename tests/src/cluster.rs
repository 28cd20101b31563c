//! A real RPC server, started by the test: surfpool's validator in a Node process.

use crate::{programs, programs_dir};
use anchor_lang::prelude::Pubkey;
use fieldproof_client::chain::RpcChain;
use serde_json::{json, Value};
use solana_account::Account;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{channel, Receiver};
use std::time::{Duration, Instant};

/// How long the server may take to start or to do as it is told, on a machine that has more to do than it can.
const PATIENCE: Duration = Duration::from_secs(150);
/// How long one attempt to start it may take; it takes a fraction of a second.
const ATTEMPT: Duration = Duration::from_secs(30);

/// A running cluster. It ends when this is dropped.
pub struct Cluster {
    process: Child,
    input: ChildStdin,
    answers: Receiver<Value>,
    /// Address of its JSON RPC.
    pub rpc_url: String,
    /// Address of its WebSocket.
    pub websocket_url: String,
}

impl Cluster {
    /// Starts a cluster with all programs deployed.
    pub fn start() -> Self {
        Self::with_programs(&programs_dir())
    }

    /// Starts a cluster with the compiled programs in `programs`.
    pub fn with_programs(deploy: &Path) -> Self {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("surfpool");
        assert!(
            directory.join("node_modules").is_dir(),
            "run the tests by `cargo xtask test`, which installs tests/surfpool"
        );
        let mut cluster = Self::run(&directory);
        for (id, name) in programs() {
            let file = deploy.join(format!("{}.so", name.replace('-', "_")));
            cluster.command(&json!({"deploy": {"id": id.to_string(), "file": file}}));
        }
        cluster
    }

    /// Starts the server. It looks for two free ports and takes them a moment later; where somebody else takes one of
    /// them in between, it waits for ever, and is started anew.
    fn run(directory: &Path) -> Self {
        // Of the servers that tests start, one at a time chooses its ports: two could take the same one and share it.
        let turn = File::open(directory.join("cluster.js")).expect("cluster.js");
        turn.lock().expect("lock");
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(cluster) = Self::attempt(directory) {
                return cluster;
            }
        }
        panic!("the cluster did not start");
    }

    /// Starts the server, or gives it up.
    fn attempt(directory: &Path) -> Option<Self> {
        let mut process = Command::new("node")
            .arg("cluster.js")
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node: install it with `apt-get install nodejs npm`");
        let input = process.stdin.take().expect("piped");
        let output = BufReader::new(process.stdout.take().expect("piped"));
        let (send, answers) = channel();
        // Ends with the process, or with the cluster that listens.
        std::thread::spawn(move || {
            let lines = output.lines().map_while(Result::ok);
            // The server may log others.
            let mut objects = lines
                .filter_map(|line| serde_json::from_str(&line).ok())
                .filter(Value::is_object);
            objects.try_for_each(|answer| send.send(answer))
        });
        // Dropped without an answer, it ends the process.
        let mut cluster = Self {
            process,
            input,
            answers,
            rpc_url: String::new(),
            websocket_url: String::new(),
        };
        let addresses = cluster.answers.recv_timeout(ATTEMPT).ok()?;
        let address = |name: &str| addresses[name].as_str().expect("address").to_owned();
        (cluster.rpc_url, cluster.websocket_url) = (address("rpcUrl"), address("wsUrl"));
        Some(cluster)
    }

    /// A client of the cluster, which the cluster tells what happens.
    pub fn chain(&self) -> RpcChain {
        RpcChain::new(&self.rpc_url).with_websocket(&self.websocket_url)
    }

    /// Moves the clock forward to `unix_timestamp` seconds, if it is not there yet.
    pub fn set_time(&mut self, unix_timestamp: i64) {
        self.command(&json!({"time": unix_timestamp * 1_000}));
    }

    /// Gives `lamports` to `address`.
    pub fn fund(&mut self, address: &Pubkey, lamports: u64) {
        self.command(&json!({"fund": {"address": address.to_string(), "lamports": lamports}}));
    }

    /// Writes an account of another program's.
    pub fn set_account(&mut self, address: &Pubkey, account: &Account) {
        let Account {
            lamports,
            data,
            owner,
            ..
        } = account;
        let (address, owner) = (address.to_string(), owner.to_string());
        self.command(&json!({"account": {
            "address": address, "lamports": lamports, "data": data, "owner": owner,
        }}));
    }

    fn command(&mut self, command: &Value) {
        writeln!(self.input, "{command}").expect("cluster is gone");
        let answer = self.answers.recv_timeout(PATIENCE);
        let answer = answer.unwrap_or_else(|error| panic!("{command}: {error}"));
        assert_eq!(answer["ok"], true, "{command}: {answer}");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Its end is all that is wanted; it may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
