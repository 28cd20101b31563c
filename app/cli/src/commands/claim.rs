//! `fieldproof claim`: pays an owner what the last final rewards grant, in one transaction; or everybody.

use crate::context::Context;
use crate::{answer, output};
use anchor_spl::token::Mint;
use anyhow::{anyhow, bail, Context as _, Result};
use fieldproof_client::{chain, reward_emission as emissions, token, transaction};
use fieldproof_worker::claims::{self, Grants, Sponsor, Stop, Totals, Unpaid, Wait};
use fieldproof_worker::reward::ClaimProof;
use reward_emission::state::{Emission, Payee, PayeeKind};
use serde::Serialize;
use solana_signer::Signer;

#[derive(clap::Args)]
pub struct Arguments {
    /// The address of any worker of the network: it serves the proof, which is checked here
    #[arg(long, value_name = "URL", env = "FIELDPROOF_WORKER")]
    worker: String,
    /// Only make sure that the payee is registered, so that the next epoch counts for it
    #[arg(long)]
    register_only: bool,
    /// Claim for everybody: each payee is paid to its own account, and you pay the fees. What was claimed before is
    /// passed over, so that a run that was cut off is just run again
    #[arg(long, conflicts_with = "register_only")]
    all: bool,
    /// Also pay the rent of token accounts that owners have closed before they were ever paid. Who closed his later has its
    /// rent, and opens it himself: otherwise you would pay it each time
    #[arg(long, requires = "all")]
    open_accounts: bool,
}

/// What was claimed for everybody. Amounts are in tokens, fees and rent in lamports.
#[derive(Serialize)]
struct ClaimedAll {
    epoch: u64,
    payees: usize,
    paid_before: usize,
    paid: usize,
    amount: String,
    transactions: usize,
    fees: u64,
    rent: u64,
    unpaid: Vec<Unpaid>,
    /// Why not everybody was tried.
    stopped: Option<String>,
    /// When to run this again, unix seconds, if the circuit breaker stopped it.
    again_at: Option<i64>,
}

#[derive(Serialize)]
struct Claimed {
    payee: String,
    destination: String,
    amount: String,
    /// What is left to claim, of more than the circuit breaker lets pass at once.
    left: String,
    /// When to claim again if something is left, unix seconds.
    again_at: Option<i64>,
    epoch: Option<u64>,
    signature: Option<String>,
    compute_units: Option<u64>,
}

pub fn run(context: &Context, arguments: Arguments) -> Result<()> {
    let chain = context.chain();
    let owner = context.keypair()?;
    let (network, state) = context.network(&chain)?;
    let emission_key = emissions::emission(&network);
    let emission: Emission =
        chain::read(&chain, &emission_key).context("the network has no emission of rewards")?;
    let mint: Mint = chain::read_borsh(&chain, &emission.reward_mint)?;
    if arguments.all {
        let grants = {
            let _progress = context.progress("fetching the final rewards");
            Grants::fetch(&arguments.worker, &state.id, &emission)?
        };
        let sponsor = Sponsor {
            chain: &chain,
            network,
            reward_mint: emission.reward_mint,
            payer: &owner,
            open_accounts: arguments.open_accounts,
        };
        return claim_all(context, &sponsor, &grants, mint.decimals);
    }
    let payee_key = emissions::payee(&network, PayeeKind::Owner, &owner.pubkey());
    let destination = token::associated(&owner.pubkey(), &emission.reward_mint);
    if chain::find::<Payee>(&chain, &payee_key)?.is_none() {
        let _progress = context.progress("registering the payee");
        let instructions = [
            token::create_associated(&owner.pubkey(), &owner.pubkey(), &emission.reward_mint),
            emissions::register_owner(&owner.pubkey(), &network, &owner.pubkey(), &destination),
        ];
        transaction::send(&chain, &instructions, &owner, &[])?;
    }
    let payee: Payee = chain::read(&chain, &payee_key)?;
    let mut claimed = Claimed {
        payee: owner.pubkey().to_string(),
        destination: payee.destination.to_string(),
        amount: "0".to_owned(),
        left: "0".to_owned(),
        again_at: None,
        epoch: None,
        signature: None,
        compute_units: None,
    };
    if arguments.register_only {
        return context.print(&claimed, || {
            "Registered: rewards count from this epoch on".to_owned()
        });
    }
    let proof = fetch(&arguments.worker, &owner.pubkey().to_string())?;
    let path = hex::decode(&proof.path).context("the worker's proof is not hexadecimal")?;
    emission
        .check_grant(&payee, proof.cumulative, &path)
        .map_err(|_| {
            anyhow!(
                "the worker's proof does not lead to the chain's final root: ask another worker"
            )
        })?;
    let due = proof.cumulative.saturating_sub(payee.claimed);
    if due == 0 {
        bail!(
            "nothing to claim: {} was paid already",
            token::format_amount(payee.claimed, mint.decimals)
        );
    }
    let progress = context.progress("claiming");
    let place = emissions::ClaimAccounts {
        network,
        payee: payee_key,
        reward_mint: emission.reward_mint,
        destination: payee.destination,
    };
    let claim = emissions::claim(place, proof.cumulative, path);
    let done = transaction::send(&chain, &[claim], &owner, &[])?;
    drop(progress);
    // An amount over the breaker's limit is paid in parts.
    let paid = chain::read::<Payee>(&chain, &payee_key)?.claimed - payee.claimed;
    claimed.amount = token::format_amount(paid, mint.decimals);
    let wait = match due.saturating_sub(paid) {
        0 => None,
        left => {
            let breaker = chain::read::<Emission>(&chain, &emission_key)?.breaker;
            Some(Wait::of(&breaker, &owner.pubkey(), left))
        }
    };
    if let Some(wait) = &wait {
        claimed.left = token::format_amount(wait.left, mint.decimals);
        claimed.again_at = Some(wait.at);
    }
    claimed.epoch = Some(proof.epoch);
    claimed.signature = Some(done.signature.to_string());
    claimed.compute_units = Some(done.compute_units);
    context.print(&claimed, || {
        let mut rows = vec![
            ("Claimed", claimed.amount.clone()),
            ("To", claimed.destination.clone()),
            ("Up to epoch", proof.epoch.to_string()),
            ("Signature", done.signature.to_string()),
        ];
        rows.extend(wait.map(|wait| ("Left", waiting(&wait, mint.decimals))));
        output::rows(rows)
    })
}

