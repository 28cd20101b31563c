//! Claims for everybody, from the leaves that a worker serves.

use super::*;
use fieldproof_client::chain::Chain;
use fieldproof_worker::claims::{self, Grants, GrantsError, Sponsor, Stop, Totals, Wait};
use reward_emission::state::Payee;
use solana_account::Account;
use solana_signature::Signature;
use solana_transaction::versioned::VersionedTransaction;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;

/// Owners who are granted something.
const OWNERS: usize = 300;
/// As many as a network of some size has.
const THOUSANDS: usize = 2_000;
/// The final epoch.
const EPOCH_GRANTED: u64 = 1;

/// A world in which the final rewards of [`EPOCH_GRANTED`] are those of many owners, whose leaves worker 0 has archived.
struct Town {
    world: World,
    owners: Vec<Pubkey>,
    payload: Vec<u8>,
}

impl Town {
    fn new() -> Self {
        Self::of(OWNERS)
    }

    /// Owner number n is granted n + 1 tokens' base units.
    fn of(owners: usize) -> Self {
        let world = World::new();
        let (network, chain) = (&world.network, world.chain.as_ref());
        let payer = world.payer.pubkey();
        let owners: Vec<Keypair> = (0..owners).map(|_| Keypair::new()).collect();
        for owner in &owners {
            let key = owner.pubkey();
            let destination = token::associated(&key, &network.reward_mint);
            let instructions = [
                token::create_associated(&payer, &key, &network.reward_mint),
                emissions::register_owner(&payer, &network.key, &key, &destination),
            ];
            transaction::send(chain, &instructions, &world.payer, &[owner]).expect("payee");
        }
        let owners: Vec<Pubkey> = owners.iter().map(Signer::pubkey).collect();
        let entries = owners.iter().zip(1..).map(|(owner, cumulative)| Reward {
            kind: sum::OWNER,
            index: payee(&world, owner).index,
            payee: owner.to_bytes(),
            score: 1,
            cumulative,
        });
        let entries: Vec<_> = entries.collect();
        let last = entries.last().expect("an owner").index;
        // Half of the places are operators'.
        let places = 2 * (last + 1).next_power_of_two();
        let rewards = Rewards {
            epoch: EPOCH_GRANTED,
            depth: places.ilog2() as u8,
            entries,
        };
        let payload = world.make_final(&rewards);
        Self {
            world,
            owners,
            payload,
        }
    }

    fn grants(&self) -> Grants {
        let url = &self.world.workers[0].url;
        Grants::fetch(url, &self.world.network.id, &self.world.emission()).expect("grants")
    }

    fn pay_by(&self, chain: &dyn Chain, open_accounts: bool) -> Totals {
        self.pay_and_say(chain, open_accounts, &|_| ())
    }

    fn pay_and_say(
        &self,
        chain: &dyn Chain,
        open_accounts: bool,
        say: &(dyn Fn(&Totals) + Sync),
    ) -> Totals {
        let sponsor = Sponsor {
            chain,
            network: self.world.network.key,
            reward_mint: self.world.network.reward_mint,
            payer: &self.world.payer,
            open_accounts,
        };
        claims::pay(&sponsor, &self.grants(), say).expect("chain")
    }

    fn pay(&self) -> Totals {
        self.pay_by(self.world.chain.as_ref(), false)
    }

    fn lamports(&self) -> u64 {
        let payer = self.world.payer.pubkey();
        let account = self.world.chain.account(&payer).expect("chain");
        account.expect("payer").lamports
    }

    /// What all owners are granted, base units.
    fn granted(&self) -> u64 {
        (1..=self.owners.len() as u64).sum()
    }

    /// Everybody has got what was granted, and no more.
    fn assert_paid(&self) {
        for (owner, granted) in self.owners.iter().zip(1..) {
            assert_eq!(self.world.balance(owner), granted);
        }
        assert_eq!(self.world.emission().claimed, self.granted());
    }
}

fn payee(world: &World, owner: &Pubkey) -> Payee {
    let key = emissions::payee(&world.network.key, PayeeKind::Owner, owner);
    chain::read(world.chain.as_ref(), &key).expect("payee")
}

