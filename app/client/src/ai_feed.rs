//! Addresses and instructions of ai-feed: models, verifying keys, feeds, attestations, rounds.

use crate::chain::{self, Chain, Cursor, Execution};
use crate::data_commitment::ReadingPlace;
use crate::event;
use crate::poseidon::poseidon;
use crate::{security_pool as pools, token, ClientError};
use ai_feed::instructions::{
    offence, ChallengeOutputArgs, ChallengeWindowArgs, CreateFeedArgs, OwnerArgs,
    RegisterVerifyingKeyArgs, SubmitAttestationArgs, WindowArgs, NO_GRANT, WINDOWS_DEPTH,
};
use ai_feed::penalty::SLASHER;
use ai_feed::state::{Attestation, Feed, Policy, PROOF_BYTES};
use ai_feed::{accounts, instruction, seeds, EVENT_AUTHORITY_AND_BUMP, ID};
use anchor_lang::prelude::{Instructions, Pubkey};
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::solana_program::system_program;
use anchor_lang::solana_program::sysvar::SysvarId;
use anchor_lang::{InstructionData, ToAccountMetas};
use commitment::{ReadingLeaf, Tree, READINGS_DEPTH, READINGS_PER_WINDOW, WINDOWS};
use device_protocol::{
    private_model_id, Hash, ReadingHeader, SignedGrant, SignedReading, SIGNATURE_LEN,
};
use inference::Header;

/// The account of the model of this id, which is a public model's hash.
pub fn model(id: &[u8; 32]) -> Pubkey {
    address(&[seeds::MODEL, id])
}

/// The account of the verifying key of this hash in the network at this address.
pub fn verifying_key(network: &Pubkey, hash: &[u8; 32]) -> Pubkey {
    address(&[seeds::VERIFYING_KEY, network.as_ref(), hash])
}

/// The account of the feed of this id.
pub fn feed(id: &[u8; 32]) -> Pubkey {
    address(&[seeds::FEED, id])
}

/// The account of a round of the feed at this address, while it is open.
pub fn round(feed: &Pubkey, round: u64) -> Pubkey {
    address(&[seeds::ROUND, feed.as_ref(), &round.to_le_bytes()])
}

/// The account of the attestation on one batch of a stream.
pub fn attestation(
    feed: &Pubkey,
    stream: &Pubkey,
    round: u64,
    sequence: u64,
    batch_index: u32,
) -> Pubkey {
    address(&[
        seeds::ATTESTATION,
        feed.as_ref(),
        stream.as_ref(),
        &round.to_le_bytes(),
        &sequence.to_le_bytes(),
        &batch_index.to_le_bytes(),
    ])
}

/// What the attestations of an operator's pool have reserved in a network.
pub fn bonds(network: &Pubkey, pool: &Pubkey) -> Pubkey {
    address(&[seeds::BONDS, network.as_ref(), pool.as_ref()])
}

/// Publishes a model's canonical bytes under their hash.
pub fn register_model(publisher: &Pubkey, hash: [u8; 32], bytes: Vec<u8>) -> Instruction {
    build(
        accounts::RegisterModel {
            publisher: *publisher,
            model: model(&hash),
            system_program: system_program::ID,
        },
        instruction::RegisterModel { hash, bytes },
    )
}

/// Names a model by its hash and header, under the id that follows from them; its id.
pub fn register_private_model(
    publisher: &Pubkey,
    hash: [u8; 32],
    header: &Header,
) -> ([u8; 32], Instruction) {
    let header = header.to_bytes();
    let id = private_model_id(&hash, &header);
    let instruction = build(
        accounts::RegisterPrivateModel {
            publisher: *publisher,
            model: model(&id),
            system_program: system_program::ID,
        },
        instruction::RegisterPrivateModel { id, hash, header },
    );
    (id, instruction)
}

/// Has the network at `network` take proofs of a key from its timelock on.
pub fn register_verifying_key(
    payer: &Pubkey,
    authority: &Pubkey,
    network: &Pubkey,
    args: RegisterVerifyingKeyArgs,
) -> Instruction {
    build(
        accounts::RegisterVerifyingKey {
            payer: *payer,
            authority: *authority,
            network: *network,
            verifying_key: verifying_key(network, &args.hash),
            system_program: system_program::ID,
        },
        instruction::RegisterVerifyingKey { args },
    )
}

