//! `fieldproof report`: takes evidence against a device or a maker to the registry, for the bounty.

use crate::archive::Archive;
use crate::context::Context;
use crate::{answer, files, leaves, output};
use ai_feed::state::Model;
use anchor_lang::prelude::Pubkey;
use anyhow::{anyhow, bail, Context as _, Result};
use commitment::{BatchLeaf, CommitmentLeaf, Tree};
use data_commitment::state::Stream;
use device_protocol::{
    check_equivocation, check_travel, DeviceKey, Hash, Offence, Reading, RegistryLeaf, Status,
};
use device_registry::penalty::SLASHER;
use device_registry::state::Network;
use fieldproof_client::chain::{self, Chain, Execution, RpcChain};
use fieldproof_client::data_commitment::StreamHistory;
use fieldproof_client::reports::{
    report_contradiction, report_duplicate, Committed, Conflict, Contradiction, Evidence,
    ProvenLeaf, Reporter,
};
use fieldproof_client::{ai_feed as feeds, security_pool as pools, token, transaction};
use fieldproof_worker::payload::Payload;
use fieldproof_worker::window::{self, Batch};
use inference::ModelRef;
use security_pool::state::Report;
use serde::Serialize;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::mem::offset_of;
use std::path::{Path, PathBuf};

#[derive(clap::Subcommand)]
pub enum Command {
    /// Report two readings of one session and sequence
    #[command(group = clap::ArgGroup::new("found").args(["evidence", "workers"]).required(true).multiple(true))]
    Equivocation {
        /// The evidence, as JSON: as for `travel`. Without it, the first of the workers' conflicts that counts
        #[arg(long, value_name = "FILE")]
        evidence: Option<PathBuf>,
        /// Who met it, and has the payloads that count against a device's previous owner
        #[command(flatten)]
        archive: Archive,
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

#[derive(clap::Args)]
pub struct Readings {
    /// The evidence, as JSON: `curve`, `key` (hex), and `first` and `second`, each with its signed `reading` and, in a
    /// session, the signed `grant` (hex)
    #[arg(long, value_name = "FILE")]
    evidence: PathBuf,
    #[command(flatten)]
    archive: Archive,
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
        Command::Equivocation { evidence, archive } => match evidence {
            Some(file) => {
                let conflict = read_conflict(&file)?;
                case.contradiction(Contradiction::Equivocation, &conflict, &archive)
            }
            None => case.any(&archive),
        },
        Command::Travel(Readings { evidence, archive }) => {
            let conflict = read_conflict(&evidence)?;
            case.contradiction(Contradiction::Travel, &conflict, &archive)
        }
        Command::Duplicate { device } => case.duplicate(&files::hash(&device)?),
    }
}

fn read_conflict(file: &Path) -> Result<Conflict> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    serde_json::from_str(&text).with_context(|| format!("{}: not evidence", file.display()))
}

/// Two readings with what makes them count.
struct Proven {
    evidence: [Evidence; 2],
    committed: Option<[Committed; 2]>,
}

