use core::fmt;

/// Why an instruction does not show what a precompile verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntrospectionError {
    /// The sysvar ends inside what it announces: it is not the instructions sysvar.
    Truncated,
    /// The sysvar is longer than its 16-bit offsets reach, so they may have wrapped.
    TooLong,
    /// The transaction has no instruction of that index.
    NoInstruction,
    /// The instruction is another program's.
    WrongProgram,
    /// The precompile's instruction names accounts, which it never needs.
    HasAccounts,
    /// The precompile's data end inside its table of offsets.
    DataTooShort,
    /// The precompile verifies nothing.
    NoSignatures,
    /// The precompile verifies fewer signatures than the index asks for.
    NoSignature,
    /// A signature, key or message lies in another instruction.
    OtherInstruction,
    /// A signature, key or message reaches beyond the instruction's data.
    OutOfBounds,
}

impl fmt::Display for IntrospectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "pass the instructions sysvar",
            Self::TooLong => {
                "the transaction's instructions exceed 65,535 bytes: name fewer accounts"
            }
            Self::NoInstruction => "no instruction at that index: count from the transaction's first",
            Self::WrongProgram => "the instruction is not the curve's precompile: correct its index",
            Self::HasAccounts => "build the precompile's instruction without accounts",
            Self::DataTooShort => "the precompile's data are cut short: write all offsets",
            Self::NoSignatures => "the precompile's instruction verifies no signature: add them",
            Self::NoSignature => "no signature at that index in the precompile's instruction",
            Self::OtherInstruction => {
                "put signature, key and message into the precompile's own instruction (index 0xFFFF)"
            }
            Self::OutOfBounds => "an offset reaches beyond the precompile's data: correct it",
        })
    }
}

impl core::error::Error for IntrospectionError {}
