//! The operations whose results on sBPF and on the host must be the same. Included by both.

/// An operation takes two 128-bit operands, of which it uses the low bits for narrower types.
pub type Op = fn(u128, u128) -> u128;

/// Every operation that LLVM turns into a call of the compiler builtins, or that has been compiled
/// wrongly by some version of the BPF backend, with its name.
pub const OPS: [(&str, Op); 70] = [
    ("u128 wrapping_mul", |a, b| a.wrapping_mul(b)),
    ("u128 div", |a, b| or(a.checked_div(b))),
    ("u128 rem", |a, b| or(a.checked_rem(b))),
    ("u128 checked_mul", |a, b| or(a.checked_mul(b))),
    ("i128 div", |a, b| {
        or_signed((a as i128).checked_div(b as i128))
    }),
    ("i128 rem", |a, b| {
        or_signed((a as i128).checked_rem(b as i128))
    }),
    ("i128 checked_mul", |a, b| {
        or_signed((a as i128).checked_mul(b as i128))
    }),
    ("i128 checked_add", |a, b| {
        or_signed((a as i128).checked_add(b as i128))
    }),
    ("i128 checked_neg", |a, _| {
        or_signed((a as i128).checked_neg())
    }),
    ("u128 shl", |a, b| a.wrapping_shl(b as u32)),
    ("u128 shr", |a, b| a.wrapping_shr(b as u32)),
    ("i128 shr", |a, b| {
        (a as i128).wrapping_shr(b as u32) as u128
    }),
    ("u128 checked_add", |a, b| or(a.checked_add(b))),
    ("u128 checked_sub", |a, b| or(a.checked_sub(b))),
    ("u64 widening mul", |a, b| {
        u128::from(a as u64) * u128::from(b as u64)
    }),
    ("u128 div by u64", |a, b| {
        or(a.checked_div(u128::from(b as u64)))
    }),
    ("u128 checked_pow", |a, b| or(a.checked_pow(b as u32 % 9))),
    ("u128 isqrt", |a, _| a.isqrt()),
    ("u128 bit counts", |a, _| {
        u128::from(a.leading_zeros())
            | u128::from(a.trailing_zeros()) << 8
            | u128::from(a.count_ones()) << 16
    }),
    ("128-bit order", |a, b| {
        flags(&[(a as i128) < b as i128, a < b, a == b])
    }),
    ("u64 checked_mul", |a, b| {
        or((a as u64).checked_mul(b as u64))
    }),
    ("i64 div", |a, b| {
        or((a as i64).checked_div(b as i64).map(|x| x as u64))
    }),
    ("i64 rem", |a, b| {
        or((a as i64).checked_rem(b as i64).map(|x| x as u64))
    }),
    ("i64 checked_mul", |a, b| {
        or((a as i64).checked_mul(b as i64).map(|x| x as u64))
    }),
    ("i32 div", |a, b| {
        or((a as i32).checked_div(b as i32).map(|x| x as u32))
    }),
    ("i8 rem", |a, b| {
        or((a as i8).checked_rem(b as i8).map(|x| x as u8))
    }),
    ("u64 bit counts", |a, _| {
        let a = a as u64;
        u128::from(a.leading_zeros())
            | u128::from(a.trailing_zeros()) << 8
            | u128::from(a.count_ones()) << 16
    }),
    ("u64 swap and reverse", |a, _| {
        two((a as u64).swap_bytes(), (a as u64).reverse_bits())
    }),
    ("rotate", |a, b| {
        two(
            (a as u64).rotate_left(b as u32),
            (a as u32).rotate_right(b as u32),
        )
    }),
    ("sign extension", |a, _| {
        two(i64::from(a as i16) as u64, i64::from(a as i8) as u64)
    }),
    ("f64 add", |a, b| f64_bits(f64_of(a) + f64_of(b))),
    ("f64 sub", |a, b| f64_bits(f64_of(a) - f64_of(b))),
    ("f64 mul", |a, b| f64_bits(f64_of(a) * f64_of(b))),
    ("f64 div", |a, b| f64_bits(f64_of(a) / f64_of(b))),
    ("f64 neg", |a, _| f64_bits(-f64_of(a))),
    ("f64 order", |a, b| {
        let (a, b) = (f64_of(a), f64_of(b));
        flags(&[
            a < b,
            a <= b,
            a == b,
            a > b,
            a >= b,
            a != b,
            a.is_nan() || b.is_nan(),
        ])
    }),
    ("f64 max and min", |a, b| {
        // Either zero may be the larger: adding zero makes both positive.
        two(
            f64_of(a).max(f64_of(b)) + 0.0,
            f64_of(a).min(f64_of(b)) + 0.0,
        )
    }),
    ("f64 abs and clamp", |a, _| {
        two(f64_of(a).abs(), f64_of(a).clamp(-1.0, 1.0))
    }),
    ("f64 to u64", |a, _| f64_of(a) as u64 as u128),
    ("f64 to i64", |a, _| f64_of(a) as i64 as u128),
    ("f64 to u32", |a, _| f64_of(a) as u32 as u128),
    ("f64 to i32", |a, _| f64_of(a) as i32 as u128),
    ("f64 to u128", |a, _| f64_of(a) as u128),
    ("f64 to i128", |a, _| f64_of(a) as i128 as u128),
    ("u64 to f64", |a, _| f64_bits(a as u64 as f64)),
    ("i64 to f64", |a, _| f64_bits(a as i64 as f64)),
    ("u32 to f64", |a, _| f64_bits(f64::from(a as u32))),
    ("i32 to f64", |a, _| f64_bits(f64::from(a as i32))),
    ("u128 to f64", |a, _| f64_bits(a as f64)),
    ("i128 to f64", |a, _| f64_bits(a as i128 as f64)),
    ("f64 to f32", |a, _| f32_bits(f64_of(a) as f32)),
    ("f32 to f64", |a, _| f64_bits(f64::from(f32_of(a)))),
    ("f32 add", |a, b| f32_bits(f32_of(a) + f32_of(b))),
    ("f32 sub", |a, b| f32_bits(f32_of(a) - f32_of(b))),
    ("f32 mul", |a, b| f32_bits(f32_of(a) * f32_of(b))),
    ("f32 div", |a, b| f32_bits(f32_of(a) / f32_of(b))),
    ("f32 neg", |a, _| f32_bits(-f32_of(a))),
    ("f32 order", |a, b| {
        let (a, b) = (f32_of(a), f32_of(b));
        flags(&[
            a < b,
            a <= b,
            a == b,
            a > b,
            a >= b,
            a != b,
            a.is_nan() || b.is_nan(),
        ])
    }),
    ("f32 to u64", |a, _| f32_of(a) as u64 as u128),
    ("f32 to i64", |a, _| f32_of(a) as i64 as u128),
    ("f32 to u32", |a, _| f32_of(a) as u32 as u128),
    ("f32 to i32", |a, _| f32_of(a) as i32 as u128),
    ("f32 to u128", |a, _| f32_of(a) as u128),
    ("f32 to i128", |a, _| f32_of(a) as i128 as u128),
    ("u64 to f32", |a, _| f32_bits(a as u64 as f32)),
    ("i64 to f32", |a, _| f32_bits(a as i64 as f32)),
    ("u32 to f32", |a, _| f32_bits(a as u32 as f32)),
    ("i32 to f32", |a, _| f32_bits(a as i32 as f32)),
    ("u128 to f32", |a, _| f32_bits(a as f32)),
    ("i128 to f32", |a, _| f32_bits(a as i128 as f32)),
];

