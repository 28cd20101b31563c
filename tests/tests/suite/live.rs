//! A network on a real RPC server, with workers as processes and the tools that people use.

use super::worker::MODEL;
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use anchor_spl::token::spl_token;
use device_protocol::Curve;
use fieldproof_client::chain::{self, Chain, Execution, RpcChain};
use fieldproof_client::key::DeviceSigner;
use fieldproof_client::{
    data_commitment as streams, reward_emission as emissions, security_pool as pools, token,
    transaction,
};
use fieldproof_worker::server::Status;
use migrations::{config, Deployment};
use security_pool::instructions::CreatePoolArgs;
use serde_json::Value;
use solana_keypair::{write_keypair_file, Keypair};
use solana_signer::Signer;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tests::cluster::Cluster;
use tests::pki;
use tests::port::Port;
use tests::LAMPORTS;

/// Seconds of an epoch.
pub const EPOCH: i64 = 3_600;
/// Seconds for which evidence is taken, and a new owner keeps a device.
pub const EVIDENCE_WINDOW: i64 = 3_600;
/// Seconds of a round, and between readings.
pub const ROUND: i64 = 60;
/// Seconds of a ballot.
pub const BALLOT: i64 = 1_200;
/// Seconds from passing rewards to their being final.
pub const CHALLENGE: i64 = 60;
/// What each operator stakes, base units.
const STAKE: u64 = 50_000_000;
/// How long anything may take, on a machine that has more to do than it can.
const PATIENCE: Duration = Duration::from_secs(150);
/// Lines of a worker's log that a failed test shows.
const SHOWN: usize = 40;
/// How often it is looked for.
const POLL: Duration = Duration::from_millis(10);

/// A network made by a migration, its operators and one maker. Operators have their seats from epoch 2 on.
pub struct Live {
    pub cluster: Cluster,
    pub chain: RpcChain,
    pub authority: Keypair,
    pub deployment: Deployment,
    /// Start of epoch 0, unix seconds.
    pub genesis: i64,
    pub operators: Vec<Operator>,
    pub dir: TempDir,
}

/// An operator and where its worker listens.
pub struct Operator {
    pub pool: Pubkey,
    pub stream: Pubkey,
    pub url: String,
    port: Port,
    config: PathBuf,
}

/// A worker's process. It is killed when this is dropped.
pub struct Process(Child);

impl Process {
    /// Ends it as the system does: at once, whatever it is at.
    pub fn kill(mut self) {
        self.0.kill().expect("SIGKILL");
        self.0.wait().expect("end");
    }

    /// Waits until it ends by itself. Returns whether it says that all was well.
    pub fn end(mut self) -> bool {
        let status = wait("the process to end", || self.0.try_wait().expect("status"));
        status.success()
    }