/// Has the network at `network` refuse proofs of the key of this hash, at once and for good.
pub fn revoke_verifying_key(authority: &Pubkey, network: &Pubkey, hash: &[u8; 32]) -> Instruction {
    build(
        accounts::RevokeVerifyingKey {
            authority: *authority,
            network: *network,
            verifying_key: verifying_key(network, hash),
        },
        instruction::RevokeVerifyingKey {},
    )
}

/// Opens the feed `args.id`. `model` is the model's id, `network` the network's address.
pub fn create_feed(
    payer: &Pubkey,
    creator: &Pubkey,
    network: &Pubkey,
    model: &[u8; 32],
    args: CreateFeedArgs,
) -> Instruction {
    build(
        accounts::CreateFeed {
            payer: *payer,
            creator: *creator,
            network: *network,
            model: self::model(model),
            feed: feed(&args.id),
            system_program: system_program::ID,
            fees: accounts::Fees {
                pricing: None,
                epoch: None,
                credits: None,
                reward_emission: None,
            },
        },
        instruction::CreateFeed { args },
    )
}

/// Offers a feed's authority to `new_authority`; the default key takes the offer back.
pub fn transfer_authority(feed: &Pubkey, authority: &Pubkey, new_authority: Pubkey) -> Instruction {
    build(
        accounts::TransferAuthority {
            authority: *authority,
            feed: *feed,
        },
        instruction::TransferAuthority { new_authority },
    )
}

/// Takes a feed's authority over.
pub fn accept_authority(feed: &Pubkey, pending_authority: &Pubkey) -> Instruction {
    build(
        accounts::AcceptAuthority {
            pending_authority: *pending_authority,
            feed: *feed,
        },
        instruction::AcceptAuthority {},
    )
}

/// Stops a feed for good.
pub fn freeze_feed(feed: &Pubkey, authority: &Pubkey) -> Instruction {
    build(
        accounts::FreezeFeed {
            authority: *authority,
            feed: *feed,
        },
        instruction::FreezeFeed {},
    )
}

/// Whom and what an attestation is about, by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attesting {
    /// Pays the rent of attestation and round.
    pub payer: Pubkey,
    /// The pool's signer.
    pub attester: Pubkey,
    /// The network.
    pub network: Pubkey,
    /// The feed.
    pub feed: Pubkey,
    /// The feed's model.
    pub model: Pubkey,
    /// The attester's stream.
    pub stream: Pubkey,
    /// The attester's pool.
    pub pool: Pubkey,
    /// The committee of the network's present epoch.
    pub committee: Pubkey,
    /// The attester's bonds, if the feed asks for one: [`bonds`].
    pub bonds: Option<Pubkey>,
}

/// Claims the model's outputs on a batch of the attester's stream.
pub fn submit_attestation(attesting: &Attesting, args: SubmitAttestationArgs) -> Instruction {
    let Attesting {
        payer,
        attester,
        network,
        feed,
        model,
        stream,
        pool,
        committee,
        bonds,
    } = *attesting;
    build(
        accounts::SubmitAttestation {
            payer,
            attester,
            network,
            feed,
            model,
            stream,
            pool,
            committee,
            round: round(&feed, args.round),
            attestation: attestation(
                &feed,
                &stream,
                args.round,
                args.commitment.sequence,
                args.batch_index,
            ),
            system_program: system_program::ID,
            bonds,
        },
        instruction::SubmitAttestation { args },
    )
}

/// An attestation as it was submitted.
#[derive(Clone, Debug)]
pub struct Submitted {
    /// The feed.
    pub feed: Pubkey,
    /// The attester's stream.
    pub stream: Pubkey,
    /// The attestation.
    pub attestation: Pubkey,
    /// What it claims.
    pub args: SubmitAttestationArgs,
}

