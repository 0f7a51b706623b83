use std::fmt;

use serde::{Serialize, Serializer};
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// One more whenever an item of the same content is to be stored otherwise than before.
const VERSION: u64 = 1;
/// Most items fit.
const BYTES: usize = 2_048;

/// What an item says, all but its stamp, in 128 bits. Two items of the same keys and digest are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContentDigest([u8; 16]);

impl ContentDigest {
    /// The attribute that an item has it in.
    pub const ATTRIBUTE: &'static str = "content_digest";

    /// Of an item without its stamp; `None` where that is no JSON.
    pub(super) fn of<T: Serialize>(unstamped: &T) -> Option<Self> {
        let mut json = Vec::with_capacity(BYTES);
        serde_json::to_writer(&mut json, unstamped).ok()?;
        Some(Self(xxh3_128_with_seed(&json, VERSION).to_be_bytes()))
    }

    /// As it is stored; `None` where the text is no digest.
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
    fn a_digest_is_the_same_in_every_version() {
        let digest = ContentDigest::of(&("content", 1)).unwrap();
        assert_eq!(digest.to_string(), "1761cd58e3669eec52409e224c335da9");
        assert_eq!(ContentDigest::parse(&digest.to_string()), Some(digest));
    }

    #[test]
    fn what_is_no_digest_is_none() {
        for text in ["", "7", "+0000000000000000000000000000001", "g0000000000000000000000000000000"] {
            assert_eq!(ContentDigest::parse(text), None, "{text}");
        }
    }
}
