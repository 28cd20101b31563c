//! Every message of the protocol that is signed or hashed: its layout, its digest, its parser.
//!
//! Layouts are fixed and without padding, integers are little-endian, and each digest has a domain of its own
//! ([`digest!`]), so bytes signed for one purpose never serve another. Nothing else in the project builds or parses
//! these bytes.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;

mod bytes;
mod digest;
mod grant;
mod id;
mod key;
mod leaf;
mod message;
mod offence;
mod reading;

pub use digest::{sha256, Hash};
pub use grant::{GrantError, SessionGrant, SignedGrant};
pub use id::{
    attestation_context, feed_id, network_id, private_model_id, InputSpec, TooManyCells, MAX_CELLS,
};
pub use key::{Curve, DeviceKey, KeyError};
pub use leaf::{RegistryLeaf, Status, UnknownStatus};
pub use message::{
    AttestationMessage, Possession, RootGrant, SourcesMessage, VoteMessage, Voucher,
};
pub use offence::{
    check_equivocation, check_equivocation_of, check_travel, check_travel_of, distance_mm,
    NoOffence, Offence,
};
pub use reading::{
    Reading, ReadingError, ReadingHeader, SignedReading, Values, MAX_LATITUDE, MAX_LONGITUDE,
    SIGNATURE_LEN,
};
