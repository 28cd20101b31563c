//! A chain on which every run costs the same, and what it costs.

use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::{AccountMeta, Instruction};
use anchor_lang::solana_program::system_instruction;
use anchor_lang::{Discriminator, Owner, ZeroCopy};
use anchor_spl::token::spl_token;
use anyhow::{bail, ensure, Context, Result};
use bytemuck::bytes_of;
use fieldproof_client::chain::{Chain, LocalChain};
use fieldproof_client::token::TOKEN_PROGRAM;
use fieldproof_client::transaction;
use serde::Serialize;
use solana_account::Account;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::iter::Sum;
use std::ops::Add;
use std::path::{Path, PathBuf};
use tests::{Harness, LAMPORTS, PROBE, START};

/// What an instruction cost in a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Figure {
    /// The program.
    pub program: &'static str,
    /// Its instruction.
    pub instruction: &'static str,
    /// What makes it cost that much; empty where nothing does.
    pub case: &'static str,
    /// What it cost.
    #[serde(flatten)]
    pub cost: Cost,
}

/// What transactions cost, but for fees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Cost {
    /// Compute units of the top-level instructions of on-chain programs, with all that they called.
    pub cu: u64,
    /// Bytes of the accounts that came into being.
    pub bytes: u64,
    /// Lamports that make these accounts rent-exempt.
    pub rent: u64,
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            cu: self.cu + other.cu,
            bytes: self.bytes + other.bytes,
            rent: self.rent + other.rent,
        }
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), Add::add)
    }
}

/// A chain with all programs, where one program is measured. Its keys are numbered, not random: an address that a
/// program has to find costs the same in every run.
pub struct Bench {
    /// The chain, and who pays and mints.
    pub harness: Harness,
    program: &'static str,
    keys: Cell<u64>,
    figures: RefCell<Vec<Figure>>,
    notes: RefCell<Vec<String>>,
}

impl Bench {
    /// For `program`, with the binaries in `programs`.
    pub fn new(programs: &Path, program: &'static str) -> Result<Self> {
        let chain = LocalChain::new();
        for (id, name) in tests::programs() {
            let file = binary(programs, name);
            chain
                .deploy(&id, &file)
                .with_context(|| format!("{} does not load", file.display()))?;
        }
        chain
            .deploy(&PROBE, &binary(programs, "probe"))
            .context("the probe does not load")?;
        chain.set_time(START);
        let payer = key(0);
        chain.airdrop(&payer.pubkey(), LAMPORTS);
        Ok(Self {
            harness: Harness { chain, payer },
            program,
            keys: Cell::new(1),
            figures: RefCell::default(),
            notes: RefCell::default(),
        })
    }

    /// What was measured, in order, and what there is to say of it.
    pub fn finish(self) -> (Vec<Figure>, Vec<String>) {
        (self.figures.into_inner(), self.notes.into_inner())
    }

    /// The next key, with lamports.
    pub fn key(&self) -> Keypair {
        let key = self.bare_key();
        self.harness.chain.airdrop(&key.pubkey(), LAMPORTS);
        key
    }

    /// The next key, with nothing.
    pub fn bare_key(&self) -> Keypair {
        key(self.keys.replace(self.keys.get() + 1))
    }

    /// The next key's address.
    pub fn address(&self) -> Pubkey {
        self.bare_key().pubkey()
    }

    /// The payer's address.
    pub fn payer(&self) -> Pubkey {
        self.harness.payer.pubkey()
    }

    /// A new mint with six decimals, whose authority is the payer.
    pub fn mint(&self) -> Result<Pubkey> {
        const BYTES: usize = 82;
        let (mint, payer) = (self.bare_key(), self.payer());
        let key = mint.pubkey();
        let rent = self.harness.chain.rent(BYTES)?;
        let bytes = BYTES as u64;
        self.run(
            &[
                system_instruction::create_account(&payer, &key, rent, bytes, &TOKEN_PROGRAM),
                spl_token::instruction::initialize_mint2(&TOKEN_PROGRAM, &key, &payer, None, 6)?,
            ],
            &[&mint],
        )?;
        Ok(key)
    }

    /// Writes an account of any of the programs.
    pub fn put<T: ZeroCopy + Discriminator + Owner>(&self, key: &Pubkey, state: &T) -> Result<()> {
        let data = [T::DISCRIMINATOR, bytes_of(state)].concat();
        let account = Account {
            lamports: self.harness.chain.rent(data.len())?,
            data,
            owner: T::owner(),
            executable: false,
            rent_epoch: u64::MAX,
        };
        self.harness.chain.set_account(key, account);
        Ok(())
    }

    /// Changes an account of any of the programs as no instruction does.
    pub fn edit<T: ZeroCopy + Discriminator + Owner>(
        &self,
        key: &Pubkey,
        change: impl FnOnce(&mut T),
    ) -> Result<()> {
        let mut state = self.harness.read(key);
        change(&mut state);
        self.put(key, &state)
    }

    /// Runs a transaction; what it cost.
    pub fn run(&self, instructions: &[Instruction], signers: &[&Keypair]) -> Result<Cost> {
        self.execute(instructions, signers).map(|(cost, _)| cost)
    }

