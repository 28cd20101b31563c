//! The account and the methods that change it.

mod stream;

pub use stream::Stream;
