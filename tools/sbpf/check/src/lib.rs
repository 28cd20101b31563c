//! A program without dependencies and accounts. Its instruction data starts with a selector:
//! [`ARITHMETIC`], [`MEMORY`] or [`PANIC`]; results go out as return data.

mod ops;

use std::{mem, slice};

/// Then the operation's index, and pairs of 16-byte operands; returns 16 bytes for each pair.
const ARITHMETIC: u8 = 0;
/// Then what [`ops::memory`] takes; returns its buffer.
const MEMORY: u8 = 1;
/// Panics with a message.
const PANIC: u8 = 2;

/// The VM's limit on return data.
const MAX_RETURN_DATA: usize = 1024;

/// # Safety
/// `input` is what the VM passes: the number of accounts, which is zero, the data's length, the data.
#[no_mangle]
pub unsafe extern "C" fn entrypoint(input: *const u8) -> u64 {
    assert!(input.cast::<u64>().read() == 0, "takes no accounts");
    let length = input.add(8).cast::<u64>().read() as usize;
    let data = slice::from_raw_parts(input.add(16), length);
    #[cfg(feature = "large-frame")]
    large_frame(data);
    #[cfg(feature = "undefined-symbol")]
    undefined_symbol(length);
    #[cfg(feature = "writable-static")]
    writable_static(length);
    match data[0] {
        ARITHMETIC => arithmetic(data[1], &data[2..]),
        MEMORY => set_return_data(&ops::memory(&data[1..])),
        PANIC => panic!("a message of the program's own"),
        selector => panic!("no such selector: {selector}"),
    }
    0
}

fn arithmetic(op: u8, pairs: &[u8]) {
    let (_, op) = ops::OPS[op as usize];
    let mut results = [0; MAX_RETURN_DATA];
    let mut length = 0;
    for pair in pairs.chunks_exact(32) {
        let (a, b) = pair.split_at(16);
        let result = op(operand(a), operand(b));
        results[length..length + 16].copy_from_slice(&result.to_le_bytes());
        length += 16;
    }
    set_return_data(&results[..length]);
}

fn operand(bytes: &[u8]) -> u128 {
    u128::from_le_bytes(bytes.try_into().unwrap())
}

fn set_return_data(data: &[u8]) {
    // A static syscall is a call to the murmur3 hash of its name.
    const SOL_SET_RETURN_DATA: usize = 0xa226d3eb;
    let syscall: extern "C" fn(*const u8, u64) = unsafe { mem::transmute(SOL_SET_RETURN_DATA) };
    syscall(data.as_ptr(), data.len() as u64);
}

/// A local of 4,800 bytes; a frame has 4,096.
#[cfg(feature = "large-frame")]
#[inline(never)]
fn large_frame(data: &[u8]) {
    let buffer = std::hint::black_box([data.len() as u64; 600]);
    assert!(buffer[data[0] as usize] > 0);
}

#[cfg(feature = "undefined-symbol")]
fn undefined_symbol(length: usize) {
    extern "C" {
        fn not_a_syscall(x: u64) -> u64;
    }
    assert!(unsafe { not_a_syscall(length as u64) } == 1);
}

#[cfg(feature = "writable-static")]
fn writable_static(length: usize) {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    static CALLS: AtomicUsize = AtomicUsize::new(1);
    assert!(CALLS.fetch_add(length, Relaxed) > 0);
}
