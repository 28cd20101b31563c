//! Migrations: from an empty chain to a network, once, whatever happens in between; and programs by the upgradeable
//! loader.

use super::live;
use ai_feed::state::{Feed, Model, PRIVATE};
use anchor_lang::prelude::Pubkey;
use fieldproof_client::chain::{self, Chain, LocalChain};
use fieldproof_client::{ai_feed as feeds, credits, token, ClientError};
use inference::Header;
use migrations::config::{self, OracleFormat};
use migrations::{deploy, Config, Deployment, MigrationError, Step};
use reward_emission::state::Pricing;
use solana_account::Account;
use solana_instruction::error::InstructionError;
use solana_keypair::Keypair;
use solana_signer::Signer;
use solana_transaction::versioned::VersionedTransaction;
use solana_transaction_error::TransactionError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tempfile::TempDir;
use tests::{programs, programs_dir, Harness, START};

/// A change of a configuration.
type Change = fn(&mut Config);

/// A chain that stops to answer at a transaction.
struct Cut<'a> {
    chain: &'a LocalChain,
    /// Transactions that are still taken.
    left: AtomicUsize,
    /// Whether the one that is not answered lands.
    lands: bool,
    /// Whether it has stopped.
    is_cut: AtomicBool,
}

impl<'a> Cut<'a> {
    fn after(chain: &'a LocalChain, transactions: usize, lands: bool) -> Self {
        let left = transactions.into();
        Self {
            chain,
            left,
            lands,
            is_cut: false.into(),
        }
    }

    /// Transactions taken of `most`.
    fn taken(&self, most: usize) -> usize {
        most - self.left.load(Ordering::Relaxed)
    }
}

impl Chain for Cut<'_> {
    tests::within!(
        accounts,
        program_accounts,
        clock,
        lifetime,
        genesis_hash,
        rent,
        simulate,
        execution,
        history
    );

    fn send(&self, transaction: &VersionedTransaction) -> Result<(), ClientError> {
        let left = self.left.load(Ordering::Relaxed);
        if left > 0 {
            self.left.store(left - 1, Ordering::Relaxed);
            return self.chain.send(transaction);
        }
        if self.lands {
            self.chain.send(transaction)?;
        }
        self.is_cut.store(true, Ordering::Relaxed);
        Err(ClientError::Cluster("cut off".to_owned()))
    }

    fn block_height(&self) -> Result<u64, ClientError> {
        if self.is_cut.load(Ordering::Relaxed) {
            return Err(ClientError::Cluster("cut off".to_owned()));
        }
        self.chain.block_height()
    }
}

/// A chain with the programs and nothing else, an authority, and what the chain shall hold.
struct Empty {
    chain: LocalChain,
    authority: Keypair,
    config: Config,
    _dir: TempDir,
}

impl Empty {
    fn new() -> Self {
        Self::of(Keypair::new())
    }

    fn of(authority: Keypair) -> Self {
        let Harness { chain, .. } = Harness::new();
        chain.airdrop(&authority.pubkey(), tests::LAMPORTS);
        let dir = TempDir::new().expect("directory");
        let maker = Pubkey::new_from_array([8; 32]);
        let config = live::config(START, &maker, dir.path());
        Self {
            chain,
            authority,
            config,
            _dir: dir,
        }
    }

    /// As [`Empty::new`], for a network that charges from its beginning.
    fn charging() -> Self {
        let mut empty = Self::new();
        empty.config.network.credits = true;
        empty.config.pricing = Some(free());
        empty
    }

    fn run(&self) -> Result<(Deployment, Vec<Step>), MigrationError> {
        run(&self.chain, &self.authority, &self.config)
    }

    /// Every account of every program, with all its bytes.
    fn accounts(&self) -> Vec<(Pubkey, Account)> {
        programs()
            .iter()
            .map(|(id, _)| *id)
            .chain([token::TOKEN_PROGRAM])
            .flat_map(|id| self.chain.program_accounts(&id, &[]).expect("accounts"))
            .collect()
    }
}

/// Prices with which a network begins that charges.
fn free() -> config::Pricing {
    config::Pricing {
        format: OracleFormat::OnDemand,
        oracle: Pubkey::new_from_array([0x0a; 32]).to_string(),
        queue: Pubkey::new_from_array([0x51; 32]).to_string(),
        jobs: "70".repeat(32),
        max_age_slots: 150,
        max_age_seconds: 60,
        min_oracles: 3,
        max_deviation_bps: 200,
        registration: 0,
        feed: 0,
    }
}

fn pricing(config: &mut Config) -> &mut config::Pricing {
    config.pricing.as_mut().expect("pricing")
}

