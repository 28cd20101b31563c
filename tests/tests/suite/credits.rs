//! Credits: bought with tokens that are burned, spent by their owner on registrations and feeds.

use ai_feed::error::AiFeedError;
use ai_feed::instructions::CreateFeedArgs;
use anchor_lang::error::{Error, ErrorCode};
use anchor_lang::prelude::{Clock, Pubkey};
use anchor_lang::solana_program::instruction::{AccountMeta, Instruction};
use anchor_spl::token::spl_token;
use credits::Purpose;
use device_protocol::{feed_id, Curve, InputSpec};
use device_registry::error::RegistryError;
use device_registry::RegisterBatchArgs;
use feed_reader::Mask;
use fieldproof_client::ai_feed as feeds;
use fieldproof_client::chain::{Chain, Execution, LocalChain};
use fieldproof_client::credits::{self as client, Purchase, Till};
use fieldproof_client::device_registry as registry;
use fieldproof_client::key::DeviceSigner;
use fieldproof_client::poseidon::poseidon;
use fieldproof_client::reward_emission as emissions;
use fieldproof_client::token::TOKEN_PROGRAM;
use fieldproof_client::ClientError;
use inference::ModelRef;
use oracle::{OracleError, ON_DEMAND_ID, V2_ID};
use reward_emission::error::EmissionError as E;
use reward_emission::instructions::{CreateEmissionArgs, TermsArgs};
use reward_emission::state::{Credits, Demand, Emission, Epoch, Pricing, Schedule};
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::sync::atomic::{AtomicI64, Ordering};
use tests::fixture::{Maker, Network, EPOCH, EVEN_SCORING, TOKEN};
use tests::oracle::{answered_v2, put, put_price, terms, terms_v2, DOLLAR};
use tests::{assert_refused, Harness};

use super::worker::MODEL;

/// Credits for a device.
const REGISTRATION: u64 = 40_000;
/// Credits for a feed.
const FEED: u64 = 1_000_000;
/// Answers of oracles, of which the lowest is two dollars and the middle one two and a cent.
const ANSWERS: [i128; 5] = [
    2 * DOLLAR,
    2 * DOLLAR + DOLLAR / 100,
    2 * DOLLAR + DOLLAR / 100,
    2 * DOLLAR + DOLLAR / 50,
    2 * DOLLAR + DOLLAR / 50,
];
/// What a token's base unit buys at that: 200,000 credits a token of 10^6 units, floored.
const CREDITS_PER_TOKEN: u64 = 200_000;

/// A network that charges, and who buys.
struct World {
    harness: Harness,
    network: Network,
    oracle: Pubkey,
    buyer: Keypair,
    source: Pubkey,
    maker: Maker,
}

impl World {
    fn new() -> Self {
        let world = Self::without_pricing();
        world
            .set_pricing(world.terms(REGISTRATION, FEED))
            .expect("pricing");
        world.open_epoch(0).expect("epoch");
        world
    }

    fn without_pricing() -> Self {
        let harness = Harness::new();
        let network = Network::that_charges(&harness, 0);
        let oracle = Pubkey::new_unique();
        put_price(&harness, &oracle, ANSWERS);
        let buyer = harness.key();
        let source = harness.fund(&buyer.pubkey(), &network.reward_mint, 1_000 * TOKEN);
        let maker = network.maker(&harness);
        Self {
            harness,
            network,
            oracle,
            buyer,
            source,
            maker,
        }
    }

    fn payer(&self) -> Pubkey {
        self.harness.payer.pubkey()
    }

    /// Terms by which the world's oracle tells the price.
    fn terms(&self, registration: u64, feed: u64) -> TermsArgs {
        terms(&self.oracle, registration, feed)
    }

    fn set_pricing(&self, args: TermsArgs) -> Result<Execution, ClientError> {
        self.set_pricing_of(&self.network, &self.harness.payer, args)
    }

    fn set_pricing_of(
        &self,
        network: &Network,
        authority: &Keypair,
        args: TermsArgs,
    ) -> Result<Execution, ClientError> {
        let set = client::set_pricing(
            &self.payer(),
            &authority.pubkey(),
            &network.key,
            &network.reward_mint,
            args,
        );
        self.harness.send(&[set], &[authority])
    }

    fn open_epoch(&self, number: u64) -> Result<Execution, ClientError> {
        let open = client::open_epoch(&self.payer(), &self.network.key, number);
        self.harness.send(&[open], &[])
    }

    fn purchase(&self, owner: &Pubkey) -> Purchase {
        Purchase {
            payer: self.payer(),
            network: self.network.key,
            reward_mint: self.network.reward_mint,
            oracle: self.oracle,
            owner: *owner,
            source: self.source,
            buyer: self.buyer.pubkey(),
        }
    }

    fn buy(&self, owner: &Pubkey, tokens: u64) -> Result<Execution, ClientError> {
        let buy = client::buy_credits(&self.purchase(owner), tokens, 1);
        self.harness.send(&[buy], &[&self.buyer])
    }

    fn credits(&self, owner: &Pubkey) -> (u64, u64) {
        let credits: Credits = self
            .harness
            .read(&client::credits(&self.network.key, owner));
        (credits.balance, credits.burned)
    }

    fn epoch(&self, number: u64) -> (u64, u64) {
        let epoch: Epoch = self.harness.read(&client::epoch(&self.network.key, number));
        (epoch.credits, epoch.burned)
    }

    /// The registration of a new device by `owner`, paid from the credits of `payer` in epoch `number`.
    fn registration(&self, owner: &Pubkey, payer: &Pubkey, number: u64) -> [Instruction; 3] {
        let device = DeviceSigner::generate(Curve::Ed25519);
        let [proof, vouched, register] = self.network.registration(&self.maker, owner, &device, 0);
        let register = client::charge(register, &self.network.key, number, payer);
        [proof, vouched, register]
    }

