//! A circuit's constraints as sparse matrices.

use ark_bn254::Fr;
use ark_ff::{One, Zero};
use ark_relations::{
    gr1cs::{
        ConstraintSynthesizer, ConstraintSystemRef, LinearCombination, Matrix, SynthesisError,
        Variable,
    },
    utils::Result as SynthesisResult,
};

use crate::system::{Gadget, Number, System, INSTANCE, ONE, PUBLIC};

/// The constraints of a circuit: row by row, (A · z) × (B · z) = C · z, for an assignment z.
///
/// The linear combinations are summed up while the circuit is taken down, so that none refers to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraints {
    matrices: [Matrix<Fr>; 3],
    variables: usize,
}

impl Constraints {
    /// None yet.
    pub fn new() -> Self {
        Self {
            matrices: Default::default(),
            variables: INSTANCE,
        }
    }

    /// A, B and C.
    pub fn matrices(&self) -> &[Matrix<Fr>; 3] {
        &self.matrices
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.matrices[0].len()
    }

    /// How many variables there are, the one that is 1 and the public one among them.
    pub fn variables(&self) -> usize {
        self.variables
    }
}

impl System for Constraints {
    type Number = Sum;

    fn witness(&mut self, _: Gadget, value: Fr) -> Sum {
        let variable = self.variables;
        self.variables += 1;
        Sum {
            terms: vec![(Fr::one(), variable)],
            value,
        }
    }

    fn instance(&mut self, _: Gadget, value: Fr) -> Sum {
        Sum {
            terms: vec![(Fr::one(), PUBLIC)],
            value,
        }
    }

    fn enforce(&mut self, _: Gadget, a: &Sum, b: &Sum, c: &Sum) {
        for (matrix, sum) in self.matrices.iter_mut().zip([a, b, c]) {
            matrix.push(sum.terms.clone());
        }
    }
}

/// A linear combination: factors and variables, by rising variable, and what it is in the present assignment.
#[derive(Clone, Debug)]
pub struct Sum {
    terms: Vec<(Fr, usize)>,
    value: Fr,
}

impl Number for Sum {
    fn constant(value: Fr) -> Self {
        let terms = if value.is_zero() {
            Vec::new()
        } else {
            vec![(value, ONE)]
        };
        Self { terms, value }
    }

    fn value(&self) -> Fr {
        self.value
    }

    fn add_scaled(&self, factor: Fr, other: &Self) -> Self {
        let mut terms = Vec::with_capacity(self.terms.len() + other.terms.len());
        let mut left = self.terms.iter().copied().peekable();
        let mut right = other
            .terms
            .iter()
            .map(|(other, variable)| (factor * other, *variable))
            .peekable();
        while let (Some((a, i)), Some((b, j))) = (left.peek(), right.peek()) {
            let (a, b, i, j) = (*a, *b, *i, *j);
            if i <= j {
                left.next();
            }
            if j <= i {
                right.next();
            }
            let term = match i.cmp(&j) {
                std::cmp::Ordering::Less => (a, i),
                std::cmp::Ordering::Greater => (b, j),
                std::cmp::Ordering::Equal => (a + b, i),
            };
            if !term.0.is_zero() {
                terms.push(term);
            }
        }
        terms.extend(left);
        terms.extend(right.filter(|(factor, _)| !factor.is_zero()));
        Self {
            terms,
            value: self.value + factor * other.value,
        }
    }
}

/// Hands the constraints over to arkworks, whose set-up takes a circuit only in this form.
impl ConstraintSynthesizer<Fr> for &Constraints {
    fn generate_constraints(self, system: ConstraintSystemRef<Fr>) -> SynthesisResult<()> {
        let missing = || Err(SynthesisError::AssignmentMissing);
        let mut variables = vec![Variable::One, system.new_input_variable(missing)?];
        for _ in INSTANCE..self.variables {
            variables.push(system.new_witness_variable(missing)?);
        }
        let [a, b, c] = &self.matrices;
        for ((a, b), c) in a.iter().zip(b).zip(c) {
            let combination = |terms: &[(Fr, usize)]| {
                let terms = terms.iter().map(|(factor, i)| (*factor, variables[*i]));
                LinearCombination(terms.collect())
            };
            system.enforce_r1cs_constraint(
                || combination(a),
                || combination(b),
                || combination(c),
            )?;
        }
        Ok(())
    }
}
