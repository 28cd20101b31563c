//! The archived bytes behind a commitment: one Parquet file, which any tool for tables opens.
//!
//! The file's key-value metadata say which kind of payload it is, of which network, and what else holds for all rows:
//! - readings: a row is a signed reading, in the order of the commitment's batches and of the readings in each, and
//!   `fieldproof.stream` is the stream. The columns give the reading's signed bytes back, field by field;
//! - rewards: a row is a payee's leaves in an epoch's score and reward trees, and `fieldproof.epoch` and
//!   `fieldproof.depth` are the trees'.

use crate::columns::{Column, Contents, Table};
use crate::window::{Batch, Window};
use bytes::Bytes;
use commitment::sum::MAX_DEPTH;
use commitment::{READINGS_PER_WINDOW, WINDOWS};
use data_commitment::state::MAX_PAYLOAD_LEN;
use device_protocol::{Hash, Reading, SignedGrant, SignedReading, Values};
use parquet::data_type::{AsBytes, FixedLenByteArray};
use parquet::errors::ParquetError;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Largest payload that is read, in bytes.
pub const MAX_LEN: usize = MAX_PAYLOAD_LEN as usize;
/// Batches of a payload at most.
pub const MAX_BATCHES: usize = 512;
/// Readings of a batch at most.
const BATCH: usize = WINDOWS * READINGS_PER_WINDOW;

/// The columns of readings. `reading` is the reading's index in the batch; a coordinate's decimal is in degrees; `grant` is
/// the signed grant of its session, if that is not 0.
const READINGS: &str = "message readings {
    required int32 batch (INTEGER(32,false));
    required int32 reading (INTEGER(16,false));
    required fixed_len_byte_array(32) feed;
    required fixed_len_byte_array(32) model;
    required int64 round (INTEGER(64,false));
    required int32 tree (INTEGER(16,false));
    required int32 leaf (INTEGER(32,false));
    required fixed_len_byte_array(32) device;
    required int32 leaf_nonce (INTEGER(32,false));
    required int32 session (INTEGER(32,false));
    required int64 sequence (INTEGER(64,false));
    required int64 captured_at (TIMESTAMP(MILLIS,true));
    required int32 latitude (DECIMAL(9,7));
    required int64 longitude (DECIMAL(10,7));
    required int32 accuracy (INTEGER(16,false));
    required int32 schema (INTEGER(16,false));
    required group values (LIST) { repeated group list { required int32 element; } }
    required fixed_len_byte_array(64) signature;
    optional fixed_len_byte_array(184) grant;
}";
/// The columns of rewards. `kind` is 0 for an owner and 1 for an operator; amounts are in base units.
const REWARDS: &str = "message rewards {
    required int32 kind (INTEGER(8,false));
    required int32 index (INTEGER(32,false));
    required fixed_len_byte_array(32) payee;
    required int64 score (INTEGER(64,false));
    required int64 cumulative (INTEGER(64,false));
}";

type Tables = Result<(Table, Table), ParquetError>;

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let plain = ["reading", "sequence", "captured_at", "values", "signature"];
    Ok((
        Table::new(READINGS, &plain, MAX_BATCHES * BATCH)?,
        Table::new(
            REWARDS,
            &["index", "payee", "score", "cumulative"],
            1 << MAX_DEPTH,
        )?,
    ))
});

const KIND: &str = "fieldproof.kind";
const NETWORK: &str = "fieldproof.network";
const STREAM: &str = "fieldproof.stream";
const EPOCH: &str = "fieldproof.epoch";
const DEPTH: &str = "fieldproof.depth";

/// What a commitment archives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// Batches of readings, in the order of the commitment's batch leaves.
    Readings {
        /// The network's id, which is that of every reading.
        network: Hash,
        /// The stream's address.
        stream: Hash,
        /// The batches, each of one window at least, and [`MAX_BATCHES`] at most.
        batches: Vec<Batch>,
    },
    /// The score and reward trees of an epoch.
    Rewards {
        /// The network's id.
        network: Hash,
        /// The trees.
        rewards: Rewards,
    },
}

/// The leaves of an epoch's score and reward trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewards {
    /// The epoch.
    pub epoch: u64,
    /// Depth of both trees.
    pub depth: u8,
    /// The leaves, by kind and index.
    pub entries: Vec<Reward>,
}

/// One payee's leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reward {
    /// 0 for an owner, 1 for an operator.
    pub kind: u8,
    /// The payee's index.
    pub index: u32,
    /// The owner, or the operator's pool.
    pub payee: Hash,
    /// What it earned in the epoch.
    pub score: u64,
    /// What it may have claimed in all, in base units.
    pub cumulative: u64,
}

