//! What can go wrong, and what the caller should do about it.

use anchor_lang::prelude::*;

/// Errors of the program. Groups: 0 general, 100 models, 200 feeds, 300 attestations, 400 committee, 500 rounds,
/// 600 verifying keys and proofs, 700 bonds, challenges and time.
#[error_code]
pub enum AiFeedError {
    #[msg("An amount or a time is too large: use smaller values")]
    Overflow = 0,
    #[msg("The program's books don't add up: report this, it can't be repaired by the caller")]
    Invariant = 1,
    #[msg("The operation is paused in this network: retry after the pause ends")]
    Paused = 2,
    #[msg("The account belongs to another network: pass the one of the feed's network")]
    WrongNetwork = 3,
    #[msg("The network charges for this: pass pricing, epoch, credits and reward-emission")]
    CreditsMissing = 4,

    #[msg("The bytes are not a valid model: pass the 517 canonical bytes of a model of version 1")]
    InvalidModel = 100,
    #[msg("The hash is not that of the bytes: compute it with inference::model_hash")]
    ModelHashMismatch = 101,
    #[msg("The model is not the feed's: pass the account of feed.model")]
    WrongModel = 102,
    #[msg("The model is private, nobody can recompute its outputs: prove them with attest_zk, and sign for sources alone")]
    PrivateModel = 103,
    #[msg("A hash or root is not a field element: use one below the modulus of BN254")]
    NotAFieldElement = 104,

