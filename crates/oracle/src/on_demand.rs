use crate::answers::{Answer, Answers};
use crate::bytes::{account, field};
use crate::{Now, OracleError, Price, Requirements};

/// The Switchboard On-Demand program's address, SBondMDrcV3K4kxZR1HNVT7osZxAHVHgYXL5Ze1oMUv: the owner of every PullFeed.
pub const ON_DEMAND_ID: [u8; 32] = [
    0x06, 0x73, 0xbd, 0x46, 0xf2, 0xe4, 0x7e, 0x04, 0xf1, 0x2b, 0xd9, 0x2f, 0xb7, 0x31, 0x96, 0x8e,
    0xcd, 0x9d, 0x97, 0x57, 0xc2, 0x74, 0xda, 0x87, 0x47, 0x6f, 0x46, 0x5c, 0x04, 0x0c, 0x65, 0x73,
];

/// The first bytes of every PullFeed.
pub const ON_DEMAND_DISCRIMINATOR: [u8; 8] = [196, 27, 108, 196, 10, 215, 219, 40];

/// Length of a PullFeed's account in bytes, with the discriminator.
pub const ON_DEMAND_LEN: usize = 3_208;

/// Oracles whose newest answer a PullFeed holds.
pub(crate) const CAPACITY: usize = 32;

// Where the account's fields are.
const SUBMISSIONS: usize = 8;
const QUEUE: usize = 2_088;
const FEED_HASH: usize = 2_120;
const PERMIT_WRITE_BY_AUTHORITY: usize = 2_213;
const MIN_SAMPLE_SIZE: usize = 2_215;
const LAST_UPDATE_TIMESTAMP: usize = 2_216;
const NUM_SAMPLES: usize = 2_360;

// A submission: oracle, slot that it was signed at, slot that it landed at, value.
const SUBMISSION_LEN: usize = 64;
const SLOT: usize = 32;
const VALUE: usize = 48;

#[inline(never)]
pub(crate) fn read(
    data: &[u8],
    now: Now,
    requirements: &Requirements,
) -> Result<Price, OracleError> {
    let feed: &[u8; ON_DEMAND_LEN] = account(data, &ON_DEMAND_DISCRIMINATOR)?;
    if feed[QUEUE..QUEUE + 32] != requirements.queue {
        return Err(OracleError::Queue);
    }
    if feed[FEED_HASH..FEED_HASH + 32] != requirements.jobs {
        return Err(OracleError::Jobs);
    }
    if feed[PERMIT_WRITE_BY_AUTHORITY] != 0 {
        return Err(OracleError::AuthorityWrites);
    }
    let at = i64::from_le_bytes(field(feed, LAST_UPDATE_TIMESTAMP));
    now.check_time(at, requirements.max_age_seconds)?;

    let mut answers = Answers::new();
    let (submissions, _) = feed[SUBMISSIONS..].as_chunks::<SUBMISSION_LEN>();
    for submission in submissions.iter().take(CAPACITY) {
        let slot = u64::from_le_bytes(field(submission, SLOT));
        // The first one that is empty ends them.
        if slot == 0 {
            break;
        }
        if !now.is_fresh_slot(slot, requirements.max_age_slots)? {
            continue;
        }
        let Some(oracle) = submission.first_chunk() else {
            continue;
        };
        answers.add(Answer {
            oracle,
            slot,
            value: i128::from_le_bytes(field(submission, VALUE)),
        });
    }
    if answers.len() == 0 {
        return Err(OracleError::Stale);
    }
    // The program's own count of its newest result, which can count an oracle twice: it only ever forbids.
    let min = requirements.min_oracles.max(feed[MIN_SAMPLE_SIZE]);
    if feed[NUM_SAMPLES] < min {
        return Err(OracleError::TooFewOracles);
    }
    answers.price(u32::from(min), at, requirements)
}
