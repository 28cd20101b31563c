//! What can go wrong between a person and the chain.

use anchor_lang::prelude::Pubkey;
use solana_message::Hash;
use solana_signature::Signature;
use solana_transaction_error::TransactionError;

/// An error of the client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The cluster could not be reached or answered with an error of its own.
    #[error("the cluster did not answer as expected: {0}")]
    Cluster(String),
    /// The server does not know a transaction that others, or it itself, told of before.
    #[error(
        "the server does not know transaction {0} any more, up to which its history was read: it lags behind, or the cluster \
         has rolled the transaction back"
    )]
    UnknownCursor(Signature),
    /// An account that must exist does not.
    #[error("account {0} does not exist")]
    NoAccount(Pubkey),
    /// An account exists but is not what it should be.
    #[error("account {0} is not a {1} of this program and version")]
    WrongAccount(Pubkey, &'static str),
    /// The network says that it is of another cluster than the one that was asked.
    #[error(
        "the network is of the cluster with genesis hash {network}, and this one has {cluster}: name the address of the \
         network's cluster (--url, or the worker's rpc_url), or another network"
    )]
    OtherCluster {
        /// Genesis hash of the network's cluster.
        network: Hash,
        /// Genesis hash of the cluster that was asked.
        cluster: Hash,
    },
    /// The transaction is too large for every transaction version.
    #[error("the transaction has {0} bytes, and at most {1} fit: split it")]
    TooLarge(usize, usize),
    /// The transaction could not be compiled or signed.
    #[error("the transaction could not be built: {0}")]
    Build(String),
    /// The cluster does not take the transaction, however often it is sent.
    #[error("the cluster does not take the transaction: {0}")]
    Rejected(String),
    /// A program refused the transaction.
    #[error("{0}")]
    Refused(Box<ProgramFailure>),
    /// The runtime refused the transaction.
    #[error("the transaction failed: {error}")]
    Failed {
        /// The runtime's error.
        error: TransactionError,
        /// The transaction's log lines.
        logs: Vec<String>,
    },
    /// The network charges credits, and nobody has said how many.
    #[error("the network has no pricing: its authority sets it, with `fieldproof network set-pricing` or [pricing] in the configuration of migrate")]
    NoPricing,
    /// Something costs more credits than there are.
    #[error(
        "this costs {cost} credits, and {owner} has {balance}: buy more with `fieldproof credits buy {}`",
        missing(.cost, .balance)
    )]
    TooFewCredits {
        /// Whose credits they are.
        owner: Pubkey,
        /// What it costs.
        cost: u64,
        /// What there is.
        balance: u64,
    },
    /// Epoch 0 is to come.
    #[error("the network begins at unix time {0}: retry then")]
    NotBegun(i64),
    /// A registry tree's events contradict each other or the chain.
    #[error(transparent)]
    Tree(#[from] crate::registry_tree::TreeError),
    /// The block height up to which the transaction could land has passed, and it did not.
    #[error("transaction {0} expired before it landed: send it again")]
    Expired(Signature),
    /// A transaction was sent, and then the cluster did not tell what became of it.
    #[error(
        "transaction {signature} may have landed: look it up before you send it again, it counts up to block height \
         {last_valid_block_height} ({reason})"
    )]
    Unsettled {
        /// Its signature.
        signature: Signature,
        /// Beyond this height it lands no more.
        last_valid_block_height: u64,
        /// What the cluster answered.
        reason: String,
    },
}

/// What is missing of a cost.
fn missing(cost: &u64, balance: &u64) -> u64 {
    cost.saturating_sub(*balance)
}

/// A program's own error, as its log names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramFailure {
    /// The program that failed.
    pub program: Option<Pubkey>,
    /// Custom error number.
    pub code: u32,
    /// The error's name, empty when the program logged none.
    pub name: String,
    /// What the program says to do about it.
    pub message: String,
    /// The transaction's log lines.
    pub logs: Vec<String>,
}

impl std::fmt::Display for ProgramFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.name.is_empty() {
            write!(f, "a program failed with error {}", self.code)
        } else {
            write!(f, "{} ({}, error {})", self.message, self.name, self.code)
        }
    }
}

impl ProgramFailure {
    /// Reads the failure of a transaction with custom error `code` out of its logs.
    pub fn from_logs(code: u32, logs: Vec<String>) -> Self {
        let field = |name: &str| {
            logs.iter().rev().find_map(|line| {
                let start = line.find(name)? + name.len();
                line.get(start..).map(str::to_owned)
            })
        };
        let name =
            field("Error Code: ").map(|rest| rest.split(". ").next().unwrap_or("").to_owned());
        let message = field("Error Message: ").map(|rest| rest.trim_end_matches('.').to_owned());
        let program = logs.iter().find_map(|line| {
            let rest = line.strip_prefix("Program ")?;
            let (id, rest) = rest.split_once(' ')?;
            rest.starts_with("failed").then(|| id.parse().ok())?
        });
        Self {
            program,
            code,
            name: name.unwrap_or_default(),
            message: message.unwrap_or_default(),
            logs,
        }
    }
}

impl ClientError {
    /// The error of a transaction that ran and failed.
    pub fn of_transaction(error: TransactionError, logs: Vec<String>) -> Self {
        match error {
            TransactionError::InstructionError(
                _,
                solana_instruction::error::InstructionError::Custom(code),
            ) => Self::Refused(Box::new(ProgramFailure::from_logs(code, logs))),
            error => Self::Failed { error, logs },
        }
    }

    /// Whether a transaction that met this error while it was being sent may still land.
    pub fn may_land(&self) -> bool {
        matches!(self, Self::Unsettled { .. })
    }

    /// Whether the same instructions may pass in another transaction: the cluster did not answer, or the transaction came
    /// too late for its blockhash, or too early for a server that has not seen it.
    pub fn is_of_moment(&self) -> bool {
        matches!(
            self,
            Self::Cluster(_)
                | Self::Expired(_)
                | Self::Unsettled { .. }
                | Self::Failed {
                    error: TransactionError::BlockhashNotFound,
                    ..
                }
        )
    }

    /// Whether an instruction failed, not the transaction as such: without that instruction it may pass.
    pub fn is_of_instruction(&self) -> bool {
        matches!(
            self,
            Self::Refused(_)
                | Self::Failed {
                    error: TransactionError::InstructionError(..),
                    ..
                }
        )
    }

    /// The custom error number of the program that refused, if one did.
    pub fn code(&self) -> Option<u32> {
        match self {
            Self::Refused(failure) => Some(failure.code),
            _ => None,
        }
    }
}
