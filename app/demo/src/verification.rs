//! Each way to verify, on a feed of its own, and an operator that lies and is caught.

use crate::actors::Cheat;
use crate::network::Network;
use crate::run::Course;
use crate::scenario::{self, AIRPORTS, HOUR, TOKEN};
use crate::show;
use ai_feed::instructions::{CreateFeedArgs, RegisterVerifyingKeyArgs, SubmitAttestationArgs};
use ai_feed::state::{Attestation, Feed, Model, VerifyingKey, BY_TIME, REDUCTION_CIRCOM};
use anchor_lang::prelude::Pubkey;
use anyhow::{ensure, Context, Result};
use commitment::{CommitmentLeaf, MmrBuilder, Tree};
use data_commitment::instructions::CommitRootArgs;
use data_commitment::state::Stream;
use device_protocol::{feed_id, InputSpec};
use device_registry::state::Network as NetworkAccount;
use feed_reader::Mask;
use fieldproof_client::ai_feed::{self as feeds, Attesting, Challenging};
use fieldproof_client::{chain, data_commitment as streams, security_pool as pools};
use fieldproof_worker::payload::{self, Payload};
use fieldproof_worker::window::{self, Batch, Window};
use inference::{Header, ModelRef, WINDOWS};
use prover::Prover;
use security_pool::state::Pool;
use serde::Serialize;
use solana_signer::Signer;

/// Seconds of a round, as of the airports' feeds.
const ROUND: i64 = 600;
/// Seconds in which an attestation can be challenged.
const CHALLENGE: i64 = 600;
/// What an attestation reserves that passes by time.
const BOND: u64 = TOKEN;
/// What a false attestation costs, basis points of the stake.
const SLASH_BPS: u16 = 5_000;
/// By how much the cheat's outputs are too high, in the model's steps of a quarter of a degree.
const LIE: u8 = 40;

/// A feed's newest value, and what it has passed.
#[derive(Serialize)]
pub struct Way {
    /// What the feed requires.
    pub required: Vec<&'static str>,
    /// The feed's address.
    pub feed: String,
    /// IATA code of the airport.
    pub airport: &'static str,
    /// In units of the feed's exponent.
    pub value: i64,
    /// Verifications that the value has passed.
    pub passed: Vec<&'static str>,
}

/// A lie, and what it cost.
#[derive(Serialize)]
pub struct Caught {
    /// What was attested, in units of the feed's exponent.
    pub attested: i64,
    /// What the model says.
    pub right: i64,
    /// What the liar lost, base units of the stake.
    pub slashed: u64,
    /// What the challenger got of it, base units.
    pub bounty: u64,
    /// The challenge.
    pub signature: String,
    /// Its compute units.
    pub cu: u64,
}

/// What this part of the demo showed.
#[derive(Serialize)]
pub struct Verification {
    /// By feed.
    pub ways: Vec<Way>,
    /// The cheat.
    pub caught: Caught,
}

/// Has the network take proofs of the development key, in time for its timelock.
pub fn register_key(network: &Network) -> Result<()> {
    let prover = Prover::development(WINDOWS).context("the development key")?;
    let mut circuit = Vec::new();
    prover::export_r1cs(WINDOWS, &mut circuit)?;
    let key = prover.verifying_key().to_bytes();
    let args = RegisterVerifyingKeyArgs {
        hash: VerifyingKey::hash_of(&key),
        shape: Header::SHAPE,
        windows: WINDOWS as u8,
        reduction: REDUCTION_CIRCOM,
        circuit: payload::hash(&circuit),
        transcript: [0; 32],
        key: key.to_vec(),
    };
    let authority = network.authority.pubkey();
    let register = feeds::register_verifying_key(&authority, &authority, &network.key(), args);
    let done = network.send(&[register], &[])?;
    show::transaction("an insecure key for proofs, as nothing is at stake", &done);
    Ok(())
}

/// Plays it, in the two hours after the last forecast.
pub fn play(course: &mut Course<'_>, cheat: &Cheat) -> Result<Verification> {
    let network = course.network;
    let optimistic = create_feed(network, 1, BY_TIME, BOND)?;
    let proven = create_feed(network, 2, Mask::ZK | Mask::SOURCED, 0)?;
    let time = scenario::FIRST_FORECAST + scenario::FORECAST_HOURS * HOUR;
    course.pass_hour(time, CHALLENGE + 60)?;
    let mut ways = Vec::new();
    for (feed, airport) in [
        (network.deployment.feeds[0], 0),
        (optimistic, 1),
        (proven, 2),
    ] {
        ways.push(way(network, &feed, airport)?);
    }
    for way in &ways {
        show::line(&format!(
            "{}  {} °C  required: {:<20} passed: {}",
            way.airport,
            show::degrees(way.value),
            way.required.join(", "),
            way.passed.join(", ")
        ));
    }
    let caught = catch(course, cheat, &optimistic, time + HOUR)?;
    Ok(Verification { ways, caught })
}