    fn register(&self, owner: &Keypair) -> Result<Execution, ClientError> {
        let key = owner.pubkey();
        self.harness
            .send(&self.registration(&key, &key, 0), &[owner])
    }

    fn batch(&self, number: u64, devices: u8) -> Instruction {
        let keys = (0..devices)
            .flat_map(|_| {
                let key = DeviceSigner::generate(Curve::Ed25519).device_key();
                key.as_bytes().to_vec()
            })
            .collect();
        registry::register_batch(
            &self.network.key,
            &self.maker.key.pubkey(),
            &self.network.tree,
            RegisterBatchArgs {
                batch: number,
                curve: Curve::Ed25519 as u8,
                tier: 1,
                cell: 0,
                manifest_hash: [9; 32],
                keys,
            },
        )
    }

    /// The opening of a feed by `creator`, which costs nothing yet, and the feed.
    fn feed(&self, network: &Network, creator: &Pubkey) -> (Instruction, Pubkey) {
        let model = ModelRef::parse(MODEL).expect("model");
        let hash = inference::model_hash(&model, poseidon).expect("hash");
        let model = feeds::model(&hash);
        if !self.harness.exists(&model) {
            let register = feeds::register_model(&self.payer(), hash, MODEL.to_vec());
            self.harness.send(&[register], &[]).expect("model");
        }
        let input = InputSpec {
            schema: 1,
            max_gap_s: 3_600,
            cells: &[],
        };
        let id = feed_id(&network.id, &creator.to_bytes(), &hash, &input, 0, 3_600).expect("id");
        let args = CreateFeedArgs {
            id,
            schema: 1,
            max_gap: 3_600,
            cells: Vec::new(),
            aggregation: 0,
            round_length: 3_600,
            required_mask: Mask::COMMITTEE | Mask::SOURCED,
            min_signers: 1,
            min_streams: 1,
            grace: 3_600,
            challenge_window: 3_600,
            bond: 0,
            slash_bps: 1_000,
        };
        let create = feeds::create_feed(&self.payer(), creator, &network.key, &hash, args);
        (create, feeds::feed(&id))
    }

    /// A feed of the network, whose creator paid for it.
    fn paid_feed(&self) -> Pubkey {
        let creator = self.buyer.pubkey();
        self.buy(&creator, 5 * TOKEN).expect("credits");
        let (create, feed) = self.feed(&self.network, &creator);
        let create = client::charge(create, &self.network.key, 0, &creator);
        self.harness.send(&[create], &[&self.buyer]).expect("feed");
        feed
    }

    fn fund(&self, feed: &Pubkey, number: u64, amount: u64) -> Result<Execution, ClientError> {
        let owner = self.buyer.pubkey();
        let fund = client::fund_feed(
            &self.payer(),
            &owner,
            &self.network.key,
            number,
            feed,
            amount,
        );
        self.harness.send(&[fund], &[&self.buyer])
    }
}

/// A chain whose clock is behind when it is asked the next time, as if the answer had taken that long.
struct Behind<'a> {
    chain: &'a LocalChain,
    seconds: AtomicI64,
}

impl Chain for Behind<'_> {
    tests::within!(
        accounts,
        program_accounts,
        lifetime,
        genesis_hash,
        block_height,
        rent,
        simulate,
        send,
        execution,
        history
    );

    fn clock(&self) -> Result<Clock, ClientError> {
        let mut clock = self.chain.clock()?;
        clock.unix_timestamp -= self.seconds.swap(0, Ordering::Relaxed);
        Ok(clock)
    }
}

mod pricing {
    use super::*;

    fn registration_at(world: &World, now: i64) -> u64 {
        let pricing: Pricing = world.harness.read(&client::pricing(&world.network.key));
        pricing.terms_at(now).registration
    }

    #[test]
    fn holds_at_once_the_first_time_and_after_the_timelock_from_then_on() {
        let world = World::without_pricing();
        let now = world.harness.now();
        world.set_pricing(world.terms(7, 1)).expect("first");
        assert_eq!(registration_at(&world, now), 7);
        world.set_pricing(world.terms(8, 1)).expect("second");
        assert_eq!(registration_at(&world, now + 3_599), 7);
        assert_eq!(registration_at(&world, now + 3_600), 8);
        // What does not hold yet is replaced, and waits for as long.
        world.harness.advance(1_800);
        world.set_pricing(world.terms(9, 1)).expect("third");
        assert_eq!(registration_at(&world, now + 3_600), 7);
        assert_eq!(registration_at(&world, now + 5_400), 9);
        // What holds stays until then.
        world.harness.advance(3_600);
        world.set_pricing(world.terms(10, 1)).expect("fourth");
        assert_eq!(registration_at(&world, now + 8_999), 9);
        assert_eq!(registration_at(&world, now + 9_000), 10);
    }

    #[test]
    fn is_set_by_the_networks_authority_alone() {
        let world = World::without_pricing();
        let args = world.terms(7, 1);
        let stranger = world.harness.key();
        assert_refused(
            world.set_pricing_of(&world.network, &stranger, args),
            E::NotAuthority,
        );
        let other = Network {
            reward_mint: world.network.stake_mint,
            ..Network::that_charges(&world.harness, 1)
        };
        assert_refused(
            world.set_pricing_of(&other, &world.harness.payer, args),
            E::WrongMint,
        );
    }

