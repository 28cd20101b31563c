//! `fieldproof bond`: what an owner puts up for its devices, and a maker for those that it vouched for.

use crate::context::Context;
use crate::output;
use crate::tokens::Tokens;
use anchor_lang::prelude::Pubkey;
use anyhow::{bail, Context as _, Result};
use device_registry::state::Network;
use fieldproof_client::chain::{self, Chain, RpcChain};
use fieldproof_client::{security_pool as pools, transaction};
use security_pool::state::Bond;
use serde::Serialize;
use solana_keypair::Keypair;
use solana_signer::Signer;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Put up tokens of the network's stake mint
    Post {
        /// Tokens, as a decimal number
        #[arg(value_name = "TOKENS")]
        amount: String,
    },
    /// Ask for tokens back; they can be slashed until they are paid
    Request {
        /// Tokens, as a decimal number
        #[arg(value_name = "TOKENS")]
        amount: String,
    },
    /// Take what has cooled down
    Withdraw,
    /// Show a bond
    Show {
        /// Whose; your keypair's if not said
        #[arg(value_name = "ADDRESS")]
        owner: Option<String>,
    },
}

#[derive(Serialize)]
struct Shown {
    owner: String,
    bond: String,
    /// Tokens that back devices.
    amount: String,
    /// Tokens on their way out.
    cooling: String,
    /// From when they are paid, unix seconds.
    releases_at: Option<i64>,
    /// Tokens ever slashed.
    slashed: String,
    /// Tokens that a device takes, by its tier.
    per_device: Vec<String>,
    signature: Option<String>,
}

pub fn run(context: &Context, command: Command) -> Result<()> {
    let chain = context.chain();
    let (network, terms) = context.network(&chain)?;
    let place = Place {
        tokens: Tokens::of(&chain, &terms.stake_mint)?,
        chain,
        network,
        terms,
    };
    let (owner, signature) = match command {
        Command::Post { amount } => {
            let owner = context.keypair()?;
            let (key, stake_mint) = (owner.pubkey(), &place.terms.stake_mint);
            let amount = place.tokens.parse(&amount)?;
            place.tokens.require(&place.chain, &key, amount)?;
            let post = pools::post_bond(&key, &key, &network, stake_mint, amount);
            place.send(context, &owner, "posting", post)?
        }
        Command::Request { amount } => {
            let owner = context.keypair()?;
            let amount = place.tokens.parse(&amount)?;
            let request = pools::request_bond(&network, &owner.pubkey(), amount);
            place.send(context, &owner, "requesting", request)?
        }
        Command::Withdraw => {
            let owner = context.keypair()?;
            let withdraw = pools::withdraw_bond(&network, &owner.pubkey(), &place.terms.stake_mint);
            place.send(context, &owner, "withdrawing", withdraw)?
        }
        Command::Show { owner } => {
            let owner = match owner {
                Some(address) => address
                    .parse()
                    .with_context(|| format!("{address} is no address"))?,
                None => context.keypair()?.pubkey(),
            };
            (owner, None)
        }
    };
    place.show(context, &owner, signature)
}

/// Where bonds are posted.
struct Place {
    chain: RpcChain,
    network: Pubkey,
    terms: Network,
    tokens: Tokens,
}

impl Place {
    fn send(
        &self,
        context: &Context,
        owner: &Keypair,
        what: &'static str,
        instruction: anchor_lang::solana_program::instruction::Instruction,
    ) -> Result<(Pubkey, Option<String>)> {
        let _progress = context.progress(what);
        let done = transaction::send(&self.chain, &[instruction], owner, &[])?;
        Ok((owner.pubkey(), Some(done.signature.to_string())))
    }

    fn show(&self, context: &Context, owner: &Pubkey, signature: Option<String>) -> Result<()> {
        let address = pools::bond(&self.network, owner);
        let Some(bond) = chain::find::<Bond>(&self.chain, &address)? else {
            bail!("{owner} has no bond in this network: post one");
        };
        let parameters = &self.terms.parameters;
        let shown = Shown {
            owner: owner.to_string(),
            bond: address.to_string(),
            amount: self.tokens.format(bond.amount),
            cooling: self.tokens.format(bond.cooling),
            releases_at: (bond.cooling > 0).then_some(bond.releases_at),
            slashed: self.tokens.format(bond.slashed_total),
            per_device: (0..=3)
                .map(|tier| Ok(self.tokens.format(parameters.bond_of(tier)?)))
                .collect::<Result<_>>()?,
            signature,
        };
        let now = self.chain.clock()?.unix_timestamp;
        context.print(&shown, || {
            let cooling = match shown.releases_at {
                Some(at) if at > now => {
                    format!("{}, paid in {}", shown.cooling, output::duration(at - now))
                }
                Some(_) => format!("{}, can be withdrawn", shown.cooling),
                None => shown.cooling.clone(),
            };
            output::fields([
                ("Owner", shown.owner.clone()),
                ("Backs devices", shown.amount.clone()),
                ("Cooling down", cooling),
                ("Slashed so far", shown.slashed.clone()),
                ("A device takes, by tier", shown.per_device.join(", ")),
            ])
        })
    }
}
