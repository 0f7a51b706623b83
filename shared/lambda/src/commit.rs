/// The image sets this variable to the full hash of the commit that it was built from.
const VARIABLE: &str = "QUIZ_ETL_COMMIT";
/// The digits of a hash that are shown: unique within the repository.
const SHOWN: usize = 12;

/// The commit that this process was built from. Logs and notices show it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commit(Option<String>);

impl Commit {
    /// The commit in `QUIZ_ETL_COMMIT`.
    #[must_use]
    pub fn from_process() -> Self {
        Self::from_hash(&std::env::var(VARIABLE).unwrap_or_default())
    }

    /// The commit with this hash; unknown if the text is no hash.
    #[must_use]
    pub fn from_hash(value: &str) -> Self {
        let value = value.trim();
        let is_hash = !value.is_empty() && value.chars().all(|digit| digit.is_ascii_hexdigit());
        Self(is_hash.then(|| value.to_ascii_lowercase()))
    }

    /// The full hash, if it is known.
    #[must_use]
    pub fn hash(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// Its first 12 digits, or `unknown`.
    #[must_use]
    pub fn short(&self) -> &str {
        self.hash().map_or("unknown", |hash| hash.get(..SHOWN).unwrap_or(hash))
    }
}

#[cfg(test)]
mod tests {
    use super::Commit;

    #[test]
    fn commit_without_a_hash_is_unknown() {
        let full = "0123456789abcdef0123456789abcdef01234567";
        let shown = |value: &str| {
            let commit = Commit::from_hash(value);
            (commit.hash().map(str::to_owned), commit.short().to_owned())
        };
        assert_eq!(shown(full), (Some(full.to_owned()), "0123456789ab".to_owned()));
        assert_eq!(shown(" 4F0C \n"), (Some("4f0c".to_owned()), "4f0c".to_owned()));
        for value in ["", "  ", "main", "0123\",\"level\":\"x", "０１２３"] {
            assert_eq!(shown(value), (None, "unknown".to_owned()), "{value}");
        }
    }
}