    #[test]
    fn that_no_oracle_could_meet_is_refused() {
        let world = World::without_pricing();
        let good = world.terms(7, 1);
        for bad in [
            TermsArgs { format: 0, ..good },
            TermsArgs { format: 3, ..good },
            TermsArgs {
                oracle: Pubkey::default(),
                ..good
            },
            TermsArgs {
                min_oracles: 0,
                ..good
            },
            TermsArgs {
                min_oracles: 33,
                ..good
            },
            TermsArgs {
                max_deviation_bps: 10_000,
                ..good
            },
        ] {
            assert_refused(world.set_pricing(bad), E::InvalidPricing);
        }
        world.set_pricing(good).expect("pricing");
    }
}

mod buying {
    use super::*;

    impl World {
        /// Asserts that nothing can be bought, for what the oracle's account is refused for.
        #[track_caller]
        fn refuses(&self, reason: OracleError) {
            let bought = self.buy(&self.buyer.pubkey(), TOKEN);
            let Err(ClientError::Refused(failure)) = &bought else {
                panic!("{bought:?}");
            };
            let line = format!("Program log: {reason}");
            assert!(failure.logs.contains(&line), "{:?}", failure.logs);
            assert_refused(bought, E::Price);
        }
    }

    #[test]
    fn takes_the_fewest_tokens_that_are_worth_the_credits() {
        let mut pricing: Pricing = bytemuck::Zeroable::zeroed();
        for decimals in [0, 6, 9, 18] {
            pricing.decimals = decimals;
            for price in [1, 999, 1_980_000_000_000, u64::MAX] {
                for credits in [1, 2, 40_000, 99_999, 1_000_000] {
                    let Ok(tokens) = pricing.tokens_for(credits, price) else {
                        // They would be more than there can be.
                        let most = pricing.credits_at(u64::MAX, price).expect("credits");
                        assert!(most < credits);
                        continue;
                    };
                    assert!(pricing.credits_at(tokens, price).expect("credits") >= credits);
                    let fewer = pricing.credits_at(tokens - 1, price).expect("credits");
                    assert!(fewer < credits);
                }
            }
            let for_nothing = pricing.tokens_for(1, 0).unwrap_err();
            assert_eq!(for_nothing, Error::from(E::Overflow));
        }
    }

    #[test]
    fn burns_tokens_for_what_they_are_worth_at_the_low_side() {
        let world = World::new();
        let owner = Pubkey::new_unique();
        world.buy(&owner, 3 * TOKEN).expect("credits");
        assert_eq!(world.credits(&owner), (3 * CREDITS_PER_TOKEN, 3 * TOKEN));
        assert_eq!(world.harness.balance(&world.source), 997 * TOKEN);
        // Rounded down: a base unit is worth a fifth of a credit.
        world.buy(&owner, 9).expect("credits");
        assert_eq!(
            world.credits(&owner),
            (3 * CREDITS_PER_TOKEN + 1, 3 * TOKEN + 9)
        );
        let pricing: Pricing = world.harness.read(&client::pricing(&world.network.key));
        assert_eq!(pricing.burned, 3 * TOKEN + 9);
        assert_refused(world.buy(&owner, 4), E::NoCredits);
        assert_refused(world.buy(&owner, 0), E::NoCredits);
    }

    #[test]
    fn asks_for_no_fewer_credits_than_said() {
        let world = World::new();
        let owner = world.buyer.pubkey();
        let buy = |least| {
            let buy = client::buy_credits(&world.purchase(&owner), TOKEN, least);
            world.harness.send(&[buy], &[&world.buyer])
        };
        assert_refused(buy(CREDITS_PER_TOKEN + 1), E::PriceMoved);
        buy(CREDITS_PER_TOKEN).expect("credits");
    }

    #[test]
    fn takes_no_price_that_is_forged_stale_thin_foreign_or_uncertain() {
        let world = World::new();
        let owner = world.buyer.pubkey();
        let right = world.harness.chain.account(&world.oracle).unwrap().unwrap();
        let refused = |data: Vec<u8>, by: [u8; 32], reason| {
            put(&world.harness, &world.oracle, data, by.into());
            world.refuses(reason);
        };
        // Right bytes of somebody else's program, or of the other format's.
        refused(right.data.clone(), [7; 32], OracleError::Owner);
        refused(right.data.clone(), V2_ID, OracleError::Owner);
        let changed = |at: usize, byte: u8| {
            let mut data = right.data.clone();
            data[at] ^= byte;
            data
        };
        refused(changed(0, 1), ON_DEMAND_ID, OracleError::Discriminator);
        refused(changed(2_088, 1), ON_DEMAND_ID, OracleError::Queue);
        refused(changed(2_120, 1), ON_DEMAND_ID, OracleError::Jobs);
        refused(
            changed(2_213, 1),
            ON_DEMAND_ID,
            OracleError::AuthorityWrites,
        );
        refused(
            right.data[..3_207].to_vec(),
            ON_DEMAND_ID,
            OracleError::Length,
        );
        // One oracle's answer, five times.
        let mut thin = right.data.clone();
        for number in 1..5 {
            let (first, rest) = thin.split_at_mut(8 + 64 * number);
            rest[..32].copy_from_slice(&first[8..40]);
        }
        refused(thin, ON_DEMAND_ID, OracleError::TooFewOracles);
        // One that is far off.
        put_price(
            &world.harness,
            &world.oracle,
            [DOLLAR, ANSWERS[1], ANSWERS[2], ANSWERS[3], ANSWERS[4]],
        );
        world.refuses(OracleError::TooUncertain);
        put_price(&world.harness, &world.oracle, [0; 5]);
        world.refuses(OracleError::NotPositive);

        put_price(&world.harness, &world.oracle, ANSWERS);
        world.buy(&owner, TOKEN).expect("credits");
        world.harness.advance(60);
        world.buy(&owner, TOKEN).expect("credits");
        world.harness.advance(1);
        world.refuses(OracleError::Stale);
    }

