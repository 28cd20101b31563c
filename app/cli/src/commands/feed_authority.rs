//! `fieldproof feed`, as far as it is for a feed's authority.

use super::feed::Verification;
use crate::commands::heir;
use crate::context::Context;
use crate::output;
use crate::tokens::Tokens;
use ai_feed::state::feed::FROZEN;
use ai_feed::state::{Feed, Policy, APPLY_WITHIN};
use anchor_lang::prelude::Pubkey;
use anyhow::{ensure, Result};
use feed_reader::Mask;
use fieldproof_client::chain::{self, Chain};
use fieldproof_client::{ai_feed as feeds, device_registry as registry, transaction};
use serde::Serialize;
use solana_signer::Signer;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Show a feed's policy, in force and proposed
    Policy {
        /// The feed's address
        #[arg(value_name = "FEED")]
        feed: Pubkey,
    },
    #[command(flatten)]
    Act(Action),
}

/// What is sent.
#[derive(clap::Subcommand)]
pub enum Action {
    /// Propose another policy; what is not said stays as it is. Anyone applies it once the network's timelock has passed.
    /// Another proposal takes its place, and one that changes nothing withdraws it
    Propose(Box<Propose>),
    /// Put the proposed policy in force; anyone may
    Apply {
        /// The feed's address
        #[arg(value_name = "FEED")]
        feed: Pubkey,
    },
    /// Freeze the feed, for good: it gives no value any more
    Freeze {
        /// The feed's address
        #[arg(value_name = "FEED")]
        feed: Pubkey,
    },
    /// Offer the feed's authority to another key, who accepts
    Offer {
        /// The feed's address
        #[arg(value_name = "FEED")]
        feed: Pubkey,
        /// Who may accept; yourself to take an offer back
        #[arg(value_name = "ADDRESS")]
        to: Pubkey,
    },
    /// Take over the feed's authority that you were offered
    Accept {
        /// The feed's address
        #[arg(value_name = "FEED")]
        feed: Pubkey,
    },
}

/// A policy, as options.
#[derive(clap::Args)]
pub struct Propose {
    /// The feed's address
    #[arg(value_name = "FEED")]
    feed: Pubkey,
    /// Verifications that every attestation must pass
    #[arg(long, value_enum, value_delimiter = ',')]
    required: Option<Vec<Verification>>,
    /// Committee members that must sign an attestation
    #[arg(long, value_name = "MEMBERS")]
    min_signers: Option<u8>,
    /// Streams that a round needs
    #[arg(long, value_name = "STREAMS")]
    min_streams: Option<u8>,
    /// Seconds after a round's end until it goes on without late streams
    #[arg(long, value_name = "SECONDS")]
    grace: Option<i64>,
    /// Seconds for which an attestation can be challenged
    #[arg(long, value_name = "SECONDS")]
    challenge_window: Option<i64>,
    /// Stake that an attestation reserves, in tokens
    #[arg(long, value_name = "TOKENS")]
    bond: Option<String>,
    /// What a false attestation costs whoever submitted or signed it, basis points of its stake
    #[arg(long, value_name = "BPS")]
    slash_bps: Option<u16>,
}

#[derive(Serialize)]
struct Shown {
    feed: String,
    authority: String,
    offered_to: Option<String>,
    frozen: bool,
    policy: Values,
    proposed: Option<Proposed>,
    signature: Option<String>,
}

#[derive(Serialize)]
struct Values {
    required: Vec<&'static str>,
    min_signers: u8,
    min_streams: u8,
    grace: i64,
    challenge_window: i64,
    /// Tokens.
    bond: String,
    slash_bps: u16,
}

#[derive(Serialize)]
struct Proposed {
    #[serde(flatten)]
    values: Values,
    /// From when it may be applied, unix seconds.
    from: i64,
    /// Until when.
    until: i64,
}

pub fn run(context: &Context, command: Command) -> Result<()> {
    let chain = context.chain();
    let key = match &command {
        Command::Act(Action::Propose(propose)) => propose.feed,
        Command::Policy { feed }
        | Command::Act(
            Action::Apply { feed }
            | Action::Freeze { feed }
            | Action::Offer { feed, .. }
            | Action::Accept { feed },
        ) => *feed,
    };
    let feed: Feed = chain::read(&chain, &key)?;
    let network = registry::read_network(&chain, &feed.network)?;
    let tokens = Tokens::of(&chain, &network.stake_mint)?;
    let action = match command {
        Command::Policy { .. } => return show(context, &chain, &key, &feed, &tokens, None),
        Command::Act(action) => action,
    };
    let keypair = context.keypair()?;
    let own = keypair.pubkey();
    let instruction = match action {
        Action::Propose(wanted) => {
            let policy = policy(&feed, *wanted, &tokens)?;
            feeds::propose_policy(&key, &feed.network, &own, policy)
        }
        Action::Freeze { .. } => feeds::freeze_feed(&key, &own),
        Action::Offer { to, .. } => {
            let to = heir(to, &own);
            feeds::transfer_authority(&key, &own, to)
        }
        Action::Accept { .. } => feeds::accept_authority(&key, &own),
        Action::Apply { .. } => feeds::apply_policy(&key, &feed.network),
    };
    let done = {
        let _progress = context.progress("sending");
        transaction::send(&chain, &[instruction], &keypair, &[])?
    };
    let feed: Feed = chain::read(&chain, &key)?;
    let signature = Some(done.signature.to_string());
    show(context, &chain, &key, &feed, &tokens, signature)
}

