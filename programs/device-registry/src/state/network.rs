//! One deployment: its identity, roles, mints, epochs, parameters and pauses.

use crate::error::RegistryError;
use anchor_lang::prelude::*;
use bytemuck::Zeroable;

/// Flag: makers may sign for their own devices (tier 0).
pub const SELF_SIGNED_MAKERS: u8 = 1;
/// Flag: keys made for development only, whose secrets are public, are accepted. Never on a network that holds value.
pub const DEVELOPMENT_KEYS: u8 = 2;
/// Flag: registering devices and opening feeds costs credits, at reward-emission's pricing.
pub const CREDITS: u8 = 4;
/// Longest pause, in seconds.
pub const MAX_PAUSE: i64 = 3 * 86_400;
/// Longest epoch, timelock and evidence window, in seconds.
pub const MAX_DURATION: i64 = 366 * 86_400;
/// How long proposed parameters can be applied once their timelock has passed, in seconds.
pub const APPLY_WITHIN: i64 = 7 * 86_400;
/// Most that a challenge of availability may put at stake, in lamports: one that nobody can afford would demand no reading.
pub const MAX_CHALLENGE_BOND: u64 = 1_000_000_000;
/// Hundred per cent, in basis points.
pub const FULL_BPS: u16 = 10_000;

/// What can be paused, each on its own. Claims, withdrawals and evidence can't be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Operation {
    /// Registering devices, and what their owners change of their leaves.
    Register = 0,
    /// Committing roots of readings.
    Commit = 1,
    /// Submitting and proving attestations.
    Attest = 2,
    /// Finalising rounds of feeds.
    Finalize = 3,
    /// Proposing, voting and finalising reward roots.
    Root = 4,
    /// Opting stake in.
    Stake = 5,
}

impl TryFrom<u8> for Operation {
    type Error = Error;

    fn try_from(number: u8) -> Result<Self> {
        Ok(match number {
            0 => Self::Register,
            1 => Self::Commit,
            2 => Self::Attest,
            3 => Self::Finalize,
            4 => Self::Root,
            5 => Self::Stake,
            _ => return err!(RegistryError::UnknownOperation),
        })
    }
}

/// What the network's authority may change, behind the timelock.
// By the last line, which rustfmt joins with no other, the interface tells that it is part of a zero-copy account.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
#[derive(bytemuck::Pod, bytemuck::Zeroable)]
pub struct Parameters {
    /// Bond of one device before its tier's discount, in base units of the stake mint.
    pub device_bond: u64,
    /// How long after the fact evidence is taken, in seconds.
    pub evidence_window: i64,
    /// How long an operator has to show a reading that a challenge names, in seconds; shorter than the evidence window.
    pub answer_window: i64,
    /// What a challenge of availability puts at stake, in lamports.
    pub challenge_bond: u64,
    /// Fastest that a device can travel, in metres a second.
    pub max_speed: u32,
    /// Discount on the bond by tier, in basis points.
    pub tier_discount_bps: [u16; 4],
    /// Share of its allocation that an operator loses for a reading that it can't show, in basis points.
    pub withheld_slash_bps: u16,
    /// Zero.
    pub _pad: u16,
}

impl Parameters {
    /// The bond that a device of this tier asks of its owner, in base units: the bond less the tier's discount, rounded up.
    pub fn bond_of(&self, tier: u8) -> Result<u64> {
        let discount = self
            .tier_discount_bps
            .get(usize::from(tier))
            .ok_or_else(|| error!(RegistryError::InvalidTier))?;
        let share = FULL_BPS
            .checked_sub(*discount)
            .ok_or_else(|| error!(RegistryError::InvalidTierDiscount))?;
        // Whole bonds of 10,000 and the rest apart, so that neither product overflows: a share is at most FULL_BPS.
        let (full, share) = (u64::from(FULL_BPS), u64::from(share));
        let rest = (self.device_bond % full * share).div_ceil(full);
        (self.device_bond / full)
            .checked_mul(share)
            .and_then(|bond| bond.checked_add(rest))
            .ok_or_else(|| error!(RegistryError::Overflow))
    }

