//! Lies, each of which exactly one gadget forbids.

use std::collections::HashSet;

use ark_bn254::Fr;
use ark_ff::{Field, Zero};
use inference::{Model, BIAS_LIMIT, WINDOWS};

use super::{leaf, outputs, relay, statement, window, Liar, CONTEXT};
use crate::{
    circuit::synthesize,
    points::scalar_from_bytes,
    prover::constraints,
    system::{Assignment, Gadget, PUBLIC},
    Window,
};

const CAPACITY: usize = 2;

/// A lie, and what it gains.
struct Lie {
    windows: Vec<Window>,
    model: Model,
    /// The witness that is said to be something else: its gadget, and its number among that gadget's.
    witness: (Gadget, usize),
    /// What it is said to be, given what it should be.
    forge: Box<dyn Fn(Fr) -> Fr>,
    claim: Claim,
}

/// What the public input of a lie says.
enum Claim {
    /// That this model, on this window, has an output that it hasn't.
    Output(Window, Box<Model>),
    /// Something that no batch and no model make true.
    Nonsense,
}

#[test]
fn each_gadget_alone_forbids_a_lie() {
    let mut honest = Liar::default();
    let public_input = honest.run(CAPACITY, &[window()], &relay());
    let truth = statement(&[window()], &relay(), &outputs(&[window()], &relay()));
    assert_eq!(public_input, truth);
    assert!(honest.violated.is_empty());

    let gadgets: HashSet<Gadget> = enum_iterator::all().collect();
    assert_eq!(
        honest.constrained, gadgets,
        "none is missing in the circuit"
    );
    for gadget in gadgets {
        let Lie {
            windows,
            model,
            witness,
            forge,
            claim,
        } = lie_forbidden_by(gadget);
        let truth = Liar::default().run(CAPACITY, &windows, &model);
        let lie = |gadget, number, value| {
            if (gadget, number) == witness {
                forge(value)
            } else {
                value
            }
        };
        let mut liar = Liar {
            lie: Some(&lie),
            ..Liar::default()
        };
        liar.run(CAPACITY, &windows, &model);
        let violated: Vec<_> = liar.violated.into_iter().collect();
        assert_eq!(violated, [gadget], "what forbids the lie");

        let mut liar = Liar {
            lie: Some(&lie),
            without: Some(gadget),
            ..Liar::default()
        };
        let said = liar.run(CAPACITY, &windows, &model);
        assert!(liar.violated.is_empty(), "{gadget:?} forbids it alone");
        assert_ne!(said, truth, "{gadget:?}");
        if let Claim::Output(window, model) = claim {
            let right = outputs(&[window], &model)[0];
            let claimed = (0..=u8::MAX).find(|output| {
                let mut outputs = [0; WINDOWS];
                outputs[0] = *output;
                statement(&[window], &model, &outputs) == said
            });
            let claimed = claimed.unwrap_or_else(|| panic!("{gadget:?}: no output is claimed"));
            assert_ne!(claimed, right, "{gadget:?}");
        }
    }
}