    #[test]
    fn takes_the_price_of_a_v2_aggregator() {
        let world = World::without_pricing();
        // The chain has few slots yet. The aggregator itself asks for three oracles of its five.
        let args = TermsArgs {
            max_age_slots: 2,
            min_oracles: 5,
            ..terms_v2(&world.oracle, REGISTRATION, FEED)
        };
        world.set_pricing(args).expect("pricing");
        let opened = |slots: u64, seconds: i64| {
            let mut clock = world.harness.chain.clock().expect("clock");
            clock.slot -= slots;
            clock.unix_timestamp -= seconds;
            answered_v2(&clock)
        };
        let put = |data: Vec<u8>, by: [u8; 32]| put(&world.harness, &world.oracle, data, by.into());

        // So many tokens buy a credit for each 10^-12 dollars of a token's price, at its low side: 2.110000000123 less
        // 0.019999999877. A base unit less buys a credit less.
        let (buyer, owner) = (world.buyer.pubkey(), Pubkey::new_unique());
        let tokens = 10_000_000 * TOKEN;
        world
            .harness
            .fund(&buyer, &world.network.reward_mint, 2 * tokens);
        put(opened(0, 0), V2_ID);
        world.buy(&owner, tokens).expect("credits");
        assert_eq!(world.credits(&owner), (2_090_000_000_246, tokens));
        world.buy(&owner, tokens - 1).expect("credits");
        assert_eq!(
            world.credits(&owner),
            (2_090_000_000_246 + 2_090_000_000_245, 2 * tokens - 1)
        );

        put(opened(0, 0), ON_DEMAND_ID);
        world.refuses(OracleError::Owner);
        put(opened(2, 60), V2_ID);
        world.buy(&owner, TOKEN).expect("credits");
        for (slots, seconds) in [(3, 0), (0, 61)] {
            put(opened(slots, seconds), V2_ID);
            world.refuses(OracleError::Stale);
        }
        // The program counted four oracles, four are there, or the numbers are of a sliding window.
        for (at, reason) in [
            (341, OracleError::TooFewOracles),
            (1_406, OracleError::TooFewOracles),
            (3_712, OracleError::Sliding),
        ] {
            let mut data = opened(0, 0);
            data[at] ^= 1;
            put(data, V2_ID);
            world.refuses(reason);
        }
    }

    #[test]
    fn takes_the_price_of_the_pinned_account_alone() {
        let world = World::new();
        let owner = world.buyer.pubkey();
        // All that the pinned account is, at another address: its jobs were other ones when the oracles answered.
        let own = Pubkey::new_unique();
        put_price(&world.harness, &own, [1_000 * DOLLAR; 5]);
        let pinned = world.harness.chain.account(&world.oracle).unwrap().unwrap();
        let with = |oracle: Pubkey| {
            let purchase = Purchase {
                oracle,
                ..world.purchase(&owner)
            };
            let buy = client::buy_credits(&purchase, TOKEN, 1);
            world.harness.send(&[buy], &[&world.buyer])
        };
        assert_refused(with(own), E::WrongOracle);
        put(&world.harness, &own, pinned.data, pinned.owner);
        assert_refused(with(own), E::WrongOracle);
        with(world.oracle).expect("credits");
        assert_eq!(world.credits(&owner), (CREDITS_PER_TOKEN, TOKEN));
    }

    #[test]
    fn takes_the_price_of_another_account_once_the_terms_that_name_it_hold() {
        let world = World::new();
        let owner = world.buyer.pubkey();
        let next = Pubkey::new_unique();
        let args = TermsArgs {
            oracle: next,
            ..world.terms(REGISTRATION + 1, FEED)
        };
        world.set_pricing(args).expect("pricing");
        let pricing: Pricing = world.harness.read(&client::pricing(&world.network.key));
        let with = |oracle: Pubkey| {
            put_price(&world.harness, &oracle, ANSWERS);
            let purchase = Purchase {
                oracle,
                ..world.purchase(&owner)
            };
            let buy = client::buy_credits(&purchase, TOKEN, 1);
            world.harness.send(&[buy], &[&world.buyer])
        };
        let asked = || {
            let now = world.harness.now();
            let quote = client::quote(&world.harness.chain, &pricing).expect("quote");
            (quote.oracle, pricing.terms_at(now).registration)
        };
        world.harness.advance(3_599);
        assert_refused(with(next), E::WrongOracle);
        with(world.oracle).expect("credits");
        assert_eq!(asked(), (world.oracle, REGISTRATION));
        world.harness.advance(1);
        assert_refused(with(world.oracle), E::WrongOracle);
        with(next).expect("credits");
        assert_eq!(asked(), (next, REGISTRATION + 1));

        // What does not hold yet is replaced with the terms that named it.
        world
            .set_pricing(world.terms(REGISTRATION, FEED))
            .expect("back");
        let args = TermsArgs {
            oracle: next,
            ..world.terms(REGISTRATION, FEED)
        };
        world.set_pricing(args).expect("not back");
        world.harness.advance(3_600);
        assert_refused(with(world.oracle), E::WrongOracle);
        with(next).expect("credits");
    }

