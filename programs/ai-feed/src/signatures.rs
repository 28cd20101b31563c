//! Committee members' signatures, which add up to a quorum.

use anchor_lang::prelude::*;
use introspection::{signatures, Precompile};
use security_pool::state::{quorum, Committee};

use crate::error::AiFeedError;

/// Who has signed, and what they weigh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Committee members, a bit each.
    pub signers: u64,
    /// Their allocations together.
    pub signed: u64,
}

impl Tally {
    /// With the signatures of the transaction's Ed25519 instruction at index `instruction`, all of `message`; `members`
    /// names the committee member of each, in order.
    pub fn take(
        mut self,
        sysvar: &AccountInfo,
        instruction: u16,
        members: &[u8],
        committee: &Committee,
        message: &[u8; 32],
    ) -> Result<Self> {
        let sysvar = sysvar.try_borrow_data()?;
        let signatures = signatures(&sysvar, Precompile::Ed25519, instruction)
            .map_err(|_| error!(AiFeedError::BadSignatureReference))?;
        require!(
            signatures.len() == members.len(),
            AiFeedError::MembersMismatch
        );
        for (index, member) in (0..).zip(members) {
            let signature = signatures
                .get(index)
                .map_err(|_| error!(AiFeedError::BadSignatureReference))?;
            let entry = committee
                .members()
                .get(usize::from(*member))
                .ok_or_else(|| error!(AiFeedError::NotMember))?;
            require!(
                signature.public_key == entry.signer.as_array(),
                AiFeedError::WrongSigner
            );
            require!(signature.message == message, AiFeedError::WrongMessage);
            self.add(*member, entry.allocation)?;
        }
        Ok(self)
    }

    /// Whether those who have signed are two thirds of the committee's allocation, and enough.
    pub fn is_enough(&self, committee: &Committee, min_signers: u8) -> bool {
        quorum(self.signed, committee.total) && self.signers.count_ones() >= u32::from(min_signers)
    }

    /// Counts a member; once more changes nothing.
    fn add(&mut self, member: u8, allocation: u64) -> Result<()> {
        let bit = 1u64
            .checked_shl(member.into())
            .ok_or_else(|| error!(AiFeedError::NotMember))?;
        if self.signers & bit != 0 {
            return Ok(());
        }
        self.signers |= bit;
        self.signed = self
            .signed
            .checked_add(allocation)
            .ok_or_else(|| error!(AiFeedError::Overflow))?;
        Ok(())
    }
}
