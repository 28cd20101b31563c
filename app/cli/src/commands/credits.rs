//! `fieldproof credits`: what a network charges, buying credits with tokens, and spending them on feeds.

use crate::context::Context;
use crate::output;
use crate::tokens::Tokens;
use anchor_lang::prelude::Pubkey;
use anyhow::{anyhow, bail, Context as _, Result};
use device_registry::state::Network;
use fieldproof_client::chain::{self, Chain, RpcChain};
use fieldproof_client::credits::{self as client, Purchase, Till};
use fieldproof_client::{event, token, transaction};
use reward_emission::events::CreditsBought;
use reward_emission::state::{Credits, Demand, Pricing, Terms};
use serde::Serialize;
use solana_keypair::Keypair;
use solana_signer::Signer;

/// Decimals of a dollar in credits.
const USD_DECIMALS: u8 = reward_emission::state::CREDITS_PER_DOLLAR.ilog10() as u8;
/// Decimals of a price that are shown, of those that it has.
const PRICE_DECIMALS: u8 = 6;
/// Hundred per cent, in basis points.
const FULL_BPS: u64 = 10_000;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Show what registrations and feeds cost, now and next, and what tokens buy
    Price,
    /// Show an owner's credits
    Balance {
        /// Whose; your keypair's if not said
        #[arg(value_name = "ADDRESS")]
        owner: Option<Pubkey>,
    },
    /// Burn tokens for credits
    Buy(Buy),
    /// Spend credits on a feed in the present epoch, so that more is paid to those who serve it
    Fund {
        /// The feed's address
        #[arg(value_name = "FEED")]
        feed: Pubkey,
        /// Credits, or dollars as 2.50usd
        #[arg(value_name = "AMOUNT")]
        amount: String,
    },
}

#[derive(clap::Args)]
pub struct Buy {
    /// Credits that it must be at least, or dollars as 2.50usd
    #[arg(value_name = "AMOUNT")]
    amount: String,
    /// How much the price may fall until the transaction lands, in basis points. So many more tokens are burned, and become
    /// credits too if it does not fall
    #[arg(long, value_name = "BPS", default_value_t = 100, value_parser = clap::value_parser!(u16).range(..=5_000))]
    slippage: u16,
    /// Whose credits they will be; your keypair's if not said
    #[arg(long = "for", value_name = "ADDRESS")]
    owner: Option<Pubkey>,
    /// Only show the price and what it may cost
    #[arg(long)]
    dry_run: bool,
}

/// Credits, as people and scripts read them.
#[derive(Serialize)]
struct Amount {
    credits: u64,
    usd: String,
}

impl Amount {
    fn of(credits: u64) -> Self {
        Self {
            credits,
            usd: token::format_amount(credits, USD_DECIMALS),
        }
    }

    fn text(&self) -> String {
        format!("{} credits ({} USD)", self.credits, self.usd)
    }
}

pub fn run(context: &Context, command: Command) -> Result<()> {
    let chain = context.chain();
    let (network, terms) = context.network(&chain)?;
    let place = Place {
        tokens: Tokens::of(&chain, &terms.reward_mint)?,
        chain,
        network,
        terms,
    };
    match command {
        Command::Price => place.price(context),
        Command::Balance { owner } => place.balance(context, owner),
        Command::Buy(buy) => place.buy(context, &buy),
        Command::Fund { feed, amount } => place.fund(context, feed, &amount),
    }
}

/// A network and its token.
struct Place {
    chain: RpcChain,
    network: Pubkey,
    terms: Network,
    tokens: Tokens,
}

/// What things cost by some terms.
#[derive(Serialize)]
struct Costs {
    registration: Amount,
    feed: Amount,
}

impl Costs {
    fn of(terms: &Terms) -> Self {
        Self {
            registration: Amount::of(terms.registration),
            feed: Amount::of(terms.feed),
        }
    }
}

