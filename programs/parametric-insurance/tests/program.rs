//! The compiled program in LiteSVM, on feed accounts written by the test: whole flows, and attacks.
//!
//! `FIELDPROOF_PROGRAMS` names the directory of the compiled programs; it defaults to the target directory's `deploy`.

use anchor_lang::error::ErrorCode;
use anchor_lang::prelude::{Clock, Pubkey};
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::solana_program::program_pack::Pack;
use anchor_lang::solana_program::{system_instruction, system_program};
use anchor_lang::{InstructionData, ToAccountMetas};
use anchor_spl::token;
use anchor_spl::token::spl_token::state::{Account as Tokens, AccountState, Mint};
use feed_reader::{FeedError, Mask, AI_FEED_ID, FEED_DISCRIMINATOR, FEED_LEN};
use litesvm::LiteSVM;
use parametric_insurance::error::InsuranceError;
use parametric_insurance::state::{Fund, Policy, PolicyTerms};
use parametric_insurance::{accounts, instruction, seeds, ID};
use solana_account::Account;
use solana_instruction::error::InstructionError;
use solana_keypair::Keypair;
use solana_message::Message;
use solana_signer::Signer;
use solana_transaction::Transaction;
use solana_transaction_error::TransactionError;
use std::path::PathBuf;

const NOW: i64 = 1_790_000_000;
const FEED_ID: [u8; 32] = [7; 32];
const DEPOSIT: u64 = 10_000;

/// Pays 1,000 when the feed falls below -500 within an hour from a minute from now, by a round of a committee.
const TERMS: PolicyTerms = PolicyTerms {
    threshold: -500,
    direction: 0,
    min_mask: Mask::COMMITTEE,
    max_age: 600,
    payout: 1_000,
    premium: 10,
    starts: NOW + 60,
    ends: NOW + 3_660,
};

/// One round of a feed.
#[derive(Clone, Copy)]
struct Round {
    value: i64,
    oldest_capture: i64,
    newest_capture: i64,
    mask: u16,
    flags: u16,
}

/// A round that [`TERMS`] pay for, captured ten minutes into their time.
const CROSSED: Round = Round {
    value: -501,
    oldest_capture: (NOW + 600) * 1_000,
    newest_capture: (NOW + 660) * 1_000,
    mask: Mask::COMMITTEE | Mask::SOURCED,
    flags: 0,
};

/// When [`CROSSED`] is settled.
const SETTLED_AT: i64 = NOW + 700;

/// When a round is finalised.
fn posted_at(round: &Round) -> i64 {
    round.newest_capture / 1_000 + 20
}

/// A feed's account data, as ai-feed writes it, with these rounds, the newest last.
fn feed_data(id: [u8; 32], rounds: &[Round]) -> Vec<u8> {
    let mut data = vec![0; FEED_LEN];
    data[..8].copy_from_slice(&FEED_DISCRIMINATOR);
    data[8] = 1; // version
    data[16..48].copy_from_slice(&id);
    data[320..324].copy_from_slice(&(rounds.len() as u32).to_le_bytes());
    data[324..328].copy_from_slice(&(rounds.len().saturating_sub(1) as u32).to_le_bytes());
    for (round, entry) in rounds.iter().zip(data[584..].chunks_mut(96)) {
        entry[8..16].copy_from_slice(&round.value.to_le_bytes());
        entry[32..40].copy_from_slice(&posted_at(round).to_le_bytes());
        entry[40..48].copy_from_slice(&round.oldest_capture.to_le_bytes());
        entry[48..56].copy_from_slice(&round.newest_capture.to_le_bytes());
        entry[88..90].copy_from_slice(&round.mask.to_le_bytes());
        entry[94..96].copy_from_slice(&round.flags.to_le_bytes());
    }
    data
}

/// A chain with a fund on one feed, and the people around it.
struct World {
    svm: LiteSVM,
    payer: Keypair,
    underwriter: Keypair,
    holder: Keypair,
    mint: Pubkey,
    feed: Pubkey,
    fund: Pubkey,
    underwriter_account: Pubkey,
    holder_account: Pubkey,
}

type Sent = Result<(), TransactionError>;