fn run(
    chain: &dyn Chain,
    authority: &Keypair,
    config: &Config,
) -> Result<(Deployment, Vec<Step>), MigrationError> {
    let mut steps = Vec::new();
    let deployment = migrations::run(chain, authority, config, &mut |step| {
        steps.push(step.clone());
    })?;
    Ok((deployment, steps))
}

mod network {
    use super::*;

    #[test]
    fn comes_from_an_empty_chain_and_a_second_run_changes_nothing() {
        let empty = Empty::new();
        let (deployment, steps) = empty.run().expect("migration");
        assert!(steps.iter().all(|step| step.signature.is_some()));
        let before = empty.accounts();
        // The roster comes with its vault of bonds.
        assert_eq!(before.len(), steps.len() + 1);

        let cut = Cut::after(&empty.chain, 0, false);
        let (again, unchanged) =
            run(&cut, &empty.authority, &empty.config).expect("a second run sends nothing");
        assert_eq!(again, deployment);
        assert_eq!(unchanged.len(), steps.len());
        assert!(unchanged.iter().all(|step| step.signature.is_none()));
        assert_eq!(empty.accounts(), before);
    }

    #[test]
    fn that_was_cut_off_anywhere_is_completed_by_the_next_run() {
        let authority = Keypair::new();
        let whole = Empty::of(authority.insecure_clone());
        let (deployment, steps) = whole.run().expect("migration");
        for lands in [false, true] {
            for taken in 0..steps.len() {
                let part = Empty::of(authority.insecure_clone());
                let cut = Cut::after(&part.chain, taken, lands);
                let error = run(&cut, &part.authority, &part.config).expect_err("cut off");
                let error = error.to_string();
                assert!(
                    error.contains("may have landed") && error.contains("cut off"),
                    "{error}"
                );
                let (completed, rest) = part.run().expect("the rest");
                assert_eq!(completed, deployment);
                let done = rest.iter().filter(|step| step.signature.is_none()).count();
                assert_eq!(done, taken + usize::from(lands));
                let keys = |empty: &Empty| -> Vec<Pubkey> {
                    empty.accounts().into_iter().map(|(key, _)| key).collect()
                };
                assert_eq!(keys(&part), keys(&whole));
            }
        }
    }

    #[test]
    fn that_differs_from_the_configuration_is_an_error_and_stays_as_it_is() {
        let mut empty = Empty::new();
        empty.run().expect("migration");
        let before = empty.accounts();
        let config = empty.config.clone();
        let changes: [(&str, Change); 19] = [
            ("reward-mint", |config| config.mints.reward_decimals = 9),
            ("stake-mint", |config| config.mints.stake_decimals = 9),
            ("network", |config| config.network.genesis += 1),
            ("network", |config| config.network.epoch_length += 1_200),
            ("network", |config| config.network.timelock += 1),
            ("network", |config| config.network.development_keys = false),
            ("network", |config| {
                config.network.credits = true;
                config.pricing = Some(free());
            }),
            ("tree-0", |config| config.trees[0].canopy = 11),
            ("roster", |config| config.roster.slash_cap_bps += 1),
            ("roster", |config| config.roster.bounty_bps += 1),
            ("roster", |config| config.roster.insurance_bps += 1),
            ("emission", |config| config.emission.operators_bps += 1),
            ("emission", |config| config.emission.challenge_window += 1),
            ("emission", |config| config.emission.breaker_limit -= 1),
            ("emission", |config| {
                config.emission.scoring.full_owners += 1
            }),
            ("verifying-key", |config| {
                config.verifying_keys[0].transcript = Some("09".repeat(32));
            }),
            ("feed", |config| config.feeds[0].min_signers += 1),
            ("feed", |config| config.feeds[0].grace += 1),
            ("feed", |config| {
                config.feeds[0].required.pop();
            }),
        ];
        for (what, change) in changes {
            empty.config = config.clone();
            change(&mut empty.config);
            match empty.run() {
                Err(MigrationError::Differs(name)) => {
                    assert!(name.starts_with(what), "{name} instead of {what}");
                }
                other => panic!("{what}: {other:?}"),
            }
            assert_eq!(empty.accounts(), before);
        }
        // More of what there may be more of is made.
        empty.config = config;
        empty.config.trees.push(migrations::config::Tree {
            depth: 20,
            canopy: 10,
        });
        let (deployment, steps) = empty.run().expect("another tree");
        let made: Vec<&str> = steps
            .iter()
            .filter(|step| step.signature.is_some())
            .map(|step| step.name.as_str())
            .collect();
        assert_eq!(made, ["tree-1"]);
        assert_eq!(deployment.trees.len(), 2);
    }