/// What a transaction submitted, to whatever feeds, in no order.
pub fn submissions(execution: &Execution) -> Vec<Submitted> {
    event::ran::<instruction::SubmitAttestation>(execution, &ID)
        .filter_map(|(accounts, submitted)| {
            // In the order of `accounts::SubmitAttestation`.
            let [_payer, _attester, _network, feed, _model, stream, _pool, _committee, _round, attestation, ..] =
                accounts
            else {
                return None;
            };
            Some(Submitted {
                feed: *feed,
                stream: *stream,
                attestation: *attestation,
                args: submitted.args,
            })
        })
        .collect()
}

/// The windows that were shown for an attestation, from the transaction that did; `None` if nobody showed them.
///
/// # Errors
/// The chain's.
pub fn shown_windows(
    chain: &dyn Chain,
    attestation: &Pubkey,
) -> Result<Option<Vec<WindowArgs>>, ClientError> {
    let history = chain.history(attestation, &Cursor::START)?;
    for execution in chain::executions(chain, &history) {
        let Some(execution) = execution? else {
            continue;
        };
        // The transaction may have shown windows of another attestation too, and names the round first.
        let shown = event::ran::<instruction::ShowWindows>(&execution, &ID)
            .find(|(accounts, _)| accounts.get(1) == Some(attestation));
        if let Some((_, shown)) = shown {
            return Ok(Some(shown.windows));
        }
    }
    Ok(None)
}

/// What signatures are for, by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attested {
    /// The network.
    pub network: Pubkey,
    /// The feed.
    pub feed: Pubkey,
    /// The attestation's committee.
    pub committee: Pubkey,
    /// The attestation's round.
    pub round: Pubkey,
    /// The attestation.
    pub attestation: Pubkey,
}

/// Brings the signatures of the transaction's Ed25519 instruction at index `ed25519`; `members` names the committee
/// member of each, in order.
pub fn attest_committee(attested: &Attested, ed25519: u16, members: Vec<u8>) -> Instruction {
    let Attested {
        network,
        feed,
        committee,
        round,
        attestation,
    } = *attested;
    build(
        accounts::AttestCommittee {
            network,
            feed,
            committee,
            round,
            attestation,
            instructions: Instructions::id(),
            event_authority: EVENT_AUTHORITY_AND_BUMP.0,
            program: ID,
        },
        instruction::AttestCommittee {
            instruction: ed25519,
            members,
        },
    )
}

/// As [`attest_committee`], with signatures for the attestation's sources: of the digest of
/// `device_protocol::SourcesMessage`.
pub fn attest_sources(attested: &Attested, ed25519: u16, members: Vec<u8>) -> Instruction {
    let Attested {
        network,
        feed,
        committee,
        round,
        attestation,
    } = *attested;
    build(
        accounts::AttestCommittee {
            network,
            feed,
            committee,
            round,
            attestation,
            instructions: Instructions::id(),
            event_authority: EVENT_AUTHORITY_AND_BUMP.0,
            program: ID,
        },
        instruction::AttestSources {
            instruction: ed25519,
            members,
        },
    )
}

/// What a proof is for, by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The network.
    pub network: Pubkey,
    /// The feed.
    pub feed: Pubkey,
    /// The feed's model.
    pub model: Pubkey,
    /// The key that the proof is of.
    pub verifying_key: Pubkey,
    /// The attestation's round.
    pub round: Pubkey,
    /// The attestation.
    pub attestation: Pubkey,
}

/// Brings a proof of an attestation's outputs: A (negated), B and C, as the chain takes them.
pub fn attest_zk(proven: &Proven, proof: [u8; PROOF_BYTES]) -> Instruction {
    let Proven {
        network,
        feed,
        model,
        verifying_key,
        round,
        attestation,
    } = *proven;
    build(
        accounts::AttestZk {
            network,
            feed,
            model,
            verifying_key,
            round,
            attestation,
            event_authority: EVENT_AUTHORITY_AND_BUMP.0,
            program: ID,
        },
        instruction::AttestZk { proof },
    )
}

/// Turns a round that has ended into the feed's newest value. `payer` paid the round's rent.
pub fn finalize_round(network: &Pubkey, feed: &Pubkey, round: u64, payer: &Pubkey) -> Instruction {
    build(
        accounts::FinalizeRound {
            network: *network,
            feed: *feed,
            round: self::round(feed, round),
            payer: *payer,
        },
        instruction::FinalizeRound {},
    )
}

