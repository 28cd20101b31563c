//! Parquet files of the archive: written in one way only, and read within bounds.
//!
//! Files come from other operators, so that nothing in one is believed. Columns are stored without compression: what is
//! read can't be larger than the file but for runs of equal entries, whose number the footer's rows bound. The pages'
//! headers are read here, since the library's own page reader trusts the sizes in them.

use crate::payload::PayloadError;
use bytes::{Buf, Bytes};
use parquet::basic::{Compression, Encoding, Type as Physical};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{
    DataType, FixedLenByteArray, FixedLenByteArrayType, Int32Type, Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, KeyValue, ParquetMetaData, ParquetMetaDataOptions,
    ParquetMetaDataReader, ParquetMetaDataWriter,
};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnDescriptor, SchemaDescPtr, SchemaDescriptor};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What starts and ends a file.
const MAGIC: &[u8; 4] = b"PAR1";
/// Bytes of a footer at most: that of the widest table has about 3,000.
const MAX_FOOTER: usize = 8 << 10;
/// Entries of a list at most: the values of a reading.
const MAX_LIST: usize = device_protocol::Values::MAX;

/// A column's entries, one a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Numbers of 32 bits; unsigned ones in the same bits.
    Int32(Vec<i32>),
    /// Numbers of 64 bits.
    Int64(Vec<i64>),
    /// Bytes of the column's one length.
    Fixed(Vec<FixedLenByteArray>),
    /// Such bytes, or nothing.
    Optional(Vec<Option<FixedLenByteArray>>),
    /// Lists of numbers.
    Lists(Vec<Vec<i32>>),
}

/// A kind of file: its columns, and how they are stored.
pub struct Table {
    schema: SchemaDescPtr,
    properties: WriterPropertiesPtr,
    /// How every footer of this kind starts: with the schema.
    head: Vec<u8>,
    /// Bytes that a row has at least.
    row: usize,
    max_rows: usize,
}

/// What a file holds.
pub struct Contents {
    /// What it says of all rows.
    pub pairs: BTreeMap<String, String>,
    /// The columns, in the schema's order.
    pub columns: Vec<Column>,
    /// Entries of each column.
    pub rows: usize,
}

impl Table {
    /// The table of this schema, of which a file has `max_rows` at most. Columns in `plain` have few equal entries, so
    /// that listing what occurs in them once would take more than it saves.
    pub fn new(schema: &str, plain: &[&str], max_rows: usize) -> Result<Self, ParquetError> {
        let schema = Arc::new(SchemaDescriptor::new(Arc::new(parse_message_type(schema)?)));
        let mut properties = WriterProperties::builder()
            .set_created_by("fieldproof".to_owned())
            .set_compression(Compression::UNCOMPRESSED)
            .set_statistics_enabled(EnabledStatistics::None)
            .set_offset_index_disabled(true)
            .set_max_row_group_row_count(None);
        let mut row = 0;
        for column in schema.columns() {
            let path = column.path();
            if plain.contains(&path.parts().first().map_or("", String::as_str)) {
                properties = properties.set_column_dictionary_enabled(path.clone(), false);
                // Of a list, one entry at least.
                row += width(column)?;
            }
        }
        let properties = Arc::new(properties.build());
        Ok(Self {
            head: head(&schema, &properties)?,
            schema,
            properties,
            row,
            max_rows,
        })
    }