    /// Bounds that hold for proposed and active parameters alike.
    pub fn validate(&self) -> Result<()> {
        let Self {
            device_bond: _, // any amount, zero included
            evidence_window,
            answer_window,
            challenge_bond,
            max_speed,
            tier_discount_bps,
            withheld_slash_bps,
            _pad,
        } = *self;
        require!(
            (1..=MAX_DURATION).contains(&evidence_window),
            RegistryError::InvalidEvidenceWindow
        );
        require!(
            (1..evidence_window).contains(&answer_window),
            RegistryError::InvalidAnswerWindow
        );
        require!(
            challenge_bond <= MAX_CHALLENGE_BOND,
            RegistryError::InvalidChallengeBond
        );
        require!(max_speed > 0, RegistryError::InvalidMaxSpeed);
        require!(
            tier_discount_bps.iter().all(|bps| *bps <= FULL_BPS),
            RegistryError::InvalidTierDiscount
        );
        require!(
            withheld_slash_bps <= FULL_BPS,
            RegistryError::InvalidWithheldSlash
        );
        require!(_pad == 0, RegistryError::ReservedNotZero);
        Ok(())
    }

    /// Fails if these would be harsher than `present` for who has joined and can't leave before they come into force, after
    /// `timelock` seconds, or would take from others what they count on: evidence is taken and readings can be demanded as long
    /// after the fact, but nothing again that was over when this was proposed; there is as much time to show a reading, what was
    /// an honest journey stays one, and a reading that is not shown costs no more, yet something if it did.
    fn require_no_harsher(&self, present: &Self, timelock: i64) -> Result<()> {
        let demandable = |of: &Self| of.evidence_window.saturating_sub(of.answer_window);
        let longer = self.evidence_window.saturating_sub(present.evidence_window);
        require!(
            (0..=timelock).contains(&longer)
                && self.answer_window >= present.answer_window
                && demandable(self) >= demandable(present)
                && self.max_speed >= present.max_speed
                && self.withheld_slash_bps <= present.withheld_slash_bps
                && (self.withheld_slash_bps > 0 || present.withheld_slash_bps == 0),
            RegistryError::HarsherParameters
        );
        Ok(())
    }
}

/// The last pause of one operation, `paused_at <= now < until` in unix seconds; both zero if there was none.
#[derive(Debug, PartialEq, Eq)]
#[zero_copy]
pub struct Pause {
    /// When it began.
    pub paused_at: i64,
    /// When it ends, or was ended.
    pub until: i64,
}

/// A network. PDA `["network", id]`.
#[account(zero_copy)]
#[repr(C)]
pub struct Network {
    /// Layout version, 1.
    pub version: u8,
    /// Bump of the address.
    pub bump: u8,
    /// [`SELF_SIGNED_MAKERS`] | [`DEVELOPMENT_KEYS`].
    pub flags: u8,
    /// Zero.
    pub _pad: [u8; 5],
    /// `device_protocol::network_id` of this program, genesis hash, creator and nonce; part of everything signed.
    pub id: [u8; 32],
    /// Genesis hash of the cluster, on the creator's word: clients check it.
    pub genesis_hash: [u8; 32],
    /// Who created it.
    pub creator: Pubkey,
    /// Tells the creator's networks apart.
    pub nonce: u64,
    /// Who governs: approves makers, adds trees, pauses, proposes parameters.
    pub authority: Pubkey,
    /// Who may accept the authority; the default key is nobody.
    pub pending_authority: Pubkey,
    /// Mint of rewards.
    pub reward_mint: Pubkey,
    /// Mint of stake and bonds.
    pub stake_mint: Pubkey,
    /// Start of epoch 0, unix seconds.
    pub genesis: i64,
    /// Seconds of an epoch.
    pub epoch_length: i64,
    /// Seconds between proposing and applying parameters.
    pub timelock: i64,
    /// In force.
    pub parameters: Parameters,
    /// Proposed; zero if nothing is.
    pub pending: Parameters,
    /// From when the proposed parameters may be applied, unix seconds; 0 if nothing is proposed.
    pub pending_at: i64,
    /// By [`Operation`].
    pub pauses: [Pause; 8],
    /// Registry trees so far; the next tree's index.
    pub trees: u16,
    /// Zero.
    pub _pad2: [u8; 6],
    /// Makers approved so far.
    pub makers: u64,
    /// Devices registered so far.
    pub devices: u64,
    /// Zero.
    pub reserved: [u8; 224],
}

