use crate::{BIASES, BIAS_LIMIT, SHIFTS, WEIGHTS};

/// What a model says about itself: its shape, how readings become features, and what its output means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Version of the layout: 1.
    pub version: u8,
    /// Shape of the network: 1 is 16 → 16 → 8 → 1.
    pub shape: u8,
    /// How far each layer shifts right: [`SHIFTS`], as the shape has it.
    pub shifts: [u8; 3],
    /// Schema of the readings that the model takes.
    pub schema: u16,
    /// Which of a reading's values the model takes.
    pub value_index: u8,
    /// Value whose level feature is 0, in the schema's fixed point.
    pub level_offset: i32,
    /// Steps of the level feature for one unit of the value.
    pub level_gain: u16,
    /// Steps of a difference feature for one unit of the value.
    pub delta_gain: u16,
    /// Value of output 0, in units of 10^`exponent`.
    pub output_offset: i32,
    /// Value between one output and the next, in units of 10^`exponent`; positive.
    pub output_step: i32,
    /// Power of ten of the values' unit.
    pub exponent: i8,
}

impl Header {
    /// Length of the canonical bytes.
    pub const BYTES: usize = 25;
    /// Version of the layout.
    pub const VERSION: u8 = 1;
    /// The shape 16 → 16 → 8 → 1.
    pub const SHAPE: u8 = 1;
    /// Values that a reading has at most, so `value_index` is smaller.
    pub const VALUES: u8 = 32;
    /// Largest exponent, either sign: 10^18 is the largest power of ten in an i64.
    pub const EXPONENT_LIMIT: i8 = 18;

    /// The canonical bytes: every field in order, little-endian, without padding.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let Self {
            version,
            shape,
            shifts,
            schema,
            value_index,
            level_offset,
            level_gain,
            delta_gain,
            output_offset,
            output_step,
            exponent,
        } = *self;
        let mut bytes = [0; Self::BYTES];
        bytes[0] = version;
        bytes[1] = shape;
        bytes[2..5].copy_from_slice(&shifts);
        bytes[5..7].copy_from_slice(&schema.to_le_bytes());
        bytes[7] = value_index;
        bytes[8..12].copy_from_slice(&level_offset.to_le_bytes());
        bytes[12..14].copy_from_slice(&level_gain.to_le_bytes());
        bytes[14..16].copy_from_slice(&delta_gain.to_le_bytes());
        bytes[16..20].copy_from_slice(&output_offset.to_le_bytes());
        bytes[20..24].copy_from_slice(&output_step.to_le_bytes());
        bytes[24] = exponent as u8;
        bytes
    }

    /// Reads the canonical bytes; [`validate`](Self::validate) says whether they make sense.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let b = bytes;
        Self {
            version: b[0],
            shape: b[1],
            shifts: [b[2], b[3], b[4]],
            schema: u16::from_le_bytes([b[5], b[6]]),
            value_index: b[7],
            level_offset: i32::from_le_bytes([b[8], b[9], b[10], b[11]]),
            level_gain: u16::from_le_bytes([b[12], b[13]]),
            delta_gain: u16::from_le_bytes([b[14], b[15]]),
            output_offset: i32::from_le_bytes([b[16], b[17], b[18], b[19]]),
            output_step: i32::from_le_bytes([b[20], b[21], b[22], b[23]]),
            exponent: b[24] as i8,
        }
    }

    /// Checks that the version and shape are known and that every field is in its range.
    pub fn validate(&self) -> Result<(), ModelError> {
        let limit = Self::EXPONENT_LIMIT;
        if self.version != Self::VERSION {
            return Err(ModelError::Version(self.version));
        }
        if self.shape != Self::SHAPE {
            return Err(ModelError::Shape(self.shape));
        }
        if self.shifts != SHIFTS {
            return Err(ModelError::Shifts(self.shifts));
        }
        if self.value_index >= Self::VALUES {
            return Err(ModelError::ValueIndex(self.value_index));
        }
        if self.level_gain == 0 {
            return Err(ModelError::LevelGain);
        }
        if self.delta_gain == 0 {
            return Err(ModelError::DeltaGain);
        }
        if self.output_step <= 0 {
            return Err(ModelError::OutputStep(self.output_step));
        }
        if !(-limit..=limit).contains(&self.exponent) {
            return Err(ModelError::Exponent(self.exponent));
        }
        Ok(())
    }
}

/// A model as whoever makes one holds it. To run it, parse its bytes as a [`ModelRef`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// What the model says about itself.
    pub header: Header,
    /// Layer after layer, a layer's neurons after one another, a neuron's weights in the order of its inputs.
    pub weights: [i8; WEIGHTS],
    /// Layer after layer, one a neuron; added to the accumulator before its shift.
    pub biases: [i32; BIASES],
}