/// Where a reading is in a payload, as batch and place in it, and the reading with its signatures.
fn find_reading(batches: &[Batch], reading: &Reading) -> Option<(usize, usize, Evidence)> {
    batches.iter().enumerate().find_map(|(batch_index, batch)| {
        let readings = batch
            .windows
            .iter()
            .flat_map(|window| window.readings.iter().map(move |signed| (window, signed)));
        let (index, (window, signed)) = readings
            .enumerate()
            .find(|(_, (_, signed))| signed.reading == *reading)?;
        let evidence = Evidence {
            reading: *signed,
            grant: window.grant(reading.session).copied(),
        };
        Some((batch_index, index, evidence))
    })
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
    /// Reports the first of the workers' conflicts that somebody still pays for.
    fn any(&self, archive: &Archive) -> Result<()> {
        let mut conflicts: Vec<Conflict> = Vec::new();
        for worker in &archive.workers {
            let url = format!("{}/v1/conflicts", worker.trim_end_matches('/'));
            conflicts.append(&mut answer::read(reqwest::blocking::get(url)?)?);
        }
        let mut streams = None;
        for conflict in &conflicts {
            let (key, [first, second]) = conflict.parse()?;
            let device = key.id();
            let Some(accused) = self.accused(&device, first.reading.reading.leaf_nonce)? else {
                continue;
            };
            if self.is_reported(&accused, &first.reading.reading)? {
                continue;
            }
            let evidence = [first, second];
            let Some(proven) = self.proven(&accused, evidence, archive, &mut streams)? else {
                continue;
            };
            return self.report(Contradiction::Equivocation, &key, &accused, proven);
        }
        bail!("no equivocation that can still be reported was met there")
    }

    fn contradiction(
        &self,
        contradiction: Contradiction,
        conflict: &Conflict,
        archive: &Archive,
    ) -> Result<()> {
        let (key, evidence) = conflict.parse()?;
        let [first, second] = &evidence;
        self.check(contradiction, first, second)?;
        let nonce = first.reading.reading.leaf_nonce;
        let accused = self.accused(&key.id(), nonce)?.ok_or_else(|| {
            anyhow!("no leaf of the device has nonce {nonce} or the one after it: the device has changed hands since, or is of another network")
        })?;
        if self.is_reported(&accused, &first.reading.reading)? {
            bail!("this was reported already: nobody pays for a device twice");
        }
        let proven = self.proven(&accused, evidence, archive, &mut None)?.ok_or_else(|| {
            anyhow!("the device has changed hands: its previous owner pays for readings that were committed before, and both are not in the payloads at hand: name a worker that archives them with --worker, or files with --payload")
        })?;
        self.report(contradiction, &key, &accused, proven)
    }

    /// The leaf of a device that readings of this leaf nonce tell against: of its owner, or of the one before.
    fn accused(&self, device: &Hash, leaf_nonce: u32) -> Result<Option<ProvenLeaf>> {
        let leaves = self.leaves(device)?;
        let of = |nonce: Option<u32>| leaves.iter().find(|found| nonce == Some(found.leaf.nonce));
        let accused = of(Some(leaf_nonce)).or_else(|| of(leaf_nonce.checked_add(1)));
        Ok(accused.cloned())
    }

    /// Whether nobody pays any more for readings like this one.
    fn is_reported(&self, accused: &ProvenLeaf, reading: &Reading) -> Result<bool> {
        let RegistryLeaf {
            device,
            nonce,
            status,
            ..
        } = accused.leaf;
        if nonce == reading.leaf_nonce {
            return Ok(matches!(status, Status::Banned | Status::Void));
        }
        let offence = Offence::Contradiction {
            device: &device,
            tree: accused.tree_index,
            index: accused.place.index,
            leaf_nonce: reading.leaf_nonce,
        };
        let report = pools::report(&SLASHER.0, &offence.id(&self.network.id));
        Ok(chain::find::<Report>(self.chain, &report)?.is_some())
    }

    /// The evidence as it counts: against the previous owner, as both readings were committed to before the device changed
    /// hands. `None` if they were not, as far as the archive goes. `streams` keeps what was read of them.
    fn proven(
        &self,
        accused: &ProvenLeaf,
        evidence: [Evidence; 2],
        archive: &Archive,
        streams: &mut Option<Vec<(Pubkey, StreamHistory)>>,
    ) -> Result<Option<Proven>> {
        let [first, second] = evidence;
        if first.reading.reading.leaf_nonce == accused.leaf.nonce {
            return Ok(Some(Proven {
                evidence,
                committed: None,
            }));
        }
        let _progress = self
            .context
            .progress("looking for the readings in the streams");
        if streams.is_none() {
            *streams = Some(self.streams()?);
        }
        let streams = streams.as_deref().unwrap_or_default();
        let before = accused.leaf.owner_changed_at;
        let find = |evidence: &Evidence| {
            self.find_committed(streams, &evidence.reading.reading, before, archive)
        };
        let (Some((first, first_proof)), Some((second, second_proof))) =
            (find(&first)?, find(&second)?)
        else {
            return Ok(None);
        };
        Ok(Some(Proven {
            evidence: [first, second],
            committed: Some([first_proof, second_proof]),
        }))
    }

    /// A reading as one of the streams committed to it before `before` (unix seconds), with the proof. `None` if it is in no
    /// payload of the archive.
    fn find_committed(
        &self,
        streams: &[(Pubkey, StreamHistory)],
        reading: &Reading,
        before: i64,
        archive: &Archive,
    ) -> Result<Option<(Evidence, Committed)>> {
        // No worker takes a reading from a day ahead, so no commitment before that holds it.
        let payloads = archive.open()?;
        let earliest = reading.captured_at.div_euclid(1_000).saturating_sub(86_400);
        for (stream, history) in streams {
            let candidates = history
                .commitments
                .iter()
                .filter(|commitment| (earliest..before).contains(&commitment.posted_at));
            for commitment in candidates {
                let Ok(payload) = payloads.get(commitment) else {
                    continue;
                };
                let Ok(Payload::Readings { batches, .. }) = Payload::decode(&payload) else {
                    continue;
                };
                let Some((batch_index, index, evidence)) = find_reading(&batches, reading) else {
                    continue;
                };
                let Some(leaves) = self.batch_leaves(&batches, commitment)? else {
                    continue;
                };
                let hashes: Vec<Hash> = leaves.iter().map(BatchLeaf::hash).collect();
                let path = |tree: &Tree, index: usize| tree.path(index as u64);
                let batches_path = path(&Tree::of_batches(&hashes)?, batch_index)?;
                let readings_path = path(&window::readings_tree(&batches[batch_index])?, index)?;
                let mmr_path = history
                    .path(commitment.sequence)
                    .ok_or_else(|| anyhow!("the cluster does not tell all of stream {stream}"))?;
                let committed = Committed::new(
                    *stream,
                    commitment,
                    mmr_path,
                    (batch_index as u32, &leaves[batch_index], batches_path),
                    (index as u16, readings_path),
                );
                return Ok(Some((evidence, committed)));
            }
        }
        Ok(None)
    }

    /// The leaves of a payload's batches, if they are those that were committed to.
    fn batch_leaves(
        &self,
        batches: &[Batch],
        commitment: &CommitmentLeaf,
    ) -> Result<Option<Vec<BatchLeaf>>> {
        let mut leaves = Vec::with_capacity(batches.len());
        for batch in batches {
            let key = feeds::model(&batch.model);
            let Some(model) = chain::find::<Model>(self.chain, &key)? else {
                return Ok(None);
            };
            let Ok(model) = ModelRef::parse(&model.bytes) else {
                return Ok(None);
            };
            let Ok(computed) = window::compute(batch, &model) else {
                return Ok(None);
            };
            leaves.push(computed.leaf);
        }
        let hashes: Vec<Hash> = leaves.iter().map(BatchLeaf::hash).collect();
        let is_it = Tree::of_batches(&hashes).is_ok_and(|tree| tree.root() == commitment.root);
        Ok(is_it.then_some(leaves))
    }

    /// Every stream of the network.
    fn streams(&self) -> Result<Vec<(Pubkey, StreamHistory)>> {
        let of_network = offset_of!(Stream, network);
        chain::read_all_of::<Stream>(self.chain, of_network, &self.reporter.network)?
            .into_iter()
            .map(|(key, _)| Ok((key, StreamHistory::read(self.chain, &key)?)))
            .collect()
    }

    fn report(
        &self,
        contradiction: Contradiction,
        key: &DeviceKey,
        accused: &ProvenLeaf,
        proven: Proven,
    ) -> Result<()> {
        let [first, second] = &proven.evidence;
        let report = report_contradiction(
            &self.reporter,
            contradiction,
            key,
            accused,
            [first, second],
            proven.committed,
            0,
        )?;
        self.send(&report, accused)
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
        let [kept, .., duplicate] = leaves.as_slice() else {
            bail!("the device has no two leaves");
        };
        let report = report_duplicate(&self.reporter, kept, duplicate);
        self.send(&[report], duplicate)
    }

    /// Every leaf of a device in the network's trees, with its proof.
    fn leaves(&self, device: &Hash) -> Result<Vec<ProvenLeaf>> {
        let network = &self.reporter.network;
        Ok(leaves::read(self.context, self.chain, network, device)?.leaves)
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
