use std::borrow::Cow;

use jiff::civil::Date;

use crate::read::value::Value;

/// The type of a column. BigQuery's and Parquet's types are derived from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CellType {
    Text,
    Int,
    Float,
    Bool,
    /// A calendar day.
    Date,
    /// An instant, to the microsecond.
    Instant,
}

/// One value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    Null,
    Text(Cow<'a, str>),
    Int(i64),
    Float(f64),
    Bool(bool),
    Date(Date),
}

impl<'a> Cell<'a> {
    pub(super) fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    pub(super) fn known(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::text)
    }

    pub(super) fn count(count: u32) -> Self {
        Self::Int(i64::from(count))
    }

    /// A finite number, else null: BigQuery has no use for NaN or infinity.
    pub(super) fn float(number: Option<f64>) -> Self {
        number.filter(|value| value.is_finite()).map_or(Self::Null, Self::Float)
    }

    /// The value as JSON text; null where there is no answer, or one of an unusual BSON type.
    pub(super) fn json(value: &Value) -> Self {
        json(value).map_or(Self::Null, |text| Self::Text(Cow::Owned(text)))
    }

    /// A text unchanged, any other value as JSON text.
    pub(super) fn plain(value: &'a Value) -> Self {
        match value {
            Value::Text(text) => Self::text(text),
            other => Self::json(other),
        }
    }
}

pub(super) fn json(value: &Value) -> Option<String> {
    if value.is_unknown() { None } else { serde_json::to_string(value).ok() }
}