/// A feed of an airport with other requirements than the one that there is.
fn create_feed(network: &Network, airport: usize, required_mask: u16, bond: u64) -> Result<Pubkey> {
    let chain = network.chain.as_ref();
    let known: Feed = chain::read(chain, &network.deployment.feeds[airport])?;
    let creator = network.authority.pubkey();
    let cells = vec![AIRPORTS[airport].cell];
    // A second more than the other feed's, whose id it would have otherwise.
    let max_gap = known.max_gap + 1;
    let id = feed_id(
        &network.deployment.network_id,
        &creator.to_bytes(),
        &known.model,
        &InputSpec {
            schema: known.schema,
            max_gap_s: max_gap,
            cells: &cells,
        },
        0,
        ROUND,
    )
    .context("a feed's id")?;
    let args = CreateFeedArgs {
        id,
        schema: known.schema,
        max_gap,
        cells,
        aggregation: 0,
        round_length: ROUND,
        required_mask,
        min_signers: 2,
        min_streams: 1,
        grace: CHALLENGE,
        challenge_window: CHALLENGE,
        bond,
        slash_bps: SLASH_BPS,
    };
    let create = feeds::create_feed(&creator, &creator, &network.key(), &known.model, args);
    let done = network.send(&[create], &[])?;
    let required: Vec<&str> = Mask::names(required_mask).collect();
    let required = required.join(" and ");
    let what = format!("a feed of {} by {required}", AIRPORTS[airport].code);
    show::transaction(&what, &done);
    Ok(feeds::feed(&id))
}

fn way(network: &Network, key: &Pubkey, airport: usize) -> Result<Way> {
    let feed: Feed = chain::read(network.chain.as_ref(), key)?;
    ensure!(feed.entries > 0, "{} has no value", AIRPORTS[airport].code);
    let entry = feed
        .ring
        .get(feed.head as usize)
        .context("a feed's ring is cut")?;
    Ok(Way {
        required: Mask::names(feed.required_mask).collect(),
        feed: key.to_string(),
        airport: AIRPORTS[airport].code,
        value: entry.value,
        passed: Mask::names(entry.mask).collect(),
    })
}

/// The cheat attests a higher temperature than the model gives for readings that are right. Somebody runs the model on
/// the windows that it had to show, and challenges.
fn catch(course: &mut Course<'_>, cheat: &Cheat, feed_key: &Pubkey, time: i64) -> Result<Caught> {
    let network = course.network;
    let chain = network.chain.as_ref();
    course.pass_hour(time, 0)?;
    let feed: Feed = chain::read(chain, feed_key)?;
    let model: Model = chain::read(chain, &feeds::model(&feed.model))?;
    let bytes = model.bytes;
    let model = ModelRef::parse(&bytes).map_err(|error| anyhow::anyhow!("{error}"))?;

    let (attestation_key, right) = lie(course, cheat, feed_key, &feed, &model, time)?;
    let attestation: Attestation = chain::read(chain, &attestation_key)?;

    let challenger = network.new_key();
    let stake_mint = network.deployment.stake_mint;
    let bounty = network.fund(&challenger.pubkey(), &stake_mint, 0)?;
    let windows =
        feeds::shown_windows(chain, &attestation_key)?.context("nobody showed the windows")?;
    let number = windows
        .iter()
        .zip(attestation.outputs)
        .position(|(window, output)| inference::infer(&model, &window.features) != output)
        .context("the lie can't be seen")?;
    let pool = || -> Result<Pool> { Ok(chain::read(chain, &cheat.pool)?) };
    let staked = pool()?.staked;
    let round = feeds::round(feed_key, attestation.round);
    let challenging = Challenging {
        challenger: challenger.pubkey(),
        bounty,
        network: network.key(),
        network_id: network.deployment.network_id,
        stake_mint,
        feed: *feed_key,
        model: feeds::model(&feed.model),
        attestation: attestation_key,
        pool: cheat.pool,
        round: chain.account(&round)?.map(|_| round),
    };
    let args = feeds::output_challenge(&windows, u8::try_from(number)?)?;
    let challenge = feeds::challenge_output(&challenging, args);
    let done = network.send(&[challenge], &[&challenger])?;
    show::transaction("somebody runs the model on them, and challenges", &done);
    let caught = Caught {
        attested: attestation.value,
        right,
        slashed: staked - pool()?.staked,
        bounty: network.balance(&bounty)?,
        signature: done.signature.to_string(),
        cu: done.compute_units,
    };
    show::line(&format!(
        "    {} loses {} tokens, of which the challenger gets {}",
        cheat.name,
        show::tokens(caught.slashed),
        show::tokens(caught.bounty)
    ));
    course.pass_time(time, scenario::ROUND_OVER + CHALLENGE + 60)?;
    let honest = way(network, feed_key, 1)?;
    ensure!(honest.value != caught.attested, "the lie stands");
    show::line(&format!(
        "    the feed goes on with the others: {} °C",
        show::degrees(honest.value)
    ));
    Ok(caught)
}

