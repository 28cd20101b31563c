/// The bits of a verification: what a value has passed. A reader asks for the bits that it requires, added together.
pub enum Mask {}

impl Mask {
    /// Two thirds of the operators' committee, by stake, fetched the readings, verified each signature, recomputed
    /// the value and signed it.
    pub const COMMITTEE: u16 = 1;
    /// The challenge window ended without a dispute, with a bond behind the value.
    pub const OPTIMISTIC: u16 = 2;
    /// The model's input does come from signed readings of devices.
    pub const SOURCED: u16 = 4;
    /// A zero-knowledge proof of the model's computation was verified. It proves how, not from what: ask for
    /// `SOURCED` with it.
    pub const ZK: u16 = 8;
    /// An oracle network's quote agrees.
    pub const ORACLE: u16 = 16;
    /// A key signed whose enclave quote was accepted.
    pub const TEE: u16 = 32;
    /// Every bit that means something.
    pub const ALL: u16 = 63;

    /// The names of the bits that are set.
    pub fn names(mask: u16) -> impl Iterator<Item = &'static str> {
        [
            (Self::COMMITTEE, "committee"),
            (Self::OPTIMISTIC, "optimistic"),
            (Self::SOURCED, "sourced"),
            (Self::ZK, "zk"),
            (Self::ORACLE, "oracle"),
            (Self::TEE, "tee"),
        ]
        .into_iter()
        .filter(move |(bit, _)| mask & bit != 0)
        .map(|(_, name)| name)
    }
}