impl World {
    /// No fund yet.
    fn empty() -> Self {
        let mut svm = LiteSVM::new();
        svm.add_program_from_file(ID, programs_dir().join("parametric_insurance.so"))
            .expect("build the program first");
        let payer = Keypair::new();
        svm.airdrop(&payer.pubkey(), 100_000_000_000).unwrap();
        let (underwriter, holder) = (Keypair::new(), Keypair::new());
        let mut world = Self {
            fund: fund(&underwriter.pubkey(), &FEED_ID),
            svm,
            payer,
            underwriter,
            holder,
            mint: Pubkey::default(),
            feed: Pubkey::new_unique(),
            underwriter_account: Pubkey::default(),
            holder_account: Pubkey::default(),
        };
        world.mint = world.new_mint();
        world.underwriter_account = world.tokens(&world.underwriter.pubkey(), &world.mint.clone());
        world.holder_account = world.tokens(&world.holder.pubkey(), &world.mint.clone());
        world.set_time(NOW);
        world.set_feed(&[]);
        world
    }

    /// A fund that holds [`DEPOSIT`].
    fn new() -> Self {
        let mut world = Self::empty();
        world.create_fund(FEED_ID).unwrap();
        world.deposit(DEPOSIT).unwrap();
        world
    }

    /// A fund with one policy of [`TERMS`], a feed that has [`CROSSED`], and the time to settle.
    fn due() -> Self {
        let mut world = Self::new();
        world.write(0, TERMS).unwrap();
        world.set_feed(&[CROSSED]);
        world.set_time(SETTLED_AT);
        world
    }

    fn put(&mut self, owner: Pubkey, key: Pubkey, data: Vec<u8>) {
        let account = Account {
            lamports: 1_000_000_000,
            data,
            owner,
            ..Account::default()
        };
        self.svm.set_account(key, account).unwrap();
    }

    fn set_feed(&mut self, rounds: &[Round]) {
        self.put(AI_FEED_ID.into(), self.feed, feed_data(FEED_ID, rounds));
    }

    fn set_time(&mut self, now: i64) {
        let clock = Clock {
            unix_timestamp: now,
            ..self.svm.get_sysvar()
        };
        self.svm.set_sysvar(&clock);
    }

    fn new_mint(&mut self) -> Pubkey {
        let key = Pubkey::new_unique();
        let mut data = vec![0; Mint::LEN];
        let mint = Mint {
            supply: 1_000_000,
            decimals: 6,
            is_initialized: true,
            ..Mint::default()
        };
        Mint::pack(mint, &mut data).unwrap();
        self.put(token::ID, key, data);
        key
    }

    /// A token account with 100,000 base units.
    fn tokens(&mut self, owner: &Pubkey, mint: &Pubkey) -> Pubkey {
        let key = Pubkey::new_unique();
        self.set_tokens(key, owner, mint);
        key
    }

    fn set_tokens(&mut self, key: Pubkey, owner: &Pubkey, mint: &Pubkey) {
        let mut data = vec![0; Tokens::LEN];
        let tokens = Tokens {
            mint: *mint,
            owner: *owner,
            amount: 100_000,
            state: AccountState::Initialized,
            ..Tokens::default()
        };
        Tokens::pack(tokens, &mut data).unwrap();
        self.put(token::ID, key, data);
    }

    fn balance(&self, key: &Pubkey) -> u64 {
        Tokens::unpack(&self.svm.get_account(key).unwrap().data)
            .unwrap()
            .amount
    }

    fn vault_balance(&self) -> u64 {
        self.balance(&vault(&self.fund))
    }

    fn fund_state(&self) -> Fund {
        bytemuck::pod_read_unaligned(&self.svm.get_account(&self.fund).unwrap().data[8..])
    }

    fn policy_state(&self, number: u64) -> Option<Policy> {
        let account = self.svm.get_account(&policy(&self.fund, number))?;
        Some(bytemuck::pod_read_unaligned(account.data.get(8..)?))
    }

    fn send(&mut self, instructions: &[Instruction], signers: &[&Keypair]) -> Sent {
        self.svm.expire_blockhash();
        let message = Message::new(instructions, Some(&self.payer.pubkey()));
        let mut all = vec![&self.payer];
        all.extend(signers);
        let transaction = Transaction::new(&all, message, self.svm.latest_blockhash());
        self.svm
            .send_transaction(transaction)
            .map(|_| ())
            .map_err(|failed| failed.err)
    }

