use crate::price::{DECIMALS, ONE_BPS};
use crate::{OracleError, Price, Requirements};

/// Decimals of an answer's value here: On-Demand's own.
pub(crate) const ANSWER_DECIMALS: u32 = 18;

const CAPACITY: usize = 32;
const STEP: u128 = 10u128.pow(ANSWER_DECIMALS - DECIMALS);

/// What one oracle says.
#[derive(Clone, Copy)]
pub(crate) struct Answer<'a> {
    pub oracle: &'a [u8; 32],
    pub slot: u64,
    /// At [`ANSWER_DECIMALS`].
    pub value: i128,
}

/// The answers that count, one an oracle.
pub(crate) struct Answers<'a> {
    list: [Answer<'a>; CAPACITY],
    len: usize,
}

impl<'a> Answers<'a> {
    pub fn new() -> Self {
        let none = Answer {
            oracle: &[0; 32],
            slot: 0,
            value: 0,
        };
        Self {
            list: [none; CAPACITY],
            len: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// Adds an answer. Of several by one oracle the newest stays, and the lowest of those.
    pub fn add(&mut self, answer: Answer<'a>) {
        let (known, free) = self.list.split_at_mut(self.len);
        let same = known.iter_mut().find(|known| known.oracle == answer.oracle);
        match same {
            Some(known) => {
                let newer = answer.slot > known.slot;
                if newer || (answer.slot == known.slot && answer.value < known.value) {
                    *known = answer;
                }
            }
            None => {
                if let Some(free) = free.first_mut() {
                    *free = answer;
                    self.len += 1;
                }
            }
        }
    }

    /// The price that they make, if they are `min` or more and agree as required.
    pub fn price(
        &mut self,
        min: u32,
        at: i64,
        requirements: &Requirements,
    ) -> Result<Price, OracleError> {
        let answers = &mut self.list[..self.len];
        if (answers.len() as u32) < min {
            return Err(OracleError::TooFewOracles);
        }
        sort(answers);
        let ([lowest, ..], [.., highest]) = (&*answers, &*answers) else {
            return Err(OracleError::TooFewOracles);
        };
        let median = answers[(answers.len() - 1) / 2].value;
        let spread = median
            .abs_diff(lowest.value)
            .max(median.abs_diff(highest.value));

        // Rounded against whoever is paid by the price: the value down, the deviation up.
        let units = u128::try_from(median).map_err(|_| OracleError::NotPositive)? / STEP;
        let value = u64::try_from(units).map_err(|_| OracleError::TooLarge)?;
        if value == 0 {
            return Err(OracleError::NotPositive);
        }
        let deviation =
            u64::try_from(spread.div_ceil(STEP)).map_err(|_| OracleError::TooUncertain)?;
        let most = u128::from(value) * u128::from(requirements.max_deviation_bps);
        if u128::from(deviation) * ONE_BPS > most {
            return Err(OracleError::TooUncertain);
        }
        Ok(Price {
            value,
            deviation,
            oracles: answers.len() as u8,
            slot: answers.iter().map(|answer| answer.slot).min().unwrap_or(0),
            at,
        })
    }
}

/// By value, the lowest first. There are 32 at most, mostly as sorted as they came, and a program's stack is small.
fn sort(answers: &mut [Answer]) {
    for next in 1..answers.len() {
        let mut place = next;
        while place > 0 && answers[place - 1].value > answers[place].value {
            answers.swap(place - 1, place);
            place -= 1;
        }
    }
}
