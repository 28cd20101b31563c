//! Proving keys in files, and verifying keys in bytes.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read, Write},
    path::{Path, PathBuf},
};

use ark_bn254::Bn254;
use ark_groth16::Groth16;
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize, SerializationError};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::{
    points::{self, G1, G2},
    proof,
    reduction::CircomReduction,
    Proof, CAPACITIES,
};

/// How a key's file starts: what it is, and version 1 of its layout. Then comes the capacity, a byte.
const MAGIC: &[u8; 15] = b"fieldproof-key\x01";

/// What proofs are made with: for up to so many windows, of any model.
///
/// A file of it is not safe to read unless its hash is known: its points aren't checked, which would take seconds.
pub struct ProvingKey {
    pub(crate) capacity: usize,
    pub(crate) points: ark_groth16::ProvingKey<Bn254>,
}

impl ProvingKey {
    /// How many windows the key takes, at most.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// What verifies the key's proofs.
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.points.vk.clone())
    }

    /// Writes the key into a file, all of it or nothing, and gives the file's SHA-256, without which it can't be read.
    ///
    /// # Errors
    /// [`KeyError::Io`].
    pub fn write(&self, path: &Path) -> Result<[u8; 32], KeyError> {
        let io = |error| KeyError::Io(path.into(), error);
        let mut bytes = Vec::with_capacity(self.points.uncompressed_size() + MAGIC.len() + 1);
        bytes.extend_from_slice(MAGIC);
        bytes.push(self.capacity as u8);
        self.points.serialize_uncompressed(&mut bytes)?;
        let dir = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(dir).map_err(io)?;
        let mut file = tempfile::NamedTempFile::new_in(dir).map_err(io)?;
        file.write_all(&bytes).map_err(io)?;
        file.as_file().sync_all().map_err(io)?;
        file.persist(path).map_err(|error| io(error.error))?;
        Ok(Sha256::digest(&bytes).into())
    }

    /// Reads a file that [`write`](Self::write) has written, if that is its SHA-256.
    ///
    /// # Errors
    /// [`KeyError::Io`], [`KeyError::Hash`], or [`KeyError::Layout`] if it isn't a key.
    pub fn read(path: &Path, sha256: &[u8; 32]) -> Result<Self, KeyError> {
        let io = |error| KeyError::Io(path.into(), error);
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(io)?;
        BufReader::new(file).read_to_end(&mut bytes).map_err(io)?;
        let found: [u8; 32] = Sha256::digest(&bytes).into();
        if found != *sha256 {
            return Err(KeyError::Hash {
                path: path.into(),
                found: hex::encode(found),
                expected: hex::encode(sha256),
            });
        }
        let rest = bytes.strip_prefix(MAGIC).ok_or(KeyError::Layout)?;
        let (capacity, points) = rest.split_first().ok_or(KeyError::Layout)?;
        let capacity = usize::from(*capacity);
        if !CAPACITIES.contains(&capacity) {
            return Err(KeyError::Layout);
        }
        let points = ark_groth16::ProvingKey::deserialize_uncompressed_unchecked(points)?;
        Ok(Self { capacity, points })
    }
}

/// What verifies proofs.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifyingKey(pub(crate) ark_groth16::VerifyingKey<Bn254>);

impl VerifyingKey {
    /// Bytes of a key for one public input.
    pub const BYTES: usize = G1 + 3 * G2 + 2 * G1;

    /// The key as it goes on chain: alpha (64 bytes) | beta (128) | gamma (128) | delta (128) | IC 0 (64) | IC 1 (64).
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let key = &self.0;
        let mut bytes = Vec::with_capacity(Self::BYTES);
        bytes.extend_from_slice(&points::g1_to_bytes(&key.alpha_g1));
        for point in [&key.beta_g2, &key.gamma_g2, &key.delta_g2] {
            bytes.extend_from_slice(&points::g2_to_bytes(point));
        }
        for point in &key.gamma_abc_g1 {
            bytes.extend_from_slice(&points::g1_to_bytes(point));
        }
        bytes.try_into().expect("a key has one public input")
    }

    /// Whether a proof is right. Bytes that aren't points, and inputs that aren't elements, are never.
    pub fn verify(&self, proof: &[u8; Proof::BYTES], public_input: &[u8; 32]) -> bool {
        let verify = || {
            let proof = proof::from_bytes(proof)?;
            let input = points::scalar_from_bytes(public_input)?;
            let key = ark_groth16::prepare_verifying_key(&self.0);
            Groth16::<Bn254, CircomReduction>::verify_proof(&key, &proof, &[input]).ok()
        };
        verify().unwrap_or(false)
    }
}

/// Why there is no key.
#[derive(Debug, Error)]
pub enum KeyError {
    #[error("the key's file {0}")]
    Io(PathBuf, #[source] io::Error),
    #[error("{path} is another key: its SHA-256 is {found}, not {expected}")]
    Hash {
        path: PathBuf,
        found: String,
        expected: String,
    },
    #[error("the file is not a proving key of this version: make or import it anew")]
    Layout,
    #[error("there is no circuit for {0} windows: choose 1, 2, 4, 8, 16 or 32")]
    Capacity(usize),
    #[error("there is no development key for {0} windows: choose 1, 8, 16 or 32")]
    NoDevelopment(usize),
    #[error("the set-up for {capacity} windows gave a key of SHA-256 {found}: the circuit isn't the one of development.rs")]
    Circuit { capacity: usize, found: String },
    #[error("the key is for another circuit: it has {found} {what}, not {expected}")]
    Shape {
        what: &'static str,
        found: usize,
        expected: usize,
    },
    #[error("there is no place for the keys: set XDG_CACHE_HOME or HOME")]
    NoCache,
    #[error("the set-up has failed")]
    SetUp(#[from] ark_relations::utils::error::SynthesisError),
}

impl From<SerializationError> for KeyError {
    fn from(_: SerializationError) -> Self {
        Self::Layout
    }
}