    fn create_fund_accounts(&self) -> accounts::CreateFund {
        accounts::CreateFund {
            underwriter: self.underwriter.pubkey(),
            payer: self.payer.pubkey(),
            feed: self.feed,
            mint: self.mint,
            fund: self.fund,
            vault: vault(&self.fund),
            token_program: token::ID,
            system_program: system_program::ID,
        }
    }

    fn create_fund(&mut self, feed_id: [u8; 32]) -> Sent {
        let create = build(
            self.create_fund_accounts(),
            instruction::CreateFund { feed_id },
        );
        let underwriter = self.underwriter.insecure_clone();
        self.send(&[create], &[&underwriter])
    }

    fn deposit_accounts(&self) -> accounts::Deposit {
        accounts::Deposit {
            depositor: self.underwriter.pubkey(),
            source: self.underwriter_account,
            fund: self.fund,
            vault: vault(&self.fund),
            mint: self.mint,
            token_program: token::ID,
        }
    }

    fn deposit(&mut self, amount: u64) -> Sent {
        self.deposit_with(self.deposit_accounts(), amount)
    }

    fn deposit_with(&mut self, accounts: accounts::Deposit, amount: u64) -> Sent {
        let underwriter = self.underwriter.insecure_clone();
        self.send(
            &[build(accounts, instruction::Deposit { amount })],
            &[&underwriter],
        )
    }

    fn withdraw_accounts(&self) -> accounts::WithdrawFund {
        accounts::WithdrawFund {
            underwriter: self.underwriter.pubkey(),
            fund: self.fund,
            vault: vault(&self.fund),
            destination: self.underwriter_account,
            mint: self.mint,
            token_program: token::ID,
        }
    }

    fn withdraw(&mut self, amount: u64) -> Sent {
        let withdraw = build(
            self.withdraw_accounts(),
            instruction::WithdrawFund { amount },
        );
        let underwriter = self.underwriter.insecure_clone();
        self.send(&[withdraw], &[&underwriter])
    }

    fn write_accounts(&self, number: u64) -> accounts::WritePolicy {
        accounts::WritePolicy {
            underwriter: self.underwriter.pubkey(),
            holder: self.holder.pubkey(),
            payer: self.payer.pubkey(),
            fund: self.fund,
            vault: vault(&self.fund),
            holder_account: self.holder_account,
            mint: self.mint,
            policy: policy(&self.fund, number),
            token_program: token::ID,
            system_program: system_program::ID,
        }
    }

    fn write(&mut self, number: u64, terms: PolicyTerms) -> Sent {
        self.write_with(self.write_accounts(number), terms)
    }

    fn write_with(&mut self, accounts: accounts::WritePolicy, terms: PolicyTerms) -> Sent {
        let (underwriter, holder) = (
            self.underwriter.insecure_clone(),
            self.holder.insecure_clone(),
        );
        let write = build(accounts, instruction::WritePolicy { terms });
        self.send(&[write], &[&underwriter, &holder])
    }

    fn settle_accounts(&self) -> accounts::SettlePolicy {
        accounts::SettlePolicy {
            fund: self.fund,
            policy: policy(&self.fund, 0),
            feed: self.feed,
            vault: vault(&self.fund),
            holder_account: self.holder_account,
            payer: self.payer.pubkey(),
            mint: self.mint,
            token_program: token::ID,
        }
    }

    fn settle(&mut self) -> Sent {
        self.settle_with(self.settle_accounts())
    }

    fn settle_with(&mut self, accounts: accounts::SettlePolicy) -> Sent {
        self.send(&[build(accounts, instruction::SettlePolicy {})], &[])
    }

    fn expire_accounts(&self) -> accounts::ExpirePolicy {
        accounts::ExpirePolicy {
            fund: self.fund,
            policy: policy(&self.fund, 0),
            vault: vault(&self.fund),
            payer: self.payer.pubkey(),
        }
    }

    fn expire(&mut self) -> Sent {
        let expire = build(self.expire_accounts(), instruction::ExpirePolicy {});
        self.send(&[expire], &[])
    }
}

