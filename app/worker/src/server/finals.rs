//! The last final rewards, as anybody may ask for them: however many ask, the chain is read once in a step of the worker's, which
//! reads it too, and the trees are made once.

use crate::reward::Final;
use crate::worker::{Operator, Part, WorkerError};
use fieldproof_client::{chain, reward_emission as emissions};
use reward_emission::state::Emission;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What was read counts until the worker's next step, and no longer than this.
const LONGEST: Duration = Duration::from_secs(2);

/// What is known of them.
#[derive(Default)]
pub struct Finals(Mutex<Option<Known>>);

struct Known {
    read: Instant,
    /// The worker's steps by then.
    steps: u64,
    last: Option<Arc<Final>>,
}

impl Finals {
    /// The last final rewards. `None` while none are final, or they can't be had. Who comes while another asks waits for
    /// that answer.
    ///
    /// # Errors
    /// The chain's and the database's.
    pub fn last(&self, operator: &Operator) -> Result<Option<Arc<Final>>, WorkerError> {
        // What is known is written as a whole.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let steps = operator.steps(Part::Rewards);
        if let Some(known) = known.as_ref() {
            if known.steps == steps && known.read.elapsed() < LONGEST {
                return Ok(known.last.clone());
            }
        }
        let read = Instant::now();
        let key = emissions::emission(&operator.network);
        let emission: Emission = chain::read(operator.chain.as_ref(), &key)?;
        let before = known.take().and_then(|known| known.last);
        let last = match before.filter(|last| last.is_of(&emission)) {
            Some(last) => Some(last),
            None => Final::find(operator, &emission)?.map(Arc::new),
        };
        *known = Some(Known {
            read,
            steps,
            last: last.clone(),
        });
        Ok(last)
    }
}
