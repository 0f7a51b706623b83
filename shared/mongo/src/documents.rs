use bson::{Bson, Document, RawDocument, Utf8Lossy, doc};

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

/// As [`decode`]; of a document that cannot be read what is left is its `_id`. The domain counts such
/// a document as unreadable, and its neighbours are read.
pub(crate) fn decode_or_id(raw: &RawDocument, what: &str) -> Document {
    decode(raw).unwrap_or_else(|error| {
        let id = raw.get("_id").ok().flatten().and_then(|id| Bson::try_from(id).ok());
        let shown = id.as_ref().map_or_else(|| "unknown".to_owned(), Bson::to_string);
        tracing::warn!(id = shown, what, error = %error, "stored document cannot be read");
        id.map(|id| doc! { "_id": id }).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::{decode, decode_or_id, stored_forms};
    use bson::{Bson, RawDocumentBuf, doc, rawdoc};

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
    fn of_a_broken_document_the_id_is_left() {
        let document = rawdoc! { "_id": "a", "user_id": "u", "ended": true };
        // a boolean that is neither 0 nor 1
        let broken = damaged(&document, b"ended\0\x01", b"ended\0\x07");
        assert!(decode(&broken).is_err());
        assert_eq!(decode_or_id(&broken, "session documents"), doc! { "_id": "a" });
    }
}
