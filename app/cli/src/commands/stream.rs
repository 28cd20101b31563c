//! `fieldproof stream`: where an operator's worker commits what it takes.

use super::pool::Which;
use crate::context::Context;
use crate::output;
use anyhow::{anyhow, ensure, Context as _, Result};
use data_commitment::state::Stream;
use fieldproof_client::{chain, data_commitment as streams, transaction};
use serde::Serialize;
use solana_signer::Signer;
use std::path::PathBuf;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Open a pool's stream in the network, which its worker needs
    Open {
        #[command(flatten)]
        which: Which,
        /// The worker's keypair, which signs; your keypair pays
        #[arg(long, value_name = "KEYPAIR")]
        signer: PathBuf,
    },
    /// Show a pool's stream
    Show {
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Serialize)]
struct Shown {
    stream: String,
    pool: String,
    commitments: u64,
    /// When the newest was posted, unix seconds.
    last_posted_at: Option<i64>,
    /// Availability challenges that wait for an answer.
    open_challenges: u32,
    signature: Option<String>,
}

pub fn run(context: &Context, command: Command) -> Result<()> {
    let chain = context.chain();
    let (network, terms) = context.network(&chain)?;
    let own = || context.keypair().map(|keypair| keypair.pubkey());
    let (pool, signature) = match command {
        Command::Open { which, signer } => {
            let keypair = context.keypair()?;
            let own = keypair.pubkey();
            let pool = which.address(&terms.stake_mint, &own);
            let signer = solana_keypair::read_keypair_file(&signer)
                .map_err(|error| anyhow!("{}: {error}", signer.display()))?;
            let address = streams::stream(&network, &pool);
            ensure!(
                chain::find::<Stream>(&chain, &address)?.is_none(),
                "pool {pool} has its stream already: `fieldproof stream show` shows it"
            );
            let open = streams::open_stream(&own, &signer.pubkey(), &network, &pool);
            let _progress = context.progress("opening the stream");
            let done = transaction::send(&chain, &[open], &keypair, &[&signer])?;
            (pool, Some(done.signature.to_string()))
        }
        Command::Show { which } => (which.address_or(&terms.stake_mint, own)?, None),
    };
    let address = streams::stream(&network, &pool);
    let stream: Option<Stream> = chain::find(&chain, &address)?;
    let stream = stream.with_context(|| {
        format!("pool {pool} has no stream in this network: open it with `fieldproof stream open`")
    })?;
    let shown = Shown {
        stream: address.to_string(),
        pool: pool.to_string(),
        commitments: stream.count,
        last_posted_at: (stream.count > 0).then_some(stream.last_posted_at),
        open_challenges: stream.open_challenges,
        signature,
    };
    context.print(&shown, || {
        let mut rows = vec![
            ("Stream", shown.stream.clone()),
            ("Pool", shown.pool.clone()),
            ("Commitments", shown.commitments.to_string()),
            ("Open challenges", shown.open_challenges.to_string()),
        ];
        rows.extend(output::signatures(&shown.signature));
        output::rows(rows)
    })
}