/// Returns the rent of a round that was passed over. `payer` paid it.
pub fn close_round(feed: &Pubkey, round: u64, payer: &Pubkey) -> Instruction {
    build(
        accounts::CloseRound {
            feed: *feed,
            round: self::round(feed, round),
            payer: *payer,
        },
        instruction::CloseRound {},
    )
}

/// Returns the rent of an attestation that is over, and the bond behind it to `bonds`, if it has one. `payer` paid the rent.
pub fn close_attestation(
    feed: &Pubkey,
    attestation: &Pubkey,
    payer: &Pubkey,
    bonds: Option<Pubkey>,
) -> Instruction {
    build(
        accounts::CloseAttestation {
            feed: *feed,
            attestation: *attestation,
            payer: *payer,
            bonds,
        },
        instruction::CloseAttestation {},
    )
}

/// Reads the feed `id` by a call, which returns an [`ai_feed::FeedValue`]; a program makes it by CPI.
pub fn read_feed(id: [u8; 32], max_age: u32, min_mask: u16) -> Instruction {
    build(
        accounts::ReadFeed { feed: feed(&id) },
        instruction::ReadFeed {
            id,
            max_age,
            min_mask,
        },
    )
}

/// Opens the bonds of an operator's pool in a network.
pub fn open_bonds(payer: &Pubkey, network: &Pubkey, pool: &Pubkey) -> Instruction {
    build(
        accounts::OpenBonds {
            payer: *payer,
            network: *network,
            pool: *pool,
            bonds: bonds(network, pool),
            system_program: system_program::ID,
        },
        instruction::OpenBonds {},
    )
}

/// Puts all windows behind an attestation on the ledger.
pub fn show_windows(round: &Pubkey, attestation: &Pubkey, windows: Vec<WindowArgs>) -> Instruction {
    build(
        accounts::ShowWindows {
            round: *round,
            attestation: *attestation,
        },
        instruction::ShowWindows { windows },
    )
}

/// Stops an attestation's clock for an open challenge of a reading of its batch.
pub fn stop_clock(
    network: &Pubkey,
    feed: &Pubkey,
    attestation: &Pubkey,
    challenge: &ReadingPlace,
) -> Instruction {
    build(
        accounts::StopClock {
            network: *network,
            feed: *feed,
            attestation: *attestation,
            challenge: challenge.challenge(),
        },
        instruction::StopClock {},
    )
}

/// Ends the stop for a challenge that is over.
pub fn resume_clock(attestation: &Pubkey, challenge: &ReadingPlace) -> Instruction {
    build(
        accounts::ResumeClock {
            attestation: *attestation,
            challenge: challenge.challenge(),
        },
        instruction::ResumeClock {
            reading: challenge.reading,
        },
    )
}

/// The readings whose challenges stop an attestation's clock.
pub fn stops(attestation: &Attestation) -> impl Iterator<Item = u16> + '_ {
    let readings = (0u16..).take(attestation.stops.len() * 64);
    readings.filter(move |reading| {
        let word = attestation.stops.get(usize::from(reading / 64));
        word.is_some_and(|word| word >> (reading % 64) & 1 == 1)
    })
}

/// Lets an attestation pass whose challenge window ended undisputed. `stream` is the attester's.
pub fn pass_attestation(
    network: &Pubkey,
    feed: &Pubkey,
    stream: &Pubkey,
    round: &Pubkey,
    attestation: &Pubkey,
) -> Instruction {
    build(
        accounts::PassAttestation {
            network: *network,
            feed: *feed,
            stream: *stream,
            round: *round,
            attestation: *attestation,
            event_authority: EVENT_AUTHORITY_AND_BUMP.0,
            program: ID,
        },
        instruction::PassAttestation {},
    )
}

/// What a challenge of an attestation is about, by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenging {
    /// Who challenges, and pays the report's rent.
    pub challenger: Pubkey,
    /// Where the bounty goes: a token account of the stake mint.
    pub bounty: Pubkey,
    /// The feed's network.
    pub network: Pubkey,
    /// The network's id.
    pub network_id: [u8; 32],
    /// The network's stake mint.
    pub stake_mint: Pubkey,
    /// The feed.
    pub feed: Pubkey,
    /// The feed's model.
    pub model: Pubkey,
    /// The attestation.
    pub attestation: Pubkey,
    /// Its attester's pool.
    pub pool: Pubkey,
    /// Its round, as long as that is open.
    pub round: Option<Pubkey>,
}