fn fund(underwriter: &Pubkey, feed_id: &[u8; 32]) -> Pubkey {
    Pubkey::find_program_address(&[seeds::FUND, underwriter.as_ref(), feed_id], &ID).0
}

fn vault(fund: &Pubkey) -> Pubkey {
    Pubkey::find_program_address(&[seeds::VAULT, fund.as_ref()], &ID).0
}

fn policy(fund: &Pubkey, number: u64) -> Pubkey {
    Pubkey::find_program_address(&[seeds::POLICY, fund.as_ref(), &number.to_le_bytes()], &ID).0
}

fn build(accounts: impl ToAccountMetas, data: impl InstructionData) -> Instruction {
    Instruction {
        program_id: ID,
        accounts: accounts.to_account_metas(None),
        data: data.data(),
    }
}

fn programs_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("FIELDPROOF_PROGRAMS") {
        return dir.into();
    }
    std::env::current_exe()
        .expect("own path")
        .ancestors()
        .map(|dir| dir.join("deploy"))
        .find(|dir| dir.is_dir())
        .expect("build the program first")
}

/// What a transaction fails with when its first instruction returns this error.
fn refused(error: impl Into<u32>) -> Sent {
    let error = InstructionError::Custom(error.into());
    Err(TransactionError::InstructionError(0, error))
}

#[test]
fn a_policy_is_paid() {
    let mut world = World::new();
    assert_eq!(world.vault_balance(), DEPOSIT);
    world.write(0, TERMS).unwrap();
    assert_eq!(world.vault_balance(), DEPOSIT + 10);
    assert_eq!(world.balance(&world.holder_account), 99_990);
    assert_eq!(world.fund_state().reserved_payouts, 1_000);
    let written = world.policy_state(0).unwrap();
    assert_eq!(
        (written.holder, written.payout),
        (world.holder.pubkey(), 1_000)
    );

    world.set_feed(&[CROSSED]);
    world.set_time(SETTLED_AT);
    world.settle().unwrap();
    assert_eq!(world.vault_balance(), DEPOSIT + 10 - 1_000);
    assert_eq!(world.balance(&world.holder_account), 100_990);
    assert!(world.policy_state(0).is_none());
    let fund = world.fund_state();
    assert_eq!((fund.reserved_payouts, fund.policies), (0, 1));

    world.withdraw(DEPOSIT + 10 - 1_000).unwrap();
    assert_eq!(world.vault_balance(), 0);
}

#[test]
fn the_rent_goes_back_to_whoever_paid_it() {
    let mut world = World::due();
    let rent = world
        .svm
        .get_account(&policy(&world.fund, 0))
        .unwrap()
        .lamports;
    let before = world.svm.get_balance(&world.payer.pubkey()).unwrap();
    world.settle().unwrap();
    let fee = 5_000;
    let after = world.svm.get_balance(&world.payer.pubkey()).unwrap();
    assert_eq!(after, before + rent - fee);
}

#[test]
fn a_policy_is_paid_once() {
    let mut world = World::due();
    let settle = build(world.settle_accounts(), instruction::SettlePolicy {});
    let revive =
        system_instruction::transfer(&world.payer.pubkey(), &policy(&world.fund, 0), 10_000_000);
    let twice = world.send(&[settle.clone(), settle.clone()], &[]);
    let gone = InstructionError::Custom(ErrorCode::AccountOwnedByWrongProgram.into());
    let refused_second = TransactionError::InstructionError(1, gone.clone());
    assert_eq!(twice, Err(refused_second));
    let revived = world.send(&[settle.clone(), revive, settle], &[]);
    assert_eq!(revived, Err(TransactionError::InstructionError(2, gone)));

    world.settle().unwrap();
    assert_eq!(
        world.settle(),
        refused(ErrorCode::AccountOwnedByWrongProgram)
    );
    // nor is its number written again
    assert_eq!(world.write(0, TERMS), refused(ErrorCode::ConstraintSeeds));
}