/// Commits to a device's last readings and attests outputs that the model does not give. Returns the attestation, and the
/// value that would have been right.
fn lie(
    course: &Course<'_>,
    cheat: &Cheat,
    feed_key: &Pubkey,
    feed: &Feed,
    model: &ModelRef<'_>,
    time: i64,
) -> Result<(Pubkey, i64)> {
    let network = course.network;
    let chain = network.chain.as_ref();
    let device = course
        .devices
        .iter()
        .find(|device| device.airport == 1)
        .context("an airport without devices")?;
    let readings = (0..16)
        .map(|place| {
            let hour = time - (15 - place) * HOUR;
            let temperature = course.weather.temperature(device.airport, hour);
            device.measure(temperature.context("an hour without a measurement")?, hour)
        })
        .collect::<Result<Vec<_>>>()?;
    let readings = readings
        .try_into()
        .map_err(|_| anyhow::anyhow!("a window has 16 readings"))?;
    let (tree, index) = device.place;
    let newest = network.on_chain(time);
    let batch = Batch {
        feed: feed.id,
        model: feed.model,
        round: u64::try_from(newest / feed.round_length)?,
        windows: vec![Window {
            tree,
            index,
            readings: Box::new(readings),
            grants: Vec::new(),
        }],
    };
    let computed = window::compute(&batch, model)?;
    let mut outputs = computed.outputs;
    outputs[0] = outputs[0].wrapping_add(LIE);
    let stream_key = streams::stream(&network.key(), &cheat.pool);
    let round = batch.round;
    let payload = Payload::Readings {
        network: network.deployment.network_id,
        stream: stream_key.to_bytes(),
        batches: vec![batch],
    }
    .encode()?;
    let root = Tree::of_batches(&[computed.leaf.hash()])
        .map_err(|error| anyhow::anyhow!("{error:?}"))?
        .root();
    let args = CommitRootArgs {
        sequence: 0,
        root,
        batches: 1,
        payload_hash: payload::hash(&payload),
        payload_len: payload.len() as u64,
    };
    let signer = cheat.signer.pubkey();
    let commit = streams::commit_root(&signer, &network.key(), &cheat.pool, args);
    network.send(&[commit], &[&cheat.signer])?;
    let stream: Stream = chain::read(chain, &stream_key)?;
    let leaf = CommitmentLeaf {
        sequence: 0,
        posted_at: stream.last_posted_at,
        root,
        batches: 1,
        payload_hash: args.payload_hash,
        payload_len: args.payload_len,
    };
    let mut mmr = MmrBuilder::new();
    let proof = |error| anyhow::anyhow!("a proof: {error:?}");
    mmr.append(leaf.hash()).map_err(proof)?;
    let account: NetworkAccount = chain::read(chain, &network.key())?;
    let epoch = account.epoch(chain.clock()?.unix_timestamp)?;
    let bonds = feeds::bonds(&network.key(), &cheat.pool);
    let payer = network.authority.pubkey();
    let submit = feeds::submit_attestation(
        &Attesting {
            payer,
            attester: signer,
            network: network.key(),
            feed: *feed_key,
            model: feeds::model(&feed.model),
            stream: stream_key,
            pool: cheat.pool,
            committee: pools::committee(&network.key(), epoch),
            bonds: Some(bonds),
        },
        SubmitAttestationArgs {
            round,
            outputs,
            commitment: leaf.into(),
            mmr_path: mmr.path(0).map_err(proof)?,
            batch_index: 0,
            batch: computed.leaf.into(),
            batch_path: Vec::new(),
        },
    );
    let open = feeds::open_bonds(&payer, &network.key(), &cheat.pool);
    let done = network.send(&[open, submit], &[&cheat.signer])?;
    let key = feeds::attestation(feed_key, &stream_key, round, 0, 0);
    let attested = chain::read::<Attestation>(chain, &key)?.value;
    let what = format!(
        "{} attests {} °C where the model says {}",
        cheat.name,
        show::degrees(attested),
        show::degrees(computed.value)
    );
    show::transaction(&what, &done);
    let show_windows = feeds::show_windows(&feeds::round(feed_key, round), &key, computed.windows);
    let done = network.send(&[show_windows], &[])?;
    show::transaction("    and shows its windows, or it would never pass", &done);
    Ok((key, computed.value))
}