impl Network {
    /// Bytes of the account, its discriminator included.
    pub const SIZE: usize = 8 + std::mem::size_of::<Self>();

    /// Whether registering devices and opening feeds costs credits, as much as the pricing says.
    pub fn charges(&self) -> bool {
        self.flags & CREDITS != 0
    }

    /// The epoch at `now` (unix seconds). Fails before the genesis.
    pub fn epoch(&self, now: i64) -> Result<u64> {
        let since = now
            .checked_sub(self.genesis)
            .and_then(|since| u64::try_from(since).ok())
            .ok_or_else(|| error!(RegistryError::BeforeGenesis))?;
        let length = u64::try_from(self.epoch_length)
            .map_err(|_| error!(RegistryError::InvalidEpochLength))?;
        since
            .checked_div(length)
            .ok_or_else(|| error!(RegistryError::InvalidEpochLength))
    }

    /// First second of an epoch (unix); `i64::MAX`, which never comes, for an epoch beyond the end of time.
    pub fn epoch_start(&self, epoch: u64) -> i64 {
        i64::try_from(epoch)
            .ok()
            .and_then(|epoch| epoch.checked_mul(self.epoch_length))
            .and_then(|since| since.checked_add(self.genesis))
            .unwrap_or(i64::MAX)
    }

    /// Whether an operation is paused at `now` (unix seconds).
    pub fn is_paused(&self, operation: Operation, now: i64) -> bool {
        let pause = &self.pauses[operation as usize];
        pause.paused_at <= now && now < pause.until
    }

    /// Fails while an operation is paused.
    pub fn require_running(&self, operation: Operation, now: i64) -> Result<()> {
        require!(!self.is_paused(operation, now), RegistryError::Paused);
        Ok(())
    }

    /// Pauses an operation for some seconds. Not before as much time has passed unpaused as the last pause took, so an
    /// authority stops an operation for at most half of the time.
    pub fn pause(&mut self, operation: Operation, seconds: i64, now: i64) -> Result<()> {
        require!(
            (1..=MAX_PAUSE).contains(&seconds),
            RegistryError::PauseLength
        );
        let pause = &mut self.pauses[operation as usize];
        let renewable_at = pause
            .until
            .checked_sub(pause.paused_at)
            .and_then(|took| pause.until.checked_add(took))
            .ok_or_else(|| error!(RegistryError::Overflow))?;
        require!(now >= renewable_at, RegistryError::PauseTooSoon);
        pause.paused_at = now;
        pause.until = now
            .checked_add(seconds)
            .ok_or_else(|| error!(RegistryError::Overflow))?;
        Ok(())
    }

    /// Ends an operation's pause now.
    pub fn resume(&mut self, operation: Operation, now: i64) -> Result<()> {
        require!(self.is_paused(operation, now), RegistryError::NotPaused);
        self.pauses[operation as usize].until = now;
        Ok(())
    }

    /// Proposes parameters; a later proposal replaces an earlier one and its waiting time starts anew.
    pub fn propose(&mut self, parameters: Parameters, now: i64) -> Result<()> {
        parameters.validate()?;
        parameters.require_no_harsher(&self.parameters, self.timelock)?;
        self.pending_at = now
            .checked_add(self.timelock)
            .ok_or_else(|| error!(RegistryError::Overflow))?;
        self.pending = parameters;
        Ok(())
    }

    /// Puts the proposed parameters in force, once the timelock has passed and before [`APPLY_WITHIN`] more has: what was
    /// proposed and forgotten can't come into force years later.
    pub fn apply(&mut self, now: i64) -> Result<()> {
        require!(self.pending_at != 0, RegistryError::NothingProposed);
        require!(now >= self.pending_at, RegistryError::TimelockRunning);
        require!(
            now - self.pending_at <= APPLY_WITHIN,
            RegistryError::ProposalExpired
        );
        self.parameters = self.pending;
        self.withdraw_proposal();
        Ok(())
    }

    /// Hands the authority over to who was offered it. What the last one proposed falls with it.
    pub fn hand_over(&mut self) {
        self.authority = self.pending_authority;
        self.pending_authority = Pubkey::default();
        self.withdraw_proposal();
    }

    fn withdraw_proposal(&mut self) {
        self.pending = Parameters::zeroed();
        self.pending_at = 0;
    }
}