fn lie_forbidden_by(gadget: Gadget) -> Lie {
    let truth = Lie {
        windows: vec![window()],
        model: relay(),
        witness: (gadget, 0),
        forge: Box::new(|value| value),
        claim: Claim::Output(window(), Box::new(relay())),
    };
    let add =
        |number: i64| -> Box<dyn Fn(Fr) -> Fr> { Box::new(move |value| value + Fr::from(number)) };
    let be = |number: i64| -> Box<dyn Fn(Fr) -> Fr> { Box::new(move |_| Fr::from(number)) };
    match gadget {
        // Packed, it reads as shifts that the circuit doesn't have.
        Gadget::ModelHeader => Lie {
            forge: Box::new(|rest| rest + Fr::from(2u8).pow([160])),
            claim: Claim::Nonsense,
            ..truth
        },
        // Packed, it reads as the first weight and one more.
        Gadget::WeightRange => {
            let mut claimed = relay();
            claimed.weights[0] += 1;
            Lie {
                witness: (gadget, 8),
                forge: add(1 << 8),
                claim: Claim::Output(window(), Box::new(claimed)),
                ..truth
            }
        }
        // No valid model has it.
        Gadget::BiasRange => Lie {
            forge: be(1 << 27),
            claim: Claim::Nonsense,
            ..truth
        },
        // No valid model has it.
        Gadget::BiasLimit => Lie {
            witness: (Gadget::BiasRange, 0),
            forge: be(-i64::from(BIAS_LIMIT)),
            claim: Claim::Nonsense,
            ..truth
        },
        // Any leaf is the right multiple of any window's.
        Gadget::WindowFlag => {
            let other = another_window();
            let flag = number(&leaf(&other)) / number(&leaf(&window()));
            Lie {
                forge: Box::new(move |_| flag),
                claim: Claim::Nonsense,
                ..truth
            }
        }
        // A batch whose first window is missing.
        Gadget::WindowOrder => Lie {
            windows: vec![window(), another_window()],
            witness: (Gadget::WindowFlag, 0),
            forge: be(0),
            claim: Claim::Nonsense,
            ..truth
        },
        // The output of one window for the leaf of another.
        Gadget::WindowLeaf => {
            let other = another_window();
            let leaf = number(&leaf(&other));
            Lie {
                witness: (gadget, 1),
                forge: Box::new(move |_| leaf),
                claim: Claim::Output(other, Box::new(relay())),
                ..truth
            }
        }
        Gadget::WindowOutput => Lie {
            forge: add(1),
            ..truth
        },
        // Packed, it reads as the first feature and one more.
        Gadget::FeatureRange => {
            let mut claimed = window();
            claimed.features[0] += 1;
            Lie {
                witness: (gadget, 16),
                forge: add(1 << 16),
                claim: Claim::Output(claimed, Box::new(relay())),
                ..truth
            }
        }
        Gadget::WeightPair | Gadget::InputPair => Lie {
            forge: add(-(1 << 24)),
            ..truth
        },
        Gadget::Product => Lie {
            forge: add(1 << 24),
            ..truth
        },
        // Twice the highest bit but one, and the accumulator is negative.
        Gadget::AccumulatorRange => Lie {
            witness: (gadget, 27),
            forge: be(2),
            ..truth
        },
        Gadget::Excess => Lie {
            witness: (gadget, 1),
            forge: be(1),
            ..truth
        },
        // The first neuron exceeds 255, and keeps its lowest bits.
        Gadget::NoExcess => {
            let mut model = relay();
            model.biases[0] = 1 << 25;
            Lie {
                model: model.clone(),
                witness: (Gadget::Excess, 0),
                forge: be(0),
                claim: Claim::Output(window(), Box::new(model)),
                ..truth
            }
        }
        Gadget::UpperClamp | Gadget::LowerClamp => Lie {
            forge: add(100),
            ..truth
        },
        // Another hash for the same model.
        Gadget::SBox => Lie {
            forge: add(1),
            claim: Claim::Nonsense,
            ..truth
        },
        // Any statement at all.
        Gadget::PublicInput => {
            let mut wrong = [0; WINDOWS];
            wrong[0] = 200;
            let said = number(&statement(&[window()], &relay(), &wrong));
            Lie {
                witness: (gadget, 1),
                forge: Box::new(move |_| said),
                ..truth
            }
        }
    }
}

#[test]
fn each_variable_is_constrained() {
    let constraints = constraints(CAPACITY).unwrap();
    let mut assignment = Assignment::with_capacity(constraints.variables());
    let context = scalar_from_bytes(&CONTEXT).unwrap();
    synthesize(&mut assignment, CAPACITY, &[window()], &relay(), context);
    let mut values = assignment.into_values();
    assert_eq!(values.len(), constraints.variables());

    let mut rows = vec![Vec::new(); values.len()];
    for matrix in constraints.matrices() {
        for (row, terms) in matrix.iter().enumerate() {
            for (_, variable) in terms {
                rows[*variable].push(row);
            }
        }
    }
    let is_satisfied = |values: &[Fr], row: usize| {
        let [a, b, c] = constraints.matrices().each_ref().map(|matrix| {
            let terms = matrix[row].iter();
            terms.fold(Fr::zero(), |sum, (factor, variable)| {
                sum + *factor * values[*variable]
            })
        });
        a * b == c
    };
    for row in 0..constraints.len() {
        assert!(is_satisfied(&values, row), "{row}");
    }
    // The inverse of an excess of 0 may be anything: it is multiplied by it, and nothing else depends on it.
    let mut free = 0;
    for variable in PUBLIC..values.len() {
        let value = values[variable];
        let mut fails = |wrong: Fr| {
            values[variable] = wrong;
            let fails = rows[variable]
                .iter()
                .any(|row| !is_satisfied(&values, *row));
            values[variable] = value;
            fails
        };
        let wrongs = [1, -1, 2].map(|more| value + Fr::from(more));
        if !wrongs.into_iter().all(&mut fails) {
            assert!(
                !wrongs.into_iter().any(&mut fails) && value.is_zero(),
                "{variable}"
            );
            free += 1;
        }
    }
    // Each of 25 neurons has one, on the window and on its padding, of which none exceeds 255.
    assert_eq!(free, 2 * 25);
}

fn number(bytes: &[u8; 32]) -> Fr {
    scalar_from_bytes(bytes).unwrap()
}

/// A window of which [`relay`] makes 32.
fn another_window() -> Window {
    let mut window = window();
    window.features[1] = 1 << 14;
    window.index += 1;
    window
}
