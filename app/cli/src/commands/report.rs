//! `fieldproof report`: takes evidence against a device or a maker to the registry, for the bounty.

use crate::context::Context;
use crate::files;
use crate::output;
use anyhow::{anyhow, bail, Context as _, Result};
use device_protocol::{check_equivocation, check_travel, Hash, Status};
use device_registry::state::{Network, Tree};
use fieldproof_client::chain::{self, Chain, Execution, RpcChain};
use fieldproof_client::registry_tree::{precedence, Follower};
use fieldproof_client::reports::{
    report_contradiction, report_duplicate, Conflict, Contradiction, Evidence, ProvenLeaf, Reporter,
};
use fieldproof_client::{token, transaction};
use serde::Serialize;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::path::{Path, PathBuf};

#[derive(clap::Subcommand)]
pub enum Command {
    /// Report two readings of one session and sequence
    Equivocation {
        #[command(flatten)]
        found: Found,
    },
    /// Report two readings too far apart
    Travel(Readings),
    /// Report a device that has two leaves
    Duplicate {
        /// The device's id, in hex
        #[arg(long, value_name = "ID")]
        device: String,
    },
}

/// Where the evidence is.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub struct Found {
    /// The evidence, as JSON: as for `travel`
    #[arg(long, value_name = "FILE")]
    evidence: Option<PathBuf>,
    /// A worker that met it: the first of its conflicts whose device is still in standing
    #[arg(long, value_name = "URL")]
    worker: Option<String>,
}

#[derive(clap::Args)]
pub struct Readings {
    /// The evidence, as JSON: `curve`, `key` (hex), and `first` and `second`, each with its signed `reading` and, in a
    /// session, the signed `grant` (hex)
    #[arg(long, value_name = "FILE")]
    evidence: PathBuf,
}

#[derive(Serialize)]
struct Reported {
    device: String,
    tree: String,
    leaf: u32,
    /// Tokens.
    bounty: String,
    signature: String,
    compute_units: u64,
}

pub fn run(context: &Context, command: Command) -> Result<()> {
    let chain = context.chain();
    let keypair = context.keypair()?;
    let (key, network) = context.network(&chain)?;
    let reporter = Reporter {
        network: key,
        network_id: network.id,
        stake_mint: network.stake_mint,
        payer: keypair.pubkey(),
        bounty: token::associated(&keypair.pubkey(), &network.stake_mint),
    };
    let case = Case {
        context,
        chain: &chain,
        keypair: &keypair,
        network: &network,
        reporter,
    };
    match command {
        Command::Equivocation { found } => match (found.evidence, found.worker) {
            (Some(file), _) => {
                case.contradiction(Contradiction::Equivocation, &read_conflict(&file)?)
            }
            (None, Some(worker)) => case.any(&worker),
            (None, None) => bail!("say where the evidence is: --evidence or --worker"),
        },
        Command::Travel(readings) => {
            case.contradiction(Contradiction::Travel, &read_conflict(&readings.evidence)?)
        }
        Command::Duplicate { device } => case.duplicate(&files::hash(&device)?),
    }
}

fn read_conflict(file: &Path) -> Result<Conflict> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    serde_json::from_str(&text).with_context(|| format!("{}: not evidence", file.display()))
}

/// What every report needs.
struct Case<'a> {
    context: &'a Context,
    chain: &'a RpcChain,
    keypair: &'a Keypair,
    network: &'a Network,
    reporter: Reporter,
}