/// Why bytes are no payload, or a payload can't be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// More bytes than are read.
    #[error("the payload is larger than {MAX_LEN} bytes")]
    Length,
    /// No Parquet file, or one with other columns.
    #[error("the bytes are no payload: not a Parquet file with the columns of one")]
    Schema,
    /// The key-value metadata are not a payload's.
    #[error("the payload does not say its kind, its network and what else holds for all of it")]
    Metadata,
    /// More rows than a payload may have, or than the file can hold.
    #[error("the payload has more rows than it may have or can hold")]
    Rows,
    /// A column's pages are not what the writer makes.
    #[error("a column of the payload is not stored as payloads are, or does not have an entry in every row")]
    Column,
    /// The rows of a batch or window are not all there, in order and of one batch and device.
    #[error("the payload's rows are not whole windows in order")]
    Order,
    /// A reading is not of the payload's network, which stands once for all.
    #[error("a reading is of another network than its payload")]
    Foreign,
    /// A reading or an entry in it is none.
    #[error("a reading or an entry of the payload does not parse")]
    Reading,
    /// A session's readings do not all have its one grant.
    #[error("a reading of a session has no grant, or another than the session's other readings")]
    Grant,
    /// The library refuses what the tables are made of.
    #[error("the payload can't be written")]
    Write,
}

impl Payload {
    /// The payload's bytes; the same payload gives the same.
    ///
    /// # Errors
    /// [`PayloadError::Rows`] when there are more batches or windows than may be read, [`PayloadError::Foreign`],
    /// [`PayloadError::Grant`], [`PayloadError::Write`].
    pub fn encode(&self) -> Result<Vec<u8>, PayloadError> {
        let (readings, rewards) = tables()?;
        match self {
            Self::Readings {
                network,
                stream,
                batches,
            } => {
                if batches.len() > MAX_BATCHES
                    || batches.iter().any(|batch| batch.windows.len() > WINDOWS)
                {
                    return Err(PayloadError::Rows);
                }
                let mut windows = batches.iter().flat_map(|batch| &batch.windows);
                if windows.any(|window| {
                    let mut readings = window.readings.iter();
                    readings.any(|signed| signed.reading.network != *network)
                }) {
                    return Err(PayloadError::Foreign);
                }
                let mut windows = batches.iter().flat_map(|batch| &batch.windows);
                if windows.any(|window| {
                    let granted = window.grants.iter().map(|signed| signed.grant.counter);
                    !granted.eq(window.sessions())
                }) {
                    return Err(PayloadError::Grant);
                }
                let pairs = vec![
                    (KIND, "readings".to_owned()),
                    (NETWORK, hex::encode(network)),
                    (STREAM, hex::encode(stream)),
                ];
                readings.write(pairs, &reading_columns(batches))
            }
            Self::Rewards {
                network,
                rewards:
                    Rewards {
                        epoch,
                        depth,
                        entries,
                    },
            } => {
                let pairs = vec![
                    (KIND, "rewards".to_owned()),
                    (NETWORK, hex::encode(network)),
                    (EPOCH, epoch.to_string()),
                    (DEPTH, depth.to_string()),
                ];
                rewards.write(pairs, &reward_columns(entries))
            }
        }
        .map_err(|_| PayloadError::Write)
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`PayloadError`]. Files that [`Payload::encode`] does not make may be read if they hold what it would write.
    pub fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        if bytes.len() > MAX_LEN {
            return Err(PayloadError::Length);
        }
        let bytes = Bytes::copy_from_slice(bytes);
        let (readings, rewards) = tables()?;
        match readings.read(&bytes) {
            Err(PayloadError::Schema) => decode_rewards(rewards.read(&bytes)?),
            contents => decode_readings(contents?),
        }
    }
}

/// SHA-256 of a payload's bytes, as its commitment names it.
pub fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

fn tables() -> Result<(&'static Table, &'static Table), PayloadError> {
    match &*TABLES {
        Ok((readings, rewards)) => Ok((readings, rewards)),
        Err(_) => Err(PayloadError::Write),
    }
}

/// A row of readings.
struct Row<'a> {
    index: i32,
    batch: &'a Batch,
    window: &'a Window,
    place: i32,
    signed: &'a SignedReading,
}