#[test]
fn a_forged_feed_pays_nothing() {
    let mut world = World::due();
    let (feed, data) = (world.feed, feed_data(FEED_ID, &[CROSSED]));
    let forged = Pubkey::new_unique();
    for owner in [AI_FEED_ID.into(), system_program::ID] {
        world.put(owner, forged, data.clone());
        let accounts = accounts::SettlePolicy {
            feed: forged,
            ..world.settle_accounts()
        };
        assert_eq!(
            world.settle_with(accounts),
            refused(InsuranceError::WrongFeed)
        );
    }
    world.put(system_program::ID, feed, data.clone());
    assert_eq!(world.settle(), refused(FeedError::Owner));
    world.put(AI_FEED_ID.into(), feed, feed_data([8; 32], &[CROSSED]));
    assert_eq!(world.settle(), refused(FeedError::Id));
    world.put(AI_FEED_ID.into(), feed, vec![0; FEED_LEN]);
    assert_eq!(world.settle(), refused(FeedError::Discriminator));
    world.put(AI_FEED_ID.into(), feed, vec![]);
    assert_eq!(world.settle(), refused(FeedError::Length));
}

#[test]
fn a_fund_needs_a_feed() {
    let mut world = World::empty();
    assert_eq!(
        world.create_fund([8; 32]),
        refused(ErrorCode::ConstraintSeeds)
    );
    world.put(system_program::ID, world.feed, feed_data(FEED_ID, &[]));
    assert_eq!(world.create_fund(FEED_ID), refused(FeedError::Owner));
    world.put(AI_FEED_ID.into(), world.feed, feed_data([8; 32], &[]));
    assert_eq!(world.create_fund(FEED_ID), refused(FeedError::Id));
    world.set_feed(&[]);
    world.create_fund(FEED_ID).unwrap();
    let already_in_use = 0u32;
    assert_eq!(world.create_fund(FEED_ID), refused(already_in_use));
}

#[test]
fn a_value_that_can_not_be_relied_on_pays_nothing() {
    let mut world = World::due();
    let captured = CROSSED.newest_capture / 1_000;
    world.set_time(captured + 601);
    assert_eq!(world.settle(), refused(FeedError::TooOld));
    world.set_time(captured - 1);
    assert_eq!(world.settle(), refused(FeedError::InFuture));

    world.set_time(SETTLED_AT);
    world.set_feed(&[]);
    assert_eq!(world.settle(), refused(FeedError::NoEntry));
    let without_committee = Mask::ALL & !Mask::COMMITTEE;
    world.set_feed(&[Round {
        mask: without_committee,
        ..CROSSED
    }]);
    assert_eq!(world.settle(), refused(FeedError::NotVerified));
    world.set_feed(&[Round {
        flags: 1,
        ..CROSSED
    }]);
    assert_eq!(world.settle(), refused(FeedError::NotVerified));
    let mut frozen = feed_data(FEED_ID, &[CROSSED]);
    frozen[9] = 1;
    frozen[336..344].copy_from_slice(&(posted_at(&CROSSED) - 1).to_le_bytes());
    world.put(AI_FEED_ID.into(), world.feed, frozen);
    assert_eq!(world.settle(), refused(FeedError::Frozen));

    world.set_feed(&[CROSSED]);
    world.set_time(captured + 600);
    world.settle().unwrap();
}

#[test]
fn what_was_due_when_the_feed_was_frozen_stays_payable() {
    let mut world = World::due();
    let mut frozen = feed_data(FEED_ID, &[CROSSED]);
    frozen[9] = 1;
    frozen[336..344].copy_from_slice(&posted_at(&CROSSED).to_le_bytes());
    world.put(AI_FEED_ID.into(), world.feed, frozen);
    world.settle().unwrap();
}

#[test]
fn only_rounds_within_the_time_pay() {
    let (starts, ends) = (TERMS.starts * 1_000, TERMS.ends * 1_000);
    let captured = |oldest_capture, newest_capture| Round {
        oldest_capture,
        newest_capture,
        ..CROSSED
    };
    let at = |round: &Round| round.newest_capture / 1_000 + 1;
    for outside in [
        captured(starts - 2, starts - 1),
        captured(starts - 1, starts + 1),
        captured(ends, ends + 1),
        captured(ends + 1, ends + 2),
    ] {
        let mut world = World::due();
        world.set_feed(&[outside]);
        world.set_time(at(&outside));
        assert_eq!(world.settle(), refused(InsuranceError::NotDue));
    }
    for within in [
        captured(starts, starts),
        captured(starts, ends),
        captured(ends, ends),
    ] {
        let mut world = World::due();
        world.set_feed(&[within]);
        world.set_time(at(&within));
        world.settle().unwrap();
    }
}

