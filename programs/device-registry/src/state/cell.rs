//! H3 cell indices: <https://h3geo.org/docs/core-library/h3Indexing>. From the top: a zero bit, mode (4 bits), three
//! zero bits, resolution (4), base cell (7), and 15 digits of 3 bits, of which those finer than the resolution are 7.

/// Mode of an index that names a cell.
const CELL_MODE: u64 = 1;
/// Number of base cells.
const BASE_CELLS: u64 = 122;
/// The lowest bit of each of the 15 digits.
const DIGIT_ONES: u64 = 0o111_111_111_111_111;

/// Whether an index has the form of an H3 cell. It may still name the one digit that a pentagon lacks.
pub fn is_cell(index: u64) -> bool {
    let resolution = (index >> 52) & 0xf;
    let base_cell = (index >> 45) & 0x7f;
    let unused = (1u64 << (3 * (15 - resolution.min(15)))) - 1;
    // A digit is 7 where all of its three bits are set.
    let sevens = index & (index >> 1) & (index >> 2) & DIGIT_ONES;
    // The mode with the reserved bits around it.
    (index >> 56) == CELL_MODE << 3 && base_cell < BASE_CELLS && sevens == DIGIT_ONES & unused
}