fn reading_columns(batches: &[Batch]) -> [Column; 19] {
    let rows: Vec<Row<'_>> = (0..)
        .zip(batches)
        .flat_map(|(index, batch)| {
            let readings = batch
                .windows
                .iter()
                .flat_map(|window| window.readings.iter().map(move |signed| (window, signed)));
            (0..)
                .zip(readings)
                .map(move |(place, (window, signed))| Row {
                    index,
                    batch,
                    window,
                    place,
                    signed,
                })
        })
        .collect();
    let int32 = |of: fn(&Row<'_>) -> i32| Column::Int32(rows.iter().map(of).collect());
    let int64 = |of: fn(&Row<'_>) -> i64| Column::Int64(rows.iter().map(of).collect());
    let fixed = |of: for<'a> fn(&'a Row<'_>) -> &'a [u8]| {
        Column::Fixed(rows.iter().map(|row| to_fixed(of(row))).collect())
    };
    [
        int32(|row| row.index),
        int32(|row| row.place),
        fixed(|row| &row.batch.feed),
        fixed(|row| &row.batch.model),
        int64(|row| row.batch.round as i64),
        int32(|row| row.window.tree.into()),
        int32(|row| row.window.index as i32),
        fixed(|row| &row.signed.reading.device),
        int32(|row| row.signed.reading.leaf_nonce as i32),
        int32(|row| row.signed.reading.session as i32),
        int64(|row| row.signed.reading.sequence as i64),
        int64(|row| row.signed.reading.captured_at),
        int32(|row| row.signed.reading.latitude),
        int64(|row| row.signed.reading.longitude.into()),
        int32(|row| row.signed.reading.accuracy.into()),
        int32(|row| row.signed.reading.schema.into()),
        Column::Lists(
            rows.iter()
                .map(|row| row.signed.reading.values.to_vec())
                .collect(),
        ),
        fixed(|row| &row.signed.signature),
        Column::Optional(
            rows.iter()
                .map(|row| row.window.grant(row.signed.reading.session))
                .map(|grant| grant.map(|grant| to_fixed(&grant.to_array())))
                .collect(),
        ),
    ]
}

fn decode_readings(contents: Contents) -> Result<Payload, PayloadError> {
    use Column::{Fixed, Int32, Int64, Lists, Optional};
    let Contents {
        pairs,
        columns,
        rows,
    } = contents;
    let network = hash_of(&pairs, NETWORK)?;
    let stream = hash_of(&pairs, STREAM)?;
    if pairs.get(KIND).map(String::as_str) != Some("readings") || pairs.len() != 3 {
        return Err(PayloadError::Metadata);
    }
    let Ok(
        [Int32(batch), Int32(place), Fixed(feed), Fixed(model), Int64(round), Int32(tree), Int32(leaf), Fixed(device), Int32(leaf_nonce), Int32(session), Int64(sequence), Int64(captured_at), Int32(latitude), Int64(longitude), Int32(accuracy), Int32(schema), Lists(values), Fixed(signature), Optional(grant)],
    ) = <[Column; 19]>::try_from(columns)
    else {
        return Err(PayloadError::Schema);
    };
    let mut read = Vec::with_capacity(rows);
    for row in 0..rows {
        let reading = Reading {
            network,
            device: array(&device, row)?,
            leaf_nonce: at(&leaf_nonce, row)? as u32,
            session: at(&session, row)? as u32,
            sequence: at(&sequence, row)? as u64,
            captured_at: at(&captured_at, row)?,
            latitude: at(&latitude, row)?,
            longitude: narrow(at(&longitude, row)?)?,
            accuracy: narrow(at(&accuracy, row)?)?,
            schema: narrow(at(&schema, row)?)?,
            values: Values::new(values.get(row).ok_or(PayloadError::Column)?)
                .map_err(|_| PayloadError::Reading)?,
        };
        reading.check().map_err(|_| PayloadError::Reading)?;
        read.push((
            Place {
                batch: at(&batch, row)? as u32,
                reading: at(&place, row)?,
                feed: array(&feed, row)?,
                model: array(&model, row)?,
                round: at(&round, row)? as u64,
                tree: narrow(at(&tree, row)?)?,
                index: at(&leaf, row)? as u32,
            },
            SignedReading {
                reading,
                signature: array(&signature, row)?,
            },
            grant
                .get(row)
                .ok_or(PayloadError::Column)?
                .as_ref()
                .map(|grant| SignedGrant::parse(grant.as_bytes()))
                .transpose()
                .map_err(|_| PayloadError::Reading)?,
        ));
    }
    Ok(Payload::Readings {
        network,
        stream,
        batches: batches_of(&read)?,
    })
}

/// Where a reading is, and what it shares with those around it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    batch: u32,
    reading: i32,
    feed: Hash,
    model: Hash,
    round: u64,
    tree: u16,
    index: u32,
}

/// The batches of readings that are in order, each of whole windows.
fn batches_of(
    readings: &[(Place, SignedReading, Option<SignedGrant>)],
) -> Result<Vec<Batch>, PayloadError> {
    let mut batches: Vec<Batch> = Vec::new();
    for window in readings.chunks(READINGS_PER_WINDOW) {
        let (first, ..) = window.first().ok_or(PayloadError::Order)?;
        let in_order = (first.reading..)
            .zip(window)
            .all(|(reading, (place, ..))| *place == Place { reading, ..*first });
        if first.reading == 0 {
            batches.push(Batch {
                feed: first.feed,
                model: first.model,
                round: first.round,
                windows: Vec::new(),
            });
        }
        let number = batches.len();
        let batch = batches.last_mut().ok_or(PayloadError::Order)?;
        let before = batch.windows.len();
        let goes_on = u32::try_from(number) == Ok(first.batch + 1)
            && usize::try_from(first.reading) == Ok(before * READINGS_PER_WINDOW)
            && (batch.feed, batch.model, batch.round) == (first.feed, first.model, first.round);
        if !in_order || !goes_on || before == WINDOWS || number > MAX_BATCHES {
            return Err(PayloadError::Order);
        }
        let signed: Vec<SignedReading> = window.iter().map(|(_, signed, _)| *signed).collect();
        batch.windows.push(Window {
            tree: first.tree,
            index: first.index,
            readings: signed.try_into().map_err(|_| PayloadError::Order)?,
            grants: grants_of(window)?,
        });
    }
    Ok(batches)
}

/// The grants of a window's sessions, by counter. Each stands with every reading of its session and with no other.
fn grants_of(
    window: &[(Place, SignedReading, Option<SignedGrant>)],
) -> Result<Vec<SignedGrant>, PayloadError> {
    let mut grants = BTreeMap::new();
    for (_, signed, grant) in window {
        let session = signed.reading.session;
        match grant {
            None if session == 0 => {}
            Some(grant) if session != 0 && grant.grant.counter == session => {
                if grants
                    .insert(session, *grant)
                    .is_some_and(|other| other != *grant)
                {
                    return Err(PayloadError::Grant);
                }
            }
            _ => return Err(PayloadError::Grant),
        }
    }
    Ok(grants.into_values().collect())
}

fn reward_columns(entries: &[Reward]) -> [Column; 5] {
    let int64 = |of: fn(&Reward) -> u64| {
        Column::Int64(entries.iter().map(|entry| of(entry) as i64).collect())
    };
    [
        Column::Int32(entries.iter().map(|entry| entry.kind.into()).collect()),
        Column::Int32(entries.iter().map(|entry| entry.index as i32).collect()),
        Column::Fixed(entries.iter().map(|entry| to_fixed(&entry.payee)).collect()),
        int64(|entry| entry.score),
        int64(|entry| entry.cumulative),
    ]
}

fn decode_rewards(contents: Contents) -> Result<Payload, PayloadError> {
    use Column::{Fixed, Int32, Int64};
    let Contents {
        pairs,
        columns,
        rows,
    } = contents;
    if pairs.get(KIND).map(String::as_str) != Some("rewards") || pairs.len() != 4 {
        return Err(PayloadError::Metadata);
    }
    let network = hash_of(&pairs, NETWORK)?;
    let epoch = pairs.get(EPOCH).and_then(|text| text.parse().ok());
    let depth = pairs.get(DEPTH).and_then(|text| text.parse().ok());
    let (Some(epoch), Some(depth)) = (epoch, depth) else {
        return Err(PayloadError::Metadata);
    };
    let Ok([Int32(kind), Int32(index), Fixed(payee), Int64(score), Int64(cumulative)]) =
        <[Column; 5]>::try_from(columns)
    else {
        return Err(PayloadError::Schema);
    };
    let entries = (0..rows)
        .map(|row| {
            Ok(Reward {
                kind: narrow(at(&kind, row)?)?,
                index: at(&index, row)? as u32,
                payee: array(&payee, row)?,
                score: at(&score, row)? as u64,
                cumulative: at(&cumulative, row)? as u64,
            })
        })
        .collect::<Result<_, PayloadError>>()?;
    Ok(Payload::Rewards {
        network,
        rewards: Rewards {
            epoch,
            depth,
            entries,
        },
    })
}

fn hash_of(pairs: &BTreeMap<String, String>, key: &str) -> Result<Hash, PayloadError> {
    let mut hash = Hash::default();
    let text = pairs.get(key).ok_or(PayloadError::Metadata)?;
    hex::decode_to_slice(text, &mut hash).map_err(|_| PayloadError::Metadata)?;
    Ok(hash)
}

fn to_fixed(bytes: &[u8]) -> FixedLenByteArray {
    FixedLenByteArray::from(bytes.to_vec())
}

fn at<T: Copy>(column: &[T], row: usize) -> Result<T, PayloadError> {
    column.get(row).copied().ok_or(PayloadError::Column)
}

fn array<const N: usize>(
    column: &[FixedLenByteArray],
    row: usize,
) -> Result<[u8; N], PayloadError> {
    let entry = column.get(row).ok_or(PayloadError::Column)?;
    entry
        .as_bytes()
        .try_into()
        .map_err(|_| PayloadError::Column)
}

/// A number of the column's type that its logical type has no room for is none of a reading.
fn narrow<T: TryInto<U>, U>(number: T) -> Result<U, PayloadError> {
    number.try_into().map_err(|_| PayloadError::Reading)
}