/// Whose price counts.
#[derive(Serialize)]
struct Source {
    /// The oracle's account.
    oracle: String,
    format: &'static str,
    queue: String,
    jobs: String,
    max_age_slots: u32,
    max_age_seconds: u32,
    min_oracles: u8,
    max_deviation_bps: u16,
}

impl Source {
    fn of(oracle: &Pubkey, terms: &Terms) -> Result<Self> {
        let format = match oracle::Format::try_from(terms.format) {
            Ok(oracle::Format::OnDemand) => "switchboard-on-demand",
            Ok(oracle::Format::V2) => "switchboard-v2",
            Err(_) => bail!("the pricing's format is unknown to this version: update fieldproof"),
        };
        Ok(Self {
            oracle: oracle.to_string(),
            format,
            queue: Pubkey::new_from_array(terms.queue).to_string(),
            jobs: hex::encode(terms.jobs),
            max_age_slots: terms.max_age_slots,
            max_age_seconds: terms.max_age_seconds,
            min_oracles: terms.min_oracles,
            max_deviation_bps: terms.max_deviation_bps,
        })
    }
}

/// What an oracle's account says.
#[derive(Serialize)]
struct Priced {
    /// Dollars that a token is taken for.
    usd: Option<String>,
    /// Why it is not taken.
    refused: Option<String>,
}

impl Priced {
    fn of(low: Result<u64>) -> Self {
        match low {
            Ok(low) => Self {
                usd: Some(dollars(low)),
                refused: None,
            },
            Err(refusal) => Self {
                usd: None,
                refused: Some(format!("{refusal:#}")),
            },
        }
    }

    fn text(&self) -> String {
        match (&self.usd, &self.refused) {
            (Some(usd), _) => format!("{usd} USD"),
            (None, refused) => format!("none: {}", refused.as_deref().unwrap_or_default()),
        }
    }
}

#[derive(Serialize)]
struct ShownPrice {
    /// Whether registrations and feeds cost anything in this network.
    charges: bool,
    now: Costs,
    next: Option<Next>,
    source: Source,
    price: Priced,
    /// Tokens burned for credits, ever.
    burned: String,
}

#[derive(Serialize)]
struct Next {
    /// From when it holds, unix seconds.
    from: i64,
    #[serde(flatten)]
    costs: Costs,
    source: Source,
}

#[derive(Serialize)]
struct ShownBalance {
    owner: String,
    #[serde(flatten)]
    balance: Amount,
    /// Tokens that were burned for them.
    burned: String,
    /// Devices that they pay for; none said where registering costs nothing.
    registrations: Option<u64>,
}

#[derive(Serialize)]
struct Bought {
    owner: String,
    oracle: String,
    /// Dollars that a token was taken for when it was asked.
    price: String,
    /// Credits asked for.
    at_least: Amount,
    /// Tokens that are burned for them, and no more.
    tokens: String,
    /// Credits that it became.
    bought: Option<Amount>,
    signature: Option<String>,
}

#[derive(Serialize)]
struct Funded {
    feed: String,
    epoch: u64,
    spent: Amount,
    /// What the feed was given in this epoch.
    given: Amount,
    left: Amount,
    signature: String,
}

impl Place {
    fn till<'a>(&'a self, payer: &'a Keypair) -> Till<'a> {
        Till {
            chain: &self.chain,
            network: self.network,
            payer,
        }
    }

    fn pricing(&self) -> Result<Pricing> {
        let pricing = chain::find(&self.chain, &client::pricing(&self.network))?;
        pricing.ok_or_else(|| fieldproof_client::ClientError::NoPricing.into())
    }

