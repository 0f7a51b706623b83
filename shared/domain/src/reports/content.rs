use std::fmt;

use serde::{Serialize, Serializer};
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// Raise this to rewrite every stored item, for example after a change of the stored form.
const VERSION: u64 = 1;
/// Most items fit into this buffer.
const BUFFER_BYTES: usize = 2_048;

/// A 128-bit digest of an item without its stamp. Two items with the same keys and the same digest have the same content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContentDigest([u8; 16]);

impl ContentDigest {
    /// The attribute that stores the digest.
    pub const ATTRIBUTE: &'static str = "content_digest";

    /// Computes the digest of an item without its stamp; `None` where the item cannot be JSON.
    pub(super) fn compute<T: Serialize>(unstamped: &T) -> Option<Self> {
        let mut json = Vec::with_capacity(BUFFER_BYTES);
        serde_json::to_writer(&mut json, unstamped).ok()?;
        Some(Self(xxh3_128_with_seed(&json, VERSION).to_be_bytes()))
    }

    /// Reads the stored text; `None` where the text is no digest.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = is_hex.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        number.map(|number| Self(number.to_be_bytes()))
    }

    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl Serialize for ContentDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::ContentDigest;

    #[test]
    fn digest_is_the_same_in_every_version() {
        let digest = ContentDigest::compute(&("content", 1)).unwrap();
        assert_eq!(digest.to_string(), "1761cd58e3669eec52409e224c335da9");
        assert_eq!(ContentDigest::parse(&digest.to_string()), Some(digest));
    }

    #[test]
    fn text_that_is_no_digest_is_none() {
        for text in ["", "7", "+0000000000000000000000000000001", "g0000000000000000000000000000000"] {
            assert_eq!(ContentDigest::parse(text), None, "{text}");
        }
    }
}
