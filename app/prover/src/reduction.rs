//! From constraints to polynomials as circom and snarkjs do it. Keys for this reduction and for arkworks' own aren't
//! interchangeable: with the wrong one, proofs are made without an error and don't verify.

use ark_ff::PrimeField;
use ark_groth16::r1cs_to_qap::{evaluate_constraint, LibsnarkReduction, R1CSToQAP};
use ark_poly::EvaluationDomain;
use ark_relations::{
    gr1cs::{ConstraintSystemRef, Matrix},
    utils::{error::SynthesisError, Result},
};
use rayon::prelude::*;

/// The polynomial P = A B − C is 0 on a domain of n-th roots of unity. A proof needs \[P(τ)\], and P, of a degree below
/// 2n, is its values on 2n-th roots times their Lagrange polynomials, where only the odd ones aren't 0. So a key holds
/// \[Lᵢ(τ)/δ\] for odd i, and a prover the values of P there: no division by the domain's own polynomial is needed.
pub struct CircomReduction;

impl R1CSToQAP for CircomReduction {
    fn instance_map_with_evaluation<F: PrimeField, D: EvaluationDomain<F>>(
        system: ConstraintSystemRef<F>,
        tau: &F,
    ) -> Result<(Vec<F>, Vec<F>, Vec<F>, F, usize, usize)> {
        LibsnarkReduction::instance_map_with_evaluation::<F, D>(system, tau)
    }

    fn witness_map_from_matrices<F: PrimeField, D: EvaluationDomain<F>>(
        matrices: &[Matrix<F>],
        num_inputs: usize,
        num_constraints: usize,
        full_assignment: &[F],
    ) -> Result<Vec<F>> {
        let [a, b, _] = matrices else {
            return Err(SynthesisError::ArityMismatch);
        };
        let domain =
            D::new(num_constraints + num_inputs).ok_or(SynthesisError::PolynomialDegreeTooLarge)?;
        let evaluate = |matrix: &Matrix<F>| {
            let mut values = vec![F::zero(); domain.size()];
            let rows = values.par_iter_mut().zip(matrix);
            rows.for_each(|(value, row)| *value = evaluate_constraint(row, full_assignment));
            values
        };
        let mut a = evaluate(a);
        let mut b = evaluate(b);
        // Rows that keep the public inputs apart, as in arkworks.
        a[num_constraints..][..num_inputs].copy_from_slice(&full_assignment[..num_inputs]);
        // Every constraint is satisfied, or the proof won't verify.
        let mut c: Vec<F> = a.par_iter().zip(&b).map(|(a, b)| *a * b).collect();

        let double = D::new(2 * domain.size()).ok_or(SynthesisError::PolynomialDegreeTooLarge)?;
        let odd = domain
            .get_coset(double.group_gen())
            .ok_or(SynthesisError::PolynomialDegreeTooLarge)?;
        for values in [&mut a, &mut b, &mut c] {
            domain.ifft_in_place(values);
            odd.fft_in_place(values);
        }
        a.par_iter_mut()
            .zip(&b)
            .zip(&c)
            .for_each(|((a, b), c)| *a = *a * b - c);
        Ok(a)
    }

    fn h_query_scalars<F: PrimeField, D: EvaluationDomain<F>>(
        max_power: usize,
        tau: F,
        _: F,
        delta_inverse: F,
    ) -> Result<Vec<F>> {
        let domain = D::new(2 * (max_power + 1)).ok_or(SynthesisError::PolynomialDegreeTooLarge)?;
        let lagrange = domain.evaluate_all_lagrange_coefficients(tau);
        let odd = lagrange.into_iter().skip(1).step_by(2);
        Ok(odd.map(|lagrange| lagrange * delta_inverse).collect())
    }
}