    #[test]
    fn burns_the_networks_own_tokens_of_who_signs() {
        let world = World::new();
        let owner = world.buyer.pubkey();
        let good = world.purchase(&owner);
        let buy = |purchase: &Purchase, by: &Keypair| {
            let buy = client::buy_credits(purchase, TOKEN, 1);
            world.harness.send(&[buy], &[by])
        };
        let thief = world.harness.key();
        let stolen = Purchase {
            buyer: thief.pubkey(),
            ..good
        };
        // The token program's: the owner does not match.
        assert_refused(buy(&stolen, &thief), (TOKEN_PROGRAM, 4u32));
        let other = Network::that_charges(&world.harness, 1);
        let worthless = Purchase {
            reward_mint: other.reward_mint,
            source: world.harness.fund(&owner, &other.reward_mint, 10 * TOKEN),
            ..good
        };
        assert_refused(buy(&worthless, &world.buyer), E::WrongMint);
        let mut mixed = client::buy_credits(&good, TOKEN, 1);
        world
            .set_pricing_of(&other, &world.harness.payer, world.terms(1, 1))
            .expect("pricing");
        mixed.accounts[1].pubkey = client::pricing(&other.key);
        assert_refused(
            world.harness.send(&[mixed], &[&world.buyer]),
            E::WrongNetwork,
        );
    }
}

/// Credits that are bought before the emission takes the mint over, with tokens that cost nothing.
mod before_the_emission {
    use super::*;

    impl World {
        fn create_emission(&self, network: &Network) -> Instruction {
            let payer = self.payer();
            let args = CreateEmissionArgs {
                operators_bps: 2_000,
                root_slash_bps: 1_000,
                floor_bps: 10,
                schedule: Schedule::new(TOKEN, TOKEN, 0, 100).expect("schedule"),
                challenge_window: 600,
                ballot_length: 3_600,
                breaker_window: EPOCH,
                breaker_limit: TOKEN,
                scoring: EVEN_SCORING,
            };
            let (network, mint) = (&network.key, &network.reward_mint);
            emissions::create_emission(&payer, network, &payer, mint, &payer, args)
        }

        /// Burns what the buyer has, which nobody gets credits for.
        fn burn_the_rest(&self) {
            let (mint, by) = (&self.network.reward_mint, self.buyer.pubkey());
            let left = self.harness.balance(&self.source);
            let burn =
                spl_token::instruction::burn(&TOKEN_PROGRAM, &self.source, mint, &by, &[], left);
            let burn = burn.expect("instruction");
            self.harness.send(&[burn], &[&self.buyer]).expect("burn");
        }

        fn send(&self, instruction: Instruction) -> Result<Execution, ClientError> {
            self.harness.send(&[instruction], &[])
        }
    }

    #[test]
    fn leave_the_network_without_one() {
        let world = World::new();
        let owner = world.harness.key();
        world.buy(&owner.pubkey(), 600 * TOKEN).expect("credits");
        let create = world.create_emission(&world.network);
        assert_refused(world.send(create.clone()), E::MintNotEmpty);
        world.burn_the_rest();
        assert_refused(world.send(create.clone()), E::CreditsBeforeEmission);
        // Nor is it forgotten when they are spent: the epoch would emit what is behind them.
        world.register(&owner).expect("device");
        assert_eq!(world.epoch(0), (REGISTRATION, TOKEN / 5));
        assert_refused(world.send(create), E::CreditsBeforeEmission);
    }

    #[test]
    fn are_looked_for_at_the_networks_own_pricing() {
        let world = World::new();
        world.buy(&Pubkey::new_unique(), TOKEN).expect("credits");
        world.burn_the_rest();
        let other = Network::that_charges(&world.harness, 1);
        world
            .set_pricing_of(&other, &world.harness.payer, world.terms(1, 1))
            .expect("pricing");
        let own = client::pricing(&world.network.key);
        for elsewhere in [client::pricing(&other.key), Pubkey::new_unique()] {
            let mut create = world.create_emission(&world.network);
            let place = |meta: &&mut AccountMeta| meta.pubkey == own;
            let place = create.accounts.iter_mut().find(place).expect("pricing");
            place.pubkey = elsewhere;
            assert_refused(world.send(create), ErrorCode::ConstraintSeeds);
        }
    }

    #[test]
    fn are_none_of_who_only_minted_or_set_prices() {
        let world = World::new();
        world.burn_the_rest();
        let create = world.create_emission(&world.network);
        world.send(create).expect("emission");
        // Nor of who sent lamports ahead to where prices will be.
        let other = Network::that_charges(&world.harness, 1);
        let pricing = client::pricing(&other.key);
        world.harness.chain.airdrop(&pricing, 1);
        let create = world.create_emission(&other);
        world.send(create).expect("emission");
    }

    #[test]
    fn of_another_network_on_the_mint_are_emitted_in_neither() {
        let world = World::new();
        world.buy(&Pubkey::new_unique(), TOKEN).expect("credits");
        world.burn_the_rest();
        let mints = [world.network.reward_mint, world.network.stake_mint];
        let other = Network::of_mints(&world.harness, 1, mints, 5_000);
        world.send(world.create_emission(&other)).expect("emission");
        let emission: Emission = world.harness.read(&emissions::emission(&other.key));
        assert_eq!(
            emission.budget(0, 0).expect("budget").total().unwrap(),
            1_000
        );
        // The mint has one authority, and this network had its chance.
        let create = world.create_emission(&world.network);
        assert_refused(world.send(create), E::CreditsBeforeEmission);
        let third = Network::of_mints(&world.harness, 2, mints, 5_000);
        let create = world.create_emission(&third);
        assert_refused(world.send(create), E::WrongMintAuthority);
    }
}

mod registering {
    use super::*;

    #[test]
    fn costs_its_owner_credits_and_books_the_tokens_behind_them() {
        let world = World::new();
        let owner = world.harness.key();
        let key = owner.pubkey();
        // A third of a credit's tokens is left over by the first device, and taken by the last.
        world.buy(&key, 600_001).expect("credits");
        assert_eq!(world.credits(&key), (3 * REGISTRATION, 600_001));
        for (left, spent) in [(400_001, 200_000), (200_001, 400_000), (0, 600_001)] {
            world.register(&owner).expect("device");
            assert_eq!(world.credits(&key).1, left);
            assert_eq!(world.epoch(0).1, spent);
        }
        assert_eq!(world.epoch(0).0, 3 * REGISTRATION);
        assert_eq!(world.credits(&key), (0, 0));
        assert_refused(world.register(&owner), E::TooFewCredits);
    }