#[test]
fn only_values_beyond_the_threshold_pay() {
    for (direction, value, pays) in [
        (0, -501, true),
        (0, -500, false),
        (0, -499, false),
        (1, -499, true),
        (1, -500, false),
        (1, -501, false),
    ] {
        let mut world = World::new();
        world.write(0, PolicyTerms { direction, ..TERMS }).unwrap();
        world.set_feed(&[Round { value, ..CROSSED }]);
        world.set_time(SETTLED_AT);
        let expected = if pays {
            Ok(())
        } else {
            refused(InsuranceError::NotDue)
        };
        assert_eq!(world.settle(), expected);
    }
}

#[test]
fn a_later_round_hides_nothing() {
    let mut world = World::due();
    let later = Round {
        value: 0,
        oldest_capture: CROSSED.oldest_capture + 60_000,
        newest_capture: CROSSED.newest_capture + 60_000,
        ..CROSSED
    };
    world.set_feed(&[CROSSED, later, Round { mask: 0, ..later }]);
    world.set_time(SETTLED_AT + 60);
    world.settle().unwrap();
}

#[test]
fn after_its_end_a_policy_is_either_due_or_expired() {
    let last = Round {
        oldest_capture: TERMS.ends * 1_000,
        newest_capture: TERMS.ends * 1_000,
        ..CROSSED
    };
    let deadline = TERMS.ends + i64::from(TERMS.max_age);

    let mut world = World::due();
    world.set_feed(&[last]);
    world.set_time(deadline);
    assert_eq!(world.expire(), refused(InsuranceError::NotExpired));
    world.settle().unwrap();
    assert_eq!(
        world.expire(),
        refused(ErrorCode::AccountOwnedByWrongProgram)
    );

    let mut world = World::due();
    world.set_feed(&[last]);
    world.set_time(deadline + 1);
    assert_eq!(world.settle(), refused(FeedError::TooOld));
    let accounts = accounts::ExpirePolicy {
        payer: world.holder.pubkey(),
        ..world.expire_accounts()
    };
    let expire = build(accounts, instruction::ExpirePolicy {});
    assert_eq!(
        world.send(&[expire], &[]),
        refused(InsuranceError::WrongPayer)
    );
    assert_eq!(
        world.withdraw(DEPOSIT),
        refused(InsuranceError::NotEnoughFree)
    );
    world.expire().unwrap();
    assert!(world.policy_state(0).is_none());
    world.withdraw(DEPOSIT + 10).unwrap();
}

#[test]
fn a_settlement_pays_nobody_else() {
    let mut world = World::due();
    let (holder, mint, other_mint) = (world.holder.pubkey(), world.mint, world.new_mint());
    let thief = Pubkey::new_unique();
    for account in [
        world.tokens(&thief, &mint),
        world.tokens(&holder, &mint),
        world.tokens(&holder, &other_mint),
    ] {
        let accounts = accounts::SettlePolicy {
            holder_account: account,
            ..world.settle_accounts()
        };
        assert_eq!(
            world.settle_with(accounts),
            refused(InsuranceError::WrongHolderAccount)
        );
    }
    let accounts = accounts::SettlePolicy {
        payer: thief,
        ..world.settle_accounts()
    };
    assert_eq!(
        world.settle_with(accounts),
        refused(InsuranceError::WrongPayer)
    );
    let accounts = accounts::SettlePolicy {
        mint: other_mint,
        ..world.settle_accounts()
    };
    assert_eq!(
        world.settle_with(accounts),
        refused(InsuranceError::WrongMint)
    );
    let accounts = accounts::SettlePolicy {
        vault: world.tokens(&thief, &mint),
        ..world.settle_accounts()
    };
    assert_eq!(
        world.settle_with(accounts),
        refused(InsuranceError::WrongVault)
    );
    let accounts = accounts::SettlePolicy {
        token_program: ID,
        ..world.settle_accounts()
    };
    assert_eq!(
        world.settle_with(accounts),
        refused(ErrorCode::InvalidProgramId)
    );

    // the holder's account, given away since
    world.set_tokens(world.holder_account, &thief, &mint);
    assert_eq!(world.settle(), refused(InsuranceError::WrongHolderAccount));
}

