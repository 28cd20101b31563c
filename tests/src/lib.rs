//! The harness of the whole-flow and attack tests: the six compiled programs on an in-process chain with mainnet's
//! features, and the few things every test needs.
//!
//! The programs are those of `cargo xtask build`; `FIELDPROOF_PROGRAMS` names their directory, which `cargo xtask test`
//! sets, and defaults to the target directory's `deploy`.

pub mod cluster;
pub mod conservation;
pub mod duckdb;
pub mod fixture;
pub mod groth16;
pub mod oracle;
pub mod pki;
pub mod port;
pub mod typescript;
mod within;

use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::{AccountMeta, Instruction};
use anchor_lang::{Discriminator, Owner, ZeroCopy};
use anchor_spl::token::{self, spl_token};
use fieldproof_client::chain::{self, Chain, Execution, LocalChain};
use fieldproof_client::{precompile, token as tokens, transaction, ClientError};
use solana_account::Account;
use solana_keypair::Keypair;
use solana_message::AddressLookupTableAccount;
use solana_signer::Signer;
use std::path::PathBuf;

/// The time at which a harness starts: 2013-12-02 00:00:00 UTC.
pub const START: i64 = 1_385_942_400;

/// Where tests deploy the probe, a program that calls ours.
pub const PROBE: Pubkey = Pubkey::new_from_array([80; 32]);

/// Lamports that the harness gives to each key it makes.
pub const LAMPORTS: u64 = 100_000_000_000;

/// A chain with all programs, and a payer that mints every token of the test.
pub struct Harness {
    /// The chain.
    pub chain: LocalChain,
    /// Pays for everything, and is the authority of the mints.
    pub payer: Keypair,
}

impl Default for Harness {
    fn default() -> Self {
        Self::new()
    }
}

impl Harness {
    /// A new chain at [`START`], with all programs deployed.
    pub fn new() -> Self {
        let chain = LocalChain::new();
        for (id, name) in programs() {
            let file = programs_dir().join(format!("{}.so", name.replace('-', "_")));
            chain
                .deploy(&id, &file)
                .expect("run `cargo xtask build` first");
        }
        chain.set_time(START);
        let payer = Keypair::new();
        chain.airdrop(&payer.pubkey(), LAMPORTS);
        Self { chain, payer }
    }

    /// Deploys the probe at an address, [`PROBE`] or another.
    pub fn deploy_probe(&self, id: &Pubkey) {
        deploy_probe(&self.chain, id);
    }

    /// A new key with lamports.
    pub fn key(&self) -> Keypair {
        let key = Keypair::new();
        self.chain.airdrop(&key.pubkey(), LAMPORTS);
        key
    }

    /// Sends `instructions`, paid by the harness's payer and signed by `signers` too.
    pub fn send(
        &self,
        instructions: &[Instruction],
        signers: &[&Keypair],
    ) -> Result<Execution, ClientError> {
        transaction::send(&self.chain, instructions, &self.payer, signers)
    }

    /// Seconds since 1970 by the chain's clock.
    pub fn now(&self) -> i64 {
        self.chain.clock().expect("clock").unix_timestamp
    }

    /// Moves the clock on by `seconds`.
    pub fn advance(&self, seconds: i64) {
        self.chain.set_time(self.now() + seconds);
    }

    /// Puts an address lookup table on the chain, in its wire form: type, never deactivated, extended in slot 0 from index
    /// 0, no authority.
    pub fn put_table(&self, table: &AddressLookupTableAccount) {
        let mut data = [
            1u32.to_le_bytes().as_slice(),
            &u64::MAX.to_le_bytes(),
            &[0; 44],
        ]
        .concat();
        data.extend(table.addresses.iter().flat_map(Pubkey::to_bytes));
        let account = Account {
            lamports: self.chain.rent(data.len()).expect("rent"),
            data,
            owner: "AddressLookupTab1e1111111111111111111111111"
                .parse()
                .expect("address"),
            executable: false,
            rent_epoch: u64::MAX,
        };
        self.chain.set_account(&table.key, account);
    }