    #[test]
    fn of_a_wrong_configuration_says_what_is_wrong() {
        let mut empty = Empty::new();
        empty.config.makers[0].key = "nobody".to_owned();
        let error = empty.run().expect_err("no address").to_string();
        assert!(error.contains("maker nobody is no address"), "{error}");
        let mut empty = Empty::new();
        empty.config.feeds[0].required = vec!["tee".to_owned()];
        let error = empty.run().expect_err("no verification").to_string();
        assert!(
            error.contains("use committee, optimistic, sourced"),
            "{error}"
        );
        let mut empty = Empty::new();
        empty.config.verifying_keys[0].circuit.pop();
        let error = empty.run().expect_err("no hash").to_string();
        assert!(error.contains("64 hexadecimal digits"), "{error}");
        let mut empty = Empty::new();
        empty.config.verifying_keys[0].file = empty.config.models[0].file.clone();
        let error = empty.run().expect_err("no key").to_string();
        assert!(error.contains("576 bytes"), "{error}");
        let wrong: [(&str, Change); 6] = [
            ("add [pricing]", |config| config.pricing = None),
            ("no address", |config| pricing(config).oracle.push('0')),
            ("no address", |config| pricing(config).queue.push('0')),
            ("64 hexadecimal digits", |config| {
                pricing(config).jobs.pop();
            }),
            ("registration and feed at 0", |config| {
                pricing(config).registration = 1;
            }),
            ("floor_bps of at least 1", |config| {
                config.emission.floor_bps = 0;
            }),
        ];
        for (what, change) in wrong {
            let mut empty = Empty::charging();
            change(&mut empty.config);
            let error = empty.run().expect_err(what).to_string();
            assert!(error.contains(what), "{error}");
        }
    }

    #[test]
    fn of_a_private_model_is_made_without_its_weights() {
        let mut empty = Empty::new();
        empty.config.models[0].private = true;
        empty.config.feeds[0].required = ["sourced", "zk"].map(str::to_owned).to_vec();
        let (deployment, _) = empty.run().expect("migration");
        let feed: Feed = chain::read(&empty.chain, &deployment.feeds[0]).expect("feed");
        assert_eq!(feed.private_model, 1);
        let model = feeds::model(&feed.model);
        let model: Model = chain::read(&empty.chain, &model).expect("model");
        assert_eq!(model.flags, PRIVATE);
        assert!(model.bytes[Header::BYTES..].iter().all(|byte| *byte == 0));
        let (again, steps) = empty.run().expect("a second run");
        assert_eq!(again, deployment);
        assert!(steps.iter().all(|step| step.signature.is_none()));
        // Of the same bytes, published, there is another model with feeds of its own.
        empty.config.models[0].private = false;
        let (public, _) = empty.run().expect("migration");
        assert_ne!(public.feeds, deployment.feeds);
    }

    #[test]
    fn that_charges_is_set_up_before_it_begins() {
        let mut empty = Empty::charging();
        empty.config.network.genesis += 1_000;
        let (deployment, _) = empty.run().expect("migration");
        assert_eq!(deployment.feeds.len(), 1);
    }

    #[test]
    fn that_charges_begins_for_nothing_and_its_prices_rise_after_the_timelock() {
        let mut empty = Empty::charging();
        let (deployment, steps) = empty.run().expect("migration");
        assert!(steps.iter().any(|step| step.name == "pricing"));
        assert_eq!(deployment.feeds.len(), 1);
        let cost = |empty: &Empty, wait: i64| {
            let key = credits::pricing(&deployment.network);
            let pricing: Pricing = chain::read(&empty.chain, &key).expect("pricing");
            let now = empty.chain.clock().expect("clock").unix_timestamp;
            let terms = pricing.terms_at(now + wait);
            (terms.registration, terms.feed)
        };
        assert_eq!(cost(&empty, 0), (0, 0));

        // There must be tokens to pay with.
        pricing(&mut empty.config).registration = 40_000;
        let early = empty.run().expect_err("no token").to_string();
        assert!(early.contains("registration and feed at 0"), "{early}");
        let mint = deployment.reward_mint;
        let mut account = empty.chain.account(&mint).expect("chain").expect("mint");
        // The supply.
        account.data[36..44].copy_from_slice(&1_u64.to_le_bytes());
        empty.chain.set_account(&mint, account);

        // Another run proposes what was changed, once; it holds after the network's timelock.
        let made = |steps: Vec<Step>| -> Vec<String> {
            let made = steps.into_iter().filter(|step| step.signature.is_some());
            made.map(|step| step.name).collect()
        };
        let (_, steps) = empty.run().expect("another price");
        assert_eq!(made(steps), ["pricing"]);
        let timelock = empty.config.network.timelock;
        assert_eq!(cost(&empty, timelock - 1), (0, 0));
        assert_eq!(cost(&empty, timelock), (40_000, 0));
        let before = empty.accounts();
        for wait in [0, timelock, timelock] {
            let now = empty.chain.clock().expect("clock").unix_timestamp;
            empty.chain.set_time(now + wait);
            let (_, steps) = empty.run().expect("the same");
            assert_eq!(made(steps), [""; 0]);
        }
        assert_eq!(empty.accounts(), before);
        assert_eq!(cost(&empty, 0), (40_000, 0));

        // So does another oracle's account.
        let oracle = Pubkey::new_from_array([0x0b; 32]);
        pricing(&mut empty.config).oracle = oracle.to_string();
        let (_, steps) = empty.run().expect("another oracle");
        assert_eq!(made(steps), ["pricing"]);
        let key = credits::pricing(&deployment.network);
        let set: Pricing = chain::read(&empty.chain, &key).expect("pricing");
        assert_eq!(set.next_oracle, oracle);
        let (_, steps) = empty.run().expect("the same");
        assert_eq!(made(steps), [""; 0]);
    }
}

