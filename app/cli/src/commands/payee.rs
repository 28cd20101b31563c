//! `fieldproof payee`: where rewards go, of an owner of devices or of an operator's pool.

use crate::context::Context;
use crate::output;
use crate::tokens::Tokens;
use anchor_lang::prelude::Pubkey;
use anyhow::{bail, Context as _, Result};
use fieldproof_client::{chain, reward_emission as emissions, token, transaction};
use reward_emission::state::{Payee, PayeeKind};
use serde::Serialize;
use solana_signer::Signer;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Become a payee, from the present epoch on
    Register {
        #[command(flatten)]
        who: Who,
        /// Token account that is paid; your associated one, which is made if need be, if not said
        #[arg(long, value_name = "ADDRESS")]
        destination: Option<Pubkey>,
    },
    /// Have another token account paid
    SetDestination {
        #[command(flatten)]
        who: Who,
        /// Token account of the reward mint
        #[arg(value_name = "ADDRESS")]
        destination: Pubkey,
    },
    /// Show a payee
    Show {
        #[command(flatten)]
        who: Who,
        /// An owner; your keypair's if not said
        #[arg(value_name = "ADDRESS", conflicts_with = "pool")]
        owner: Option<Pubkey>,
    },
}

/// Which payee.
#[derive(clap::Args)]
pub struct Who {
    /// The pool that is the payee, of which you are the operator; an owner of devices if not said
    #[arg(long, value_name = "ADDRESS")]
    pool: Option<Pubkey>,
}

#[derive(Serialize)]
struct Shown {
    /// `owner` or `operator`.
    kind: &'static str,
    owner: String,
    /// Its place among its kind in the reward trees.
    index: u32,
    destination: String,
    /// Tokens paid so far.
    claimed: String,
    /// Unix seconds.
    registered_at: i64,
    signature: Option<String>,
}

pub fn run(context: &Context, command: Command) -> Result<()> {
    let chain = context.chain();
    let (network, terms) = context.network(&chain)?;
    let tokens = Tokens::of(&chain, &terms.reward_mint)?;
    let find = |pool: Option<Pubkey>, owner: Pubkey| {
        let (kind, owner) = match pool {
            Some(pool) => (PayeeKind::Operator, pool),
            None => (PayeeKind::Owner, owner),
        };
        chain::find::<Payee>(&chain, &emissions::payee(&network, kind, &owner))
    };
    let (pool, owner, signature) = match command {
        Command::Register { who, destination } => {
            let keypair = context.keypair()?;
            let own = keypair.pubkey();
            if let Some(payee) = find(who.pool, own)? {
                bail!(
                    "{} is a payee already, paid to {}: another account is named by `fieldproof payee set-destination`",
                    payee.owner,
                    payee.destination
                );
            }
            let mut instructions = Vec::new();
            let destination = destination.unwrap_or_else(|| {
                instructions.push(token::create_associated(&own, &own, &tokens.mint));
                token::associated(&own, &tokens.mint)
            });
            instructions.push(match &who.pool {
                Some(pool) => {
                    emissions::register_operator(&own, &network, &own, pool, &destination)
                }
                None => emissions::register_owner(&own, &network, &own, &destination),
            });
            let _progress = context.progress("registering the payee");
            let done = transaction::send(&chain, &instructions, &keypair, &[])?;
            (who.pool, own, Some(done.signature.to_string()))
        }
        Command::SetDestination { who, destination } => {
            let keypair = context.keypair()?;
            let own = keypair.pubkey();
            let set = emissions::set_destination(&network, &own, who.pool, &destination);
            let _progress = context.progress("naming the destination");
            let done = transaction::send(&chain, &[set], &keypair, &[])?;
            (who.pool, own, Some(done.signature.to_string()))
        }
        Command::Show { who, owner } => {
            let owner = match (owner, who.pool) {
                (Some(owner), _) | (None, Some(owner)) => owner,
                (None, None) => context.keypair()?.pubkey(),
            };
            (who.pool, owner, None)
        }
    };
    let payee = find(pool, owner)?.with_context(|| {
        format!(
            "{} is no payee of this network: register with `fieldproof payee register`",
            pool.unwrap_or(owner)
        )
    })?;
    let shown = Shown {
        kind: if payee.kind == PayeeKind::Operator as u8 {
            "operator"
        } else {
            "owner"
        },
        owner: payee.owner.to_string(),
        index: payee.index,
        destination: payee.destination.to_string(),
        claimed: tokens.format(payee.claimed),
        registered_at: payee.registered_at,
        signature,
    };
    context.print(&shown, || {
        let mut rows = vec![
            ("Payee", format!("{} ({})", shown.owner, shown.kind)),
            ("Paid to", shown.destination.clone()),
            ("Paid so far", format!("{} tokens", shown.claimed)),
        ];
        rows.extend(output::signatures(&shown.signature));
        output::rows(rows)
    })
}