    /// Lets it do nothing until it is [continued](Self::go_on), as on a machine that is overrun.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Ends a pause.
    pub fn go_on(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        kill.arg(format!("-{name}")).arg(self.0.id().to_string());
        assert!(kill.status().expect("kill").success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have been killed already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Shows what the workers logged last, if the test failed.
impl Drop for Live {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for operator in &self.operators {
            let log = operator.config.with_extension("log");
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let shown = &lines[lines.len().saturating_sub(SHOWN)..];
            eprintln!("{}:\n{}", log.display(), shown.join("\n"));
        }
    }
}

impl Live {
    /// A cluster with a network of `operators` operators with equal stake.
    pub fn start(operators: usize) -> Self {
        Self::start_with(operators, |_, _| ())
    }

    /// As [`Live::start`], with a network that `change` sets up otherwise, whose files are in the passed directory.
    pub fn start_with(
        operators: usize,
        change: impl FnOnce(&mut migrations::Config, &Path),
    ) -> Self {
        let mut cluster = Cluster::start();
        let chain = cluster.chain();
        let genesis = chain.clock().expect("clock").unix_timestamp;
        let dir = TempDir::new().expect("directory");
        let (authority, maker) = (Keypair::new(), Keypair::new());
        for key in [&authority, &maker] {
            cluster.fund(&key.pubkey(), LAMPORTS);
        }
        write(&authority, &dir.path().join("authority.json"));
        write(&maker, &dir.path().join("maker.json"));
        let mut config = config(genesis, &maker.pubkey(), dir.path());
        change(&mut config, dir.path());
        let deployment =
            migrations::run(&chain, &authority, &config, &mut |_| ()).expect("migration");
        let mut live = Self {
            cluster,
            chain,
            authority,
            deployment,
            genesis,
            operators: Vec::new(),
            dir,
        };
        for number in 0..operators {
            live.add_operator(number);
        }
        for number in 0..operators {
            live.configure(number, &live.cluster.rpc_url);
        }
        live
    }

    /// Sends `instructions`, paid by the authority.
    pub fn send(&self, instructions: &[Instruction], signers: &[&Keypair]) -> Execution {
        transaction::send(&self.chain, instructions, &self.authority, signers).expect("transaction")
    }

    fn add_operator(&mut self, number: usize) {
        let (key, signer) = (Keypair::new(), Keypair::new());
        self.cluster.fund(&signer.pubkey(), LAMPORTS);
        write(
            &signer,
            &self.dir.path().join(format!("signer-{number}.json")),
        );
        let Deployment {
            network,
            stake_mint,
            reward_mint,
            ..
        } = self.deployment;
        let (payer, owner) = (self.authority.pubkey(), key.pubkey());
        let seed = 1_000_000;
        let stake = token::associated(&owner, &stake_mint);
        let mint = spl_token::instruction::mint_to(
            &token::TOKEN_PROGRAM,
            &stake_mint,
            &stake,
            &payer,
            &[],
            STAKE + seed,
        )
        .expect("mint");
        let pool = pools::pool(&stake_mint, &owner);
        let args = CreatePoolArgs {
            signer: signer.pubkey(),
            cooldown: 7 * 86_400,
            leverage_bps: 10_000,
            seed,
            takes_delegators: true,
        };
        let destination = token::associated(&owner, &reward_mint);
        self.send(
            &[
                token::create_associated(&payer, &owner, &stake_mint),
                mint,
                pools::create_pool(&payer, &owner, &stake_mint, args),
            ],
            &[&key],
        );
        self.send(
            &[
                pools::delegate(&payer, &owner, &pool, &stake_mint, STAKE, 1, u64::MAX),
                pools::opt_in(&network, &pool, &owner, STAKE),
                streams::open_stream(&payer, &signer.pubkey(), &network, &pool),
                token::create_associated(&payer, &owner, &reward_mint),
                emissions::register_operator(&payer, &network, &owner, &pool, &destination),
            ],
            &[&key, &signer],
        );
        self.adopt(pool);
    }

    /// Takes a pool with a stream as the next operator, whose signer's key is in the directory.
    pub fn adopt(&mut self, pool: Pubkey) {
        let port = Port::reserve();
        let number = self.operators.len();
        self.operators.push(Operator {
            pool,
            stream: streams::stream(&self.deployment.network, &pool),
            url: format!("http://{}", port.address),
            port,
            config: self.dir.path().join(format!("worker-{number}.toml")),
        });
    }

    /// Writes the configuration of operator `number`'s worker, whose RPC server is at `rpc_url`.
    pub fn configure(&self, number: usize, rpc_url: &str) {
        let operator = &self.operators[number];
        let peers: String = self
            .operators
            .iter()
            .filter(|peer| peer.pool != operator.pool)
            .map(|peer| format!("{} = \"{}\"\n", peer.pool, peer.url))
            .collect();
        let text = format!(
            "rpc_url = \"{rpc_url}\"\nwebsocket_url = \"{websocket_url}\"\npriority_fee = \"75%:1000\"\n\
             network = \"{network}\"\npool = \"{pool}\"\nsigner = \"{dir}/signer-{number}.json\"\n\
             listen = \"{listen}\"\ndata = \"{dir}/data-{number}\"\n[peers]\n{peers}",
            websocket_url = self.cluster.websocket_url,
            network = self.deployment.network,
            pool = operator.pool,
            dir = self.dir.path().display(),
            listen = operator.port.address,
        );
        std::fs::write(&operator.config, text).expect("configuration");
    }

    /// Adds a section to the configuration of operator `number`'s worker.
    pub fn configure_also(&self, number: usize, section: &str) {
        let config = &self.operators[number].config;
        let text = std::fs::read_to_string(config).expect("configuration");
        std::fs::write(config, text + section).expect("configuration");
    }

    /// Starts the worker of operator `number` on its data, and waits until it answers.
    pub fn worker(&self, number: usize) -> Process {
        self.start_worker(number, Command::new(binary("fieldproof-worker")))
    }

    /// As [`Live::worker`], on a disk that is full when a file is as long as `blocks` of 512 bytes.
    pub fn worker_on_a_full_disk(&self, number: usize, blocks: u64) -> Process {
        // A write beyond the limit fails, and the signal that would end the process is ignored.
        self.worker_within(number, &format!("trap '' XFSZ; ulimit -f {blocks}"))
    }

    /// As [`Live::worker`], which may open `files` files unless it asks for more.
    pub fn worker_with_files(&self, number: usize, files: u64) -> Process {
        self.worker_within(number, &format!("ulimit -Sn {files}"))
    }

    /// As [`Live::worker`], in a shell that has done `limit`.
    fn worker_within(&self, number: usize, limit: &str) -> Process {
        let mut shell = Command::new("sh");
        shell
            .arg("-c")
            .arg(format!("{limit}; exec \"$@\""))
            .arg("sh")
            .arg(binary("fieldproof-worker"));
        self.start_worker(number, shell)
    }

    /// Starts the worker of operator `number` with one more section in its configuration, which it ends of. Returns what
    /// it says.
    pub fn worker_that_ends(&self, number: usize, section: &str) -> String {
        let file = self.dir.path().join("wrong.toml");
        let text = std::fs::read_to_string(&self.operators[number].config).expect("configuration");
        std::fs::write(&file, text + section).expect("configuration");
        let output = Command::new(binary("fieldproof-worker"))
            .arg("--config")
            .arg(&file)
            .output()
            .expect("worker");
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn start_worker(&self, number: usize, mut command: Command) -> Process {
        let operator = &self.operators[number];
        let log = self.dir.path().join(format!("worker-{number}.log"));
        let log = File::options().create(true).append(true).open(log);
        let process = command
            .arg("--config")
            .arg(&operator.config)
            .env("NO_COLOR", "1")
            .stdout(log.expect("log"))
            .spawn()
            .expect("worker");
        let process = Process(process);
        wait("the worker to answer", || {
            reqwest::blocking::get(format!("{}/health", operator.url))
                .is_ok()
                .then_some(())
        });
        process
    }

    /// What the worker of operator `number` says of itself.
    pub fn status(&self, number: usize) -> Option<Status> {
        let url = format!("{}/v1/status", self.operators[number].url);
        reqwest::blocking::get(url).ok()?.json().ok()
    }

    /// Waits until the worker of operator `number` knows the only device.
    pub fn wait_for_device(&self, number: usize) {
        wait("the worker to know the device", || {
            self.status(number).filter(|status| status.devices == 1)
        });
    }

    /// Writes a file of the directory.
    pub fn file(&self, name: &str, content: &str) {
        std::fs::write(self.dir.path().join(name), content).expect("written");
    }

    /// Runs `fieldproof` as the owner of `keypair`, a file of the directory.
    pub fn cli(&self, keypair: &str, arguments: &[&str]) -> Output {
        Command::new(binary("fieldproof"))
            .args(["--url", &self.cluster.rpc_url])
            .args(["--network", &self.deployment.network.to_string()])
            .args(["--output", "json", "--keypair", keypair])
            .args(arguments)
            .current_dir(self.dir.path())
            .output()
            .expect("fieldproof")
    }

    /// As [`Live::cli`]; it must do what it was told. Returns what it printed.
    #[track_caller]
    pub fn cli_done(&self, keypair: &str, arguments: &[&str]) -> Value {
        let output = self.cli(keypair, arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {error}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// Runs a shell script in the directory, in which `fieldproof` finds cluster and network; it must succeed.
    #[track_caller]
    pub fn sh(&self, script: &str) {
        let tools = binary("fieldproof");
        let tools = tools.parent().expect("directory");
        let path = std::env::var("PATH").expect("PATH");
        let environment = format!(
            "export PATH='{}':'{path}' FIELDPROOF_URL='{}' FIELDPROOF_NETWORK='{}'\n",
            tools.display(),
            self.cluster.rpc_url,
            self.deployment.network
        );
        pki::sh(self.dir.path(), &(environment + script));
    }

    /// A key with lamports in the file `name` of the directory.
    pub fn key(&mut self, name: &str) -> Keypair {
        let key = Keypair::new();
        self.cluster.fund(&key.pubkey(), LAMPORTS);
        write(&key, &self.dir.path().join(name));
        key
    }

    /// A new device of the maker's, registered by the owner of `keypair` with voucher `number`, by `fieldproof`. Its
    /// key is in the file `name` of the directory.
    pub fn device(&self, keypair: &str, name: &str, number: u64, curve: Curve) -> DeviceSigner {
        let curve_name = match curve {
            Curve::Ed25519 => "ed25519",
            Curve::P256 => "p256",
        };
        let made = self.cli_done(
            keypair,
            &["keys", "new", "--outfile", name, "--curve", curve_name],
        );
        let id = made["device"].as_str().expect("id");
        let voucher = format!("{name}.voucher");
        let numbered = number.to_string();
        let vouch = [
            "voucher", "--device", id, "--number", &numbered, "--serial", name,
        ];
        self.cli_done(
            "maker.json",
            &[&vouch[..], &["--outfile", &voucher]].concat(),
        );
        let registered = self.cli_done(
            keypair,
            &["register", "--device", name, "--voucher", &voucher],
        );
        assert_eq!(registered["device"], made["device"]);
        let file = std::fs::read(self.dir.path().join(name)).expect("device key");
        let file: Value = serde_json::from_slice(&file).expect("device key");
        let secret = hex::decode(file["secret"].as_str().expect("secret")).expect("hexadecimal");
        let signer = DeviceSigner::from_seed(curve, &secret.try_into().expect("32 bytes"));
        let signer = signer.expect("device key");
        assert_eq!(hex::encode(signer.device_key().id()), id);
        signer
    }

    /// The chain's time, unix seconds.
    pub fn now(&self) -> i64 {
        self.chain.clock().expect("clock").unix_timestamp
    }

    /// The account of type `T` at `key`.
    pub fn find<T>(&self, key: &Pubkey) -> Option<T>
    where
        T: anchor_lang::ZeroCopy + anchor_lang::Discriminator + anchor_lang::Owner,
    {
        chain::find(&self.chain, key).expect("account")
    }
}

/// Looks again and again until there is something.
#[track_caller]
pub fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(POLL);
    }
    panic!("waited in vain for {what}");
}

fn write(key: &Keypair, file: &Path) {
    write_keypair_file(key, file).expect("keypair");
}

/// A binary of this project, as cargo put it two directories above this test's.
fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("own path");
    let file = test
        .ancestors()
        .nth(2)
        .expect("<target>/<profile>/deps")
        .join(name);
    assert!(file.is_file(), "run `cargo build --workspace --bins` first");
    file
}

/// A network with one feed of one-minute rounds, which one stream is enough for.
pub fn config(genesis: i64, maker: &Pubkey, dir: &Path) -> migrations::Config {
    let model = dir.join("temperature.model");
    std::fs::write(&model, MODEL).expect("model");
    let key = dir.join("verifying.key");
    std::fs::write(&key, tests::groth16::Secrets::new(1).key()).expect("key");
    migrations::Config {
        network: config::Network {
            nonce: 7,
            genesis,
            epoch_length: EPOCH,
            timelock: 60,
            self_signed_makers: false,
            development_keys: true,
            credits: false,
            device_bond: 0,
            evidence_window: EVIDENCE_WINDOW,
            answer_window: 1_200,
            challenge_bond: 10_000_000,
            max_speed: 340,
            tier_discount_bps: [0, 5_000, 9_000, 9_500],
            withheld_slash_bps: 1_000,
        },
        verifying_keys: vec![config::VerifyingKey {
            file: key,
            circuit: "08".repeat(32),
            transcript: None,
        }],
        mints: config::Mints {
            reward_decimals: 6,
            stake_decimals: 6,
        },
        trees: vec![config::Tree {
            depth: 20,
            canopy: 10,
        }],
        makers: vec![config::Maker {
            key: maker.to_string(),
            quota: 100,
            max_tier: 2,
        }],
        roster: config::Roster {
            slash_cap_bps: 5_000,
            minimum_allocation: 1,
            max_leverage_bps: 10_000,
            bounty_bps: 3_000,
            insurance_bps: 3_000,
        },
        emission: config::Emission {
            initial: 1_000_000_000,
            floor: 1_000,
            decay: (1 << 32) / 10 * 9,
            end: 1_000,
            operators_bps: 3_000,
            root_slash_bps: 1_000,
            floor_bps: 10_000,
            challenge_window: CHALLENGE,
            ballot_length: BALLOT,
            breaker_window: EPOCH,
            breaker_limit: u64::MAX,
            scoring: config::Scoring::default(),
        },
        pricing: None,
        models: vec![config::Model {
            file: model.clone(),
            private: false,
        }],
        feeds: vec![config::Feed {
            model,
            cells: Vec::new(),
            round_length: ROUND,
            max_gap: ROUND as u32,
            required: vec!["committee".to_owned(), "sourced".to_owned()],
            min_signers: 2,
            min_streams: 1,
            grace: ROUND,
            challenge_window: ROUND,
            bond: 0,
            slash_bps: 1_000,
        }],
    }
}