    fn price(&self, context: &Context) -> Result<()> {
        let pricing = self.pricing()?;
        let now = self.chain.clock()?.unix_timestamp;
        let terms = pricing.terms_at(now);
        let next = match pricing.terms_after(now) {
            Some((terms, from)) => Some(Next {
                from,
                costs: Costs::of(terms),
                source: Source::of(&pricing.next_oracle, terms)?,
            }),
            None => None,
        };
        let low = self.low(&pricing).map(|(_, low)| low);
        let shown = ShownPrice {
            charges: self.terms.charges(),
            now: Costs::of(terms),
            next,
            source: Source::of(pricing.oracle_at(now), terms)?,
            price: Priced::of(low),
            burned: self.tokens.format(pricing.burned),
        };
        context.print(&shown, || {
            let cost = |amount: &Amount| match shown.charges {
                true => amount.text(),
                false => "free in this network".to_owned(),
            };
            let mut rows = vec![
                ("Registering a device", cost(&shown.now.registration)),
                ("Opening a feed", cost(&shown.now.feed)),
            ];
            if let Some(next) = &shown.next {
                let wait = output::duration(next.from - now);
                rows.push((
                    "Next",
                    format!(
                        "in {wait} (unix time {}): {} a device, {} a feed",
                        next.from,
                        next.costs.registration.text(),
                        next.costs.feed.text()
                    ),
                ));
            }
            rows.extend([
                ("A token now", shown.price.text()),
                ("By", shown.source.oracle.clone()),
                (
                    "Oracles",
                    format!(
                        "{}, queue {}, at least {} within {} basis points of their median",
                        shown.source.format,
                        shown.source.queue,
                        shown.source.min_oracles,
                        shown.source.max_deviation_bps
                    ),
                ),
                ("Asked for", shown.source.jobs.clone()),
                (
                    "Answers are at most",
                    format!(
                        "{} slots and {} old",
                        shown.source.max_age_slots,
                        output::duration(shown.source.max_age_seconds.into())
                    ),
                ),
                ("Burned for credits", format!("{} tokens", shown.burned)),
            ]);
            output::rows(rows)
        })
    }

    /// The oracle's account, and the price that tokens are burned at.
    fn low(&self, pricing: &Pricing) -> Result<(Pubkey, u64)> {
        let quote = client::quote(&self.chain, pricing)?;
        let low = quote
            .low()
            .with_context(|| format!("the oracle's account {} is not taken", quote.oracle))?;
        Ok((quote.oracle, low))
    }

    fn balance(&self, context: &Context, owner: Option<Pubkey>) -> Result<()> {
        let owner = match owner {
            Some(owner) => owner,
            None => context.keypair()?.pubkey(),
        };
        let address = client::credits(&self.network, &owner);
        let credits: Option<Credits> = chain::find(&self.chain, &address)?;
        let (balance, burned) = credits.map_or((0, 0), |found| (found.balance, found.burned));
        let now = self.chain.clock()?.unix_timestamp;
        let each = match self.terms.charges() {
            true => self.pricing()?.terms_at(now).registration,
            false => 0,
        };
        let shown = ShownBalance {
            owner: owner.to_string(),
            balance: Amount::of(balance),
            burned: self.tokens.format(burned),
            registrations: balance.checked_div(each),
        };
        context.print(&shown, || {
            let mut rows = vec![
                ("Owner", shown.owner.clone()),
                ("Credits", shown.balance.text()),
                ("Burned for them", format!("{} tokens", shown.burned)),
            ];
            if let Some(devices) = shown.registrations {
                rows.push(("Enough to register", format!("{devices} devices")));
            }
            output::rows(rows)
        })
    }

