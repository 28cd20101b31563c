//! data-commitment: committing, and verifying what was committed.

use crate::availability;
use crate::bench::Bench;
use crate::stream::{full_batch, Proof};
use anchor_lang::solana_program::instruction::Instruction;
use anyhow::Result;
use bytemuck::Zeroable;
use commitment::{BatchLeaf, ReadingLeaf};
use data_commitment::instructions::{CommitRootArgs, VerifyBatchArgs, VerifyReadingArgs};
use data_commitment::state::Stream;
use device_protocol::{Reading, Values, SIGNATURE_LEN};
use device_registry::state::Network;
use fieldproof_client::data_commitment as client;
use security_pool::state::Pool;
use solana_signer::Signer;
use tests::START;

/// Commitments of which the median is taken.
const COMMITMENTS: u64 = 64;
/// The commitment that merges 20 times: of 2^20, the last.
const WORST: u64 = (1 << 20) - 1;
/// Bytes of an instruction's discriminator, before its arguments.
const DISCRIMINATOR: usize = 8;
/// The signatures of every reading and its grant, which nothing here verifies.
const SIGNATURE: [u8; SIGNATURE_LEN] = [5; SIGNATURE_LEN];
const GRANT_SIGNATURE: [u8; SIGNATURE_LEN] = [6; SIGNATURE_LEN];
/// The network's id.
const NETWORK: [u8; 32] = [7; 32];

/// Measures every instruction; what is verified lies in a stream of 2^20 commitments.
pub fn measure(bench: &Bench) -> Result<()> {
    let (network, pool, signer) = (bench.address(), bench.address(), bench.key());
    let stake_mint = bench.address();
    bench.put(
        &network,
        &Network {
            version: 1,
            id: NETWORK,
            stake_mint,
            ..Network::zeroed()
        },
    )?;
    bench.put(
        &pool,
        &Pool {
            version: 1,
            signer: signer.pubkey(),
            stake_mint,
            ..Pool::zeroed()
        },
    )?;
    let stream = client::stream(&network, &pool);
    let open = client::open_stream(&bench.payer(), &signer.pubkey(), &network, &pool);
    bench.measure("open_stream", "", &[open], &[&signer])?;

    let commit = |sequence| {
        let args = CommitRootArgs {
            sequence,
            root: [3; 32],
            batches: 1,
            payload_hash: [4; 32],
            payload_len: 5,
        };
        let commit = client::commit_root(&signer.pubkey(), &network, &pool, args);
        bench.run(&[commit], &[&signer])
    };
    let mut costs = (0..COMMITMENTS).map(commit).collect::<Result<Vec<_>>>()?;
    costs.sort_unstable();
    bench.record("commit_root", "median of 64", costs[costs.len() / 2]);
    bench.edit::<Stream>(&stream, |stream| stream.count = WORST)?;
    let worst = commit(WORST)?;
    bench.record("commit_root", "worst of 2^20: 20 merges", worst);

    let verify = |(batches, values)| -> Result<[Instruction; 2]> {
        let readings = Readings::new(values)?;
        let proof = Proof::new(readings.batch, batches, START)?;
        bench.edit::<Stream>(&stream, |stream| proof.enter(stream))?;
        let batch = VerifyBatchArgs {
            commitment: proof.commitment.into(),
            mmr_path: proof.mmr_path,
            batch_index: 0,
            batch: proof.batch.into(),
            batch_path: proof.batch_path,
        };
        let reading = VerifyReadingArgs {
            commitment: batch.commitment,
            mmr_path: batch.mmr_path.clone(),
            batch_index: 0,
            batch: batch.batch,
            batch_path: batch.batch_path.clone(),
            reading_index: 0,
            reading: readings.first,
            grant_signature: Some(GRANT_SIGNATURE),
            reading_path: readings.path,
        };
        Ok([
            client::verify_batch(&stream, batch),
            client::verify_reading(&network, &stream, reading),
        ])
    };
    for (batches, case) in [
        (1, "stream of 2^20 commitments, 1 batch in the commitment"),
        (
            64,
            "stream of 2^20 commitments, 64 batches in the commitment",
        ),
    ] {
        let [verify_batch, _] = verify((batches, 1))?;
        bench.measure("verify_batch", case, &[verify_batch], &[])?;
    }
    for (size, [direct, called, library]) in [
        (
            (1, 3),
            [
                "as an instruction; stream of 2^20 commitments, 1 batch, reading of 3 values",
                "by CPI; stream of 2^20 commitments, 1 batch, reading of 3 values",
                "as a library call; stream of 2^20 commitments, 1 batch, reading of 3 values",
            ],
        ),
        (
            (1, Values::MAX),
            [
                "as an instruction; stream of 2^20 commitments, 1 batch, reading of 32 values",
                "by CPI; stream of 2^20 commitments, 1 batch, reading of 32 values",
                "as a library call; stream of 2^20 commitments, 1 batch, reading of 32 values",
            ],
        ),
        (
            (64, Values::MAX),
            [
                "as an instruction; stream of 2^20 commitments, 64 batches, reading of 32 values",
                "by CPI; stream of 2^20 commitments, 64 batches, reading of 32 values",
                "as a library call; stream of 2^20 commitments, 64 batches, reading of 32 values",
            ],
        ),
    ] {
        let [_, verify] = verify(size)?;
        let (data, args) = (verify.data.clone(), &verify.data[DISCRIMINATOR..]);
        bench.measure("verify_reading", direct, std::slice::from_ref(&verify), &[])?;
        bench.measure_call(
            "verify_reading",
            called,
            probe::CALL_VERIFY_READING,
            &data,
            &[network, stream, data_commitment::ID],
        )?;
        bench.measure_call(
            "verify_reading",
            library,
            probe::VERIFY_READING,
            args,
            &[stream],
        )?;
    }
    availability::measure(bench)
}

/// The readings of a full batch, of which the first is proven.
struct Readings {
    batch: BatchLeaf,
    first: Vec<u8>,
    path: Vec<u8>,
}

impl Readings {
    /// Each of this many values.
    fn new(values: usize) -> Result<Self> {
        let reading = Reading {
            network: NETWORK,
            device: [9; 32],
            leaf_nonce: 1,
            session: 2,
            sequence: 0,
            captured_at: 1_500,
            latitude: 520_000_000,
            longitude: 130_000_000,
            accuracy: 5,
            schema: 1,
            values: Values::new(&vec![1; values])?,
        };
        let leaf = ReadingLeaf {
            digest: reading.digest(),
            signature: &SIGNATURE,
            grant: Some(&GRANT_SIGNATURE),
        };
        let (batch, tree) = full_batch(leaf.hash())?;
        let mut bytes = [0; Reading::MAX_LEN];
        let len = reading.write(&mut bytes);
        Ok(Self {
            batch,
            first: [&bytes[..len], &SIGNATURE].concat(),
            path: tree.path(0)?,
        })
    }
}