    /// The zero-copy account at `key`.
    pub fn read<T: ZeroCopy + Discriminator + Owner>(&self, key: &Pubkey) -> T {
        chain::read(&self.chain, key).expect("account")
    }

    /// Whether there is an account at `key`.
    pub fn exists(&self, key: &Pubkey) -> bool {
        self.chain
            .account(key)
            .expect("chain")
            .is_some_and(|account| account.lamports > 0)
    }

    /// A new mint with six decimals, whose authority is the payer.
    pub fn mint(&self) -> Pubkey {
        let mint = Keypair::new();
        let space = 82;
        let create = anchor_lang::solana_program::system_instruction::create_account(
            &self.payer.pubkey(),
            &mint.pubkey(),
            self.chain.rent(space).expect("rent"),
            space as u64,
            &tokens::TOKEN_PROGRAM,
        );
        let initialize = spl_token::instruction::initialize_mint2(
            &tokens::TOKEN_PROGRAM,
            &mint.pubkey(),
            &self.payer.pubkey(),
            None,
            6,
        )
        .expect("mint instruction");
        self.send(&[create, initialize], &[&mint]).expect("mint");
        mint.pubkey()
    }

    /// The associated token account of `owner`, topped up by `amount` new tokens (base units).
    pub fn fund(&self, owner: &Pubkey, mint: &Pubkey, amount: u64) -> Pubkey {
        let account = tokens::associated(owner, mint);
        let mut instructions = vec![tokens::create_associated(&self.payer.pubkey(), owner, mint)];
        if amount > 0 {
            instructions.push(
                spl_token::instruction::mint_to(
                    &tokens::TOKEN_PROGRAM,
                    mint,
                    &account,
                    &self.payer.pubkey(),
                    &[],
                    amount,
                )
                .expect("mint instruction"),
            );
        }
        self.send(&instructions, &[]).expect("fund");
        account
    }

    /// As [`Harness::fund`], by writing both into the accounts: where an emission is the mint's authority, as if others had
    /// been paid before. A network's emission takes no mint that has a supply.
    pub fn circulate(&self, owner: &Pubkey, mint: &Pubkey, amount: u64) -> Pubkey {
        let held = self.fund(owner, mint, 0);
        // The supply's place in a mint, and the amount's in a token account.
        for (key, place) in [(mint, 36), (&held, 64)] {
            let account = self.chain.account(key).expect("chain");
            let mut account = account.expect("a token's account");
            let place = &mut account.data[place..place + 8];
            let before = u64::from_le_bytes((&*place).try_into().expect("8 bytes"));
            place.copy_from_slice(&(before + amount).to_le_bytes());
            self.chain.set_account(key, account);
        }
        held
    }

    /// Base units in a token account.
    pub fn balance(&self, account: &Pubkey) -> u64 {
        chain::read_borsh::<token::TokenAccount>(&self.chain, account)
            .expect("token account")
            .amount
    }
}

/// Every program's id and name.
pub fn programs() -> [(Pubkey, &'static str); 6] {
    [
        (device_registry::ID, "device-registry"),
        (data_commitment::ID, "data-commitment"),
        (security_pool::ID, "security-pool"),
        (ai_feed::ID, "ai-feed"),
        (reward_emission::ID, "reward-emission"),
        (parametric_insurance::ID, "parametric-insurance"),
    ]
}

/// Where the compiled programs are.
pub fn programs_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("FIELDPROOF_PROGRAMS") {
        return dir.into();
    }
    // A test binary lies in <target>/<profile>/deps.
    let binary = std::env::current_exe().expect("own path");
    binary
        .ancestors()
        .map(|dir| dir.join("deploy"))
        .find(|dir| dir.is_dir())
        .expect("run `cargo xtask build` first")
}

fn deploy_probe(chain: &LocalChain, id: &Pubkey) {
    chain
        .deploy(id, &programs_dir().join("probe.so"))
        .expect("run `cargo xtask build` first");
}