impl World {
    /// Writes the roots of `rewards` into the emission as final ones, as after a vote, and archives them at worker 0.
    pub(super) fn make_final(&self, rewards: &Rewards) -> Vec<u8> {
        let (scores, tree) = fieldproof_worker::score::trees(rewards).expect("trees");
        let (score, reward) = (scores.root(), tree.root());
        let (_, operators) = emissions::halves(&tree).expect("halves");
        self.edit(
            &emissions::emission(&self.network.key),
            |emission: &mut Emission| {
                emission.finals = 1;
                emission.final_epoch = rewards.epoch;
                emission.roots.depth = rewards.depth;
                emission.roots.score_hash = score.hash;
                emission.roots.score_sum = score.sum;
                emission.roots.reward_hash = reward.hash;
                emission.roots.reward_sum = reward.sum;
                emission.operators_sum = operators.sum;
            },
        );
        let payload = Payload::Rewards {
            network: self.network.id,
            rewards: rewards.clone(),
        };
        let bytes = payload.encode().expect("payload");
        let store = &self.workers[0].worker.operator().store;
        let record = EpochRecord {
            epoch: rewards.epoch,
            ballot: 0,
            base: 0,
            incomplete: false,
            payload_hash: store.put_payload(&bytes).expect("store"),
            depth: rewards.depth,
            score_hash: score.hash,
            score_sum: score.sum,
            reward_hash: reward.hash,
            reward_sum: reward.sum,
        };
        store.put_epoch(rewards.epoch, &record).expect("store");
        bytes
    }
}

#[test]
fn pay_thousands_of_payees_once_and_tell_how_far_they_are() {
    let town = Town::of(THOUSANDS);
    let (lamports, told) = (town.lamports(), Mutex::new(Vec::new()));
    let say = |totals: &Totals| told.lock().expect("told").push(totals.clone());
    let totals = town.pay_and_say(town.world.chain.as_ref(), false, &say);
    let per_transaction = 6;
    assert_eq!(
        totals,
        Totals {
            payees: THOUSANDS,
            paid: THOUSANDS,
            amount: town.granted(),
            transactions: THOUSANDS.div_ceil(per_transaction),
            fees: lamports - town.lamports(),
            ..Totals::default()
        }
    );
    assert!(totals.is_complete());
    town.assert_paid();
    // From nobody to everybody, with each transaction, and never back.
    let told = told.into_inner().expect("told");
    assert!(told.len() > totals.transactions);
    let first = Totals {
        payees: THOUSANDS,
        ..Totals::default()
    };
    assert_eq!((told.first(), told.last()), (Some(&first), Some(&totals)));
    for steps in told.windows(2) {
        let (before, after) = (&steps[0], &steps[1]);
        assert!(
            after.paid >= before.paid && after.amount >= before.amount,
            "{before:?} {after:?}"
        );
    }
    let halfway = told.iter().filter(|totals| totals.paid < THOUSANDS / 2);
    assert!(halfway.count() > totals.transactions / 4);

    // All was claimed: nothing is sent.
    let again = Totals {
        payees: THOUSANDS,
        paid_before: THOUSANDS,
        ..Totals::default()
    };
    assert_eq!(town.pay(), again);
    town.assert_paid();
}

#[test]
fn share_transactions_as_far_as_their_paths_fit() {
    let payer = Keypair::new();
    let [network, reward_mint] = [(); 2].map(|()| Pubkey::new_unique());
    let fits = |claims: usize, depth: usize| {
        let claims: Vec<_> = (0..claims)
            .map(|_| {
                let place = emissions::ClaimAccounts {
                    network,
                    payee: Pubkey::new_unique(),
                    reward_mint,
                    destination: Pubkey::new_unique(),
                };
                emissions::claim(place, u64::MAX, vec![0; 40 * depth])
            })
            .collect();
        transaction::fits(&claims, &payer, &[]).expect("a transaction")
    };
    for (depth, most) in [(10, 7), (12, 6), (14, 5), (21, 4)] {
        assert!(fits(most, depth) && !fits(most + 1, depth), "{depth}");
    }
}

/// A chain that is gone for who sends, after so many transactions, of which the last lands without an answer.
struct Dying<'a> {
    chain: &'a dyn Chain,
    left: AtomicUsize,
}

impl Dying<'_> {
    fn alive(&self) -> Result<(), ClientError> {
        match self.left.load(Ordering::SeqCst) {
            0 => Err(ClientError::Cluster("killed".to_owned())),
            _ => Ok(()),
        }
    }
}

impl Chain for Dying<'_> {
    tests::within!(
        program_accounts,
        clock,
        lifetime,
        genesis_hash,
        block_height,
        rent,
        history
    );

    fn accounts(&self, keys: &[Pubkey]) -> Result<Vec<Option<Account>>, ClientError> {
        self.alive()?;
        self.chain.accounts(keys)
    }

    fn simulate(
        &self,
        transaction: &VersionedTransaction,
    ) -> Result<chain::Execution, ClientError> {
        self.alive()?;
        self.chain.simulate(transaction)
    }

    fn send(&self, transaction: &VersionedTransaction) -> Result<(), ClientError> {
        self.alive()?;
        self.chain.send(transaction)?;
        // Others may have been on their way with the last.
        let less = |left: usize| left.checked_sub(1);
        let _ = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        self.alive()
    }

    fn execution(&self, signature: &Signature) -> Result<Option<chain::Execution>, ClientError> {
        self.alive()?;
        self.chain.execution(signature)
    }
}