mod programs_by_the_loader {
    use super::*;

    /// More than a deployment takes.
    const MANY: usize = 10_000;

    fn code(name: &str) -> Vec<u8> {
        std::fs::read(programs_dir().join(format!("{name}.so"))).expect("program")
    }

    /// Asserts that the deployment of "program" failed by an error of this kind.
    #[track_caller]
    fn assert_fails<T: std::fmt::Debug>(
        result: Result<T, MigrationError>,
        is_expected: fn(&ClientError) -> bool,
    ) {
        assert!(
            matches!(&result, Err(MigrationError::Step { step, error })
                if step == "program" && is_expected(error)),
            "{result:?}"
        );
    }

    fn deployed(chain: &dyn Chain, program: &Pubkey) -> Vec<u8> {
        let loader = anchor_lang::solana_program::bpf_loader_upgradeable::ID;
        let (data, _) = Pubkey::find_program_address(&[program.as_ref()], &loader);
        // Tag, slot and authority come first.
        let account = chain.account(&data).expect("chain").expect("program");
        account.data[45..].to_vec()
    }

    #[test]
    fn are_deployed_once_resumed_where_they_were_cut_off_and_upgraded() {
        let empty = Empty::new();
        let (chain, authority, program) = (&empty.chain, &empty.authority, Keypair::new());
        let first = code("data_commitment");
        let deploy = |chain: &dyn Chain, code: &[u8]| {
            let mut steps = Vec::new();
            deploy::deploy(chain, authority, &program, "program", code, &mut |step| {
                steps.push(step.clone());
            })
            .map(|()| steps.pop().expect("a step").signature.is_some())
        };
        // Cut off in the middle of the buffer: the next run writes the rest of it.
        let all = first.len().div_ceil(900) + 2;
        let cut = Cut::after(chain, all / 2, false);
        assert_fails(
            deploy(&cut, &first),
            |error| matches!(error, ClientError::Cluster(reason) if reason == "cut off"),
        );
        let rest = Cut::after(chain, MANY, false);
        assert!(deploy(&rest, &first).expect("deployment"));
        assert_eq!(rest.taken(MANY), all - all / 2);
        assert_eq!(deployed(chain, &program.pubkey())[..first.len()], first);
        // The same code again is no work.
        let none = Cut::after(chain, 0, false);
        assert!(!deploy(&none, &first).expect("nothing to do"));

        // Larger code replaces it, smaller code that again, and nobody else's does.
        let second = code("device_registry");
        assert!(second.len() > first.len());
        for code in [&second, &first] {
            assert!(deploy(chain, code).expect("upgrade"));
            let held = deployed(chain, &program.pubkey());
            assert_eq!(held[..code.len()], **code);
            assert!(held[code.len()..].iter().all(|byte| *byte == 0));
            assert!(!deploy(&none, code).expect("nothing to do"));
        }
        let thief = Keypair::new();
        chain.airdrop(&thief.pubkey(), tests::LAMPORTS);
        let theft = deploy::deploy(chain, &thief, &program, "program", &second, &mut |_| ());
        assert_fails(theft, |error| {
            let expected =
                TransactionError::InstructionError(0, InstructionError::IncorrectAuthority);
            matches!(error, ClientError::Failed { error, .. } if *error == expected)
        });
        assert_eq!(deployed(chain, &program.pubkey())[..first.len()], first);
    }
}