#[test]
fn a_policy_of_another_fund_is_refused() {
    let mut world = World::due();
    let rival = Keypair::new();
    let rival_fund = fund(&rival.pubkey(), &FEED_ID);
    let create = accounts::CreateFund {
        underwriter: rival.pubkey(),
        fund: rival_fund,
        vault: vault(&rival_fund),
        ..world.create_fund_accounts()
    };
    let create = build(create, instruction::CreateFund { feed_id: FEED_ID });
    world.send(&[create], &[&rival]).unwrap();
    let deposit = accounts::Deposit {
        fund: rival_fund,
        vault: vault(&rival_fund),
        ..world.deposit_accounts()
    };
    world.deposit_with(deposit, DEPOSIT).unwrap();

    let settle = accounts::SettlePolicy {
        fund: rival_fund,
        vault: vault(&rival_fund),
        ..world.settle_accounts()
    };
    assert_eq!(
        world.settle_with(settle),
        refused(InsuranceError::WrongFund)
    );
    world.set_time(TERMS.ends + 601);
    let expire = accounts::ExpirePolicy {
        fund: rival_fund,
        vault: vault(&rival_fund),
        ..world.expire_accounts()
    };
    let expire = build(expire, instruction::ExpirePolicy {});
    assert_eq!(
        world.send(&[expire], &[]),
        refused(InsuranceError::WrongFund)
    );
}

#[test]
fn the_underwriter_can_not_take_what_is_reserved() {
    let mut world = World::new();
    world.write(0, TERMS).unwrap();
    assert_eq!(
        world.withdraw(DEPOSIT + 10 - 1_000 + 1),
        refused(InsuranceError::NotEnoughFree)
    );
    assert_eq!(
        world.withdraw(u64::MAX),
        refused(InsuranceError::NotEnoughFree)
    );
    assert_eq!(world.withdraw(0), refused(InsuranceError::ZeroAmount));
    let holder = world.holder.insecure_clone();
    let accounts = accounts::WithdrawFund {
        underwriter: holder.pubkey(),
        destination: world.holder_account,
        ..world.withdraw_accounts()
    };
    let steal = build(accounts, instruction::WithdrawFund { amount: 1 });
    assert_eq!(
        world.send(&[steal], &[&holder]),
        refused(InsuranceError::NotUnderwriter)
    );
    let mut unsigned = build(
        world.withdraw_accounts(),
        instruction::WithdrawFund { amount: 1 },
    );
    unsigned.accounts[0].is_signer = false;
    assert_eq!(
        world.send(&[unsigned], &[]),
        refused(ErrorCode::AccountNotSigner)
    );

    world.withdraw(DEPOSIT + 10 - 1_000).unwrap();
    world.set_feed(&[CROSSED]);
    world.set_time(SETTLED_AT);
    world.settle().unwrap();
}

#[test]
fn a_policy_must_be_covered() {
    let mut world = World::new();
    let payout = DEPOSIT + 10;
    let too_much = PolicyTerms {
        payout: payout + 1,
        ..TERMS
    };
    assert_eq!(
        world.write(0, too_much),
        refused(InsuranceError::NotEnoughFree)
    );
    world.write(0, PolicyTerms { payout, ..TERMS }).unwrap();
    // the first policy's cover does not count for the second
    let second = PolicyTerms {
        payout: 11,
        ..TERMS
    };
    assert_eq!(
        world.write(1, second),
        refused(InsuranceError::NotEnoughFree)
    );
    world
        .write(
            1,
            PolicyTerms {
                payout: 10,
                ..TERMS
            },
        )
        .unwrap();
    let all = PolicyTerms {
        payout: u64::MAX,
        ..TERMS
    };
    assert_eq!(world.write(2, all), refused(InsuranceError::Overflow));
}

