//! Registering on the compiled programs, and the rule by which its costs grow.

use anchor_lang::solana_program::instruction::Instruction;
use anyhow::{ensure, Context, Result};
use device_protocol::Curve;
use device_registry::state::voucher_page::VOUCHERS_PER_PAGE;
use device_registry::state::{tree, VoucherPage};
use device_registry::RegisterBatchArgs;
use fieldproof_client::chain::{Chain, Execution};
use fieldproof_client::device_registry as registry;
use fieldproof_client::key::DeviceSigner;
use fieldproof_client::transaction::{self, Limits};
use serde::Serialize;
use solana_keypair::Keypair;
use solana_signer::Signer;
use tests::fixture::{Maker, Network};
use tests::Harness;

/// Depth and canopy of the trees.
pub const SHAPE: (u8, u8) = (24, 10);
/// Of how many devices the costs are measured.
const STEPS: [u64; 4] = [10, 100, 1_000, 10_000];
/// Lamports of rent for a byte, on the chain today.
pub const RATE: u64 = 5_080;
/// An H3 cell of resolution 9.
const CELL: u64 = 0x8928308280fffff;

/// A way into the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The maker signs for many.
    Batch,
    /// Device, maker and owner sign.
    Proven,
}

/// What some devices cost on the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Costs {
    /// How many.
    pub devices: u64,
    /// Transactions: those that register, and those that open trees and voucher pages.
    pub transactions: u64,
    /// Lamports paid for their signatures.
    pub fees: u64,
    /// Trees and voucher pages.
    pub accounts: u64,
    /// Bytes of these accounts.
    pub bytes: u64,
}

impl Costs {
    /// Lamports that make the accounts rent-exempt at `rate` lamports a byte.
    pub fn rent(&self, rate: u64) -> u64 {
        (self.bytes + 128 * self.accounts) * rate
    }

    /// Lamports a device at `rate`, rounded up.
    pub fn each(&self, rate: u64) -> u64 {
        (self.fees + self.rent(rate)).div_ceil(self.devices)
    }
}

/// What one transaction of a kind costs, and how many devices go into it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Unit {
    /// Devices that one transaction, one page or one tree is for.
    pub devices: u64,
    /// Lamports of its signatures.
    pub fee: u64,
    /// Bytes of the account that it makes; 0 for none.
    pub bytes: u64,
}

/// A way in, measured.
#[derive(Debug, Serialize)]
pub struct Way {
    /// Which.
    pub kind: Kind,
    /// What makes up its costs.
    pub units: Vec<Unit>,
    /// Bytes of the largest transaction that registers.
    pub transaction_bytes: usize,
    /// Mean compute units a device.
    pub compute_units: u64,
    /// Costs as they were measured.
    pub measured: Vec<Costs>,
}

impl Way {
    /// What `devices` cost, by the units alone.
    pub fn costs(&self, devices: u64) -> Costs {
        let none = Costs {
            devices,
            transactions: 0,
            fees: 0,
            accounts: 0,
            bytes: 0,
        };
        self.units.iter().fold(none, |sum, unit| {
            let count = devices.div_ceil(unit.devices);
            Costs {
                devices,
                transactions: sum.transactions + count,
                fees: sum.fees + count * unit.fee,
                accounts: sum.accounts + if unit.bytes > 0 { count } else { 0 },
                bytes: sum.bytes + count * unit.bytes,
            }
        })
    }
}

/// Measures both ways in, each number of devices on a chain of its own. Fails where the rule does not give what was
/// measured.
pub fn run() -> Result<Vec<Way>> {
    [Kind::Batch, Kind::Proven]
        .into_iter()
        .map(|kind| {
            let runs = STEPS
                .into_iter()
                .map(|devices| Run::new()?.register(kind, devices))
                .collect::<Result<Vec<_>>>()?;
            let largest = runs.last().context("nothing was measured")?;
            let way = Way {
                kind,
                units: largest.units.clone(),
                transaction_bytes: largest.transaction_bytes,
                compute_units: largest.compute_units.div_ceil(largest.costs.devices),
                measured: runs.iter().map(|run| run.costs).collect(),
            };
            for measured in &way.measured {
                let rule = way.costs(measured.devices);
                ensure!(
                    *measured == rule,
                    "measured {measured:?}, the rule gives {rule:?}"
                );
            }
            Ok(way)
        })
        .collect()
}

/// A chain on which one way in is measured.
struct Run {
    harness: Harness,
    network: Network,
    maker: Maker,
    units: Vec<Unit>,
    costs: Costs,
    batches: u64,
    compute_units: u64,
    transaction_bytes: usize,
}

impl Run {
    fn new() -> Result<Self> {
        let harness = Harness::new();
        let network = Network::new(&harness);
        let payer = harness.payer.pubkey();
        let maker = Maker {
            key: harness.key(),
            next: 0.into(),
        };
        let grant = registry::MakerGrant {
            key: maker.key.pubkey(),
            quota: u64::from(u32::MAX),
            max_tier: 1,
        };
        let approve = registry::approve_maker(&payer, &network.key, &payer, grant);
        harness.send(&[approve], &[])?;
        ensure!(
            harness.chain.rent(0)? == 128 * RATE,
            "the chain has another rate of rent"
        );
        Ok(Self {
            harness,
            network,
            maker,
            units: Vec::new(),
            costs: Costs {
                devices: 0,
                transactions: 0,
                fees: 0,
                accounts: 0,
                bytes: 0,
            },
            batches: 0,
            compute_units: 0,
            transaction_bytes: 0,
        })
    }