    /// The file of these columns, of the schema's types and of one length. The same columns give the same bytes.
    pub fn write(
        &self,
        pairs: Vec<(&str, String)>,
        columns: &[Column],
    ) -> Result<Vec<u8>, ParquetError> {
        let root = self.schema.root_schema_ptr();
        let mut file = SerializedFileWriter::new(Vec::new(), root, self.properties.clone())?;
        for (key, value) in pairs {
            file.append_key_value_metadata(KeyValue::new(key.to_owned(), value));
        }
        let mut group = file.next_row_group()?;
        for column in columns {
            let mut writer = group
                .next_column()?
                .ok_or_else(|| malformed("more columns than the schema has"))?;
            match column {
                Column::Int32(values) => writer
                    .typed::<Int32Type>()
                    .write_batch(values, None, None)?,
                Column::Int64(values) => writer
                    .typed::<Int64Type>()
                    .write_batch(values, None, None)?,
                Column::Fixed(values) => {
                    let writer = writer.typed::<FixedLenByteArrayType>();
                    writer.write_batch(values, None, None)?
                }
                Column::Optional(values) => {
                    let levels: Vec<i16> =
                        values.iter().map(|value| value.is_some().into()).collect();
                    let values: Vec<_> = values.iter().flatten().cloned().collect();
                    let writer = writer.typed::<FixedLenByteArrayType>();
                    writer.write_batch(&values, Some(&levels), None)?
                }
                Column::Lists(lists) => {
                    let values = lists.concat();
                    let starts: Vec<i16> = lists
                        .iter()
                        .flat_map(|list| (0..list.len()).map(|place| (place > 0).into()))
                        .collect();
                    let levels = vec![1; values.len()];
                    let writer = writer.typed::<Int32Type>();
                    writer.write_batch(&values, Some(&levels), Some(&starts))?
                }
            };
            writer.close()?;
        }
        group.close()?;
        file.into_inner()
    }

    /// Reads a file that [`Table::write`] has made, or one like it.
    ///
    /// # Errors
    /// [`PayloadError::Schema`] when it is another table's or no file at all, [`PayloadError::Rows`] when it has more
    /// rows than it may or can hold, [`PayloadError::Column`] when a column is stored in another way.
    pub fn read(&self, bytes: &Bytes) -> Result<Contents, PayloadError> {
        let metadata = self.footer(bytes).ok_or(PayloadError::Schema)?;
        let file = metadata.file_metadata();
        let rows = usize::try_from(file.num_rows()).map_err(|_| PayloadError::Rows)?;
        if rows > self.max_rows || rows.saturating_mul(self.row) > bytes.len() {
            return Err(PayloadError::Rows);
        }
        let [group] = metadata.row_groups() else {
            return Err(PayloadError::Rows);
        };
        if group.num_rows() != file.num_rows() {
            return Err(PayloadError::Rows);
        }
        let columns = group
            .columns()
            .iter()
            .enumerate()
            .map(|(index, chunk)| {
                let schema = self.schema.columns().get(index)?;
                let pages = Pages::of(chunk, schema, bytes, rows)?;
                read_column(schema, pages, rows).ok()?
            })
            .collect::<Option<Vec<_>>>()
            .ok_or(PayloadError::Column)?;
        let pairs = file
            .key_value_metadata()
            .into_iter()
            .flatten()
            .map(|pair| (pair.key.clone(), pair.value.clone().unwrap_or_default()))
            .collect();
        Ok(Contents {
            pairs,
            columns,
            rows,
        })
    }

    /// The footer, if it is of this schema.
    fn footer(&self, bytes: &Bytes) -> Option<ParquetMetaData> {
        let rest = bytes.strip_prefix(MAGIC)?.strip_suffix(MAGIC)?;
        let (rest, length) = rest.split_last_chunk()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let footer = rest.get(rest.len().checked_sub(length)?..)?;
        // With the schema as it must be, the library need not read the one that is there, however deep that goes.
        if length > MAX_FOOTER || !footer.starts_with(&self.head) {
            return None;
        }
        let options = ParquetMetaDataOptions::new().with_schema(self.schema.clone());
        ParquetMetaDataReader::decode_metadata_with_options(footer, Some(&options)).ok()
    }
}

/// What the footers of all files of this schema start with: version and schema, up to the number of rows.
fn head(schema: &SchemaDescPtr, properties: &WriterPropertiesPtr) -> Result<Vec<u8>, ParquetError> {
    let version = properties.writer_version().as_num();
    let file = FileMetaData::new(version, 0, None, None, schema.clone(), None);
    let mut footer = Vec::new();
    ParquetMetaDataWriter::new(&mut footer, &ParquetMetaData::new(file, Vec::new())).finish()?;
    let end = footer
        .windows(NO_ROWS.len())
        .rposition(|bytes| bytes == NO_ROWS)
        .ok_or_else(|| malformed("the footer of an empty file is another than expected"))?;
    footer.truncate(end);
    Ok(footer)
}

