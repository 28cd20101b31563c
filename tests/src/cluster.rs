//! A real RPC server, started by the test: surfpool's validator in a Node process.

use crate::{programs, programs_dir};
use anchor_lang::prelude::Pubkey;
use fieldproof_client::chain::RpcChain;
use serde_json::{json, Value};
use solana_account::Account;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A running cluster. It ends when this is dropped.
pub struct Cluster {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
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
        let mut process = Command::new("node")
            .arg("cluster.js")
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node: install it with `apt-get install nodejs npm`");
        let input = process.stdin.take().expect("piped");
        let mut output = BufReader::new(process.stdout.take().expect("piped"));
        let addresses = line(&mut output);
        let address = |name: &str| addresses[name].as_str().expect("address").to_owned();
        let mut cluster = Self {
            process,
            input,
            output,
            rpc_url: address("rpcUrl"),
            websocket_url: address("wsUrl"),
        };
        for (id, name) in programs() {
            let file = deploy.join(format!("{}.so", name.replace('-', "_")));
            cluster.command(&json!({"deploy": {"id": id.to_string(), "file": file}}));
        }
        cluster
    }

    /// A client of the cluster, which the cluster tells what happens.
    pub fn chain(&self) -> RpcChain {
        RpcChain::new(&self.rpc_url).with_websocket(&self.websocket_url)
    }

    /// Moves the clock forward to `unix_timestamp` seconds.
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
        let answer = line(&mut self.output);
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

/// The next line that is JSON; the validator may log others.
fn line(output: &mut BufReader<ChildStdout>) -> Value {
    loop {
        let mut text = String::new();
        assert!(
            output.read_line(&mut text).expect("cluster's output") > 0,
            "the cluster ended"
        );
        if let Ok(value @ Value::Object(_)) = serde_json::from_str(&text) {
            return value;
        }
    }
}
