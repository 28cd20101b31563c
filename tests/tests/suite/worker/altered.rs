//! A chain that tells of its transactions what a test makes of it.

use super::*;
use fieldproof_client::chain::{Chain, Execution};
use solana_signature::Signature;

/// The chain within, whose executions go through `tell`.
pub struct Altered<F> {
    pub chain: Arc<LocalChain>,
    pub tell: F,
}

impl<F: Fn(Execution) -> Option<Execution> + Send + Sync> Chain for Altered<F> {
    tests::within!(
        accounts,
        program_accounts,
        clock,
        lifetime,
        genesis_hash,
        block_height,
        rent,
        simulate,
        send,
        history
    );

    fn execution(&self, signature: &Signature) -> Result<Option<Execution>, ClientError> {
        Ok(self.chain.execution(signature)?.and_then(&self.tell))
    }
}