impl Model {
    /// Length of the canonical bytes.
    pub const BYTES: usize = Header::BYTES + WEIGHTS + 4 * BIASES;

    /// The canonical bytes: header, weights, biases (little-endian).
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let (header, rest) = bytes.split_at_mut(Header::BYTES);
        let (weights, biases) = rest.split_at_mut(WEIGHTS);
        header.copy_from_slice(&self.header.to_bytes());
        for (byte, weight) in weights.iter_mut().zip(&self.weights) {
            *byte = *weight as u8;
        }
        for (bytes, bias) in biases.chunks_exact_mut(4).zip(&self.biases) {
            bytes.copy_from_slice(&bias.to_le_bytes());
        }
        bytes
    }

    /// Checks the header, and that every bias is small enough for no accumulator to overflow, whatever the weights.
    pub fn validate(&self) -> Result<(), ModelError> {
        self.header.validate()?;
        validate_biases(self.biases.iter().copied())
    }
}

/// A valid model, read where its bytes lie. The only way to one is [`parse`](Self::parse), so whoever holds one can
/// run it without a further check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelRef<'a> {
    header: Header,
    weights: &'a [u8; WEIGHTS],
    biases: &'a [[u8; 4]; BIASES],
}

impl<'a> ModelRef<'a> {
    /// Reads a model's canonical bytes, [`Model::BYTES`] of them, and checks it as [`Model::validate`] does.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ModelError> {
        let length = || ModelError::Length(bytes.len());
        let (header, rest) = bytes.split_first_chunk().ok_or_else(length)?;
        let (weights, rest) = rest.split_first_chunk().ok_or_else(length)?;
        let (biases, partial) = rest.as_chunks();
        if !partial.is_empty() {
            return Err(length());
        }
        let biases: &[[u8; 4]; BIASES] = biases.try_into().map_err(|_| length())?;

        let header = Header::from_bytes(header);
        header.validate()?;
        validate_biases(biases.iter().map(|bias| i32::from_le_bytes(*bias)))?;
        Ok(Self {
            header,
            weights,
            biases,
        })
    }

    /// What the model says about itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The weights as two's complement bytes, in the order of [`Model::weights`].
    pub fn weights(&self) -> &'a [u8; WEIGHTS] {
        self.weights
    }

    /// The biases as little-endian bytes, in the order of [`Model::biases`].
    pub fn biases(&self) -> &'a [[u8; 4]; BIASES] {
        self.biases
    }
}

impl From<ModelRef<'_>> for Model {
    fn from(model: ModelRef<'_>) -> Self {
        Self {
            header: model.header,
            weights: model.weights.map(|weight| weight as i8),
            biases: model.biases.map(i32::from_le_bytes),
        }
    }
}

fn validate_biases(biases: impl Iterator<Item = i32>) -> Result<(), ModelError> {
    for (neuron, bias) in biases.enumerate() {
        if bias <= -BIAS_LIMIT || bias >= BIAS_LIMIT {
            return Err(ModelError::Bias { neuron, bias });
        }
    }
    Ok(())
}

/// Why bytes are not a model that can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelError {
    Length(usize),
    Version(u8),
    Shape(u8),
    Shifts([u8; 3]),
    ValueIndex(u8),
    LevelGain,
    DeltaGain,
    OutputStep(i32),
    Exponent(i8),
    Bias { neuron: usize, bias: i32 },
}

impl core::error::Error for ModelError {}

impl core::fmt::Display for ModelError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Length(length) => write!(
                f,
                "a model has {} bytes, not {length}: pass the whole file and nothing else",
                Model::BYTES
            ),
            Self::Version(version) => write!(
                f,
                "model version {version} is unknown: write version {}",
                Header::VERSION
            ),
            Self::Shape(shape) => write!(
                f,
                "shape {shape} is unknown: use shape {}, 16 → 16 → 8 → 1",
                Header::SHAPE
            ),
            Self::Shifts(shifts) => write!(
                f,
                "shifts {shifts:?} are not the shape's: write {SHIFTS:?}"
            ),
            Self::ValueIndex(index) => write!(
                f,
                "a reading has no value {index}: choose one below {}",
                Header::VALUES
            ),
            Self::LevelGain => f.write_str("level gain 0 hides the level: choose at least 1"),
            Self::DeltaGain => f.write_str("delta gain 0 hides the changes: choose at least 1"),
            Self::OutputStep(step) => {
                write!(f, "output step {step} is not positive: choose at least 1")
            }
            Self::Exponent(exponent) => write!(
                f,
                "exponent {exponent} is out of range: choose one from -{limit} to {limit}",
                limit = Header::EXPONENT_LIMIT
            ),
            Self::Bias { neuron, bias } => write!(
                f,
                "bias {bias} of neuron {neuron} could overflow: keep it between -{BIAS_LIMIT} and {BIAS_LIMIT}, \
                 both excluded"
            ),
        }
    }
}