/// What stands for "no result", a division by zero or an overflow.
const NONE: u128 = 0xdead;

fn or(x: Option<impl Into<u128>>) -> u128 {
    x.map_or(NONE, Into::into)
}

fn or_signed(x: Option<i128>) -> u128 {
    x.map_or(NONE, |x| x as u128)
}

fn flags(bits: &[bool]) -> u128 {
    bits.iter()
        .fold(0, |flags, &bit| flags << 1 | u128::from(bit))
}

/// Two results of up to 64 bits in one.
fn two(low: impl Bits, high: impl Bits) -> u128 {
    low.bits() | high.bits() << 64
}

trait Bits {
    fn bits(self) -> u128;
}
impl Bits for u64 {
    fn bits(self) -> u128 {
        self.into()
    }
}
impl Bits for u32 {
    fn bits(self) -> u128 {
        self.into()
    }
}
impl Bits for f64 {
    fn bits(self) -> u128 {
        f64_bits(self)
    }
}

fn f64_of(x: u128) -> f64 {
    f64::from_bits(x as u64)
}

fn f32_of(x: u128) -> f32 {
    f32::from_bits(x as u32)
}

/// Which NaN an operation gives is left open: one stands for all.
fn f64_bits(x: f64) -> u128 {
    u128::from(if x.is_nan() {
        f64::NAN.to_bits()
    } else {
        x.to_bits()
    })
}

/// As [`f64_bits`].
fn f32_bits(x: f32) -> u128 {
    u128::from(if x.is_nan() {
        f32::NAN.to_bits()
    } else {
        x.to_bits()
    })
}

/// The length of what [`memory`] works on.
pub const BUFFER: usize = 600;

/// Runs one of the memory functions on a buffer that depends on the seed, and returns the buffer.
///
/// `args`: which (0 copy, 1 copy without overlap, 2 set, 3 compare), the seed, and the length, the
/// destination and the source, each at most 127.
pub fn memory(args: &[u8]) -> [u8; BUFFER] {
    use std::hint::black_box;

    let &[which, seed, length, to, from] = args else {
        panic!("memory takes 5 bytes");
    };
    let (length, to, from) = black_box((length as usize, to as usize, from as usize));
    let mut buffer: [u8; BUFFER] = std::array::from_fn(|i| (i as u8).wrapping_mul(31) ^ seed);
    match which {
        0 => buffer.copy_within(from..from + length, to),
        1 => {
            let (low, high) = buffer.split_at_mut(BUFFER / 2);
            high[to..to + length].copy_from_slice(&low[from..from + length]);
        }
        2 => buffer[to..to + length].fill(seed),
        _ => {
            // Equal runs, but for one byte when the seed is odd
            let (low, high) = buffer.split_at_mut(BUFFER / 2);
            let (x, y) = (&low[from..from + length], &mut high[to..to + length]);
            y.copy_from_slice(x);
            if let Some(byte) = y.get_mut(usize::from(seed) % length.max(1)) {
                *byte ^= seed & 1;
            }
            let y = &*y;
            let (order, equal) = (black_box(x).cmp(y), black_box(x) == y);
            buffer[0] = order as u8;
            buffer[1] = equal.into();
        }
    }
    buffer
}
