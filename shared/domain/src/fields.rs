//! Reading a document's fields, of whichever BSON type the Quiz Engine stored them.

use bson::{Bson, Document};

/// An id, whether it is stored as text or as an `ObjectId`; `None` where it is neither, or empty.
pub(crate) fn id(document: &Document, field: &str) -> Option<String> {
    match document.get(field)? {
        Bson::String(id) if !id.is_empty() => Some(id.clone()),
        Bson::ObjectId(id) => Some(id.to_hex()),
        _ => None,
    }
}

/// A text that says something: trimmed, and not empty. A whole number is a text too, of whichever BSON
/// type: `grade` 12 is "12".
pub(crate) fn text(document: &Document, field: &str) -> Option<String> {
    match document.get(field)? {
        Bson::String(text) => Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned),
        Bson::Int32(number) => Some(number.to_string()),
        Bson::Int64(number) => Some(number.to_string()),
        Bson::Double(number) if number.fract() == 0.0 && number.abs() < 1e15 => Some(format!("{number:.0}")),
        _ => None,
    }
}

/// A finite number, of whichever BSON type.
pub(crate) fn number(document: &Document, field: &str) -> Option<f64> {
    match document.get(field)? {
        Bson::Int32(value) => Some(f64::from(*value)),
        #[expect(clippy::cast_precision_loss, reason = "counts and marks are far below 2^53")]
        Bson::Int64(value) => Some(*value as f64),
        Bson::Double(value) if value.is_finite() => Some(*value),
        _ => None,
    }
}

/// Whether a flag is set, as the backend's Python takes it: an absent one is `default`, null is not set,
/// and any other value is set unless it is 0 or empty.
pub(crate) fn flag(document: &Document, field: &str, default: bool) -> bool {
    match document.get(field) {
        None => default,
        Some(Bson::Boolean(value)) => *value,
        Some(Bson::Null | Bson::Undefined) => false,
        Some(Bson::Int32(value)) => *value != 0,
        Some(Bson::Int64(value)) => *value != 0,
        Some(Bson::Double(value)) => *value != 0.0,
        Some(Bson::String(value)) => !value.is_empty(),
        Some(Bson::Array(values)) => !values.is_empty(),
        Some(Bson::Document(fields)) => !fields.is_empty(),
        Some(_) => true,
    }
}

/// The sub-document of that name, where there is one.
pub(crate) fn object<'a>(document: &'a Document, field: &str) -> Option<&'a Document> {
    document.get_document(field).ok()
}

/// Whether a field is there and not null.
pub(crate) fn is_given(document: &Document, field: &str) -> bool {
    document.get(field).is_some_and(|value| *value != Bson::Null)
}

#[cfg(test)]
mod tests {
    use bson::{Bson, bson, doc};

    use super::flag;

    #[test]
    fn flags_are_taken_as_the_backend_takes_them() {
        let flag = |value: Bson| flag(&doc! {"flag": value}, "flag", true);
        assert!(![bson!(0), bson!(0.0), Bson::Null, bson!(false), bson!("")].into_iter().any(flag));
        assert!([bson!(1), bson!(2_i64), bson!(0.5), bson!("no")].into_iter().all(flag));
        assert!(super::flag(&doc! {}, "flag", true));
    }
}