fn malformed(what: &str) -> ParquetError {
    ParquetError::General(what.to_owned())
}

/// Bytes of one entry of the column.
fn width(column: &ColumnDescriptor) -> Result<usize, ParquetError> {
    match column.physical_type() {
        Physical::INT32 => Ok(4),
        Physical::INT64 => Ok(8),
        Physical::FIXED_LEN_BYTE_ARRAY => Ok(usize::try_from(column.type_length())?),
        _ => Err(malformed("the archive has no columns of this type")),
    }
}

/// The whole column; `None` when it is not one entry a row, in the form in which it is written.
fn read_column(
    schema: &Arc<ColumnDescriptor>,
    pages: Pages,
    rows: usize,
) -> Result<Option<Column>, ParquetError> {
    Ok(
        match (schema.physical_type(), schema.max_rep_level() == 1) {
            (Physical::INT32, true) => read::<Int32Type>(schema, pages, rows)?
                .and_then(Raw::lists)
                .map(Column::Lists),
            (Physical::INT32, false) => {
                read::<Int32Type>(schema, pages, rows)?.map(|raw| Column::Int32(raw.values))
            }
            (Physical::INT64, _) => {
                read::<Int64Type>(schema, pages, rows)?.map(|raw| Column::Int64(raw.values))
            }
            _ if schema.max_def_level() == 1 => read::<FixedLenByteArrayType>(schema, pages, rows)?
                .map(|raw| Column::Optional(raw.options())),
            _ => read::<FixedLenByteArrayType>(schema, pages, rows)?
                .map(|raw| Column::Fixed(raw.values)),
        },
    )
}

/// A column's entries as they are stored.
struct Raw<T> {
    /// Those that are there.
    values: Vec<T>,
    /// 1 where an entry is there.
    levels: Vec<i16>,
    /// 0 where an entry is the first of its row.
    starts: Vec<i16>,
}

impl<T> Raw<T> {
    fn options(self) -> Vec<Option<T>> {
        let mut values = self.values.into_iter();
        let levels = self.levels.into_iter();
        levels
            .map(|level| if level == 1 { values.next() } else { None })
            .collect()
    }
}

impl Raw<i32> {
    /// The lists, none of which is empty.
    fn lists(self) -> Option<Vec<Vec<i32>>> {
        let mut lists: Vec<Vec<i32>> = Vec::new();
        if self.values.len() != self.starts.len() {
            return None;
        }
        for (value, start) in self.values.into_iter().zip(self.starts) {
            if start == 0 {
                lists.push(Vec::new());
            }
            lists.last_mut()?.push(value);
        }
        Some(lists)
    }
}

fn read<T: DataType>(
    schema: &Arc<ColumnDescriptor>,
    pages: Pages,
    rows: usize,
) -> Result<Option<Raw<T::T>>, ParquetError> {
    let mut reader = ColumnReaderImpl::<T>::new(schema.clone(), Box::new(pages));
    let mut raw = Raw {
        values: Vec::new(),
        levels: Vec::new(),
        starts: Vec::new(),
    };
    let mut read = |count| {
        reader.read_records(
            count,
            Some(&mut raw.levels),
            Some(&mut raw.starts),
            &mut raw.values,
        )
    };
    // Every row is there, and nothing after the last.
    let whole = read(rows)?.0 == rows && read(1)?.2 == 0;
    Ok(whole.then_some(raw))
}

/// The pages of one column, none of which says more of its size than the file bears out.
struct Pages {
    /// What was not read yet.
    rest: Bytes,
    /// Bytes of an entry.
    width: usize,
    /// Entries that pages may still have.
    entries: usize,
    /// Whether the column's dictionary was read, which comes once and before all that refers to it.
    has_dictionary: bool,
    /// Whether a page with entries was read.
    has_data: bool,
}

