use crate::account::{Account, Entry, SECOND};
use anchor_lang::error::{Error, ErrorCode};
use anchor_lang::prelude::{AccountInfo, AccountLoader, ProgramError, Pubkey};
use feed_reader::{FeedAccount, FeedError, AI_FEED_ID};

const NOW: i64 = 1_790_000_000;

/// What an Anchor program does with an account of this owner and data. The account is never freed: Anchor wants it to
/// live as long as what it refers to.
fn read(owner: [u8; 32], data: &[u8], id: [u8; 32]) -> Result<i64, Error> {
    let account: &AccountInfo = Box::leak(Box::new(AccountInfo::new(
        Box::leak(Box::new(Pubkey::new_unique())),
        false,
        false,
        Box::leak(Box::new(1)),
        data.to_vec().leak(),
        Box::leak(Box::new(Pubkey::new_from_array(owner))),
        false,
    )));
    let loader = AccountLoader::<FeedAccount>::try_from(account)?;
    let feed = loader.load()?;
    Ok(feed.feed(&id)?.value(NOW, 60, 1)?.value)
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> u64 {
    ProgramError::from(result.unwrap_err()).into()
}

#[test]
fn an_anchor_program_reads_a_feed() {
    let entry = Entry {
        value: 2_150,
        newest_capture: NOW * SECOND,
        mask: 1,
        ..Entry::default()
    };
    let account = Account::with([entry]);
    let bytes = account.bytes();
    assert_eq!(read(AI_FEED_ID, &bytes, [1; 32]).unwrap(), 2_150);

    let owned = ErrorCode::AccountOwnedByWrongProgram as u64;
    assert_eq!(code(read([7; 32], &bytes, [1; 32])), owned);
    let mut other = bytes.clone();
    other[0] ^= 1;
    let kind = ErrorCode::AccountDiscriminatorMismatch as u64;
    assert_eq!(code(read(AI_FEED_ID, &other, [1; 32])), kind);
    let short = ErrorCode::AccountDidNotDeserialize as u64;
    let cut = &bytes[..bytes.len() - 1];
    assert_eq!(code(read(AI_FEED_ID, cut, [1; 32])), short);

    let refused = |result, error: FeedError| assert_eq!(code(result), u64::from(error.code()));
    refused(read(AI_FEED_ID, &bytes, [2; 32]), FeedError::Id);
    let later = Account {
        version: 2,
        ..account.clone()
    };
    refused(
        read(AI_FEED_ID, &later.bytes(), [1; 32]),
        FeedError::Version,
    );
    let frozen = Account {
        state: 1,
        ..account
    };
    refused(
        read(AI_FEED_ID, &frozen.bytes(), [1; 32]),
        FeedError::Frozen,
    );
}
