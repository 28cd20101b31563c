//! Who takes part: operators with their workers, owners, and devices.

use crate::network::{lock, Ground, Network};
use crate::proxy::Tamperer;
use crate::scenario::{self, AIRPORTS, OPERATORS, OWNERS, TOKEN};
use crate::show;
use anchor_lang::prelude::Pubkey;
use anyhow::{anyhow, Context, Result};
use device_protocol::{Curve, Possession, Reading, SignedReading, Values, Voucher, SIGNATURE_LEN};
use device_registry::RegisterDeviceArgs;
use fieldproof_client::chain::Execution;
use fieldproof_client::key::DeviceSigner;
use fieldproof_client::precompile::{self, Entry};
use fieldproof_client::{
    data_commitment as streams, device_registry as registry, reward_emission as emissions,
    security_pool as pools,
};
use fieldproof_worker::prove::Proving;
use fieldproof_worker::server::{self, Accepted};
use fieldproof_worker::store::Store;
use fieldproof_worker::Worker;
use security_pool::instructions::CreatePoolArgs;
use sha2::{Digest, Sha256};
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, PoisonError};
use tests::cluster::Cluster;
use tests::port::Port;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// Tokens that an owner's three devices of tier 1 ask for.
const OWNER_BOND: u64 = 15;
/// Seconds that stake cools down: longer than an epoch and the time in which evidence is taken.
const COOLDOWN: i64 = 7 * 86_400;
/// Tier of every device.
const TIER: u8 = 1;
/// Schema of the readings: hundredths of °C.
const SCHEMA: u16 = 1;
/// Metres around the position in which a device is.
const ACCURACY: u16 = 20;

/// An operator, with its own worker, database and server.
pub struct Operator {
    /// Its name.
    pub name: &'static str,
    /// Owns the pool.
    pub key: Keypair,
    /// The pool.
    pub pool: Pubkey,
    /// The worker.
    pub worker: Running,
    /// Where the worker listens.
    pub url: String,
}

/// The operator that lies. It has a seat like the others, and no worker.
pub struct Cheat {
    /// Its name.
    pub name: &'static str,
    /// The pool's signer.
    pub signer: Keypair,
    /// The pool.
    pub pool: Pubkey,
}

/// A worker at work.
pub enum Running {
    /// In this process, stepped by it.
    Here(Arc<Worker>),
    /// In a process of its own.
    Process(Process),
}

/// A worker's process. It is ended when this is dropped.
pub struct Process {
    child: Mutex<Child>,
    data: PathBuf,
    /// Nobody else's while the process has yet to take it.
    _port: Port,
}

impl Running {
    /// The worker's database. A worker in a process of its own is ended first: nobody else reads it meanwhile.
    pub fn store(&self) -> Result<Arc<Store>> {
        match self {
            Self::Here(worker) => Ok(worker.operator().store.clone()),
            Self::Process(process) => {
                process.end();
                Ok(Arc::new(Store::open(&process.data)?))
            }
        }
    }
}

impl Process {
    /// Starts a worker with its signer, configuration, log and database in `directory`.
    fn start(
        network: &Network,
        cluster: &Mutex<Cluster>,
        pool: &Pubkey,
        signer: &Keypair,
        port: Port,
        peers: &BTreeMap<Pubkey, String>,
        directory: &Path,
    ) -> Result<Self> {
        std::fs::create_dir_all(directory)?;
        let signer_file = directory.join("signer.json");
        solana_keypair::write_keypair_file(signer, &signer_file)
            .map_err(|error| anyhow!("can't write a signer: {error}"))?;
        let data = directory.join("data");
        let config = {
            let cluster = lock(cluster);
            let peers = peers
                .iter()
                .map(|(pool, url)| format!("{pool} = \"{url}\"\n"));
            format!(
                "rpc_url = \"{}\"\nwebsocket_url = \"{}\"\nnetwork = \"{}\"\npool = \"{pool}\"\nsigner = \"{}\"\n\
                 listen = \"{}\"\ndata = \"{}\"\n\n[prover]\n\n[peers]\n{}",
                cluster.rpc_url,
                cluster.websocket_url,
                network.key(),
                signer_file.display(),
                port.address,
                data.display(),
                peers.collect::<String>()
            )
        };
        let file = directory.join("worker.toml");
        std::fs::write(&file, config)?;
        let worker = std::env::current_exe()?.with_file_name("fieldproof-worker");
        let child = Command::new(&worker)
            .arg("--config")
            .arg(&file)
            .env("NO_COLOR", "1")
            .stdout(File::create(directory.join("worker.log"))?)
            .spawn()
            .with_context(|| format!("can't start {}", worker.display()))?;
        Ok(Self {
            child: Mutex::new(child),
            data,
            _port: port,
        })
    }

