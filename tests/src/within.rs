//! Chains that do one thing differently from the chain within them.

/// Has methods of `Chain` do what those of `self.chain` do: all but those by which a test's chain differs.
///
/// ```ignore
/// impl Chain for Deaf {
///     tests::within!(accounts, clock, history);
///     // and what is different
/// }
/// ```
#[macro_export]
macro_rules! within {
    ($($method:ident),+ $(,)?) => {
        $($crate::method_within!($method);)+
    };
}

/// One method of [`within!`].
#[doc(hidden)]
#[macro_export]
macro_rules! method_within {
    (accounts) => {
        fn accounts(
            &self,
            keys: &[::anchor_lang::prelude::Pubkey],
        ) -> Result<Vec<Option<::solana_account::Account>>, ::fieldproof_client::ClientError> {
            self.chain.accounts(keys)
        }
    };
    (program_accounts) => {
        fn program_accounts(
            &self,
            program: &::anchor_lang::prelude::Pubkey,
            filters: &[::fieldproof_client::chain::Filter<'_>],
        ) -> Result<
            Vec<(::anchor_lang::prelude::Pubkey, ::solana_account::Account)>,
            ::fieldproof_client::ClientError,
        > {
            self.chain.program_accounts(program, filters)
        }
    };
    (clock) => {
        fn clock(&self) -> Result<::anchor_lang::prelude::Clock, ::fieldproof_client::ClientError> {
            self.chain.clock()
        }
    };
    (lifetime) => {
        fn lifetime(
            &self,
        ) -> Result<::fieldproof_client::chain::Lifetime, ::fieldproof_client::ClientError> {
            self.chain.lifetime()
        }
    };
    (genesis_hash) => {
        fn genesis_hash(&self) -> Result<::solana_message::Hash, ::fieldproof_client::ClientError> {
            self.chain.genesis_hash()
        }
    };
    (block_height) => {
        fn block_height(&self) -> Result<u64, ::fieldproof_client::ClientError> {
            self.chain.block_height()
        }
    };
    (rent) => {
        fn rent(&self, bytes: usize) -> Result<u64, ::fieldproof_client::ClientError> {
            self.chain.rent(bytes)
        }
    };
    (simulate) => {
        fn simulate(
            &self,
            transaction: &::solana_transaction::versioned::VersionedTransaction,
        ) -> Result<::fieldproof_client::chain::Execution, ::fieldproof_client::ClientError> {
            self.chain.simulate(transaction)
        }
    };
    (send) => {
        fn send(
            &self,
            transaction: &::solana_transaction::versioned::VersionedTransaction,
        ) -> Result<(), ::fieldproof_client::ClientError> {
            self.chain.send(transaction)
        }
    };
    (execution) => {
        fn execution(
            &self,
            signature: &::solana_signature::Signature,
        ) -> Result<Option<::fieldproof_client::chain::Execution>, ::fieldproof_client::ClientError>
        {
            self.chain.execution(signature)
        }
    };
    (history) => {
        fn history(
            &self,
            address: &::anchor_lang::prelude::Pubkey,
            after: &::fieldproof_client::chain::Cursor,
        ) -> Result<Vec<::solana_signature::Signature>, ::fieldproof_client::ClientError> {
            self.chain.history(address, after)
        }
    };
}