impl Case<'_> {
    /// Reports the first of a worker's conflicts whose device is still in standing.
    fn any(&self, worker: &str) -> Result<()> {
        let url = format!("{}/v1/conflicts", worker.trim_end_matches('/'));
        let conflicts: Vec<Conflict> = reqwest::blocking::get(url)?.error_for_status()?.json()?;
        for conflict in &conflicts {
            let (key, [first, _]) = conflict.parse()?;
            let nonce = first.reading.reading.leaf_nonce;
            let standing = self.leaves(&key.id())?.into_iter().any(|found| {
                let status = found.leaf.status;
                found.leaf.nonce == nonce && !matches!(status, Status::Banned | Status::Void)
            });
            if standing {
                return self.contradiction(Contradiction::Equivocation, conflict);
            }
        }
        bail!("{worker} has met no equivocation of a device in standing")
    }

    fn contradiction(&self, contradiction: Contradiction, conflict: &Conflict) -> Result<()> {
        let (key, [first, second]) = conflict.parse()?;
        self.check(contradiction, &first, &second)?;
        let nonce = first.reading.reading.leaf_nonce;
        let accused = self
            .leaves(&key.id())?
            .into_iter()
            .find(|accused| accused.leaf.nonce == nonce)
            .ok_or_else(|| {
                anyhow!("no leaf of the device has nonce {nonce}: the device has changed hands, or is of another network")
            })?;
        let report = report_contradiction(
            &self.reporter,
            contradiction,
            &key,
            &accused,
            [&first, &second],
            None,
            0,
        )?;
        self.send(&report, &accused)
    }

    /// Whether the readings are an offence by the network's rules, which the chain decides by too.
    fn check(
        &self,
        contradiction: Contradiction,
        first: &Evidence,
        second: &Evidence,
    ) -> Result<()> {
        let (first, second) = (&first.reading.reading, &second.reading.reading);
        match contradiction {
            Contradiction::Equivocation => check_equivocation(first, second),
            Contradiction::Travel => check_travel(first, second, self.network.parameters.max_speed),
        }
        .map_err(|reason| anyhow!("no offence: {reason}"))
    }

    fn duplicate(&self, device: &Hash) -> Result<()> {
        let mut leaves = self.leaves(device)?;
        leaves.retain(|found| found.leaf.status != Status::Void);
        // The one that stays comes first.
        leaves.sort_by_key(|found| precedence(&found.leaf, found.tree_index, found.place.index));
        let [kept, .., duplicate] = leaves.as_slice() else {
            bail!("the device has no two leaves");
        };
        let report = report_duplicate(&self.reporter, kept, duplicate);
        self.send(&[report], duplicate)
    }

    /// Every leaf of a device in the network's trees, with its proof.
    fn leaves(&self, device: &Hash) -> Result<Vec<ProvenLeaf>> {
        let _progress = self.context.progress("reading the network's trees");
        let mut found = Vec::new();
        for (tree, header) in chain::read_all::<Tree>(self.chain)? {
            if header.network != self.reporter.network {
                continue;
            }
            let mut follower = Follower::new(self.chain, tree)?;
            let registry = follower.catch_up(self.chain)?;
            let leaves = registry.leaves().iter().zip(0..);
            let own: Vec<_> = leaves
                .filter(|(leaf, _)| leaf.device == *device)
                .map(|(leaf, index)| (*leaf, index))
                .collect();
            for (leaf, index) in own {
                found.push(ProvenLeaf {
                    tree,
                    tree_index: header.index,
                    leaf,
                    place: registry.place(index)?,
                });
            }
        }
        Ok(found)
    }

    fn send(
        &self,
        report: &[anchor_lang::solana_program::instruction::Instruction],
        accused: &ProvenLeaf,
    ) -> Result<()> {
        let progress = self.context.progress("reporting");
        let before = self.bounty()?;
        let done: Execution = transaction::send(self.chain, report, self.keypair, &[])?;
        drop(progress);
        let reported = Reported {
            device: hex::encode(accused.leaf.device),
            tree: accused.tree.to_string(),
            leaf: accused.place.index,
            bounty: self.format(self.balance()?.saturating_sub(before))?,
            signature: done.signature.to_string(),
            compute_units: done.compute_units,
        };
        self.context.print(&reported, || {
            output::fields([
                ("Device", reported.device.clone()),
                ("Tree", reported.tree.clone()),
                ("Leaf", reported.leaf.to_string()),
                ("Bounty, tokens", reported.bounty.clone()),
                ("Compute units", reported.compute_units.to_string()),
                ("Signature", reported.signature.clone()),
            ])
        })
    }

    fn format(&self, amount: u64) -> Result<String> {
        let mint: anchor_spl::token::Mint =
            chain::read_borsh(self.chain, &self.network.stake_mint)?;
        Ok(token::format_amount(amount, mint.decimals))
    }

    /// What is in the account for the bounty, which is made if it isn't there.
    fn bounty(&self) -> Result<u64> {
        if self.chain.account(&self.reporter.bounty)?.is_none() {
            let owner = self.keypair.pubkey();
            let create = token::create_associated(&owner, &owner, &self.network.stake_mint);
            transaction::send(self.chain, &[create], self.keypair, &[])?;
        }
        self.balance()
    }

    fn balance(&self) -> Result<u64> {
        let account: anchor_spl::token::TokenAccount =
            chain::read_borsh(self.chain, &self.reporter.bounty)?;
        Ok(account.amount)
    }
}