    /// Registers so many devices, and all that they need.
    fn register(mut self, kind: Kind, devices: u64) -> Result<Self> {
        let mut units = vec![self.open_tree()?];
        let mut registering: Option<Unit> = None;
        while self.costs.devices < devices {
            let unit = match kind {
                Kind::Batch => self.register_batch(devices)?,
                Kind::Proven => {
                    if self.costs.devices.is_multiple_of(VOUCHERS_PER_PAGE) {
                        let page = self.open_page()?;
                        if self.costs.devices == 0 {
                            units.push(page);
                        }
                    }
                    self.register_proven()?
                }
            };
            // Only the last batch may be smaller than the first.
            let first = registering.get_or_insert(unit);
            ensure!(first.fee == unit.fee, "fees differ: {first:?}, {unit:?}");
        }
        units.extend(registering);
        self.units = units;
        Ok(self)
    }

    fn open_tree(&mut self) -> Result<Unit> {
        let (key, payer) = (Keypair::new(), self.harness.payer.insecure_clone());
        let bytes = tree::size(SHAPE.0, SHAPE.1);
        let rent = self.harness.chain.rent(bytes)?;
        let (address, authority) = (key.pubkey(), payer.pubkey());
        let instructions = [
            registry::create_tree_account(&authority, &address, SHAPE.0, SHAPE.1, rent),
            registry::add_tree(&self.network.key, &authority, &address, SHAPE.0, SHAPE.1),
        ];
        let (_, fee) = self.run(&instructions, &payer, &[&key], bytes)?;
        self.network.tree = address;
        Ok(Unit {
            devices: 1 << SHAPE.0,
            fee,
            bytes: bytes as u64,
        })
    }

    fn open_page(&mut self) -> Result<Unit> {
        let maker = self.maker.key.insecure_clone();
        let key = maker.pubkey();
        let page = registry::page_of(self.costs.devices);
        let open = registry::open_voucher_page(&key, &self.network.key, &key, page);
        let (_, fee) = self.run(&[open], &maker, &[], VoucherPage::SIZE)?;
        Ok(Unit {
            devices: VOUCHERS_PER_PAGE,
            fee,
            bytes: VoucherPage::SIZE as u64,
        })
    }

    /// As many devices as fit, up to `end` in all.
    fn register_batch(&mut self, end: u64) -> Result<Unit> {
        let maker = self.maker.key.insecure_clone();
        let largest = registry::largest_batch(Curve::P256) as u64;
        let devices = largest.min(end - self.costs.devices);
        let keys = (0..devices).map(|_| DeviceSigner::generate(Curve::P256).device_key());
        let args = RegisterBatchArgs {
            batch: self.batches,
            curve: Curve::P256 as u8,
            tier: 1,
            cell: 0,
            manifest_hash: [5; 32],
            keys: keys.flat_map(|key| key.as_bytes().to_vec()).collect(),
        };
        let Network { key, tree, .. } = &self.network;
        let register = registry::register_batch(key, &maker.pubkey(), tree, args);
        let (execution, fee) = self.run(&[register], &maker, &[], 0)?;
        self.batches += 1;
        self.count(devices, &execution);
        Ok(Unit {
            devices,
            fee,
            bytes: 0,
        })
    }

    fn register_proven(&mut self) -> Result<Unit> {
        let owner = self.harness.payer.insecure_clone();
        let signer = DeviceSigner::generate(Curve::P256);
        let instructions = self
            .network
            .registration(&self.maker, &owner.pubkey(), &signer, CELL);
        let (execution, fee) = self.run(&instructions, &owner, &[], 0)?;
        self.count(1, &execution);
        Ok(Unit {
            devices: 1,
            fee,
            bytes: 0,
        })
    }

    fn count(&mut self, devices: u64, execution: &Execution) {
        self.costs.devices += devices;
        self.compute_units += execution.compute_units;
    }

    /// Runs a transaction that makes an account of `bytes`, or none with 0. What it did, and what was paid for its
    /// signatures.
    fn run(
        &mut self,
        instructions: &[Instruction],
        payer: &Keypair,
        signers: &[&Keypair],
        bytes: usize,
    ) -> Result<(Execution, u64)> {
        let chain = &self.harness.chain;
        let balance = || -> Result<u64> {
            let account = chain.account(&payer.pubkey())?;
            Ok(account.context("the payer has nothing")?.lamports)
        };
        let rent = if bytes > 0 { chain.rent(bytes)? } else { 0 };
        let before = balance()?;
        // Fees don't depend on the limits, and simulating each transaction would double the time.
        let prepared = transaction::sign(chain, instructions, payer, signers, &[], Limits::MOST)?;
        let bytes_sent = transaction::size(&prepared.transaction)?;
        self.transaction_bytes = self.transaction_bytes.max(bytes_sent);
        let execution = transaction::land(chain, &prepared)?;
        let fee = before
            .checked_sub(balance()? + rent)
            .context("more rent than was paid")?;
        self.costs.transactions += 1;
        self.costs.fees += fee;
        self.costs.bytes += bytes as u64;
        self.costs.accounts += u64::from(bytes > 0);
        Ok((execution, fee))
    }
}
