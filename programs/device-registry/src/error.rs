//! What can go wrong, and what the caller should do about it.

use anchor_lang::prelude::*;

/// Errors of the registry. Groups: 0 roles and pauses, 100 network and parameters, 200 makers and vouchers, 300 trees,
/// 400 devices and signatures, 500 reports.
#[error_code]
pub enum RegistryError {
    #[msg("Only the network's authority may do this: sign with network.authority")]
    NotAuthority = 0,
    #[msg("Only the proposed authority may accept: sign with network.pending_authority")]
    NotPendingAuthority = 1,
    #[msg("The operation is paused: retry after the pause ends")]
    Paused = 2,
    #[msg("The operation is not paused: nothing to resume")]
    NotPaused = 3,
    #[msg("There is no such operation: use 0 to 5")]
    UnknownOperation = 4,
    #[msg("A pause lasts from 1 second to 3 days: choose a length within that")]
    PauseLength = 5,
    #[msg(
        "Paused too recently: wait until as much time has passed unpaused as the last pause took"
    )]
    PauseTooSoon = 6,

    #[msg("The network id does not follow from creator, nonce and genesis hash: compute it with device_protocol::network_id")]
    WrongNetworkId = 100,
    #[msg("The network's genesis is in the future: wait for it")]
    BeforeGenesis = 101,
    #[msg("Unknown network flag: only bits 0 to 2 are defined")]
    UnknownFlag = 102,
    #[msg("The genesis must not be negative: give unix seconds")]
    InvalidGenesis = 103,
    #[msg("The epoch length must be 1 second to 366 days")]
    InvalidEpochLength = 104,
    #[msg("The timelock must be 0 seconds to 366 days")]
    InvalidTimelock = 105,
    #[msg("The evidence window must be 1 second to 366 days")]
    InvalidEvidenceWindow = 106,
    #[msg("The largest speed must be at least 1 m/s")]
    InvalidMaxSpeed = 107,
    #[msg("A tier's discount must be at most 10000 basis points")]
    InvalidTierDiscount = 108,
    #[msg("Reserved fields of the parameters must be zero")]
    ReservedNotZero = 109,
    #[msg("No parameters are proposed: call propose_parameters first")]
    NothingProposed = 110,
    #[msg("The timelock has not passed: retry at network.pending_at")]
    TimelockRunning = 111,
    #[msg("The account belongs to another network: pass the one of this network")]
    WrongNetwork = 112,
    #[msg("An amount or a time is too large: use smaller values")]
    Overflow = 113,
    #[msg("The proposed parameters were not applied in time: propose them again")]
    ProposalExpired = 114,
    #[msg("The answer window must be at least 1 second and shorter than the evidence window")]
    InvalidAnswerWindow = 115,
    #[msg("The slash for a withheld reading must be at most 10000 basis points")]
    InvalidWithheldSlash = 116,
    #[msg("The network charges for this: pass pricing, epoch, credits and reward-emission")]
    CreditsMissing = 117,
    #[msg("Who has joined can't leave in time: propose no shorter windows, an evidence window longer by the timelock at most, no less time to demand readings, no lower speed, and a withheld slash no higher, nor 0 if it was not")]
    HarsherParameters = 118,
    #[msg("A challenge's bond must be at most 1 SOL")]
    InvalidChallengeBond = 119,
    #[msg("Wrapped SOL can't be burned, so it can't be slashed: choose another stake mint")]
    NativeStakeMint = 120,

    #[msg("There is no such tier to approve: use 0 (self-signed), 1 (voucher) or 2 (certificate chain)")]
    InvalidTier = 200,
    #[msg("The maker is revoked: its vouchers no longer count")]
    MakerRevoked = 201,
    #[msg("Only the maker may do this: sign with the maker's key")]
    NotMaker = 202,
    #[msg("The page lies beyond the maker's quota: ask the network's authority for a larger one")]
    PageBeyondQuota = 203,
    #[msg("The voucher number is not below the maker's quota: use a smaller number")]
    NumberBeyondQuota = 204,
    #[msg("The voucher page is not the one of this maker and number: pass page number / 8192 of this maker")]
    WrongVoucherPage = 205,
    #[msg("The voucher was used before: ask the maker for another number")]
    VoucherUsed = 206,
    #[msg("The maker's quota is used up: ask the network's authority for a larger one")]
    QuotaUsedUp = 207,
    #[msg("This batch has landed before: nothing is left to do for it")]
    BatchLanded = 208,
    #[msg("The batch's number is not within 64 of the maker's newest: use maker.batches and the numbers after it")]
    BatchOutOfTurn = 209,
    #[msg("The maker's root is set for good: get another maker key approved for another root")]
    RootAlreadySet = 220,
    #[msg("The maker has no root of certificates: call set_maker_root first")]
    RootNotSet = 221,
    #[msg(
        "The root key did not sign RootGrant for this network and maker: sign the digest with it"
    )]
    WrongRootGrant = 222,
    #[msg("The certificate is not signed by the maker's root: issue it with the root's key")]
    NotSignedByRoot = 223,
    #[msg("The certificate is no CA's: give it basicConstraints CA:TRUE, and keyUsage keyCertSign if any")]
    NotIssuerCertificate = 224,
    #[msg("The issuer is revoked: its certificates no longer count")]
    IssuerRevoked = 225,
    #[msg("The issuer's certificate is not valid now: use an issuer whose time has come and is not over")]
    IssuerNotValid = 226,
    #[msg("The issuer is another maker's: pass an issuer of this maker")]
    WrongIssuer = 227,
    #[msg("Only the maker or the network's authority may revoke an issuer: sign with one of their keys")]
    NotMakerOrAuthority = 228,

    #[msg("The tree's depth must be 20 to 24")]
    InvalidDepth = 300,
    #[msg("The tree's canopy must be 10 to 14")]
    InvalidCanopy = 301,
    #[msg("The tree account has the wrong size: allocate state::tree::size(depth, canopy) bytes")]
    WrongTreeSize = 302,
    #[msg("The tree is full: register in another tree of the network")]
    TreeFull = 303,
    #[msg("The tree's bytes are damaged: this cannot be repaired by the caller")]
    DamagedTree = 304,
    #[msg("The network has the largest number of trees")]
    TooManyTrees = 305,
    #[msg("The proof does not lead from this leaf to the tree's root: take leaf and proof from the tree's own events")]
    WrongProof = 306,
    #[msg("The leaf was changed after the proof was taken: take leaf and proof anew")]
    LeafChanged = 307,
    #[msg("The tree has changed too often since the proof was taken: take a new one")]
    ProofTooOld = 308,
    #[msg("The batch is empty: give the key of one device at least")]
    EmptyBatch = 309,
    #[msg("The batch has more devices than the tree's changelog has places: split it")]
    BatchTooLarge = 310,

    #[msg("Unknown curve: 0 is Ed25519, 1 is P-256")]
    UnknownCurve = 400,
    #[msg(
        "The device key is not in its curve's form: 32 bytes and a zero, or 33 bytes compressed"
    )]
    InvalidDeviceKey = 401,
    #[msg("The tier is above what the network approved this maker for")]
    TierNotApproved = 402,
    #[msg("Tier 0 needs a network that allows self-signed makers and an owner who is the maker")]
    SelfSignedNotAllowed = 403,
    #[msg("Tier 2 needs the device's certificate: use register_device with its issuer's account")]
    CertificateNeeded = 404,
    #[msg("The cell is neither 0 nor a valid H3 cell index")]
    InvalidCell = 405,
    #[msg("The instruction named is not a well-formed precompile instruction with that signature: fix the reference")]
    BadSignatureReference = 406,
    #[msg("The possession is not signed by the device for this network, owner and number")]
    WrongPossession = 407,
    #[msg("The voucher is not signed by the maker for this network, number, device, tier and serial hash")]
    WrongVoucher = 408,
    #[msg("There is no such device status: use 0 to 4")]
    UnknownStatus = 409,
    #[msg("The device is banned by evidence: nothing can be done with it any more")]
    DeviceBanned = 410,
    #[msg("The leaf is void, as a duplicate of another: use the device's other leaf")]
    DeviceVoid = 411,
    #[msg("The device belongs to this owner already: pass it on to another")]
    SameOwner = 412,
    #[msg("The device was registered or has changed its owner within the evidence window: wait until it is over")]
    OwnerChangedRecently = 413,
    #[msg("The device is proven already: its owner passes it on with transfer_device")]
    DeviceNotVouched = 414,
    #[msg("The device is not proven yet: call prove_device with its signature")]
    DeviceNotProven = 415,
    #[msg("The device's NFT says whose it is: pass on the NFT, then call bind_device")]
    OwnedByNft = 416,
    #[msg("Only the device's owner may do this: sign with the leaf's owner")]
    NotOwner = 417,
    #[msg(
        "The message is no certificate of tier 2: see the log, and docs/makers.md for making one"
    )]
    MalformedCertificate = 430,
    #[msg("The certificate is not signed by the issuer's key: refer to the issuer's signature")]
    NotSignedByIssuer = 431,
    #[msg("The certificate is no device's: issue it with CA:FALSE, and keyUsage digitalSignature if any")]
    NotDeviceCertificate = 432,
    #[msg("The certificate is for another key: pass the certificate of this key")]
    WrongCertificateKey = 433,
    #[msg(
        "The certificate's serial number is not the number given: register with the serial number"
    )]
    WrongCertificateNumber = 434,
    #[msg("The certificate is not valid now: register while it is, or have it issued anew")]
    CertificateNotValid = 435,
    #[msg(
        "With a certificate the serial hash must be zero: the certificate has the serial number"
    )]
    SerialHashNotZero = 436,
    #[msg("The URI has more than 200 bytes: choose a shorter one")]
    UriTooLong = 440,
    #[msg("The device has no NFT: its owner promotes it with promote_device")]
    NoNft = 441,
    #[msg("Not a token account of the device's NFT: pass the holder's account of this mint")]
    WrongToken = 442,
    #[msg("The token account is somebody else's: sign as the holder of the NFT")]
    NotHolder = 443,
    #[msg("The token account is empty: pass the account with the NFT")]
    NoToken = 444,
    #[msg("The token is frozen: have it thawed first")]
    FrozenToken = 445,
    #[msg("The NFT is not burned: pass the holder's token account")]
    NotBurned = 446,

    #[msg("The reading is of a session: give the session's grant with it")]
    GrantMissing = 500,
    #[msg("The grant is none: its session must count from 1, start after 1970 and last at most 24 hours")]
    InvalidGrant = 501,
    #[msg("The reading was captured outside its session, where the session key signs for nobody")]
    OutsideSession = 502,
    #[msg("The reading is not signed there by the device or its session key, for this network, device and leaf nonce")]
    WrongReading = 503,
    #[msg(
        "The grant is not signed there by the device, for this network, leaf nonce and session key"
    )]
    WrongGrant = 504,
    #[msg("A reading has 1 to 32 values, a place on earth and a time after 1970: give it as it was signed")]
    MalformedReading = 505,
    #[msg("The reading was captured in the future: report it once that time has come")]
    EvidenceFromFuture = 506,
    #[msg("The reading was captured longer than the evidence window ago: it no longer counts")]
    EvidenceTooOld = 507,
    #[msg("The reading was captured before its owner had the device: it does not count against that owner")]
    CapturedBeforeOwner = 508,
    #[msg("The readings' leaf nonce is neither the leaf's nor the one before: nobody can answer for them any more")]
    NobodysNonce = 509,
    #[msg("Readings for the previous owner count only if they were committed in time: give both proofs and streams")]
    CommitmentMissing = 510,
    #[msg("The reading was committed after the device changed hands: the previous owner may not have signed it")]
    CommittedTooLate = 511,
    #[msg("The proof does not lead from the reading to the stream's peaks: build it at the stream's present count")]
    NotCommitted = 512,
    #[msg(
        "The account is not a stream of this network: pass the one that committed to the reading"
    )]
    WrongStream = 513,
    #[msg("It is the same reading twice: a device may repeat itself")]
    SameReading = 514,
    #[msg("The readings are of two sessions: compare readings of one")]
    OtherSession = 515,
    #[msg("The readings have two sequences: they don't contradict each other")]
    OtherSequence = 516,
    #[msg("The hardware key signed the readings at two times: a reboot may have lost its counter")]
    Reboot = 517,
    #[msg("The device could have travelled from one place to the other at the network's largest speed")]
    WithinReach = 518,
    #[msg("The readings' sessions were granted twice: a reboot may have lost the device's count of grants")]
    TwoGrants = 519,
    #[msg("The leaves are of two devices: pass two leaves of one")]
    TwoDevices = 520,
    #[msg("This leaf stays: a vouched one yields to one whose device has signed, of two alike the later one yields")]
    LeafStays = 521,
}
