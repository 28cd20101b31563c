/// Takes fixed-size fields off the front of a slice.
pub struct Reader<'a>(pub &'a [u8]);

impl Reader<'_> {
    /// The next `N` bytes, or nothing if fewer are left.
    pub fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }
}

/// Puts fields one after another into a buffer that its owner has sized for all of them.
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

impl<'a> Writer<'a> {
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, len: 0 }
    }

    pub fn put(&mut self, field: &[u8]) {
        let end = self.len + field.len();
        self.buffer[self.len..end].copy_from_slice(field);
        self.len = end;
    }

    /// How many bytes were put.
    pub fn len(&self) -> usize {
        self.len
    }
}
