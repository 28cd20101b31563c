//! Training: Adam on the float network, then on the same parameters seen through the model's rounding.

use anyhow::{Context, Result};
use inference::{features, infer, Header, Model, ModelRef, FEATURES, SHIFTS};
use rand::{rngs::StdRng, seq::SliceRandom, SeedableRng};

use crate::data::{Split, Window};
use crate::network::{inputs, Arithmetic, Network, PARAMETERS};
use crate::report::mean_absolute_error;

/// The model's header: air temperature in hundredths of °C; features that reach from -20 °C to 45.5 °C, and 8.19 °C
/// up and down from the newest reading; outputs that reach from -20 °C to 43.75 °C by quarters.
pub const HEADER: Header = Header {
    version: Header::VERSION,
    shape: Header::SHAPE,
    shifts: SHIFTS,
    schema: 1,
    value_index: 0,
    level_offset: -2000,
    level_gain: 10,
    delta_gain: 40,
    output_offset: -2000,
    output_step: 25,
    exponent: -2,
};

/// Networks trained from different starts, of which validation chooses one.
pub const STARTS: u64 = 12;

const BATCH: usize = 128;

/// How long and how fast a phase learns; the rate falls to 0 in equal steps.
struct Schedule {
    epochs: usize,
    rate: f32,
}

const FLOAT: Schedule = Schedule {
    epochs: 400,
    rate: 0.01,
};
const INTEGER: Schedule = Schedule {
    epochs: 200,
    rate: 0.001,
};

/// A window as training takes it.
struct Example {
    inputs: [f32; FEATURES],
    /// What the network should give: the value over the output's range.
    target: f32,
}

/// A float network and the model made of it, with their mean absolute errors on the validation windows in °C.
pub struct Candidate {
    /// The network after the first phase.
    pub float: Network,
    /// Its error.
    pub float_error: f64,
    /// The model after the second.
    pub model: Model,
    /// Its error.
    pub model_error: f64,
}

/// The forecast of a float network for a window, in hundredths of °C.
pub fn float_forecast(network: &Network, window: &Window) -> f64 {
    let output = network.output(&features(&HEADER, &window.temperatures));
    f64::from(HEADER.output_offset) + f64::from(output) * output_range()
}

/// The forecast of a model for a window, in hundredths of °C.
pub fn model_forecast(model: &ModelRef<'_>, window: &Window) -> f64 {
    let output = infer(model, &features(model.header(), &window.temperatures));
    model.header().value(output) as f64
}

/// Trains one network from the start that `seed` names, and the model of it.
pub fn train(split: &Split, seed: u64) -> Result<Candidate> {
    let mut rng = StdRng::seed_from_u64(seed);
    let examples: Vec<Example> = split.training.iter().map(Example::from).collect();

    let start = Network::random(&mut rng);
    let float = fit(start, Arithmetic::Float, &FLOAT, &examples, split, &mut rng)?;
    let integer = fit(
        float.clone(),
        Arithmetic::Integer,
        &INTEGER,
        &examples,
        split,
        &mut rng,
    )?;
    Ok(Candidate {
        float_error: validation_error(&float, Arithmetic::Float, split)?,
        model_error: validation_error(&integer, Arithmetic::Integer, split)?,
        model: integer.quantise(HEADER),
        float,
    })
}

/// The best network on the validation windows of those that `start` became, one an epoch.
fn fit(
    start: Network,
    arithmetic: Arithmetic,
    schedule: &Schedule,
    examples: &[Example],
    split: &Split,
    rng: &mut StdRng,
) -> Result<Network> {
    let mut network = start;
    let mut adam = Adam::default();
    let mut order: Vec<&Example> = examples.iter().collect();
    let batches = order.len().div_ceil(BATCH);
    let mut best = (f64::INFINITY, network.clone());

    for epoch in 0..schedule.epochs {
        order.shuffle(rng);
        for (batch, examples) in order.chunks(BATCH).enumerate() {
            let computed = network.rounded(arithmetic);
            let mut gradient = [0.0; PARAMETERS];
            for example in examples {
                let trace = computed.forward(arithmetic, &example.inputs);
                let slope = loss_slope(trace.output() - example.target);
                computed.backward(&trace, slope / examples.len() as f32, &mut gradient);
            }
            let done = (epoch * batches + batch) as f32 / (schedule.epochs * batches) as f32;
            let rate = schedule.rate * (1.0 - done);
            adam.step(network.parameters_mut(), &gradient, rate);
            network.clamp_weights();
        }
        let error = validation_error(&network, arithmetic, split)?;
        if error < best.0 {
            best = (error, network.clone());
        }
    }
    Ok(best.1)
}

/// Of a loss that is linear in large errors and smooth around none: sqrt(e² + 0.02) for an error of e °C.
fn loss_slope(error: f32) -> f32 {
    let error = error * (output_range() / 100.0) as f32;
    error / (error * error + 0.02).sqrt()
}

fn validation_error(network: &Network, arithmetic: Arithmetic, split: &Split) -> Result<f64> {
    let windows = &split.validation;
    Ok(match arithmetic {
        Arithmetic::Float => mean_absolute_error(windows, |w| float_forecast(network, w)),
        Arithmetic::Integer => {
            let bytes = network.quantise(HEADER).to_bytes();
            let model = ModelRef::parse(&bytes).context("the network does not fit a model")?;
            mean_absolute_error(windows, |w| model_forecast(&model, w))
        }
    })
}

/// What a float output of 1 adds to the value, in hundredths of °C.
fn output_range() -> f64 {
    256.0 * f64::from(HEADER.output_step)
}

impl From<&Window> for Example {
    fn from(window: &Window) -> Self {
        let value = f64::from(window.next - HEADER.output_offset);
        Self {
            inputs: inputs(&features(&HEADER, &window.temperatures)),
            target: (value / output_range()) as f32,
        }
    }
}

/// Adam of Kingma and Ba, 2015 (arXiv:1412.6980), with the paper's constants.
struct Adam {
    first: [f32; PARAMETERS],
    second: [f32; PARAMETERS],
    /// What is still missing of each moment's weights: β1^t and β2^t.
    missing: [f32; 2],
}

impl Default for Adam {
    fn default() -> Self {
        Self {
            first: [0.0; PARAMETERS],
            second: [0.0; PARAMETERS],
            missing: [1.0; 2],
        }
    }
}

impl Adam {
    const DECAY: [f32; 2] = [0.9, 0.999];
    const EPSILON: f32 = 1e-8;

    fn step(&mut self, parameters: &mut [f32], gradient: &[f32; PARAMETERS], rate: f32) {
        let [decay1, decay2] = Self::DECAY;
        self.missing[0] *= decay1;
        self.missing[1] *= decay2;
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((parameter, slope), (first, second)) in
            parameters.iter_mut().zip(gradient).zip(moments)
        {
            *first = decay1 * *first + (1.0 - decay1) * slope;
            *second = decay2 * *second + (1.0 - decay2) * slope * slope;
            let mean = *first / (1.0 - self.missing[0]);
            let spread = (*second / (1.0 - self.missing[1])).sqrt();
            *parameter -= rate * mean / (spread + Self::EPSILON);
        }
    }
}
