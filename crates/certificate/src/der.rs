//! A walk over DER elements (X.690): tag, length in its shortest form, content.

use crate::CertificateError as E;

pub const BOOLEAN: u8 = 0x01;
pub const INTEGER: u8 = 0x02;
pub const BIT_STRING: u8 = 0x03;
pub const OCTET_STRING: u8 = 0x04;
pub const OBJECT_IDENTIFIER: u8 = 0x06;
pub const UTC_TIME: u8 = 0x17;
pub const GENERALIZED_TIME: u8 = 0x18;
pub const SEQUENCE: u8 = 0x30;

/// One element.
#[derive(Clone, Copy)]
pub struct Element<'a> {
    pub tag: u8,
    pub content: &'a [u8],
    /// Tag and length included.
    pub whole: &'a [u8],
}

/// What is left of a sequence's content.
#[derive(Clone, Copy)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The content of the one element that `bytes` are.
    pub fn only(bytes: &'a [u8], tag: u8) -> Result<Self, E> {
        let mut reader = Self(bytes);
        let content = reader.expect(tag)?;
        reader.end()?;
        Ok(Self(content))
    }

    /// The next element's tag, without taking it.
    pub fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// Takes the next element.
    pub fn element(&mut self) -> Result<Element<'a>, E> {
        let (&[tag, first], rest) = self.0.split_first_chunk().ok_or(E::Truncated)?;
        // Tags of more than one byte: no certificate has them.
        if tag & 0x1f == 0x1f {
            return Err(E::NotDer);
        }
        let (len, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81 => {
                let (&[len], rest) = rest.split_first_chunk().ok_or(E::Truncated)?;
                if len < 0x80 {
                    return Err(E::NotDer);
                }
                (usize::from(len), rest)
            }
            0x82 => {
                let (&len, rest) = rest.split_first_chunk().ok_or(E::Truncated)?;
                let len = u16::from_be_bytes(len);
                if len < 0x100 {
                    return Err(E::NotDer);
                }
                (usize::from(len), rest)
            }
            // Indefinite, or longer than any transaction.
            _ => return Err(E::NotDer),
        };
        let (content, after) = rest.split_at_checked(len).ok_or(E::Truncated)?;
        let whole = self
            .0
            .get(..self.0.len() - after.len())
            .ok_or(E::Truncated)?;
        self.0 = after;
        Ok(Element {
            tag,
            content,
            whole,
        })
    }

    /// Takes the next element, which must have this tag; returns its content.
    pub fn expect(&mut self, tag: u8) -> Result<&'a [u8], E> {
        let element = self.element()?;
        if element.tag != tag {
            return Err(E::Unexpected);
        }
        Ok(element.content)
    }

    /// Fails unless everything is taken.
    pub fn end(&self) -> Result<(), E> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(E::Trailing)
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The bytes of a positive INTEGER without the zero that only keeps it positive; `None` if it is zero, negative, or not
/// in the shortest form.
pub fn positive(content: &[u8]) -> Option<&[u8]> {
    match *content {
        [] | [0] | [0x80..=0xff, ..] | [0, 0..=0x7f, ..] => None,
        [0, ref rest @ ..] => Some(rest),
        _ => Some(content),
    }
}