    #[test]
    fn is_booked_in_the_next_epoch_where_one_ends_meanwhile() {
        let world = World::new();
        let feed = world.paid_feed();
        let owner = world.buyer.pubkey();
        world.buy(&owner, TOKEN).expect("credits");
        world.harness.advance(EPOCH);
        let behind = Behind {
            chain: &world.harness.chain,
            seconds: AtomicI64::new(EPOCH),
        };
        let till = Till {
            chain: &behind,
            network: world.network.key,
            payer: &world.buyer,
        };
        let device = DeviceSigner::generate(Curve::Ed25519);
        let [proof, vouched, register] =
            world.network.registration(&world.maker, &owner, &device, 0);
        let before = world.epoch(0);
        till.send(Purpose::Registration, 1, &[proof, vouched], &register)
            .expect("device");
        assert_eq!(world.epoch(1).0, REGISTRATION);
        behind.seconds.store(EPOCH, Ordering::Relaxed);
        let (number, _) = till.fund(&feed, 5).expect("fund");
        assert_eq!((number, world.epoch(1).0), (1, REGISTRATION + 5));
        assert_eq!(world.epoch(0), before);
    }

    #[test]
    fn takes_as_much_for_each_device_of_a_batch() {
        let world = World::new();
        let key = world.maker.key.pubkey();
        world.buy(&key, TOKEN).expect("credits");
        let batch = world.batch(0, 4);
        assert_refused(
            world
                .harness
                .send(std::slice::from_ref(&batch), &[&world.maker.key]),
            RegistryError::CreditsMissing,
        );
        let paid = client::charge(batch, &world.network.key, 0, &key);
        world
            .harness
            .send(&[paid], &[&world.maker.key])
            .expect("batch");
        assert_eq!(world.credits(&key).0, CREDITS_PER_TOKEN - 4 * REGISTRATION);
        let more = client::charge(world.batch(1, 2), &world.network.key, 0, &key);
        assert_refused(
            world.harness.send(&[more], &[&world.maker.key]),
            E::TooFewCredits,
        );
    }

    #[test]
    fn is_not_had_for_nothing_nor_with_the_credits_of_others() {
        let world = World::new();
        let (owner, rich) = (world.harness.key(), world.harness.key());
        let (key, other_key) = (owner.pubkey(), rich.pubkey());
        world.buy(&other_key, TOKEN).expect("credits");
        let send = |instructions: &[Instruction]| world.harness.send(instructions, &[&owner]);

        let device = DeviceSigner::generate(Curve::Ed25519);
        let free = world.network.registration(&world.maker, &key, &device, 0);
        assert_refused(send(&free), RegistryError::CreditsMissing);
        // Another's credits, and a program that would take anything.
        let stolen = world.registration(&key, &other_key, 0);
        assert_refused(send(&stolen), E::NotCreditsOwner);
        world.harness.deploy_probe(&tests::PROBE);
        let mut faked = world.registration(&key, &key, 0);
        let place = faked[2].accounts.len() - 3;
        faked[2].accounts[place].pubkey = tests::PROBE;
        assert_refused(send(&faked), ErrorCode::ConstraintAddress);
        // Those of the owner in another network.
        let other = Network::that_charges(&world.harness, 1);
        world
            .set_pricing_of(&other, &world.harness.payer, world.terms(1, 1))
            .expect("pricing");
        let bought = Purchase {
            network: other.key,
            reward_mint: other.reward_mint,
            source: world
                .harness
                .fund(&world.buyer.pubkey(), &other.reward_mint, TOKEN),
            ..world.purchase(&key)
        };
        let buy = client::buy_credits(&bought, TOKEN, 1);
        world
            .harness
            .send(&[buy], &[&world.buyer])
            .expect("credits");
        world.buy(&key, TOKEN).expect("credits");
        let open = client::open_epoch(&world.payer(), &other.key, 0);
        world.harness.send(&[open], &[]).expect("epoch");
        for (back, pubkey) in [
            (6, client::pricing(&other.key)),
            (5, client::epoch(&other.key, 0)),
            (4, client::credits(&other.key, &key)),
        ] {
            let mut mixed = world.registration(&key, &key, 0);
            let place = mixed[2].accounts.len() - back;
            mixed[2].accounts[place].pubkey = pubkey;
            assert_refused(send(&mixed), E::WrongNetwork);
        }
        send(&world.registration(&key, &key, 0)).expect("device");
    }

    #[test]
    fn is_for_a_purpose_that_has_a_price() {
        let world = World::new();
        let owner = world.harness.key();
        let key = owner.pubkey();
        world.buy(&key, TOKEN).expect("credits");
        let accounts = [
            &world.network.key,
            &client::pricing(&world.network.key),
            &client::epoch(&world.network.key, 0),
            &client::credits(&world.network.key, &key),
            &key,
        ];
        let mut spend = ::credits::spend_instruction(accounts, Purpose::Registration, 1);
        // Behind the discriminator.
        let purpose = 8;
        for unknown in [Purpose::Feed as u8 + 1, u8::MAX] {
            spend.data[purpose] = unknown;
            let spent = world.harness.send(std::slice::from_ref(&spend), &[&owner]);
            assert_refused(spent, E::UnknownPurpose);
        }
        assert_eq!(world.credits(&key), (CREDITS_PER_TOKEN, TOKEN));
        spend.data[purpose] = Purpose::Registration as u8;
        world.harness.send(&[spend], &[&owner]).expect("spent");
        assert_eq!(world.credits(&key).0, CREDITS_PER_TOKEN - REGISTRATION);
    }