impl Challenging {
    /// The report of the attester's slash, or that of the pool of a member that signed.
    pub fn report(&self, pool: &Pubkey) -> Pubkey {
        let offence = offence(&self.attestation, pool, &self.network_id);
        pools::report(&SLASHER.0, &offence)
    }

    fn accounts(&self) -> accounts::ChallengeAttestation {
        accounts::ChallengeAttestation {
            challenger: self.challenger,
            network: self.network,
            feed: self.feed,
            model: self.model,
            attestation: self.attestation,
            round: self.round,
            penalty: self.penalty(&self.pool),
        }
    }

    fn penalty(&self, pool: &Pubkey) -> accounts::Penalty {
        accounts::Penalty {
            slasher: SLASHER.0,
            roster: pools::roster(&self.network),
            pool: *pool,
            vault: pools::vault(pool),
            stake_mint: self.stake_mint,
            report: self.report(pool),
            bounty: self.bounty,
            token_program: token::TOKEN_PROGRAM,
            system_program: system_program::ID,
            security_pool: slashing::SECURITY_POOL,
        }
    }
}

/// Shows that the model gives another output on a window than was attested.
pub fn challenge_output(challenging: &Challenging, args: ChallengeOutputArgs) -> Instruction {
    build(
        challenging.accounts(),
        instruction::ChallengeOutput { args },
    )
}

/// Shows that a window is not made of its readings as the feed wants it.
pub fn challenge_window(challenging: &Challenging, args: ChallengeWindowArgs) -> Instruction {
    build(
        challenging.accounts(),
        instruction::ChallengeWindow { args },
    )
}

/// What `challenge_output` takes of a batch's windows, for the one at `number`.
///
/// # Errors
/// [`ClientError::Build`] if there is no such window.
pub fn output_challenge(
    windows: &[WindowArgs],
    number: u8,
) -> Result<ChallengeOutputArgs, ClientError> {
    let failed = |error: &dyn std::fmt::Display| ClientError::Build(error.to_string());
    let window = *windows
        .get(usize::from(number))
        .filter(|_| windows.len() <= WINDOWS)
        .ok_or_else(|| failed(&"the batch has no such window"))?;
    let mut nodes = vec![[0; 32]; WINDOWS];
    for (node, window) in nodes.iter_mut().zip(windows) {
        *node = window.leaf().map_err(|error| failed(&error))?;
    }
    let mut path = [[0; 32]; WINDOWS_DEPTH];
    for (height, sibling) in path.iter_mut().enumerate() {
        let place = (usize::from(number) >> height) ^ 1;
        *sibling = *nodes
            .get(place)
            .ok_or_else(|| failed(&"the batch has no such window"))?;
        nodes = nodes
            .chunks(2)
            .map(poseidon)
            .collect::<Result<_, _>>()
            .map_err(|error| failed(&error))?;
    }
    Ok(ChallengeOutputArgs {
        number,
        window,
        path,
    })
}

/// Whether `challenge_window` would find that a window holds: that its 16 readings, each with the grant of its session, are
/// what the feed takes in a round, make the window, and are no older than the batch's `first_capture` (unix milliseconds). By
/// the program's own rule.
///
/// # Errors
/// [`ClientError::Build`] if they are no readings.
pub fn window_holds(
    window: &WindowArgs,
    readings: &[(SignedReading, Option<SignedGrant>)],
    network: &Hash,
    feed: &Feed,
    round: u64,
    first_capture: i64,
    header: &Header,
) -> Result<bool, ClientError> {
    let (owners, grants, readings) = window_readings(readings);
    let args = ChallengeWindowArgs {
        number: 0,
        window: *window,
        path: [[0; 32]; WINDOWS_DEPTH],
        owners,
        grants,
        readings,
        readings_path: Vec::new(),
    };
    args.recompute(network, feed, round, first_capture, header)
        .map(|recomputed| recomputed.holds)
        .map_err(|error| ClientError::Build(error.to_string()))
}

