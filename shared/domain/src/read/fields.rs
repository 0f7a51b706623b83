//! Reads the fields of a document in each BSON type that the Quiz Engine uses for them.

use bson::{Bson, Decimal128, Document};

/// Reads an id, which is a text or an `ObjectId`; `None` where it is neither, or empty.
pub(crate) fn id(document: &Document, field: &str) -> Option<String> {
    match document.get(field)? {
        Bson::String(id) if !id.is_empty() => Some(id.clone()),
        Bson::ObjectId(id) => Some(id.to_hex()),
        _ => None,
    }
}

/// Reads a trimmed text; `None` where it is empty. A whole number of any BSON type reads as a text: `grade` 12 is "12".
pub(crate) fn text(document: &Document, field: &str) -> Option<String> {
    match document.get(field)? {
        Bson::String(text) => Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned),
        Bson::Int32(number) => Some(number.to_string()),
        Bson::Int64(number) => Some(number.to_string()),
        Bson::Double(number) => whole(*number),
        Bson::Decimal128(number) => whole(decimal(*number)),
        _ => None,
    }
}

fn whole(number: f64) -> Option<String> {
    (number.fract() == 0.0 && number.abs() < 1e15).then(|| format!("{number:.0}"))
}

/// Reads a finite number of any BSON type. A text such as `"4"` or `" 0.5 "` reads as a number too.
pub(crate) fn number(document: &Document, field: &str) -> Option<f64> {
    as_number(document.get(field)?)
}

/// Does the same as [`number`] with a value.
pub(crate) fn as_number(value: &Bson) -> Option<f64> {
    let number = match value {
        Bson::Int32(value) => f64::from(*value),
        #[expect(clippy::cast_precision_loss, reason = "counts and marks are far below 2^53")]
        Bson::Int64(value) => *value as f64,
        Bson::Double(value) => *value,
        Bson::Decimal128(value) => decimal(*value),
        Bson::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

/// The nearest double. Rust's parser reads every spelling that BSON defines for a decimal.
pub(crate) fn decimal(value: Decimal128) -> f64 {
    value.to_string().parse().unwrap_or(f64::NAN)
}

/// Whether a flag is set, by the rules of the backend's Python. An absent flag is `default`, and null is not set. Any other
/// value is set unless it is 0 or empty.
pub(crate) fn flag(document: &Document, field: &str, default: bool) -> bool {
    match document.get(field) {
        None => default,
        Some(Bson::Boolean(value)) => *value,
        Some(Bson::Null | Bson::Undefined) => false,
        Some(Bson::Int32(value)) => *value != 0,
        Some(Bson::Int64(value)) => *value != 0,
        Some(Bson::Double(value)) => *value != 0.0,
        Some(Bson::Decimal128(value)) => decimal(*value) != 0.0,
        Some(Bson::String(value)) => !value.is_empty(),
        Some(Bson::Array(values)) => !values.is_empty(),
        Some(Bson::Document(fields)) => !fields.is_empty(),
        Some(_) => true,
    }
}

/// Reads a sub-document; `None` where there is none.
pub(crate) fn object<'a>(document: &'a Document, field: &str) -> Option<&'a Document> {
    document.get_document(field).ok()
}

/// Whether a field is present and not null.
pub(crate) fn is_given(document: &Document, field: &str) -> bool {
    given(document, field).is_some()
}

/// The field's value; `None` where it is absent, null or undefined.
pub(crate) fn given<'a>(document: &'a Document, field: &str) -> Option<&'a Bson> {
    document.get(field).filter(|value| !matches!(value, Bson::Null | Bson::Undefined))
}

#[cfg(test)]
mod tests {
    use bson::{Bson, Decimal128, bson, doc};

    use super::{flag, number, text};

    fn decimal(text: &str) -> Bson {
        Bson::Decimal128(text.parse::<Decimal128>().unwrap_or_else(|_| Decimal128::from_bytes([0; 16])))
    }

    #[test]
    fn texts_and_decimals_read_as_numbers() {
        let number = |value: Bson| number(&doc! {"marks": value}, "marks");
        for (stored, read) in [("4", 4.0), (" -1 ", -1.0), ("0.5", 0.5), ("4.0", 4.0), ("+3", 3.0)] {
            assert_eq!(number(bson!(stored)), Some(read), "{stored}");
        }
        for (stored, read) in [("4", 4.0), ("-0.25", -0.25), ("1E+2", 100.0)] {
            assert_eq!(number(decimal(stored)), Some(read), "{stored}");
        }
        for stored in [bson!("four"), bson!(""), bson!("NaN"), bson!("inf"), bson!("1,5"), decimal("NaN")] {
            assert_eq!(number(stored.clone()), None, "{stored}");
        }
        assert_eq!(text(&doc! {"grade": decimal("12.0")}, "grade").as_deref(), Some("12"));
        assert_eq!(text(&doc! {"grade": decimal("NaN")}, "grade"), None);
    }

    #[test]
    fn flags_read_as_in_the_backend() {
        let flag = |value: Bson| flag(&doc! {"flag": value}, "flag", true);
        let unset = [bson!(0), bson!(0.0), decimal("0.0"), Bson::Null, bson!(false), bson!("")];
        assert!(!unset.into_iter().any(flag));
        assert!([bson!(1), bson!(2_i64), bson!(0.5), decimal("0.5"), bson!("no")].into_iter().all(flag));
        assert!(super::flag(&doc! {}, "flag", true));
    }
}