    #[msg("The feed id does not follow from its fields: compute it with device_protocol::feed_id")]
    WrongFeedId = 200,
    #[msg("The schema is not the one that the model takes: use the model's")]
    SchemaMismatch = 201,
    #[msg("The largest gap between readings must be at least 1 second")]
    InvalidGap = 202,
    #[msg("Name at most 8 valid H3 cells, rising and each once")]
    InvalidCells = 203,
    #[msg("This aggregation is unknown: use 0, the median")]
    UnknownAggregation = 204,
    #[msg("A round must be 1 second to 30 days long")]
    InvalidRoundLength = 205,
    #[msg("A feed must require a verification: use COMMITTEE (1), SOURCED (4), or ZK (8) with SOURCED")]
    NothingRequired = 206,
    #[msg(
        "No instruction passes a required verification yet: use COMMITTEE (1), SOURCED (4), ZK (8)"
    )]
    UnsupportedVerification = 207,
    #[msg("The signers required must be 1 to 64")]
    InvalidMinSigners = 208,
    #[msg("The streams required must be 1 to 64")]
    InvalidMinStreams = 209,
    #[msg("The grace must be 0 seconds to 30 days")]
    InvalidGrace = 210,
    #[msg("The challenge window must be 1 second to 30 days, and shorter than the 64 rounds that a feed remembers")]
    InvalidChallengeWindow = 211,
    #[msg("Only the feed's authority may do this: sign with feed.authority")]
    NotAuthority = 212,
    #[msg("Only the proposed authority may accept: sign with feed.pending_authority")]
    NotPendingAuthority = 213,
    #[msg("The feed is frozen for good: use another")]
    FeedFrozen = 214,
    #[msg("A proof does not say where windows come from: require SOURCED (4) with ZK (8)")]
    SourcesNotRequired = 215,
    #[msg("A feed of a private model must require ZK (8) and SOURCED (4), and nothing that recomputes it")]
    PrivateModelPolicy = 216,
    #[msg("What a false attestation costs must be 1 to 10000 basis points")]
    InvalidSlash = 217,
    #[msg("OPTIMISTIC (2) stands on a bond: set one, or don't require it")]
    BondRequired = 218,
    #[msg("A feed that requires OPTIMISTIC (2) must wait for it: set a grace of at least the challenge window")]
    GraceTooShort = 219,
    #[msg("With a bond, the challenge window must not exceed the network's evidence window: stake may be gone after that")]
    WindowOutlastsStake = 220,
    #[msg("No policy is proposed: propose one first")]
    NothingProposed = 221,
    #[msg("The timelock is not over: apply at feed.pending_at or later")]
    TimelockRunning = 222,
    #[msg("The proposal was not applied within seven days of its timelock: propose it again")]
    ProposalExpired = 223,
    #[msg("With a bond, three challenge windows and the answer window must fit the network's evidence window, and it must slash for readings not shown")]
    NoTimeToDemand = 224,

    #[msg("The stream belongs to another pool: pass the attester's own stream and pool")]
    WrongPool = 300,
    #[msg("Only the pool's operator may attest: sign with pool.signer")]
    NotAttester = 301,
    #[msg("The round is over: a later round of the feed is final")]
    RoundOver = 302,
    #[msg("The last capture lies in another round: pass last_capture / 1000 / round_length")]
    WrongRound = 303,
    #[msg("The batch's captures are in the future, out of order or not those of its windows: wait, or fix the batch")]
    InvalidCaptures = 304,
    #[msg("A batch has 1 to 32 windows")]
    InvalidWindows = 305,
    #[msg("Outputs beyond the batch's windows must be zero")]
    OutputsBeyondWindows = 306,
    #[msg("The stream did not commit to this batch: make both paths anew at the stream's present count")]
    BatchNotCommitted = 307,
    #[msg("The round has its 64 streams: attest in the next round")]
    RoundFull = 308,
    #[msg("The attestation is of another feed: pass the feed of attestation.feed")]
    WrongFeed = 309,
    #[msg("The attestation can still be challenged: retry at attestation.deadline")]
    StillChallengeable = 310,
    #[msg("The rent goes to whoever paid it: pass the account's payer")]
    WrongPayer = 311,
    #[msg("The round has ended and all that the stream submitted has passed: attest in the next round")]
    StreamPassed = 312,
    #[msg("The batch was committed before its last capture: commit to it when its readings exist")]
    CommittedBeforeCapture = 313,
    #[msg("Another stream submitted this very batch to the round: attest readings of your own")]
    BatchTaken = 314,
    #[msg("The batch was committed too long ago: its readings could not be demanded until the challenge window is over")]
    CommittedTooLongAgo = 315,

    #[msg("The committee is not the one of the network's present epoch: take its snapshot and pass it")]
    WrongEpoch = 400,
    #[msg("The committee is not the attestation's: pass attestation.committee")]
    WrongCommittee = 401,
    #[msg("The pool or member has no allocation in the committee: opt in, or name another member")]
    NotMember = 402,
    #[msg("The instruction named is not a well-formed Ed25519 instruction: fix the reference")]
    BadSignatureReference = 403,
    #[msg("Name one committee member for each signature of the instruction, and at least one")]
    MembersMismatch = 404,
    #[msg("A signature is by another key than the member's: name members in the order of the signatures")]
    WrongSigner = 405,
    #[msg("A signed message is not this attestation's: sign attestation.message")]
    WrongMessage = 406,
    #[msg("The attestation's deadline is over: members sign before attestation.deadline")]
    SignedTooLate = 407,

    #[msg("The round has not ended: retry at (round + 1) * round_length")]
    RoundNotEnded = 500,
    #[msg("An earlier round may still be finalised: finalise that one first, or wait until twice its grace is over")]
    EarlierRoundInGrace = 501,
    #[msg("A stream has not passed what the feed requires: prove it, or wait until the round's grace is over")]
    StreamPending = 502,
    #[msg("Too few streams passed what the feed requires: prove more attestations")]
    TooFewStreams = 503,
    #[msg("The round is still open: finalise it")]
    RoundOpen = 504,
    #[msg("The round account is of another feed or round: pass the attestation's or the feed's")]
    WrongRoundAccount = 505,
    #[msg("The streams that passed are not two thirds of the committee's allocation: prove more attestations, or wait until the round's grace is over")]
    NoQuorum = 506,

    #[msg("A verifying key has 576 bytes: alpha, beta, gamma, delta, ic 0, ic 1")]
    InvalidVerifyingKey = 600,
    #[msg("The hash is not that of the key: compute it with VerifyingKey::hash_of")]
    VerifyingKeyHashMismatch = 601,
    #[msg("No such circuit is known: use shape 1, 32 windows and reduction 1 (circom's)")]
    UnknownCircuit = 602,
    #[msg("A coordinate of the key is not below its field's modulus: write each point in its one form")]
    KeyCoordinate = 603,
    #[msg("A point of the key is the point at infinity: make the key anew")]
    KeyInfinity = 604,
    #[msg("A point of the key is not on its curve, or not in its subgroup: make the key anew")]
    KeyOffCurve = 605,
    #[msg("Two of beta, gamma and delta are equal up to their sign, so anyone can forge: contribute to the key's second phase")]
    DegenerateKey = 606,
    #[msg("No ceremony made the key, and the network takes no development keys: register one of a ceremony, with its transcript's hash")]
    DevelopmentKey = 607,
    #[msg("Only the network's authority may do this: sign with network.authority")]
    NotNetworkAuthority = 608,
    #[msg("The key was revoked: use another")]
    KeyRevoked = 609,
    #[msg("The key is not active yet: retry at verifying_key.active_from")]
    KeyNotActive = 610,
    #[msg("The proof is not of this attestation under this key: prove its windows, outputs and context anew")]
    InvalidProof = 611,
    #[msg("The attestation has a proof already: nothing is left to do")]
    AlreadyProven = 612,

    #[msg("The feed asks for a bond: open the attester's bonds and pass them")]
    BondsMissing = 700,
    #[msg("The bonds are of another network or pool: pass the attester's in the feed's network")]
    WrongBonds = 701,
    #[msg("Attestations have reserved the stake: close those that are over, or stake more")]
    StakeReserved = 702,
    #[msg("The windows are on the ledger already: nothing is left to do")]
    WindowsShown = 703,
    #[msg("These are not the windows of the attestation's root: pass all of them, in order")]
    WindowsMismatch = 704,
    #[msg("The attestation's deadline is over: show windows before attestation.deadline")]
    TooLateToShow = 705,
    #[msg("Nobody knows the windows: show them with show_windows, and wait for a challenge window from then")]
    WindowsHidden = 706,
    #[msg("No bond is behind the attestation, so it can't pass by time: have a committee sign it")]
    NoBond = 707,
    #[msg("The challenge window is not over: retry at attestation.deadline")]
    WindowOpen = 708,
    #[msg("A challenge of availability stops the clock: end it with resume_clock when it is answered or settled")]
    ClockStopped = 709,
    #[msg(
        "The operator did not show a reading since it committed to this: have a committee sign it"
    )]
    Withheld = 710,
    #[msg("The attestation has passed by time: nothing is left to do")]
    AlreadyPassed = 711,
    #[msg("The stream is not the attestation's: pass attestation.stream")]
    WrongStream = 712,
    #[msg("The challenge is of another batch: pass one of a reading of the attestation's batch")]
    OtherBatch = 713,
    #[msg("The challenge stops the clock already: nothing is left to do")]
    AlreadyStopped = 714,
    #[msg("No challenge of this reading stops the clock: name one that does")]
    NotStopped = 715,
    #[msg("The reading is still waited for: answer or settle its challenge first")]
    StillChallenged = 716,
    #[msg("Too little of the evidence window is left to stop the clock: challenge earlier")]
    TooLateToStop = 717,
    #[msg("The challenge window is over: challenge before attestation.deadline")]
    ChallengeTooLate = 718,
    #[msg("The attestation was proven false: slash its signers, if it has any")]
    AttestationFalse = 719,
    #[msg("The attestation was not proven false: challenge it first")]
    NotFalse = 720,
    #[msg("The batch has no such window: name one below attestation.windows")]
    NoSuchWindow = 721,
    #[msg(
        "The window is not the attestation's there: pass its features, origin and path as shown"
    )]
    WindowNotProven = 722,
    #[msg("The model gives this very output: there is nothing to challenge")]
    OutputHolds = 723,
    #[msg(
        "The window is made of its readings as the feed wants it: there is nothing to challenge"
    )]
    WindowHolds = 724,
    #[msg(
        "The bytes are not 16 readings with their signatures: pass those of the window, in order"
    )]
    MalformedReadings = 725,
    #[msg(
        "The readings are not those of the batch there: pass the window's 16 readings and its path"
    )]
    ReadingsNotProven = 726,
    #[msg("The round is still open: pass it, since the attestation is taken out of it")]
    RoundMissing = 727,
    #[msg("The roster or pool is not the one to slash: pass the network's roster and the offender's pool")]
    WrongOffender = 728,
    #[msg("The member did not sign what was proven false: name one of the signers")]
    NotAccomplice = 729,
    #[msg("The pool was slashed for this attestation: name another signer")]
    AlreadySlashed = 730,
}
