use std::path::Path;

use ark_bn254::{Bn254, Fr};
use ark_ff::UniformRand;
use ark_groth16::{Groth16, PreparedVerifyingKey};
use inference::{Header, Model, BIASES, WEIGHTS, WINDOWS};
use light_poseidon::PoseidonError;
use rand::rngs::OsRng;
use thiserror::Error;

use crate::{
    circuit::synthesize,
    constraints::Constraints,
    development,
    key::{KeyError, ProvingKey, VerifyingKey},
    points::{scalar_from_bytes, scalar_to_bytes},
    poseidon, proof,
    reduction::CircomReduction,
    system::{Assignment, INSTANCE, PUBLIC},
    Batch, Proof, Window, CAPACITIES,
};

/// Makes proofs with one key, by as many threads as the caller's rayon pool has.
pub struct Prover {
    key: ProvingKey,
    constraints: Constraints,
    verifying_key: PreparedVerifyingKey<Bn254>,
}

impl Prover {
    /// Takes a key whose points were checked when it was made or imported.
    ///
    /// # Errors
    /// [`KeyError::Shape`] if it is for another circuit.
    pub fn new(key: ProvingKey) -> Result<Self, KeyError> {
        let constraints = constraints(key.capacity)?;
        let points = &key.points;
        let variables = constraints.variables();
        for (what, found, expected) in [
            ("points A", points.a_query.len(), variables),
            ("points B", points.b_g1_query.len(), variables),
            ("points B2", points.b_g2_query.len(), variables),
            ("points L", points.l_query.len(), variables - INSTANCE),
            ("points IC", points.vk.gamma_abc_g1.len(), INSTANCE),
            ("points H", points.h_query.len(), domain_size(&constraints)),
        ] {
            if found != expected {
                return Err(KeyError::Shape {
                    what,
                    found,
                    expected,
                });
            }
        }
        Ok(Self {
            verifying_key: points.vk.clone().into(),
            constraints,
            key,
        })
    }

    /// Takes the **insecure** development key for up to `capacity` windows (1, 8, 16 or 32): what it was made of is
    /// public. It is made in seconds when it is needed first, and kept in the user's cache.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn development(capacity: usize) -> Result<Self, KeyError> {
        Self::new(development::key(capacity)?)
    }

    /// Reads a key from a file with this SHA-256.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn load(path: &Path, sha256: &[u8; 32]) -> Result<Self, KeyError> {
        Self::new(ProvingKey::read(path, sha256)?)
    }

    /// How many windows a batch has, at most.
    pub fn capacity(&self) -> usize {
        self.key.capacity
    }

    /// Constraints of the circuit.
    pub fn constraints(&self) -> usize {
        self.constraints.len()
    }

    /// What verifies the proofs.
    pub fn verifying_key(&self) -> VerifyingKey {
        self.key.verifying_key()
    }

    /// Proves a batch, and verifies the proof.
    ///
    /// # Errors
    /// [`ProveError`].
    pub fn prove(&self, batch: &Batch<'_>) -> Result<Proof, ProveError> {
        let windows = batch.windows.len();
        if !(1..=self.capacity()).contains(&windows) {
            return Err(ProveError::Windows {
                windows,
                capacity: self.capacity(),
            });
        }
        let context = scalar_from_bytes(&batch.context).ok_or(ProveError::Context)?;
        let (expected, outputs) = statement(batch)?;

        let mut assignment = Assignment::with_capacity(self.constraints.variables());
        let model = Model::from(batch.model);
        synthesize(
            &mut assignment,
            self.capacity(),
            batch.windows,
            &model,
            context,
        );
        let values = assignment.into_values();
        let public_input = scalar_to_bytes(&values[PUBLIC]);
        if public_input != expected {
            return Err(ProveError::Engine);
        }

        let proof = Groth16::<Bn254, CircomReduction>::create_proof_with_reduction_and_matrices(
            &self.key.points,
            Fr::rand(&mut OsRng),
            Fr::rand(&mut OsRng),
            self.constraints.matrices(),
            INSTANCE,
            self.constraints.len(),
            &values,
        )
        .map_err(|_| ProveError::Unproven)?;
        // A wrong assignment or key gives a proof too, and no error.
        Groth16::<Bn254, CircomReduction>::verify_proof(
            &self.verifying_key,
            &proof,
            &values[PUBLIC..INSTANCE],
        )
        .ok()
        .filter(|is_right| *is_right)
        .ok_or(ProveError::Unproven)?;
        Ok(Proof {
            bytes: proof::to_bytes(&proof),
            public_input,
            outputs,
        })
    }
}

/// What a proof of the batch says, by the engine: the public input and the outputs.
fn statement(batch: &Batch<'_>) -> Result<([u8; 32], [u8; WINDOWS]), PoseidonError> {
    let mut outputs = [0; WINDOWS];
    let mut leaves = Vec::with_capacity(batch.windows.len());
    for (window, output) in batch.windows.iter().zip(&mut outputs) {
        *output = inference::infer(&batch.model, &window.features);
        leaves.push(inference::window_leaf(
            &window.features,
            window.tree,
            window.index,
            window.nonce,
            window.last_capture,
            poseidon::hash_bytes,
        )?);
    }
    let public_input = inference::public_input(
        &inference::windows_root(&leaves, poseidon::hash_bytes)?,
        &inference::model_hash(&batch.model, poseidon::hash_bytes)?,
        &outputs,
        batch.windows.len() as u8,
        &batch.context,
        poseidon::hash_bytes,
    )?;
    Ok((public_input, outputs))
}

/// The constraints of the circuit for up to `capacity` windows, which are the same for all windows and models.
///
/// # Errors
/// [`KeyError::Capacity`].
pub fn constraints(capacity: usize) -> Result<Constraints, KeyError> {
    if !CAPACITIES.contains(&capacity) {
        return Err(KeyError::Capacity(capacity));
    }
    let mut constraints = Constraints::new();
    let windows: &[Window] = &[];
    let model = Model {
        header: Header::from_bytes(&[0; Header::BYTES]),
        weights: [0; WEIGHTS],
        biases: [0; BIASES],
    };
    synthesize(&mut constraints, capacity, windows, &model, Fr::default());
    Ok(constraints)
}

/// Size of the domain on which the constraints are polynomials: a power of two.
pub fn domain_size(constraints: &Constraints) -> usize {
    (constraints.len() + INSTANCE).next_power_of_two()
}

/// Why there is no proof.
#[derive(Debug, Error)]
pub enum ProveError {
    #[error("a batch of {windows} windows can't be proven with a key for 1 to {capacity}")]
    Windows { windows: usize, capacity: usize },
    #[error("the context is no field element: take device_protocol::attestation_context")]
    Context,
    #[error("hashing has failed")]
    Hash(#[from] PoseidonError),
    #[error("circuit and engine disagree: report this as a defect")]
    Engine,
    #[error("the proof doesn't verify: the key is not one of this circuit")]
    Unproven,
}
