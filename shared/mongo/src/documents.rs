use bson::error::ErrorKind;
use bson::{Bson, Document, RawDocument, Utf8Lossy};
use quiz_domain::unreadable;

use crate::error::MongoError;

/// An id given as text, in each form that it may be stored in.
pub(crate) fn stored_forms(id: &str) -> Vec<Bson> {
    let as_object_id = bson::oid::ObjectId::parse_str(id).ok().map(Bson::ObjectId);
    std::iter::once(Bson::String(id.to_owned())).chain(as_object_id).collect()
}

/// A user's id given as text, in each form that a session document may have it in. MongoDB compares numbers of all
/// types by value.
pub(crate) fn user_forms(id: &str) -> Vec<Bson> {
    let number = id.parse().ok().map(Bson::Int64);
    stored_forms(id).into_iter().chain(number).collect()
}

/// Reads what the server sent. MongoDB takes texts that are no UTF-8; their broken characters become
/// U+FFFD rather than costing the document.
pub(crate) fn decode(raw: &RawDocument) -> Result<Document, MongoError> {
    Document::try_from(raw).or_else(|error| {
        Utf8Lossy::<Document>::try_from(raw)
            .map(|lossy| lossy.0)
            .map_err(|_| MongoError::Undecodable(error.to_string()))
    })
}

/// Fields that say whose document it is: with a character replaced they would name somebody else.
const IDS: [&str; 3] = ["_id", "user_id", "quiz_id"];

/// As [`decode`]. A document that cannot be read costs its neighbours nothing: the domain counts it, with the reason.
pub(crate) fn decode_or_why(raw: &RawDocument, what: &str) -> Document {
    let decoded = match IDS.into_iter().find(|field| raw.get(field).is_err_and(|error| is_utf8_error(&error)))
    {
        Some(field) => Err(format!("its field {field} is not UTF-8")),
        None => decode(raw).map_err(|error| error.to_string()),
    };
    decoded.unwrap_or_else(|error| {
        let id = raw.get("_id").ok().flatten().and_then(|id| Bson::try_from(id).ok());
        let shown = id.as_ref().map_or_else(|| "unknown".to_owned(), Bson::to_string);
        tracing::warn!(id = shown, what, error, "stored document cannot be read");
        unreadable(id, &error)
    })
}

fn is_utf8_error(error: &bson::error::Error) -> bool {
    matches!(error.kind, ErrorKind::Utf8Encoding { .. })
}

#[cfg(test)]
mod tests {
    use super::{decode, decode_or_why, stored_forms};
    use bson::{Bson, RawDocumentBuf, doc, rawdoc};
    use quiz_domain::why_unreadable;

    /// The document with the bytes `from` in it replaced.
    fn damaged(document: &RawDocumentBuf, from: &[u8], to: &[u8]) -> RawDocumentBuf {
        let mut bytes = document.as_bytes().to_vec();
        let at = bytes.windows(from.len()).position(|it| it == from).unwrap();
        bytes[at..at + to.len()].copy_from_slice(to);
        RawDocumentBuf::from_bytes(bytes).unwrap()
    }

    #[test]
    fn an_id_matches_both_stored_types() {
        assert_eq!(stored_forms("abc"), [Bson::String("abc".into())]);
        let forms = stored_forms("6715f621e1eb083bfa9b56cc");
        assert!(matches!(forms[..], [Bson::String(_), Bson::ObjectId(_)]));
    }

    #[test]
    fn a_text_that_is_no_utf8_keeps_its_document() {
        let document = rawdoc! { "_id": "a", "answers": [{ "answer": "xyz" }] };
        let read = decode(&damaged(&document, b"xyz", b"x\xffz")).unwrap();
        assert_eq!(read, doc! { "_id": "a", "answers": [{ "answer": "x\u{fffd}z" }] });
    }

    #[test]
    fn broken_document_keeps_its_id_and_reason() {
        let document = rawdoc! { "_id": "a", "user_id": "u", "ended": true };
        // a boolean that is neither 0 nor 1
        let broken = damaged(&document, b"ended\0\x01", b"ended\0\x07");
        assert!(decode(&broken).is_err());
        let read = decode_or_why(&broken, "session documents");
        assert_eq!(read.get_str("_id").unwrap(), "a");
        let why = why_unreadable(&read).unwrap();
        assert!(why.starts_with("the stored document is no BSON that can be read: "), "{why}");
    }

    #[test]
    fn badly_encoded_user_is_nobody_else() {
        let document = rawdoc! { "_id": "a", "user_id": "xyz", "text": "more" };
        let read = decode_or_why(&damaged(&document, b"xyz", b"x\xffz"), "session documents");
        assert_eq!(why_unreadable(&read), Some("its field user_id is not UTF-8"));
        assert_eq!(read.get("user_id"), None);
        let read = decode_or_why(&damaged(&document, b"more", b"m\xffre"), "session documents");
        assert_eq!(read, doc! { "_id": "a", "user_id": "xyz", "text": "m\u{fffd}re" });
    }
}