#[test]
fn go_on_where_a_run_was_cut_off() {
    let town = Town::new();
    let dying = Dying {
        chain: town.world.chain.as_ref(),
        left: AtomicUsize::new(9),
    };
    let first = town.pay_by(&dying, false);
    assert!(matches!(first.stopped, Some(Stop::Chain(error)) if error.contains("killed")));
    let landed = town.world.emission().claimed;
    assert!(landed > 0 && landed < town.granted());
    let paid: Vec<bool> = town
        .owners
        .iter()
        .map(|owner| town.world.balance(owner) > 0)
        .collect();
    let paid_before = paid.iter().filter(|paid| **paid).count();
    // At least the nine transactions, of at least four each; some more may have been on their way.
    assert!((9 * 4..OWNERS).contains(&paid_before), "{paid_before}");

    let second = town.pay();
    assert_eq!(
        (second.paid_before, second.paid, second.amount),
        (paid_before, OWNERS - paid_before, town.granted() - landed)
    );
    assert!(second.is_complete());
    town.assert_paid();
}

#[test]
fn of_a_run_beside_another_pay_nobody_twice() {
    let town = Town::new();
    let totals = std::thread::scope(|scope| {
        let runs = [(); 2].map(|()| scope.spawn(|| town.pay()));
        runs.map(|run| run.join().expect("run"))
    });
    for totals in totals {
        assert!(totals.is_complete());
        assert_eq!(totals.paid_before + totals.paid, OWNERS);
    }
    town.assert_paid();
}

#[test]
fn pass_over_who_can_not_be_paid_and_open_closed_accounts_on_demand() {
    let town = Town::new();
    let (chain, mint) = (town.world.chain.as_ref(), town.world.network.reward_mint);
    let [closed, frozen] = [7, 200].map(|place| town.owners[place]);
    let gone = token::associated(&closed, &mint);
    chain.set_account(&gone, Account::default());
    let kept = token::associated(&frozen, &mint);
    let mut account = chain.account(&kept).expect("chain").expect("account");
    account.data[108] = 2; // Frozen.
    chain.set_account(&kept, account);

    let totals = town.pay();
    assert_eq!((totals.paid, totals.stopped.as_ref()), (OWNERS - 2, None));
    let unpaid: Vec<_> = totals.unpaid.iter().map(|unpaid| &unpaid.payee).collect();
    assert_eq!(unpaid, [&closed.to_string(), &frozen.to_string()]);
    assert!(totals.unpaid[0]
        .reason
        .contains("is closed or takes no tokens"));
    assert!(!totals.is_complete());

    // Who was paid before and closed his account has its rent, and would have it each time.
    let paid_before = |claimed| {
        let key = emissions::payee(&town.world.network.key, PayeeKind::Owner, &closed);
        town.world
            .edit(&key, |payee: &mut Payee| payee.claimed = claimed);
    };
    paid_before(1);
    let lamports = town.lamports();
    let totals = town.pay_by(chain, true);
    assert_eq!((totals.paid, totals.rent), (0, 0));
    assert_eq!(town.lamports(), lamports);
    assert!(totals.unpaid[0].reason.contains("closed after it was paid"));
    paid_before(0);
    let totals = town.pay_by(chain, true);
    assert_eq!((totals.paid, totals.amount), (1, 8));
    assert_eq!(totals.rent, chain.rent(165).expect("rent"));
    assert_eq!(totals.fees + totals.rent, lamports - town.lamports());
    assert_eq!(totals.unpaid.len(), 1);
    assert_eq!(town.world.balance(&closed), 8);
}

#[test]
fn end_at_the_circuit_breaker_and_go_on_when_it_closes() {
    let town = Town::new();
    let key = emissions::emission(&town.world.network.key);
    // Everything but a hundredth passes at once.
    let limit = town.granted() - town.granted() / 100;
    town.world.edit(&key, |emission: &mut Emission| {
        emission.breaker.limit = limit;
    });
    let totals = town.pay();
    let wait = breaker(&totals);
    assert_eq!((wait.left, wait.at), (wait.next, wait.last_at));
    assert!(totals.amount > 0 && totals.amount <= limit);
    assert!(wait.at > town.world.now());
    town.world.set_time(wait.at + EPOCH);
    assert!(town.pay().is_complete());
    town.assert_paid();
}

