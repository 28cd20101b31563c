//! What workers answer.

use anyhow::{bail, Result};
use fieldproof_worker::committee::Refused;
use reqwest::blocking::Response;
use serde::de::DeserializeOwned;

/// What a worker answered, or why it refused.
pub fn read<T: DeserializeOwned>(answer: Response) -> Result<T> {
    let (status, url) = (answer.status(), answer.url().clone());
    if status.is_success() {
        return Ok(answer.json()?);
    }
    match answer.json::<Refused>() {
        Ok(Refused { detail, .. }) => bail!("{url}: {detail}"),
        Err(_) => bail!("{url}: {status}"),
    }
}