/// What `challenge_window` takes of a batch's windows and readings, each with the grant of its session, for the window at
/// `number`.
///
/// # Errors
/// [`ClientError::Build`] if there is no such window, or its readings are not there.
pub fn window_challenge(
    windows: &[WindowArgs],
    readings: &[(SignedReading, Option<SignedGrant>)],
    number: u8,
) -> Result<ChallengeWindowArgs, ClientError> {
    let failed = || ClientError::Build("the window's readings are not there".to_owned());
    let ChallengeOutputArgs { window, path, .. } = output_challenge(windows, number)?;
    let first = usize::from(number) * READINGS_PER_WINDOW;
    let own = readings
        .get(first..first + READINGS_PER_WINDOW)
        .ok_or_else(failed)?;
    let leaves: Vec<Hash> = readings
        .iter()
        .map(|(signed, grant)| ReadingLeaf::of(signed, grant.as_ref()).hash())
        .collect();
    let tree = Tree::new(&leaves, READINGS_DEPTH).map_err(|_| failed())?;
    let readings_path = tree.path(first as u64).map_err(|_| failed())?;
    // The lowest levels are the window's own.
    let within = 32 * READINGS_PER_WINDOW.ilog2() as usize;
    let (owners, grants, passed) = window_readings(own);
    Ok(ChallengeWindowArgs {
        number,
        window,
        path,
        owners,
        grants,
        readings: passed,
        readings_path: readings_path.get(within..).ok_or_else(failed)?.to_vec(),
    })
}

/// Owners, grants and readings of [`ChallengeWindowArgs`], of a window's 16 readings, each with the grant of its session.
fn window_readings(
    readings: &[(SignedReading, Option<SignedGrant>)],
) -> (Vec<OwnerArgs>, Vec<[u8; SIGNATURE_LEN]>, Vec<u8>) {
    fn place<T: PartialEq>(all: &mut Vec<T>, one: T) -> u8 {
        let place = all.iter().position(|known| *known == one);
        let place = place.unwrap_or_else(|| {
            all.push(one);
            all.len() - 1
        });
        place as u8 // of at most 16
    }
    let (mut owners, mut grants, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    for (signed, grant) in readings {
        let owner = OwnerArgs {
            device: signed.reading.device,
            leaf_nonce: signed.reading.leaf_nonce,
        };
        bytes.push(place(&mut owners, owner));
        bytes.push(grant.map_or(NO_GRANT, |grant| place(&mut grants, grant.signature)));
        bytes.extend_from_slice(&signed.to_bytes()[ReadingHeader::OWNED..]);
    }
    (owners, grants, bytes)
}

/// Slashes a committee member, by its number and pool, that signed what was proven false.
pub fn slash_signer(
    challenging: &Challenging,
    committee: &Pubkey,
    member: u8,
    pool: &Pubkey,
) -> Instruction {
    build(
        accounts::SlashSigner {
            challenger: challenging.challenger,
            network: challenging.network,
            feed: challenging.feed,
            attestation: challenging.attestation,
            committee: *committee,
            penalty: challenging.penalty(pool),
        },
        instruction::SlashSigner { member },
    )
}

/// Proposes another policy for a feed.
pub fn propose_policy(
    feed: &Pubkey,
    network: &Pubkey,
    authority: &Pubkey,
    policy: Policy,
) -> Instruction {
    build(
        accounts::ProposePolicy {
            authority: *authority,
            network: *network,
            feed: *feed,
        },
        instruction::ProposePolicy {
            policy: policy.into(),
        },
    )
}

/// Puts a feed's proposed policy in force.
pub fn apply_policy(feed: &Pubkey, network: &Pubkey) -> Instruction {
    build(
        accounts::ApplyPolicy {
            network: *network,
            feed: *feed,
        },
        instruction::ApplyPolicy {},
    )
}

fn address(seeds: &[&[u8]]) -> Pubkey {
    Pubkey::find_program_address(seeds, &ID).0
}

fn build(accounts: impl ToAccountMetas, data: impl InstructionData) -> Instruction {
    Instruction {
        program_id: ID,
        accounts: accounts.to_account_metas(None),
        data: data.data(),
    }
}