/// An instruction that fills the transaction's log, of a program that anybody may deploy, as this does.
pub fn fill_log(chain: &LocalChain) -> Instruction {
    deploy_probe(chain, &PROBE);
    Instruction {
        program_id: PROBE,
        accounts: Vec::new(),
        data: vec![probe::FILL_LOG],
    }
}

/// Asserts that nothing of what a transaction did is in its log but that the log was filled.
#[track_caller]
pub fn assert_log_filled(execution: &Execution) {
    let last = execution.logs.last().map(String::as_str);
    assert_eq!(last, Some("Log truncated"));
    let bytes: usize = execution.logs.iter().map(String::len).sum();
    assert!(bytes > probe::LOG_BYTES - 100, "{bytes} bytes");
}

/// The Ed25519 instruction in which all of `signers` sign a message.
pub fn signatures<'a>(
    signers: impl IntoIterator<Item = &'a Keypair>,
    message: &[u8],
) -> Instruction {
    let signed: Vec<(Pubkey, [u8; 64])> = signers
        .into_iter()
        .map(|signer| (signer.pubkey(), signer.sign_message(message).into()))
        .collect();
    let entries: Vec<_> = signed
        .iter()
        .map(|(key, signature)| precompile::Entry {
            public_key: key.as_ref(),
            message,
            signature,
        })
        .collect();
    precompile::ed25519(&entries).expect("signatures")
}

/// Lets the probe that is deployed at `program` make one of the calls of the crate `slashing`, which its slasher signs.
pub fn by_probe(program: &Pubkey, call: Instruction) -> Instruction {
    let (slasher, bump) = slashing::slasher(program);
    let (discriminator, args) = call.data.split_at(8);
    let case = if discriminator == slashing::SLASH {
        probe::SLASH
    } else {
        probe::SLASH_BOND
    };
    let mut accounts = call.accounts;
    for meta in &mut accounts {
        // Within the call the probe signs for it.
        meta.is_signer &= meta.pubkey != slasher;
    }
    accounts.push(AccountMeta::new_readonly(call.program_id, false));
    Instruction {
        program_id: *program,
        accounts,
        data: [&[case, bump], args].concat(),
    }
}

/// An error that a program refuses with.
pub trait Refusal {
    /// Whose it is; `None` for those that every program may have.
    fn program(&self) -> Option<Pubkey>;
    /// Its number.
    fn code(self) -> u32;
}

macro_rules! refusals {
    ($($error:ty => $program:expr,)*) => {
        $(impl Refusal for $error {
            fn program(&self) -> Option<Pubkey> {
                $program
            }

            fn code(self) -> u32 {
                self.into()
            }
        })*
    };
}

refusals! {
    device_registry::error::RegistryError => Some(device_registry::ID),
    data_commitment::error::StreamError => Some(data_commitment::ID),
    security_pool::error::PoolError => Some(security_pool::ID),
    ai_feed::error::AiFeedError => Some(ai_feed::ID),
    reward_emission::error::EmissionError => Some(reward_emission::ID),
    parametric_insurance::error::InsuranceError => Some(parametric_insurance::ID),
    feed_reader::FeedError => None,
    anchor_lang::error::ErrorCode => None,
    u32 => None,
}

/// A program's error by its number.
impl Refusal for (Pubkey, u32) {
    fn program(&self) -> Option<Pubkey> {
        Some(self.0)
    }

    fn code(self) -> u32 {
        self.1
    }
}

/// Asserts that exactly `error` refused, by the program whose it is.
#[track_caller]
pub fn assert_refused(result: Result<Execution, ClientError>, error: impl Refusal) {
    let (program, code) = (error.program(), error.code());
    match result {
        Err(ClientError::Refused(failure))
            if failure.code == code && (program.is_none() || failure.program == program) => {}
        Err(other) => panic!("expected error {code} of {program:?}, got {other:?}"),
        Ok(_) => panic!("expected error {code}, but it passed"),
    }
}