/// Whom the circuit breaker that ended a run has wait.
fn breaker(totals: &Totals) -> Wait {
    match &totals.stopped {
        Some(Stop::Breaker(wait)) => wait.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn of_more_than_the_circuit_breaker_ever_lets_pass_are_sent_by_the_part() {
    // They are granted 1, 2 and 3, of which 2 pass at once.
    let town = Town::of(3);
    let key = emissions::emission(&town.world.network.key);
    town.world
        .edit(&key, |emission: &mut Emission| emission.breaker.limit = 2);
    let waits = |number: usize, left, next, after: i64, last_after: i64| Wait {
        payee: town.owners[number].to_string(),
        left,
        next,
        at: town.world.now() + after,
        last_at: town.world.now() + last_after,
    };
    let first = town.pay();
    assert_eq!((first.paid, first.transactions), (1, 1));
    assert_eq!(breaker(&first), waits(1, 2, 2, EPOCH / 2, EPOCH / 2));
    // Who is owed more than the limit keeps nobody waiting.
    town.world.set_time(breaker(&first).at);
    let second = town.pay();
    assert_eq!((second.paid, second.transactions), (1, 1));
    assert_eq!(breaker(&second), waits(2, 3, 2, EPOCH, EPOCH * 3 / 2));
    // A part is one transaction, not one for each unit that drains meanwhile.
    town.world.set_time(breaker(&second).at);
    let third = town.pay();
    assert_eq!((third.paid, third.amount, third.transactions), (0, 2, 1));
    assert_eq!(breaker(&third), waits(2, 1, 1, EPOCH / 2, EPOCH / 2));
    town.world.set_time(breaker(&third).at);
    assert!(town.pay().is_complete());
    town.assert_paid();
}

#[test]
fn need_the_leaves_of_the_final_roots() {
    let town = Town::new();
    let (world, emission) = (&town.world, town.world.emission());
    let id = &world.network.id;
    let fails = |payload: &[u8], emission: &Emission, is: fn(&GrantsError) -> bool| {
        let error = Grants::new(payload, id, emission).err().expect("refused");
        assert!(is(&error), "{error:?}");
    };
    let wrong_roots = |error: &GrantsError| matches!(error, GrantsError::WrongRoots(1));
    let altered = |change: &dyn Fn(&mut Rewards)| {
        let Ok(Payload::Rewards {
            network,
            mut rewards,
        }) = Payload::decode(&town.payload)
        else {
            panic!("no rewards");
        };
        change(&mut rewards);
        Payload::Rewards { network, rewards }
            .encode()
            .expect("payload")
    };
    assert!(Grants::new(&town.payload, id, &emission).is_ok());
    let changes: [&dyn Fn(&mut Rewards); 7] = [
        &|rewards| rewards.entries[3].cumulative += 1,
        &|rewards| rewards.entries[3].payee = [9; 32],
        &|rewards| rewards.entries[3].score += 1,
        &|rewards| rewards.entries[3].index = 400,
        &|rewards| rewards.entries.truncate(OWNERS - 1),
        &|rewards| rewards.epoch += 1,
        &|rewards| rewards.depth += 1,
    ];
    for change in changes {
        fails(&altered(change), &emission, wrong_roots);
    }
    let twice = altered(&|rewards| rewards.entries.push(rewards.entries[0]));
    fails(&twice, &emission, |error| {
        matches!(error, GrantsError::NoTree(_))
    });
    let mut torn = town.payload.clone();
    torn.truncate(torn.len() / 2);
    fails(&torn, &emission, |error| {
        matches!(error, GrantsError::Unreadable(_))
    });
    let other = Payload::Rewards {
        network: [1; 32],
        rewards: Rewards {
            epoch: 1,
            depth: 1,
            entries: Vec::new(),
        },
    };
    fails(&other.encode().expect("payload"), &emission, |error| {
        matches!(error, GrantsError::Foreign)
    });
    let window = world.window(0, world.readings(0, HOUR, 500));
    let readings = world.payload(vec![world.batch(vec![window])]);
    fails(&readings, &emission, |error| {
        matches!(error, GrantsError::Foreign)
    });
    let before = Emission {
        finals: 0,
        ..emission
    };
    fails(&town.payload, &before, wrong_roots);

    // A worker that has not got them says so.
    let url = &world.workers[1].url;
    let none = Grants::fetch(url, id, &emission).err();
    assert!(matches!(none, Some(GrantsError::None)), "{none:?}");
}