#[test]
fn bad_terms_are_refused() {
    let mut world = World::new();
    for (terms, error) in [
        (
            PolicyTerms {
                premium: 0,
                ..TERMS
            },
            InsuranceError::ZeroAmount,
        ),
        (
            PolicyTerms { payout: 0, ..TERMS },
            InsuranceError::ZeroAmount,
        ),
        (
            PolicyTerms {
                starts: NOW - 1,
                ..TERMS
            },
            InsuranceError::StartsInPast,
        ),
        (
            PolicyTerms {
                ends: TERMS.starts,
                ..TERMS
            },
            InsuranceError::InvalidPeriod,
        ),
        (
            PolicyTerms {
                min_mask: 0,
                ..TERMS
            },
            InsuranceError::InvalidMask,
        ),
    ] {
        assert_eq!(world.write(0, terms), refused(error));
    }
    assert_eq!(world.vault_balance(), DEPOSIT);
    assert_eq!(world.fund_state().policies, 0);
    world
        .write(
            0,
            PolicyTerms {
                starts: NOW,
                ..TERMS
            },
        )
        .unwrap();
}

#[test]
fn a_policy_needs_both_signatures_and_the_funds_accounts() {
    let mut world = World::new();
    for (signer, missing) in [
        (world.underwriter.insecure_clone(), 1),
        (world.holder.insecure_clone(), 0),
    ] {
        let mut write = build(
            world.write_accounts(0),
            instruction::WritePolicy { terms: TERMS },
        );
        write.accounts[missing].is_signer = false;
        let result = world.send(&[write], &[&signer]);
        assert_eq!(result, refused(ErrorCode::AccountNotSigner));
    }
    let (holder, underwriter) = (world.holder.pubkey(), world.underwriter.pubkey());
    let (mint, other_mint) = (world.mint, world.new_mint());
    let other_tokens = world.tokens(&holder, &other_mint);

    // the holder as underwriter of a fund that is not his
    let accounts = accounts::WritePolicy {
        underwriter: holder,
        ..world.write_accounts(0)
    };
    let write = build(accounts, instruction::WritePolicy { terms: TERMS });
    let signer = world.holder.insecure_clone();
    let result = world.send(&[write], &[&signer]);
    assert_eq!(result, refused(InsuranceError::NotUnderwriter));
    // another mint, and a token account of another
    let accounts = accounts::WritePolicy {
        mint: other_mint,
        holder_account: other_tokens,
        ..world.write_accounts(0)
    };
    assert_eq!(
        world.write_with(accounts, TERMS),
        refused(InsuranceError::WrongMint)
    );
    for account in [other_tokens, world.tokens(&underwriter, &mint)] {
        let accounts = accounts::WritePolicy {
            holder_account: account,
            ..world.write_accounts(0)
        };
        assert_eq!(
            world.write_with(accounts, TERMS),
            refused(InsuranceError::WrongHolderAccount)
        );
    }
    let accounts = accounts::WritePolicy {
        vault: world.tokens(&holder, &mint),
        ..world.write_accounts(0)
    };
    assert_eq!(
        world.write_with(accounts, TERMS),
        refused(InsuranceError::WrongVault)
    );
    assert_eq!(world.write(1, TERMS), refused(ErrorCode::ConstraintSeeds));
}

#[test]
fn a_deposit_goes_to_the_vault_in_its_mint() {
    let mut world = World::new();
    assert_eq!(world.deposit(0), refused(InsuranceError::ZeroAmount));
    let (underwriter, mint, other_mint) =
        (world.underwriter.pubkey(), world.mint, world.new_mint());
    let other_tokens = world.tokens(&underwriter, &other_mint);
    let accounts = accounts::Deposit {
        mint: other_mint,
        source: other_tokens,
        ..world.deposit_accounts()
    };
    assert_eq!(
        world.deposit_with(accounts, 1),
        refused(InsuranceError::WrongMint)
    );
    let accounts = accounts::Deposit {
        vault: world.tokens(&underwriter, &mint),
        ..world.deposit_accounts()
    };
    assert_eq!(
        world.deposit_with(accounts, 1),
        refused(InsuranceError::WrongVault)
    );
    world.deposit(5).unwrap();
    assert_eq!(world.vault_balance(), DEPOSIT + 5);
}