    #[test]
    fn counts_in_the_present_epoch_alone() {
        let world = World::new();
        let owner = world.harness.key();
        let key = owner.pubkey();
        world.buy(&key, TOKEN).expect("credits");
        assert_refused(world.open_epoch(2), E::WrongEpoch);
        world.open_epoch(1).expect("the next epoch");
        let in_epoch = |number| {
            let registration = world.registration(&key, &key, number);
            world.harness.send(&registration, &[&owner])
        };
        assert_refused(in_epoch(1), E::WrongEpoch);
        world.harness.advance(EPOCH);
        assert_refused(in_epoch(0), E::WrongEpoch);
        in_epoch(1).expect("device");
        assert_eq!((world.epoch(0).0, world.epoch(1).0), (0, REGISTRATION));
        assert_refused(world.open_epoch(0), E::WrongEpoch);
        // Who opens it once more changes nothing.
        let open = || {
            world
                .harness
                .chain
                .account(&client::epoch(&world.network.key, 1))
        };
        let before = open().expect("chain");
        world.open_epoch(1).expect("is open");
        assert_eq!(open().expect("chain"), before);
        // Nor does a past epoch open that never was.
        world.harness.advance(2 * EPOCH);
        assert_refused(world.open_epoch(2), E::WrongEpoch);
    }
}

/// A network that begins with prices of nothing, since there are no tokens yet to buy credits with.
mod beginning {
    use super::*;

    impl World {
        /// A network whose prices are nothing, and which has had no credits and no epoch opened.
        fn for_nothing() -> Self {
            let world = Self::without_pricing();
            world.set_pricing(world.terms(0, 0)).expect("pricing");
            world
        }
    }

    #[test]
    fn for_nothing_takes_neither_credits_nor_an_epoch() {
        let world = World::for_nothing();
        let (owner, maker, creator) = (world.harness.key(), &world.maker.key, &world.buyer);
        world.register(&owner).expect("device");
        let batch = client::charge(world.batch(0, 4), &world.network.key, 0, &maker.pubkey());
        world.harness.send(&[batch], &[maker]).expect("batch");
        let (create, _) = world.feed(&world.network, &creator.pubkey());
        let create = client::charge(create, &world.network.key, 0, &creator.pubkey());
        world.harness.send(&[create], &[creator]).expect("feed");
        for key in [owner.pubkey(), maker.pubkey(), creator.pubkey()] {
            let credits = client::credits(&world.network.key, &key);
            assert!(!world.harness.exists(&credits));
        }
        assert!(!world.harness.exists(&client::epoch(&world.network.key, 0)));
    }

    #[test]
    fn for_nothing_leaves_credits_and_an_open_epoch_as_they_are() {
        let world = World::for_nothing();
        world.open_epoch(0).expect("epoch");
        let owner = world.harness.key();
        world.buy(&owner.pubkey(), TOKEN).expect("credits");
        world.register(&owner).expect("device");
        assert_eq!(world.credits(&owner.pubkey()), (CREDITS_PER_TOKEN, TOKEN));
        assert_eq!(world.epoch(0), (0, 0));
    }

    #[test]
    fn ends_with_the_timelock_of_the_terms_that_follow() {
        let world = World::for_nothing();
        world
            .set_pricing(world.terms(REGISTRATION, FEED))
            .expect("pricing");
        let owner = world.harness.key();
        let key = owner.pubkey();
        world.harness.advance(3_599);
        world.register(&owner).expect("device");
        world.harness.advance(1);
        // Nobody who has never bought credits has any, and nobody has opened the epoch.
        assert_refused(world.register(&owner), E::TooFewCredits);
        put_price(&world.harness, &world.oracle, ANSWERS);
        world.buy(&key, TOKEN).expect("credits");
        assert_refused(world.register(&owner), E::WrongEpoch);
        world.open_epoch(0).expect("epoch");
        world.register(&owner).expect("device");
        assert_eq!(world.credits(&key).0, CREDITS_PER_TOKEN - REGISTRATION);
        assert_eq!(world.epoch(0).0, REGISTRATION);
    }

    #[test]
    fn is_by_the_networks_own_pricing_alone() {
        let world = World::new();
        let (owner, other) = (
            world.harness.key(),
            Network::that_charges(&world.harness, 1),
        );
        world
            .set_pricing_of(&other, &world.harness.payer, world.terms(0, 0))
            .expect("pricing");
        let key = owner.pubkey();
        let with = |pricing: Pubkey| {
            let mut registration = world.registration(&key, &key, 0);
            let place = registration[2].accounts.len() - 6;
            registration[2].accounts[place].pubkey = pricing;
            world.harness.send(&registration, &[&owner])
        };
        assert_refused(with(client::pricing(&other.key)), E::WrongNetwork);
        // Bytes that say what a thief likes, of another program.
        let right = client::pricing(&other.key);
        let right = world.harness.chain.account(&right).unwrap().unwrap();
        let forged = Pubkey::new_unique();
        put(&world.harness, &forged, right.data, device_registry::ID);
        assert_refused(with(forged), ErrorCode::AccountOwnedByWrongProgram);
        // And no pricing at all.
        let unpriced = World::without_pricing();
        let owner = unpriced.harness.key();
        assert_refused(
            unpriced.register(&owner),
            ErrorCode::AccountOwnedByWrongProgram,
        );
    }
}

mod paying {
    use super::*;

