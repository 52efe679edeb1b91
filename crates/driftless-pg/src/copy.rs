mod decode;
mod encode;
mod stream;

pub use decode::{CopyDecoder, CopyFormatError, Step};
pub use encode::CopyEncoder;
pub use stream::{CopyIn, CopyOut, RowRead};

/// How every binary COPY begins.
const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

#[cfg(test)]
mod tests;
