//! The consumer: a policy that pays when the feed forecasts frost below its threshold.

use crate::network::Network;
use crate::scenario::{self, AIRPORTS, FROST_AIRPORT, TOKEN};
use crate::show;
use ai_feed::state::Feed;
use anchor_lang::prelude::Pubkey;
use anyhow::{bail, Result};
use feed_reader::Mask;
use fieldproof_client::parametric_insurance::{self as insurance, PolicyParties, Settlement};
use fieldproof_client::{chain, ClientError};
use parametric_insurance::state::PolicyTerms;
use solana_keypair::Keypair;
use solana_signature::Signature;
use solana_signer::Signer;

/// Seconds from its capture in which a round can be settled.
const MAX_AGE: u32 = 3_600;
/// What the underwriter puts in the fund, in base units.
const DEPOSIT: u64 = 1_000 * TOKEN;

/// A written policy, and how its settlement went.
pub struct FrostPolicy {
    settlement: Settlement,
    /// Sends the settlements: anybody may.
    keeper: Keypair,
    /// The holder's balance when the policy was written.
    before: u64,
    /// The settlement that paid.
    pub paid: Option<Signature>,
    /// What the program said each time that it refused to settle.
    pub refusals: Vec<String>,
    refused_again: bool,
}

impl FrostPolicy {
    /// Opens a fund on the airport's feed and has a farmer insured.
    pub fn write(network: &Network) -> Result<Self> {
        let mint = network.mint()?;
        let (underwriter, holder) = (network.new_key(), network.new_key());
        let payer = network.authority.pubkey();
        let feed_key = network.deployment.feeds[FROST_AIRPORT];
        let feed: Feed = chain::read(network.chain.as_ref(), &feed_key)?;
        let source = network.fund(&underwriter.pubkey(), &mint, DEPOSIT)?;
        let holder_account = network.fund(&holder.pubkey(), &mint, scenario::FROST_PREMIUM)?;
        let fund = insurance::fund(&underwriter.pubkey(), &feed.id);
        let create = insurance::create_fund(&payer, &underwriter.pubkey(), &mint, feed.id);
        let deposit = insurance::deposit(&underwriter.pubkey(), &source, &fund, &mint, DEPOSIT);
        let opened = network.send(&[create, deposit], &[&underwriter])?;
        show::transaction(
            &format!("a fund with {} tokens", show::tokens(DEPOSIT)),
            &opened,
        );
        let parties = PolicyParties {
            payer,
            underwriter: underwriter.pubkey(),
            holder: holder.pubkey(),
            holder_account,
            fund,
            mint,
        };
        let terms = PolicyTerms {
            threshold: scenario::FROST_BELOW,
            direction: 0,
            min_mask: Mask::COMMITTEE | Mask::SOURCED,
            max_age: MAX_AGE,
            payout: scenario::FROST_PAYOUT,
            premium: scenario::FROST_PREMIUM,
            // Every reading behind the round that pays must have been captured while it covers.
            starts: network.on_chain(scenario::FIRST_READING),
            ends: network
                .on_chain(scenario::FIRST_FORECAST + scenario::FORECAST_HOURS * scenario::HOUR),
        };
        let written = network.send(
            &[insurance::write_policy(parties, 0, terms)],
            &[&underwriter, &holder],
        )?;
        show::transaction(
            &format!(
                "{} tokens if {} goes below {} °C",
                show::tokens(scenario::FROST_PAYOUT),
                AIRPORTS[FROST_AIRPORT].code,
                show::degrees(scenario::FROST_BELOW)
            ),
            &written,
        );
        Ok(Self {
            before: network.balance(&holder_account)?,
            settlement: Settlement {
                fund,
                number: 0,
                feed: feed_key,
                holder_account,
                payer,
                mint,
            },
            keeper: network.new_key(),
            paid: None,
            refusals: Vec::new(),
            refused_again: false,
        })
    }

    /// A keeper tries to settle: refused until the threshold is crossed, paid once, refused again.
    pub fn attempt(&mut self, network: &Network) -> Result<()> {
        if self.refused_again {
            return Ok(());
        }
        let settle = insurance::settle_policy(self.settlement);
        let chain = network.chain.as_ref();
        match fieldproof_client::transaction::send(chain, &[settle], &self.keeper, &[]) {
            Ok(done) if self.paid.is_none() => {
                self.paid = Some(done.signature);
                let paid = show::tokens(self.received(network)?);
                show::transaction(&format!("    the frost policy pays {paid} tokens"), &done);
            }
            Ok(_) => bail!("the frost policy paid twice"),
            Err(ClientError::Refused(failure)) => {
                let text = failure.to_string();
                self.refused_again = self.paid.is_some();
                let when = if self.refused_again {
                    "a second time"
                } else {
                    "yet"
                };
                show::line(&format!("    the keeper can't settle {when}: {text}"));
                self.refusals.push(text);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Base units that the holder got since the policy was written.
    pub fn received(&self, network: &Network) -> Result<u64, ClientError> {
        let balance = network.balance(&self.settlement.holder_account)?;
        Ok(balance.saturating_sub(self.before))
    }

    /// The policy's fund.
    pub fn fund(&self) -> Pubkey {
        self.settlement.fund
    }

    /// The policy's feed.
    pub fn feed(&self) -> &Pubkey {
        &self.settlement.feed
    }
}