/// The policy that is in force.
fn present(feed: &Feed) -> Policy {
    Policy {
        required_mask: feed.required_mask,
        min_signers: feed.min_signers,
        min_streams: feed.min_streams,
        slash_bps: feed.slash_bps,
        _pad: 0,
        grace: feed.grace,
        challenge_window: feed.challenge_window,
        bond: feed.bond,
    }
}

fn policy(feed: &Feed, wanted: Propose, tokens: &Tokens) -> Result<Policy> {
    let Propose {
        feed: _,
        required,
        min_signers,
        min_streams,
        grace,
        challenge_window,
        bond,
        slash_bps,
    } = wanted;
    let now = present(feed);
    let proposed = Policy {
        required_mask: required.map_or(now.required_mask, |all| Verification::mask(&all)),
        min_signers: min_signers.unwrap_or(now.min_signers),
        min_streams: min_streams.unwrap_or(now.min_streams),
        slash_bps: slash_bps.unwrap_or(now.slash_bps),
        _pad: 0,
        grace: grace.unwrap_or(now.grace),
        challenge_window: challenge_window.unwrap_or(now.challenge_window),
        bond: match bond {
            Some(bond) => tokens.parse(&bond)?,
            None => now.bond,
        },
    };
    ensure!(
        proposed != now || feed.pending_at != 0,
        "this is the policy in force"
    );
    Ok(proposed)
}

impl Values {
    fn of(policy: &Policy, tokens: &Tokens) -> Self {
        Self {
            required: Mask::names(policy.required_mask).collect(),
            min_signers: policy.min_signers,
            min_streams: policy.min_streams,
            grace: policy.grace,
            challenge_window: policy.challenge_window,
            bond: tokens.format(policy.bond),
            slash_bps: policy.slash_bps,
        }
    }

    fn rows(&self) -> [(&'static str, String); 6] {
        [
            ("Required", self.required.join(", ")),
            (
                "At least",
                format!("{} signers, {} streams", self.min_signers, self.min_streams),
            ),
            ("Grace", output::duration(self.grace)),
            ("Can be challenged", output::duration(self.challenge_window)),
            ("Bond", format!("{} tokens", self.bond)),
            ("Slash", format!("{} basis points", self.slash_bps)),
        ]
    }
}

fn show(
    context: &Context,
    chain: &dyn Chain,
    key: &Pubkey,
    feed: &Feed,
    tokens: &Tokens,
    signature: Option<String>,
) -> Result<()> {
    let now = chain.clock()?.unix_timestamp;
    let shown = Shown {
        feed: key.to_string(),
        authority: feed.authority.to_string(),
        offered_to: output::somebody(&feed.pending_authority),
        frozen: feed.state == FROZEN,
        policy: Values::of(&present(feed), tokens),
        proposed: (feed.pending_at != 0).then(|| Proposed {
            values: Values::of(&feed.pending, tokens),
            from: feed.pending_at,
            until: feed.pending_at.saturating_add(APPLY_WITHIN),
        }),
        signature,
    };
    context.print(&shown, || {
        let mut rows = vec![
            ("Feed", shown.feed.clone()),
            ("Authority", shown.authority.clone()),
        ];
        if let Some(to) = &shown.offered_to {
            rows.push(("Offered to", to.clone()));
        }
        if shown.frozen {
            rows.push(("Frozen", "for good".to_owned()));
        }
        rows.extend(shown.policy.rows());
        if let Some(proposed) = &shown.proposed {
            let command = "fieldproof feed apply";
            let when = output::proposal(proposed.from, APPLY_WITHIN, now, command);
            rows.push(("Proposed", when));
            // Only what would change.
            let present = shown.policy.rows();
            let changes = proposed.values.rows().into_iter();
            rows.extend(changes.filter(|change| !present.contains(change)));
        }
        rows.extend(output::signatures(&shown.signature));
        output::rows(rows)
    })
}
