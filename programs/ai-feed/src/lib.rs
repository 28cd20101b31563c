//! Feeds: registered models, attestations that a model gives certain outputs on a committed batch, what verifies them,
//! and the rounds that turn verified attestations into a value that other programs read.

use anchor_lang::prelude::*;

pub mod error;
pub mod events;
pub mod fees;
pub mod instructions;
pub mod penalty;
pub mod poseidon;
pub mod seeds;
pub mod signatures;
pub mod state;

pub use instructions::*;

declare_id!("3v6zfT3VA2pHGEUBmtzBP5TwZ3coEiHrVTXGY1Mc4TvT");

/// Instructions of the feeds.
#[program]
pub mod ai_feed {
    use super::*;

    /// Anyone: publishes a model's bytes under their hash.
    pub fn register_model(
        ctx: Context<RegisterModel>,
        hash: [u8; 32],
        bytes: Vec<u8>,
    ) -> Result<()> {
        handle_register_model(ctx, hash, bytes)
    }

    /// Anyone: names a model by its hash and header, and keeps its weights.
    pub fn register_private_model(
        ctx: Context<RegisterPrivateModel>,
        id: [u8; 32],
        hash: [u8; 32],
        header: [u8; 25],
    ) -> Result<()> {
        handle_register_private_model(ctx, id, hash, header)
    }

    /// The network's authority: says which proofs the network takes, from its timelock on.
    pub fn register_verifying_key(
        ctx: Context<RegisterVerifyingKey>,
        args: RegisterVerifyingKeyArgs,
    ) -> Result<()> {
        handle_register_verifying_key(ctx, args)
    }

    /// The network's authority: refuses a key's proofs at once and for good.
    pub fn revoke_verifying_key(ctx: Context<RevokeVerifyingKey>) -> Result<()> {
        handle_revoke_verifying_key(ctx)
    }

    /// Anyone, as its creator: opens a feed of a registered model in a network.
    pub fn create_feed(ctx: Context<CreateFeed>, args: CreateFeedArgs) -> Result<()> {
        handle_create_feed(ctx, args)
    }

    /// The feed's authority: names who may accept the authority; the default key takes the offer back.
    pub fn transfer_authority(
        ctx: Context<TransferAuthority>,
        new_authority: Pubkey,
    ) -> Result<()> {
        handle_transfer_authority(ctx, new_authority)
    }

    /// The proposed authority: takes the authority over.
    pub fn accept_authority(ctx: Context<AcceptAuthority>) -> Result<()> {
        handle_accept_authority(ctx)
    }

    /// The feed's authority: stops the feed for good; readers fail from then on.
    pub fn freeze_feed(ctx: Context<FreezeFeed>) -> Result<()> {
        handle_freeze_feed(ctx)
    }

    /// A committee member's signer: claims the model's outputs on a batch of its own stream.
    pub fn submit_attestation(
        ctx: Context<SubmitAttestation>,
        args: SubmitAttestationArgs,
    ) -> Result<()> {
        handle_submit_attestation(ctx, args)
    }

    /// Anyone: brings committee members' signatures, verified by an Ed25519 instruction of the same transaction.
    pub fn attest_committee(
        ctx: Context<AttestCommittee>,
        instruction: u16,
        members: Vec<u8>,
    ) -> Result<()> {
        handle_attest_committee(ctx, instruction, members)
    }

    /// Anyone: brings committee members' signatures that an attestation's windows come from signed readings.
    pub fn attest_sources(
        ctx: Context<AttestCommittee>,
        instruction: u16,
        members: Vec<u8>,
    ) -> Result<()> {
        handle_attest_sources(ctx, instruction, members)
    }

    /// Anyone: brings a zero-knowledge proof of an attestation's outputs.
    pub fn attest_zk(ctx: Context<AttestZk>, proof: [u8; 256]) -> Result<()> {
        handle_attest_zk(ctx, proof)
    }

    /// Anyone: opens the account in which an operator's attestations reserve their bonds.
    pub fn open_bonds(ctx: Context<OpenBonds>) -> Result<()> {
        handle_open_bonds(ctx)
    }

    /// Anyone: puts the windows behind an attestation on the ledger, for whoever wants to challenge them.
    pub fn show_windows(ctx: Context<ShowWindows>, windows: Vec<WindowArgs>) -> Result<()> {
        handle_show_windows(ctx, windows)
    }

    /// Anyone: stops an attestation's clock for an open challenge of availability of its batch.
    pub fn stop_clock(ctx: Context<StopClock>) -> Result<()> {
        handle_stop_clock(ctx)
    }

    /// Anyone: ends a stop of an attestation's clock, when the challenge of the reading is over.
    pub fn resume_clock(ctx: Context<ResumeClock>, reading: u16) -> Result<()> {
        handle_resume_clock(ctx, reading)
    }

    /// Anyone: lets an attestation pass whose challenge window ended undisputed, with a bond behind it.
    pub fn pass_attestation(ctx: Context<PassAttestation>) -> Result<()> {
        handle_pass_attestation(ctx)
    }

    /// Anyone: shows that the model gives another output on a window; the attester is slashed.
    pub fn challenge_output(
        ctx: Context<ChallengeAttestation>,
        args: ChallengeOutputArgs,
    ) -> Result<()> {
        handle_challenge_output(ctx, args)
    }

    /// Anyone: shows that a window is not made of its readings as the feed wants it; the attester is slashed.
    pub fn challenge_window(
        ctx: Context<ChallengeAttestation>,
        args: ChallengeWindowArgs,
    ) -> Result<()> {
        handle_challenge_window(ctx, args)
    }

    /// Anyone: slashes a committee member that signed what was proven false.
    pub fn slash_signer(ctx: Context<SlashSigner>, member: u8) -> Result<()> {
        handle_slash_signer(ctx, member)
    }

    /// The feed's authority: proposes another policy.
    pub fn propose_policy(ctx: Context<ProposePolicy>, policy: PolicyArgs) -> Result<()> {
        handle_propose_policy(ctx, policy)
    }

    /// Anyone: puts a proposed policy in force once the network's timelock has passed.
    pub fn apply_policy(ctx: Context<ApplyPolicy>) -> Result<()> {
        handle_apply_policy(ctx)
    }

    /// Anyone: turns a round that has ended into the feed's newest value.
    pub fn finalize_round(ctx: Context<FinalizeRound>) -> Result<()> {
        handle_finalize_round(ctx)
    }

    /// Anyone: returns the rent of a round that was passed over.
    pub fn close_round(ctx: Context<CloseRound>) -> Result<()> {
        handle_close_round(ctx)
    }

    /// Anyone: returns the rent of an attestation whose round and challenge window are over.
    pub fn close_attestation(ctx: Context<CloseAttestation>) -> Result<()> {
        handle_close_attestation(ctx)
    }

    /// Anyone, by CPI: returns the feed's newest value that has every bit of `min_mask` and was captured at most
    /// `max_age` seconds ago. Fails as feed-reader does, with its error codes.
    pub fn read_feed(
        ctx: Context<ReadFeed>,
        id: [u8; 32],
        max_age: u32,
        min_mask: u16,
    ) -> Result<FeedValue> {
        handle_read_feed(ctx, &id, max_age, min_mask)
    }
}