    fn end(&self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        // It may have ended already.
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// An owner of devices.
pub struct Owner {
    /// Its name.
    pub name: &'static str,
    /// Its key.
    pub key: Keypair,
}

/// A device at an airport.
pub struct Device {
    /// Its key.
    pub signer: DeviceSigner,
    /// Number of its airport.
    pub airport: usize,
    /// Tree and index of its leaf.
    pub place: (u16, u32),
    network: device_protocol::Hash,
    leaf_nonce: u32,
    shift: i64,
}

/// Opens the cheat's pool. It comes first, so that it has the committee's first seat.
pub fn cheat(network: &Network) -> Result<Cheat> {
    let (name, tokens) = scenario::CHEAT;
    let (key, signer) = (network.new_key(), network.new_key());
    let pool = bond(network, name, &key, &signer, tokens)?;
    Ok(Cheat { name, signer, pool })
}

/// Opens a pool for each operator, opts in, and starts its worker with a database in `data`. The last operator reaches
/// the others through `tamperer`.
pub fn operators(
    network: &Network,
    runtime: &Runtime,
    tamperer: &Tamperer,
    data: &Path,
) -> Result<Vec<Operator>> {
    let mut prepared = Vec::new();
    for (name, tokens) in OPERATORS {
        let (key, signer) = (network.new_key(), network.new_key());
        let pool = bond(network, name, &key, &signer, tokens)?;
        let port = Port::reserve();
        let url = format!("http://{}", port.address);
        prepared.push((name, key, signer, pool, port, url));
    }
    let mut urls: Vec<(Pubkey, String)> = prepared
        .iter()
        .map(|(_, _, _, pool, _, url)| (*pool, url.clone()))
        .collect();
    let last = prepared.len() - 1;
    let mut operators = Vec::new();
    for (number, (name, key, signer, pool, port, url)) in prepared.into_iter().enumerate() {
        if number == last {
            for (_, url) in &mut urls {
                *url = tamperer.tap(runtime, url)?;
            }
            show::line(&format!(
                "{name} reaches the others through somebody who changes a byte of the first payload that passes"
            ));
        }
        let peers: BTreeMap<Pubkey, String> = urls
            .iter()
            .filter(|(peer, _)| *peer != pool)
            .cloned()
            .collect();
        let directory = data.join(name);
        let worker = match &network.ground {
            Ground::Embedded(_) => {
                let worker = Arc::new(Worker::open(
                    network.chain.clone(),
                    network.key(),
                    pool,
                    signer,
                    peers,
                    &directory,
                )?);
                let proving = Proving::open(&fieldproof_worker::config::Proving::default())?;
                worker.operator().prove_with(proving);
                let served = worker.clone();
                let listener = runtime.block_on(TcpListener::bind(port.address))?;
                runtime.spawn(async move {
                    server::serve(&served, listener, std::future::pending()).await
                });
                Running::Here(worker)
            }
            Ground::Cluster(cluster) => {
                let process =
                    Process::start(network, cluster, &pool, &signer, port, &peers, &directory)?;
                Running::Process(process)
            }
        };
        operators.push(Operator {
            name,
            key,
            pool,
            worker,
            url,
        });
    }
    Ok(operators)
}

/// A new pool of `key` with `tokens` staked and allocated to the network, its stream, and its place among the payees.
fn bond(
    network: &Network,
    name: &str,
    key: &Keypair,
    signer: &Keypair,
    tokens: u64,
) -> Result<Pubkey> {
    let stake_mint = network.deployment.stake_mint;
    let (payer, operator) = (network.authority.pubkey(), key.pubkey());
    network.fund(&operator, &stake_mint, (tokens + 1) * TOKEN)?;
    let destination = network.fund(&operator, &network.deployment.reward_mint, 0)?;
    let pool = pools::pool(&stake_mint, &operator);
    let args = CreatePoolArgs {
        signer: signer.pubkey(),
        cooldown: COOLDOWN,
        leverage_bps: 10_000,
        seed: TOKEN,
        takes_delegators: true,
    };
    let amount = tokens * TOKEN;
    let done = network.send(
        &[
            pools::create_pool(&payer, &operator, &stake_mint, args),
            pools::delegate(&payer, &operator, &pool, &stake_mint, amount, 1, u64::MAX),
            pools::opt_in(&network.key(), &pool, &operator, amount),
            streams::open_stream(&payer, &signer.pubkey(), &network.key(), &pool),
            emissions::register_operator(&payer, &network.key(), &operator, &pool, &destination),
        ],
        &[key, signer],
    )?;
    let what = format!("{name:<6} allocates {tokens:>3} tokens");
    show::transaction(&what, &done);
    Ok(pool)
}

/// The owners, registered as payees, with a bond for their devices.
pub fn owners(network: &Network) -> Result<Vec<Owner>> {
    let payer = network.authority.pubkey();
    OWNERS
        .into_iter()
        .map(|name| {
            let key = network.new_key();
            let destination = network.fund(&key.pubkey(), &network.deployment.reward_mint, 0)?;
            let register =
                emissions::register_owner(&payer, &network.key(), &key.pubkey(), &destination);
            let done = network.send(&[register], &[&key])?;
            show::transaction(&format!("{name:<6} is a payee"), &done);
            let stake_mint = &network.deployment.stake_mint;
            network.fund(&key.pubkey(), stake_mint, OWNER_BOND * TOKEN)?;
            let post = pools::post_bond(
                &payer,
                &key.pubkey(),
                &network.key(),
                stake_mint,
                OWNER_BOND * TOKEN,
            );
            let done = network.send(&[post], &[&key])?;
            let what = format!("{name:<6} stands behind devices with {OWNER_BOND} tokens");
            show::transaction(&what, &done);
            Ok(Owner { name, key })
        })
        .collect()
}

/// One device an owner and airport, vouched for by a maker and registered by its owner. Both curves are at every airport.
pub fn devices(network: &Network, owners: &[Owner]) -> Result<Vec<Device>> {
    let payer = network.authority.pubkey();
    for maker in &network.makers {
        let open = registry::open_voucher_page(&payer, &network.key(), &maker.pubkey(), 0);
        network.send(&[open], &[maker])?;
    }
    let mut numbers = vec![0; network.makers.len()];
    let mut devices = Vec::new();
    for (airport, place) in AIRPORTS.iter().enumerate() {
        for (owner_number, owner) in owners.iter().enumerate() {
            let curve = match owner_number % 2 {
                0 => Curve::Ed25519,
                _ => Curve::P256,
            };
            let maker = owner_number % network.makers.len();
            let number = numbers[maker];
            numbers[maker] += 1;
            let (device, done) = register(network, airport, curve, owner, maker, number)?;
            let id = hex::encode(&device.signer.device_key().id()[..4]);
            let curve = format!("{curve:?}");
            let what = format!("{} {id}  {curve:<7}  of {:<4}", place.code, owner.name);
            show::transaction(&what, &done);
            devices.push(device);
        }
    }
    Ok(devices)
}

fn register(
    network: &Network,
    airport: usize,
    curve: Curve,
    owner: &Owner,
    maker: usize,
    number: u64,
) -> Result<(Device, Execution)> {
    let signer = DeviceSigner::generate(curve);
    let key = signer.device_key();
    let maker = &network.makers[maker];
    let (network_id, owner_key) = (network.deployment.network_id, owner.key.pubkey());
    let serial = format!("{} {} {number}", AIRPORTS[airport].code, owner.name);
    let serial_hash: [u8; 32] = Sha256::digest(serial).into();
    let possession = Possession {
        network: network_id,
        owner: owner_key.to_bytes(),
        key,
        nonce: number,
    }
    .digest();
    let voucher = Voucher {
        network: network_id,
        maker: maker.pubkey().to_bytes(),
        number,
        device: key.id(),
        tier: TIER,
        serial_hash,
    }
    .digest();
    let proof = [Entry {
        public_key: key.as_bytes(),
        message: &possession,
        signature: &signer.sign(&possession),
    }];
    let proof = match curve {
        Curve::Ed25519 => precompile::ed25519(&proof),
        Curve::P256 => precompile::secp256r1(&proof),
    }?;
    let maker_key = maker.pubkey();
    let vouched = precompile::ed25519(&[Entry {
        public_key: maker_key.as_ref(),
        message: &voucher,
        signature: maker.sign_message(&voucher).as_array(),
    }])?;
    let place = registry::Registration {
        network: network.key(),
        maker: maker_key,
        tree: *network
            .deployment
            .trees
            .first()
            .context("no registry tree")?,
        owner: owner_key,
    };
    let args = RegisterDeviceArgs {
        curve: curve as u8,
        key: key.bytes,
        number,
        tier: TIER,
        serial_hash,
        cell: AIRPORTS[airport].cell,
        possession_instruction: 0,
        possession_index: 0,
        voucher_instruction: 1,
        voucher_index: 0,
    };
    let register = registry::register_device(place, args);
    let done = network.send(&[proof, vouched, register], &[&owner.key])?;
    let registrations = registry::registrations(&done);
    let registered = registrations
        .first()
        .context("no registration in the log")?;
    let device = Device {
        signer,
        airport,
        place: (registered.tree_index, registered.index),
        network: network_id,
        leaf_nonce: registered.nonce,
        shift: network.shift,
    };
    Ok((device, done))
}

impl Device {
    /// A device that nobody registered.
    pub fn unregistered(network: &Network, airport: usize) -> Self {
        Self {
            signer: DeviceSigner::generate(Curve::Ed25519),
            airport,
            place: (0, 0),
            network: network.deployment.network_id,
            leaf_nonce: 0,
            shift: network.shift,
        }
    }

    /// The reading of a temperature (hundredths of °C) captured at `time` of the scenario (unix seconds), signed by the
    /// device. Its number follows from the time.
    pub fn measure(&self, temperature: i32, time: i64) -> Result<SignedReading> {
        let place = &AIRPORTS[self.airport];
        let reading = Reading {
            network: self.network,
            device: self.signer.device_key().id(),
            leaf_nonce: self.leaf_nonce,
            session: 0,
            sequence: u64::try_from(time - scenario::SETUP)?,
            captured_at: (time + self.shift) * 1_000,
            latitude: place.latitude,
            longitude: place.longitude,
            accuracy: ACCURACY,
            schema: SCHEMA,
            values: Values::new(&[temperature])?,
        };
        Ok(self.sign(reading))
    }

    fn sign(&self, reading: Reading) -> SignedReading {
        let signature: [u8; SIGNATURE_LEN] = self.signer.sign(&reading.digest());
        SignedReading { reading, signature }
    }
}

/// Hands a reading to a worker over HTTP, and returns what became of it.
pub fn deliver(
    http: &reqwest::blocking::Client,
    operator: &Operator,
    signed: &SignedReading,
) -> Result<String> {
    let answer: Accepted = http
        .post(format!("{}/v1/readings", operator.url))
        .body(signed.to_bytes())
        .send()?
        .error_for_status()?
        .json()?;
    answer
        .results
        .into_iter()
        .next()
        .context("the worker says nothing of the reading")
}