impl Pages {
    fn of(
        chunk: &ColumnChunkMetaData,
        schema: &ColumnDescriptor,
        bytes: &Bytes,
        rows: usize,
    ) -> Option<Self> {
        if chunk.compression() != Compression::UNCOMPRESSED {
            return None;
        }
        let first = chunk
            .dictionary_page_offset()
            .unwrap_or(chunk.data_page_offset());
        let first = usize::try_from(first).ok()?;
        let length = usize::try_from(chunk.compressed_size()).ok()?;
        let range = first..first.checked_add(length)?;
        bytes.get(range.clone())?;
        let entries = if schema.max_rep_level() == 1 {
            rows.checked_mul(MAX_LIST)?
        } else {
            rows
        };
        Some(Self {
            rest: bytes.slice(range),
            width: width(schema).ok()?,
            entries,
            has_dictionary: false,
            has_data: false,
        })
    }

    /// The page at the front, in the one form in which pages are written. Its header is a Thrift struct in the compact
    /// protocol, of which every field is there in its order.
    fn page(&mut self) -> Option<Page> {
        let kind = self.field(INT)?;
        let uncompressed = self.field(INT)?;
        let length = self.field(INT)?;
        if uncompressed != length {
            return None;
        }
        let data = match kind {
            DATA_PAGE => true,
            DICTIONARY_PAGE => false,
            _ => return None,
        };
        self.expect(if data { DATA_HEADER } else { DICTIONARY_HEADER })?;
        let entries = self.field(INT)?;
        let encoding = match self.field(INT)? {
            0 => Encoding::PLAIN,
            8 if data && self.has_dictionary => Encoding::RLE_DICTIONARY,
            _ => return None,
        };
        if data {
            for _levels in 0..2 {
                (self.field(INT)? == 3).then_some(())?;
            }
        } else {
            self.expect(FALSE)?;
        }
        self.expect(END)?;
        self.expect(END)?;
        let length = usize::try_from(length).ok()?;
        self.rest.get(..length)?;
        let buf = self.rest.split_to(length);
        let count = usize::try_from(entries).ok()?;
        if data {
            self.entries = self.entries.checked_sub(count)?;
            self.has_data = true;
            Some(Page::DataPage {
                buf,
                num_values: entries,
                encoding,
                def_level_encoding: Encoding::RLE,
                rep_level_encoding: Encoding::RLE,
                statistics: None,
            })
        } else {
            let is_first = !self.has_dictionary && !self.has_data;
            (is_first && count.checked_mul(self.width)? == buf.len()).then_some(())?;
            self.has_dictionary = true;
            Some(Page::DictionaryPage {
                buf,
                num_values: entries,
                encoding,
                is_sorted: false,
            })
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (*self.rest.first()? == byte).then_some(())?;
        self.rest.advance(1);
        Some(())
    }

    /// The number of 32 bits after this field's tag, which is not negative: a varint of its double.
    fn field(&mut self, tag: u8) -> Option<u32> {
        self.expect(tag)?;
        let mut number = 0u64;
        for place in 0..5 {
            let byte = *self.rest.first()?;
            self.rest.advance(1);
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return number
                    .is_multiple_of(2)
                    .then_some(u32::try_from(number / 2).ok()?);
            }
        }
        None
    }
}

// Thrift's compact protocol: a field's tag is by how much its number rises, and its type; then the end of a struct.
const INT: u8 = 0x15;
const DATA_HEADER: u8 = 0x2c;
const DICTIONARY_HEADER: u8 = 0x4c;
const FALSE: u8 = 0x12;
const END: u8 = 0;
/// The fields after the schema in the footer of an empty file: a number of 64 bits, 0, and a list of structs, empty.
const NO_ROWS: [u8; 4] = [0x16, 0, 0x19, 0x0c];
// Kinds of pages.
const DATA_PAGE: u32 = 0;
const DICTIONARY_PAGE: u32 = 2;

impl Iterator for Pages {
    type Item = Result<Page, ParquetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>, ParquetError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let page = self.page();
        page.map(Some)
            .ok_or_else(|| malformed("the page is not stored as those of the archive"))
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>, ParquetError> {
        Err(malformed("pages are read, not looked at"))
    }

    fn skip_next_page(&mut self) -> Result<(), ParquetError> {
        Err(malformed("pages are read, not skipped"))
    }

    fn at_record_boundary(&mut self) -> Result<bool, ParquetError> {
        // The writer begins every page with a row.
        Ok(true)
    }
}