    #[test]
    fn reads_credits_and_epoch_of_the_emission_alone() {
        let world = World::new();
        let owner = world.harness.key();
        let key = owner.pubkey();
        world.buy(&key, TOKEN).expect("credits");
        let credits = client::credits(&world.network.key, &key);
        let right = world.harness.chain.account(&credits).unwrap().unwrap();
        // The right bytes of a program that is not the emission, and the emission's own of another kind.
        let forged = Pubkey::new_unique();
        put(&world.harness, &forged, right.data, device_registry::ID);
        let with = |back: usize, pubkey: Pubkey| {
            let mut registration = world.registration(&key, &key, 0);
            let place = registration[2].accounts.len() - back;
            registration[2].accounts[place].pubkey = pubkey;
            world.harness.send(&registration, &[&owner])
        };
        let epoch = client::epoch(&world.network.key, 0);
        assert_refused(with(4, forged), E::TooFewCredits);
        assert_refused(with(4, epoch), E::TooFewCredits);
        assert_refused(with(5, credits), E::WrongEpoch);
        let right = world.harness.chain.account(&epoch).unwrap().unwrap();
        put(&world.harness, &forged, right.data, device_registry::ID);
        assert_refused(with(5, forged), E::WrongEpoch);
    }
}

mod feeding {
    use super::*;

    #[test]
    fn opening_a_feed_costs_its_creator_credits() {
        let world = World::new();
        let creator = world.buyer.pubkey();
        world.buy(&creator, 5 * TOKEN).expect("credits");
        let (free, _) = world.feed(&world.network, &creator);
        assert_refused(
            world
                .harness
                .send(std::slice::from_ref(&free), &[&world.buyer]),
            AiFeedError::CreditsMissing,
        );
        let paid = client::charge(free, &world.network.key, 0, &creator);
        world.harness.send(&[paid], &[&world.buyer]).expect("feed");
        assert_eq!(world.credits(&creator), (0, 0));
        assert_eq!(world.epoch(0), (FEED, 5 * TOKEN));
    }

    #[test]
    fn funding_a_feed_is_its_demand_of_the_epoch() {
        let world = World::new();
        let feed = world.paid_feed();
        let owner = world.buyer.pubkey();
        world.buy(&owner, TOKEN).expect("credits");
        for _ in 0..2 {
            world.fund(&feed, 0, 50_000).expect("funded");
        }
        let demand: Demand = world
            .harness
            .read(&client::demand(&world.network.key, 0, &feed));
        assert_eq!((demand.credits, demand.burned), (100_000, TOKEN / 2));
        assert_eq!((demand.epoch, demand.feed), (0, feed));
        assert_eq!(world.epoch(0), (FEED + 100_000, 5 * TOKEN + TOKEN / 2));
        let epoch: Epoch = world.harness.read(&client::epoch(&world.network.key, 0));
        assert_eq!(epoch.given, demand.burned);
        assert_eq!(world.credits(&owner), (100_000, TOKEN / 2));
        assert_refused(world.fund(&feed, 0, 100_001), E::TooFewCredits);
        assert_refused(world.fund(&feed, 0, 0), E::NoCredits);
    }

    #[test]
    fn only_feeds_of_the_network_are_funded_and_by_the_credits_owner() {
        let world = World::new();
        let feed = world.paid_feed();
        let owner = world.buyer.pubkey();
        world.buy(&owner, TOKEN).expect("credits");
        for foreign in [world.oracle, Pubkey::new_unique(), world.network.key] {
            assert_refused(world.fund(&foreign, 0, 1), E::WrongFeed);
        }
        // A feed of another network, that costs nothing there.
        let other = Network::with_nonce(&world.harness, 1);
        let (create, foreign) = world.feed(&other, &owner);
        world
            .harness
            .send(&[create], &[&world.buyer])
            .expect("feed");
        assert_refused(world.fund(&foreign, 0, 1), E::WrongFeed);

        let thief = world.harness.key();
        let mut stolen = client::fund_feed(&world.payer(), &owner, &world.network.key, 0, &feed, 1);
        stolen.accounts[3].pubkey = thief.pubkey();
        assert_refused(world.harness.send(&[stolen], &[&thief]), E::NotCreditsOwner);
    }

    #[test]
    fn accounts_close_once_their_epoch_is_final_and_their_rent_goes_back() {
        let world = World::new();
        let feed = world.paid_feed();
        world.buy(&world.buyer.pubkey(), TOKEN).expect("credits");
        world.fund(&feed, 0, 1).expect("funded");
        let network = &world.network.key;
        // How a root becomes final is another test's.
        let mut emission: Emission = bytemuck::Zeroable::zeroed();
        (emission.version, emission.network, emission.finals) = (1, *network, 0);
        let key = fieldproof_client::reward_emission::emission(network);
        let write = |emission: &Emission| {
            use anchor_lang::Discriminator;
            let data = [Emission::DISCRIMINATOR, bytemuck::bytes_of(emission)].concat();
            put(&world.harness, &key, data, reward_emission::ID);
        };
        write(&emission);
        let payer = world.payer();
        let close = |instruction: Instruction| world.harness.send(&[instruction], &[]);
        let epoch = client::close_epoch(network, 0, &payer);
        let demand = client::close_demand(network, 0, &feed, &payer);
        for early in [&epoch, &demand] {
            assert_refused(close(early.clone()), E::StillNeeded);
        }
        emission.finals = 1;
        write(&emission);
        let thief = world.buyer.pubkey();
        assert_refused(
            close(client::close_epoch(network, 0, &thief)),
            E::WrongPayer,
        );
        assert_refused(
            close(client::close_demand(network, 0, &feed, &thief)),
            E::WrongPayer,
        );
        for instruction in [epoch, demand] {
            let account = instruction.accounts[1].pubkey;
            close(instruction).expect("closed");
            assert!(!world.harness.exists(&account));
        }
    }
}