    fn buy(&self, context: &Context, buy: &Buy) -> Result<()> {
        let least = amount(&buy.amount)?;
        let buyer = context.keypair()?;
        let owner = buy.owner.unwrap_or(buyer.pubkey());
        let pricing = self.pricing()?;
        let progress = context.progress("reading the token's price");
        let (oracle, low) = self.low(&pricing)?;
        let floor = u128::from(low) * u128::from(FULL_BPS - u64::from(buy.slippage));
        // Less than `low`.
        let floor = u64::try_from(floor / u128::from(FULL_BPS)).unwrap_or(low);
        let tokens = pricing
            .tokens_for(least, floor)
            .map_err(|_| anyhow!("{least} credits are more than tokens can buy at this price"))?;
        let mut bought = Bought {
            owner: owner.to_string(),
            oracle: oracle.to_string(),
            price: dollars(low),
            at_least: Amount::of(least),
            tokens: self.tokens.format(tokens),
            bought: None,
            signature: None,
        };
        if !buy.dry_run {
            progress.say("buying");
            let source = token::associated(&buyer.pubkey(), &self.terms.reward_mint);
            self.tokens.require(&self.chain, &buyer.pubkey(), tokens)?;
            let purchase = Purchase {
                payer: buyer.pubkey(),
                network: self.network,
                reward_mint: self.terms.reward_mint,
                oracle,
                owner,
                source,
                buyer: buyer.pubkey(),
            };
            let instruction = client::buy_credits(&purchase, tokens, least);
            let done = transaction::send(&self.chain, &[instruction], &buyer, &[])?;
            let event = event::logged::<CreditsBought>(&done, &reward_emission::ID).pop();
            bought.bought = event.map(|event| Amount::of(event.credits));
            bought.signature = Some(done.signature.to_string());
        }
        drop(progress);
        context.print(&bought, || {
            let mut rows = vec![
                ("Owner", bought.owner.clone()),
                (
                    "Price of a token",
                    format!("{} USD by {}", bought.price, bought.oracle),
                ),
                ("At least", bought.at_least.text()),
                ("Burned at most", format!("{} tokens", bought.tokens)),
            ];
            if let (Some(amount), Some(signature)) = (&bought.bought, &bought.signature) {
                rows.push(("Bought", amount.text()));
                rows.push(("Signature", signature.clone()));
            }
            output::rows(rows)
        })
    }

    fn fund(&self, context: &Context, feed: Pubkey, wanted: &str) -> Result<()> {
        let spent = amount(wanted)?;
        let owner = context.keypair()?;
        let own = owner.pubkey();
        let till = self.till(&owner);
        let progress = context.progress("funding the feed");
        let (present, done) = till.fund(&feed, spent)?;
        let address = client::demand(&self.network, present, &feed);
        let demand: Demand = chain::read(&self.chain, &address)?;
        let credits: Credits = chain::read(&self.chain, &client::credits(&self.network, &own))?;
        drop(progress);
        let funded = Funded {
            feed: feed.to_string(),
            epoch: present,
            spent: Amount::of(spent),
            given: Amount::of(demand.credits),
            left: Amount::of(credits.balance),
            signature: done.signature.to_string(),
        };
        context.print(&funded, || {
            output::fields([
                ("Feed", funded.feed.clone()),
                ("Epoch", funded.epoch.to_string()),
                ("Spent", funded.spent.text()),
                ("Given by all", funded.given.text()),
                ("Your credits", funded.left.text()),
                ("Signature", funded.signature.clone()),
            ])
        })
    }
}

/// Dollars for a token, of a price in an oracle's decimals, rounded down.
fn dollars(price: u64) -> String {
    // It has twelve decimals, more than anybody reads.
    let decimals = oracle::DECIMALS as u8;
    let shown = 10u64.pow(u32::from(decimals - PRICE_DECIMALS));
    match price / shown {
        0 => token::format_amount(price, decimals),
        rounded => token::format_amount(rounded, PRICE_DECIMALS),
    }
}

/// Credits as a number, or as dollars.
fn amount(text: &str) -> Result<u64> {
    let parsed = match text.strip_suffix("usd") {
        Some(dollars) => token::parse_amount(dollars, USD_DECIMALS),
        None => text.parse().ok(),
    };
    parsed.filter(|credits| *credits > 0).ok_or_else(|| {
        anyhow!("{text} is no amount: say a number of credits, or dollars with at most {USD_DECIMALS} decimals, as 2.50usd")
    })
}
