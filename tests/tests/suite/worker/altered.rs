//! A chain that tells of its transactions what a test makes of it.

use super::*;
use fieldproof_client::chain::{Chain, Execution, Lifetime};
use solana_account::Account;
use solana_signature::Signature;
use solana_transaction::versioned::VersionedTransaction;

/// The chain within, whose executions go through `tell`.
pub struct Altered<F> {
    pub chain: Arc<LocalChain>,
    pub tell: F,
}

impl<F: Fn(Execution) -> Option<Execution> + Send + Sync> Chain for Altered<F> {
    fn accounts(&self, keys: &[Pubkey]) -> Result<Vec<Option<Account>>, ClientError> {
        self.chain.accounts(keys)
    }
    fn program_accounts(
        &self,
        program: &Pubkey,
        discriminator: &[u8],
    ) -> Result<Vec<(Pubkey, Account)>, ClientError> {
        self.chain.program_accounts(program, discriminator)
    }
    fn clock(&self) -> Result<anchor_lang::prelude::Clock, ClientError> {
        self.chain.clock()
    }
    fn lifetime(&self) -> Result<Lifetime, ClientError> {
        self.chain.lifetime()
    }
    fn genesis_hash(&self) -> Result<solana_message::Hash, ClientError> {
        self.chain.genesis_hash()
    }
    fn block_height(&self) -> Result<u64, ClientError> {
        self.chain.block_height()
    }
    fn rent(&self, bytes: usize) -> Result<u64, ClientError> {
        self.chain.rent(bytes)
    }
    fn simulate(&self, transaction: &VersionedTransaction) -> Result<Execution, ClientError> {
        self.chain.simulate(transaction)
    }
    fn send(&self, transaction: &VersionedTransaction) -> Result<(), ClientError> {
        self.chain.send(transaction)
    }
    fn execution(&self, signature: &Signature) -> Result<Option<Execution>, ClientError> {
        Ok(self.chain.execution(signature)?.and_then(&self.tell))
    }
    fn history(
        &self,
        address: &Pubkey,
        after: Option<&Signature>,
    ) -> Result<Vec<Signature>, ClientError> {
        self.chain.history(address, after)
    }
}
