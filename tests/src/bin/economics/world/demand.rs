//! Credits: what customers and owners burn tokens for, at an oracle's price.

use super::*;
use fieldproof_client::chain::find;
use fieldproof_client::credits::Purchase;
use fieldproof_worker::score::Demand;
use reward_emission::state::credits::CREDITS_PER_DOLLAR;
use reward_emission::state::{Budget, Credits, Demand as Funded, Epoch};
use tests::oracle::{put_price, terms, ANSWERS, DOLLAR};

impl World {
    /// Puts reward tokens into circulation: who burns them has bought them. An emission takes a mint without supply only, and by
    /// its floor would take some fifty epochs to emit what is burned here.
    pub(super) fn circulate(&self) {
        let payer = self.harness.payer.pubkey();
        self.harness
            .circulate(&payer, &self.network.reward_mint, SUPPLY);
    }

    /// Has the network charge for registrations.
    pub(super) fn charge(&self) -> Result<()> {
        let Network {
            key, reward_mint, ..
        } = &self.network;
        let payer = self.harness.payer.pubkey();
        let registration = (self.parameters.registration_usd * CREDITS_PER_DOLLAR as f64) as u64;
        let terms = terms(&self.oracle, registration, 1);
        let set = credits::set_pricing(&payer, &payer, key, reward_mint, terms);
        self.harness.send(&[set], &[])?;
        Ok(())
    }

    /// Opens the present epoch for credits to be spent in it.
    fn open_epoch(&self) -> Result<()> {
        let (network, epoch) = (&self.network.key, self.epoch());
        if !self.harness.exists(&credits::epoch(network, epoch)) {
            let payer = self.harness.payer.pubkey();
            let open = credits::open_epoch(&payer, network, epoch);
            self.harness.send(&[open], &[]).context("open an epoch")?;
        }
        Ok(())
    }

    /// Burns tokens that are worth `usd` for credits of `owner`. They are bought at the oracle's price, which the caller
    /// books.
    pub(super) fn buy(&self, owner: &Pubkey, usd: f64) -> Result<()> {
        self.open_epoch()?;
        let price = self.reward_usd();
        let answer = (price * 1e9) as i128 * (DOLLAR / 1_000_000_000);
        put_price(&self.harness, &self.oracle, [answer; ANSWERS]);
        let payer = self.harness.payer.pubkey();
        let mint = self.network.reward_mint;
        let purchase = Purchase {
            payer,
            network: self.network.key,
            reward_mint: mint,
            oracle: self.oracle,
            owner: *owner,
            source: token::associated(&payer, &mint),
            buyer: payer,
        };
        // What floors take off must not make it one credit too few.
        let tokens = (usd / price * TOKEN as f64).ceil() as u64 + 1;
        let buy = credits::buy_credits(&purchase, tokens, 1);
        self.harness.send(&[buy], &[]).context("buy credits")?;
        Ok(())
    }

    /// A feed of the network's creator.
    pub(super) fn open_feed(&mut self, max_gap: u32) -> Result<()> {
        let payer = self.harness.payer.pubkey();
        let input = InputSpec {
            schema: 3,
            max_gap_s: max_gap,
            cells: &[],
        };
        let network = &self.network;
        let id = feed_id(
            &network.id,
            &payer.to_bytes(),
            &self.model,
            &input,
            0,
            ROUND,
        )
        .ok()
        .context("a feed's id")?;
        let args = CreateFeedArgs {
            id,
            schema: 3,
            max_gap,
            cells: Vec::new(),
            aggregation: 0,
            round_length: ROUND,
            required_mask: BY_COMMITTEE,
            min_signers: 2,
            min_streams: 1,
            grace: 60,
            challenge_window: OUTPUT_WINDOW,
            bond: 0,
            slash_bps: self.parameters.output_slash_bps,
        };
        self.buy(&payer, 1.0)?;
        let create = feeds::create_feed(&payer, &payer, &network.key, &self.model, args);
        let create = credits::charge(create, &network.key, self.epoch(), &payer);
        self.harness.send(&[create], &[]).context("feed")?;
        self.feeds.push((feeds::feed(&id), id));
        Ok(())
    }

    /// Customers pay for the first feed, and whoever trades with himself for the second.
    pub(super) fn pay_for_feeds(&self) -> Result<()> {
        let payer = &self.harness.payer;
        self.fund(payer, self.parameters.demand_usd, 0)?;
        if let Some(party) = self.washes {
            let usd = self.parameters.wash_usd;
            self.spend(party, usd);
            self.fund(&self.parties[party].key, usd, 1)?;
        }
        Ok(())
    }

    fn fund(&self, by: &Keypair, usd: f64, feed: usize) -> Result<()> {
        let (network, owner) = (&self.network.key, by.pubkey());
        self.buy(&owner, usd)?;
        let credits: Credits = self.harness.read(&credits::credits(network, &owner));
        let (feed, _) = &self.feeds[feed];
        let fund = credits::fund_feed(&owner, &owner, network, self.epoch(), feed, credits.balance);
        self.send(by, &[fund], &[]).context("fund a feed")?;
        Ok(())
    }

    /// What an epoch grants, and what was paid for in it.
    pub(super) fn demand(&self, emission: &Emission, epoch: u64) -> Result<(Budget, Demand)> {
        let (chain, network) = (&self.harness.chain, &self.network.key);
        let spent: Option<Epoch> = find(chain, &credits::epoch(network, epoch))?;
        let burned = spent.map_or(0, |spent| spent.burned);
        let budget = emission.budget(epoch, burned)?;
        let mut feeds = BTreeMap::new();
        for (feed, id) in &self.feeds {
            let funded: Option<Funded> = find(chain, &credits::demand(network, epoch, feed))?;
            feeds.insert(*id, funded.map_or(0, |funded| funded.burned));
        }
        let demand = Demand {
            budget: budget.total()?,
            floor: emission.budget(epoch, 0)?.total()?,
            burned,
            feeds,
        };
        Ok((budget, demand))
    }
}