/// What the emission's circuit breaker keeps back, and until when.
fn waiting(wait: &Wait, decimals: u8) -> String {
    let tokens = |amount| token::format_amount(amount, decimals);
    let Wait {
        left,
        next,
        at,
        last_at,
        ..
    } = *wait;
    if next == left {
        return format!(
            "{} tokens: they can be claimed at the unix time {at}",
            tokens(left)
        );
    }
    format!(
        "{} tokens: {} of them can be claimed at the unix time {at}, and the last of them not before {last_at}, since the \
         circuit breaker lets no more pass at once",
        tokens(left),
        tokens(next)
    )
}

fn claim_all(
    context: &Context,
    sponsor: &Sponsor<'_>,
    grants: &Grants,
    decimals: u8,
) -> Result<()> {
    let progress = context.progress("reading what was paid");
    let totals = claims::pay(sponsor, grants, &|totals| {
        progress.say(format!(
            "{} of {} payees have got everything, {} tokens now",
            totals.paid_before + totals.paid,
            totals.payees,
            token::format_amount(totals.amount, decimals)
        ));
    })?;
    drop(progress);
    let is_complete = totals.is_complete();
    let Totals {
        payees,
        paid_before,
        paid,
        amount,
        transactions,
        fees,
        rent,
        unpaid,
        stopped,
    } = totals;
    let again_at = match &stopped {
        Some(Stop::Breaker(wait)) => Some(wait.at),
        _ => None,
    };
    let stopped = stopped.map(|stop| match stop {
        Stop::Breaker(wait) => format!(
            "the emission's circuit breaker has {} wait for {}",
            wait.payee,
            waiting(&wait, decimals)
        ),
        Stop::Chain(error) => error,
    });
    let claimed = ClaimedAll {
        epoch: grants.epoch(),
        payees,
        paid_before,
        paid,
        amount: token::format_amount(amount, decimals),
        transactions,
        fees,
        rent,
        unpaid,
        stopped,
        again_at,
    };
    context.print(&claimed, || {
        let mut rows = vec![
            ("Up to epoch", claimed.epoch.to_string()),
            ("Payees", payees.to_string()),
            ("Paid before", paid_before.to_string()),
            ("Paid now", format!("{paid}, {} tokens", claimed.amount)),
            ("Transactions", transactions.to_string()),
            ("Fees", output::sol(fees)),
        ];
        if rent > 0 {
            rows.push(("Rent", output::sol(rent)));
        }
        for unpaid in &claimed.unpaid {
            rows.push(("Unpaid", format!("{}: {}", unpaid.payee, unpaid.reason)));
        }
        output::rows(rows)
    })?;
    match &claimed.stopped {
        Some(reason) => bail!("not everybody was paid: {reason}"),
        None if !is_complete => bail!("{} payees could not be paid", claimed.unpaid.len()),
        None => Ok(()),
    }
}

fn fetch(worker: &str, payee: &str) -> Result<ClaimProof> {
    let url = format!("{}/v1/rewards/{payee}", worker.trim_end_matches('/'));
    let response = reqwest::blocking::get(url)?;
    if response.status() == reqwest::StatusCode::NOT_FOUND {
        bail!("nothing to claim in the last final epoch");
    }
    answer::read(response)
}