    /// Runs a transaction; what it cost, and its logs.
    fn execute(
        &self,
        instructions: &[Instruction],
        signers: &[&Keypair],
    ) -> Result<(Cost, Vec<String>)> {
        let named: BTreeSet<Pubkey> = instructions
            .iter()
            .flat_map(|instruction| &instruction.accounts)
            .map(|meta| meta.pubkey)
            .collect();
        let empty = |key: &Pubkey| -> Result<bool> {
            let account = self.harness.chain.account(key)?;
            Ok(account.is_none_or(|account| account.data.is_empty()))
        };
        let mut created = Vec::new();
        for key in named {
            if empty(&key)? {
                created.push(key);
            }
        }
        let execution = self.harness.send(instructions, signers)?;
        let is_whole = execution.logs.iter().all(|line| line != "Log truncated");
        ensure!(
            is_whole,
            "the log, which tells the compute units, was cut off"
        );
        let mut cost = Cost {
            cu: consumed(&execution.logs),
            ..Cost::default()
        };
        for account in self.harness.chain.accounts(&created)?.into_iter().flatten() {
            if !account.data.is_empty() {
                cost.bytes += account.data.len() as u64;
                cost.rent += self.harness.chain.rent(account.data.len())?;
            }
        }
        Ok((cost, execution.logs))
    }

    /// Runs a transaction that `payer` pays for; the lamports that it has less thereafter.
    pub fn spent(&self, instructions: &[Instruction], payer: &Keypair) -> Result<u64> {
        let before = self.lamports(&payer.pubkey())?;
        transaction::send(&self.harness.chain, instructions, payer, &[])?;
        Ok(before - self.lamports(&payer.pubkey())?)
    }

    /// The lamports at an address.
    pub fn lamports(&self, key: &Pubkey) -> Result<u64> {
        let account = self.harness.chain.account(key)?;
        Ok(account.map_or(0, |account| account.lamports))
    }

    /// Runs a transaction and records what it cost.
    pub fn measure(
        &self,
        instruction: &'static str,
        case: &'static str,
        instructions: &[Instruction],
        signers: &[&Keypair],
    ) -> Result<()> {
        let cost = self
            .run(instructions, signers)
            .with_context(|| format!("{instruction} of {}", self.program))?;
        ensure!(cost.cu > 0, "the log of {instruction} says no cost");
        self.record(instruction, case, cost);
        Ok(())
    }

    /// Runs a transaction that nobody else signs, and records what it cost without what `callee` consumed within.
    pub fn measure_without(
        &self,
        instruction: &'static str,
        case: &'static str,
        instructions: &[Instruction],
        callee: &Pubkey,
    ) -> Result<()> {
        let (mut cost, logs) = self
            .execute(instructions, &[])
            .with_context(|| format!("{instruction} of {}", self.program))?;
        let prefix = format!("Program {callee} consumed ");
        let within: u64 = logs
            .iter()
            .find_map(|line| line.strip_prefix(&prefix)?.split(' ').next()?.parse().ok())
            .with_context(|| format!("{instruction} did not call {callee}"))?;
        cost.cu -= within;
        self.record(instruction, case, cost);
        Ok(())
    }

    /// Runs a case of the probe, and records what the call within it cost.
    pub fn measure_call(
        &self,
        instruction: &'static str,
        case: &'static str,
        probe: u8,
        data: &[u8],
        accounts: &[Pubkey],
    ) -> Result<()> {
        let call = Instruction {
            program_id: PROBE,
            accounts: accounts
                .iter()
                .map(|key| AccountMeta::new_readonly(*key, false))
                .collect(),
            data: [&[probe], data].concat(),
        };
        self.measure_probe(instruction, case, call)
    }

    /// Runs the probe by `call`, and records what the call within it cost.
    pub fn measure_probe(
        &self,
        instruction: &'static str,
        case: &'static str,
        call: Instruction,
    ) -> Result<()> {
        let nothing = self.probe(Instruction {
            program_id: PROBE,
            accounts: Vec::new(),
            data: vec![probe::NOTHING],
        })?;
        let mut cost = self
            .probe(call)
            .with_context(|| format!("{instruction} of {}", self.program))?;
        cost.cu -= nothing.cu;
        self.record(instruction, case, cost);
        Ok(())
    }

    /// What a run of the probe cost: compute units between the two marks that it logs.
    fn probe(&self, call: Instruction) -> Result<Cost> {
        let (cost, logs) = self.execute(&[call], &[])?;
        let marks: Vec<u64> = logs
            .iter()
            .filter_map(|line| {
                let left = line.strip_prefix("Program consumption: ")?;
                left.strip_suffix(" units remaining")?.parse().ok()
            })
            .collect();
        match marks[..] {
            [before, after] => Ok(Cost {
                cu: before - after,
                ..cost
            }),
            _ => bail!("the probe's log has {} marks", marks.len()),
        }
    }

    /// Records what was measured.
    pub fn record(&self, instruction: &'static str, case: &'static str, cost: Cost) {
        self.figures.borrow_mut().push(Figure {
            program: self.program,
            instruction,
            case,
            cost,
        });
    }

    /// Says something that is no figure of a case.
    pub fn note(&self, text: String) {
        self.notes.borrow_mut().push(text);
    }
}

/// Where a program's binary is.
pub fn binary(programs: &Path, name: &str) -> PathBuf {
    programs.join(format!("{}.so", name.replace('-', "_")))
}

/// The key of a number.
fn key(number: u64) -> Keypair {
    Keypair::new_from_array(seed(number))
}

/// 32 secret bytes of a number; good as a scalar of P-256 too.
pub fn seed(number: u64) -> [u8; 32] {
    let mut seed = [1; 32];
    seed[24..].copy_from_slice(&number.to_be_bytes());
    seed
}

/// Compute units of the top-level instructions. Precompiles and built-in programs log none.
fn consumed(logs: &[String]) -> u64 {
    let mut depth = 0;
    let mut units = 0;
    for line in logs {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["Program", "log:" | "data:" | "return:", ..] => {}
            ["Program", _, "invoke", _] => depth += 1,
            ["Program", _, "success"] => depth -= 1,
            ["Program", _, "consumed", figure, ..] if depth == 1 => {
                units += figure.parse::<u64>().unwrap_or_default();
            }
            _ => {}
        }
    }
    units
}
