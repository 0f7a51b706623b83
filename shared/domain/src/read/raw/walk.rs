//! Reads stored BSON in place and checks it at the same time, without a copy.

use std::str;

/// A document with more levels is unusual: a session document has three.
const MAX_LEVELS: u8 = 8;

/// The bytes are no BSON, or do not have the shape of nearly all session documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unusual;

pub(super) type Parsed<T> = Result<T, Unusual>;

/// A value of a BSON type that session documents usually have.
#[derive(Clone, Copy, Debug)]
pub(super) enum RawValue<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(RawText<'a>),
    ObjectId(&'a [u8; 12]),
    /// Milliseconds since 1970.
    Date(i64),
    List(Fields<'a>),
    Object(Fields<'a>),
}

/// Bytes that are known to be UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RawText<'a>(&'a [u8]);

impl<'a> RawText<'a> {
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    pub fn as_str(self) -> Parsed<&'a str> {
        str::from_utf8(self.0).map_err(|_| Unusual)
    }
}

/// The fields of a document, or the values of a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Parses the bytes of a document, from its length to its last byte.
    pub fn parse(document: &'a [u8]) -> Parsed<Self> {
        let (length, rest) = document.split_first_chunk().ok_or(Unusual)?;
        if usize::try_from(i32::from_le_bytes(*length)) != Ok(document.len()) {
            return Err(Unusual);
        }
        match rest.split_last() {
            Some((0, rest)) => Ok(Self { rest }),
            _ => Err(Unusual),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next field's name and value; `None` at the end.
    #[inline]
    pub fn next(&mut self) -> Parsed<Option<(&'a [u8], RawValue<'a>)>> {
        let Some((kind, rest)) = self.rest.split_first() else { return Ok(None) };
        let (key, rest) = split_name(rest)?;
        let (value, rest) = split_value(*kind, rest)?;
        self.rest = rest;
        Ok(Some((key, value)))
    }

    /// Checks all remaining fields.
    pub fn check(self) -> Parsed<()> {
        check_fields(self, MAX_LEVELS)
    }
}

impl RawValue<'_> {
    /// Checks everything within a value that the caller does not need.
    #[inline]
    pub fn check(self) -> Parsed<()> {
        match self {
            RawValue::List(fields) | RawValue::Object(fields) => fields.check(),
            _ => Ok(()),
        }
    }
}

fn check_fields(mut fields: Fields<'_>, levels: u8) -> Parsed<()> {
    let levels = levels.checked_sub(1).ok_or(Unusual)?;
    while let Some((_, value)) = fields.next()? {
        if let RawValue::List(within) | RawValue::Object(within) = value {
            check_fields(within, levels)?;
        }
    }
    Ok(())
}

/// Splits off a field's name, which ends with a zero byte. A name that is not ASCII is unusual.
#[inline]
fn split_name(bytes: &[u8]) -> Parsed<(&[u8], &[u8])> {
    let mut all = 0;
    let end = bytes.iter().position(|byte| {
        all |= byte;
        *byte == 0
    });
    let (name, rest) = bytes.split_at_checked(end.ok_or(Unusual)?).ok_or(Unusual)?;
    let (_, rest) = rest.split_first().ok_or(Unusual)?;
    if all.is_ascii() { Ok((name, rest)) } else { Err(Unusual) }
}

#[inline]
fn split_value(kind: u8, bytes: &[u8]) -> Parsed<(RawValue<'_>, &[u8])> {
    Ok(match kind {
        0x01 => {
            let (value, rest) = split(bytes)?;
            (RawValue::Float(f64::from_le_bytes(*value)), rest)
        }
        0x02 => {
            let (text, rest) = split_text(bytes)?;
            (RawValue::Text(text), rest)
        }
        0x03 => {
            let (fields, rest) = split_document(bytes)?;
            (RawValue::Object(fields), rest)
        }
        0x04 => {
            let (fields, rest) = split_document(bytes)?;
            (RawValue::List(fields), rest)
        }
        0x07 => {
            let (id, rest) = split(bytes)?;
            (RawValue::ObjectId(id), rest)
        }
        0x08 => match bytes.split_first() {
            Some((0, rest)) => (RawValue::Bool(false), rest),
            Some((1, rest)) => (RawValue::Bool(true), rest),
            _ => return Err(Unusual),
        },
        0x09 => {
            let (value, rest) = split(bytes)?;
            (RawValue::Date(i64::from_le_bytes(*value)), rest)
        }
        0x0a => (RawValue::Null, bytes),
        0x10 => {
            let (value, rest) = split(bytes)?;
            (RawValue::Int(i64::from(i32::from_le_bytes(*value))), rest)
        }
        0x12 => {
            let (value, rest) = split(bytes)?;
            (RawValue::Int(i64::from_le_bytes(*value)), rest)
        }
        _ => return Err(Unusual),
    })
}

#[inline]
fn split<const SIZE: usize>(bytes: &[u8]) -> Parsed<(&[u8; SIZE], &[u8])> {
    bytes.split_first_chunk().ok_or(Unusual)
}

/// Splits off a text. Its length includes the zero byte at the end.
#[inline]
fn split_text(bytes: &[u8]) -> Parsed<(RawText<'_>, &[u8])> {
    let (length, rest) = split(bytes)?;
    let length = usize::try_from(i32::from_le_bytes(*length)).map_err(|_| Unusual)?;
    let (text, rest) = rest.split_at_checked(length).ok_or(Unusual)?;
    match text.split_last() {
        Some((0, text)) if text.is_ascii() || str::from_utf8(text).is_ok() => Ok((RawText(text), rest)),
        _ => Err(Unusual),
    }
}

/// Splits off a document. Its length includes the four bytes of the length.
#[inline]
fn split_document(bytes: &[u8]) -> Parsed<(Fields<'_>, &[u8])> {
    let (length, _) = split(bytes)?;
    let length = usize::try_from(i32::from_le_bytes(*length)).map_err(|_| Unusual)?;
    let (document, rest) = bytes.split_at_checked(length).ok_or(Unusual)?;
    Ok((Fields::parse(document)?, rest))
}
