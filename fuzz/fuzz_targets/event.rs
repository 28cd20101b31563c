//! Events, and the instructions that a client reads out of a history, as it finds them in what a program called. Input:
//! the data of the call.
#![no_main]

use anchor_lang::prelude::Pubkey;
use anchor_lang::{AnchorDeserialize, AnchorSerialize, Discriminator, InstructionData};
use fieldproof_client::chain::{Execution, Invocation};
use fieldproof_client::event::{events, ran};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    use device_registry::events as registry;
    read::<ai_feed::events::AttestationPassed>(data, ai_feed::ID);
    read::<ai_feed::events::RoundFinalized>(data, ai_feed::ID);
    read::<data_commitment::events::RootCommitted>(data, data_commitment::ID);
    read::<data_commitment::events::StreamOpened>(data, data_commitment::ID);
    read::<registry::DeviceRegistered>(data, device_registry::ID);
    read::<parametric_insurance::events::PolicySettled>(data, parametric_insurance::ID);
    read::<parametric_insurance::events::PolicyWritten>(data, parametric_insurance::ID);
    read::<reward_emission::events::Claimed>(data, reward_emission::ID);
    read::<reward_emission::events::PayeeRegistered>(data, reward_emission::ID);
    read::<reward_emission::events::RootFinalized>(data, reward_emission::ID);
    read::<reward_emission::events::RootProposed>(data, reward_emission::ID);
    read::<reward_emission::events::RootRejected>(data, reward_emission::ID);
    read::<reward_emission::events::VoterSlashed>(data, reward_emission::ID);
    read::<security_pool::events::AllocationChanged>(data, security_pool::ID);
    read::<security_pool::events::CommitteeDrawn>(data, security_pool::ID);
    read::<security_pool::events::PoolCreated>(data, security_pool::ID);

    instruction::<ai_feed::instruction::ShowWindows>(data, ai_feed::ID);
    instruction::<ai_feed::instruction::SubmitAttestation>(data, ai_feed::ID);
    instruction::<reward_emission::instruction::ProposeRoot>(data, reward_emission::ID);
});

/// Reads `data` as a call that `program` made, and as one that another made.
fn read<E>(data: &[u8], program: Pubkey)
where
    E: AnchorSerialize + AnchorDeserialize + Discriminator,
{
    for event in events::<E>(&execution(data, program), &program) {
        // The bytes are those of the event, behind both tags.
        let mut bytes = Vec::new();
        event.serialize(&mut bytes).expect("memory");
        assert!(data[16..].starts_with(&bytes));
    }
    assert!(events::<E>(&execution(data, Pubkey::default()), &program).is_empty());
}

/// The same for an instruction.
fn instruction<I>(data: &[u8], program: Pubkey)
where
    I: AnchorDeserialize + InstructionData,
{
    for (_, instruction) in ran::<I>(&execution(data, program), &program) {
        // Behind its tag.
        assert!(data.starts_with(&instruction.data()));
    }
    let of_another = execution(data, Pubkey::default());
    assert_eq!(ran::<I>(&of_another, &program).count(), 0);
}

fn execution(data: &[u8], program: Pubkey) -> Execution {
    Execution {
        signature: Default::default(),
        slot: 0,
        error: None,
        logs: Vec::new(),
        outer: Vec::new(),
        inner: vec![Invocation {
            program,
            accounts: Vec::new(),
            data: data.to_vec(),
        }],
        compute_units: 0,
        fee: 0,
        return_data: Vec::new(),
    }
}
