//! A sink, by one name everywhere: in sync states, notices, metrics, settings and commands.
//!
//! A program of another version may know sinks that this version does not. [`Sink`] does not keep their names: a notice
//! about such a sink is shown as [`OtherMessage`](crate::OtherMessage), a list within a notice loses only such entries
//! (`read_known_sinks`), and a scan of sync states skips them.

use std::fmt;
use std::str::FromStr;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use thiserror::Error;

/// Where results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sink {
    /// Students' reports, in DynamoDB.
    #[default]
    Reports,
    /// Result rows, in BigQuery.
    Warehouse,
}

/// A name of no known sink.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown sink {0:?}: use reports or warehouse")]
pub struct UnknownSink(pub String);

impl Sink {
    /// Each sink, in the order of their names.
    pub const ALL: [Self; 2] = [Self::Reports, Self::Warehouse];

    /// The name that is stored, sent and printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reports => "reports",
            Self::Warehouse => "warehouse",
        }
    }
}

impl fmt::Display for Sink {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

impl FromStr for Sink {
    type Err = UnknownSink;

    fn from_str(name: &str) -> Result<Self, UnknownSink> {
        let found = Self::ALL.into_iter().find(|sink| sink.as_str() == name);
        found.ok_or_else(|| UnknownSink(name.to_owned()))
    }
}

/// Reads a list and leaves out the entries of unknown sinks: an entry is a sink's name, or an object whose `sink` is one.
pub(crate) fn read_known_sinks<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let entries = Vec::<Value>::deserialize(deserializer)?;
    let known = entries.into_iter().filter(has_known_sink);
    known.map(|entry| serde_json::from_value(entry).map_err(D::Error::custom)).collect()
}

fn has_known_sink(entry: &Value) -> bool {
    let name = entry.get("sink").unwrap_or(entry).as_str();
    name.is_none_or(|name| name.parse::<Sink>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::{Sink, UnknownSink};

    #[test]
    fn each_sink_has_one_name_everywhere() {
        assert_eq!(Sink::ALL.map(Sink::as_str), ["reports", "warehouse"]);
        assert!(Sink::ALL.is_sorted());
        for sink in Sink::ALL {
            assert_eq!((sink.to_string().as_str(), sink.as_str().parse()), (sink.as_str(), Ok(sink)));
            let json = serde_json::to_string(&sink).unwrap();
            assert_eq!(json, format!("{:?}", sink.as_str()));
            assert_eq!(serde_json::from_str::<Sink>(&json).unwrap(), sink);
        }
    }

    #[test]
    fn unknown_sink_names_the_known_ones() {
        let error = "Reports".parse::<Sink>().unwrap_err();
        assert_eq!(error, UnknownSink("Reports".into()));
        assert_eq!(error.to_string(), r#"unknown sink "Reports": use reports or warehouse"#);
        let error = serde_json::from_str::<Sink>(r#""postgres""#).unwrap_err().to_string();
        assert!(
            error.starts_with("unknown variant `postgres`, expected `reports` or `warehouse`"),
            "{error}"
        );
    }
}
