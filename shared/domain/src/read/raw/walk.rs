//! Walks over stored BSON and checks it on the way, without a copy.

use std::str;

/// Levels beyond which a document is unusual: a session document has three.
const DEEPEST: u8 = 8;

/// No BSON, or not of the shape that nearly all session documents have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unusual;

pub(super) type Walked<T> = Result<T, Unusual>;

/// A value of a BSON type that session documents usually have.
#[derive(Clone, Copy, Debug)]
pub(super) enum Raw<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Text<'a>),
    ObjectId(&'a [u8; 12]),
    /// Milliseconds since 1970.
    Date(i64),
    List(Fields<'a>),
    Object(Fields<'a>),
}

/// Bytes that are known to be UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    pub fn as_str(self) -> Walked<&'a str> {
        str::from_utf8(self.0).map_err(|_| Unusual)
    }
}

/// The fields of a document, or the values of a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Of a document's bytes, from its length to its last byte.
    pub fn of(document: &'a [u8]) -> Walked<Self> {
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
    pub fn next(&mut self) -> Walked<Option<(&'a [u8], Raw<'a>)>> {
        let Some((kind, rest)) = self.rest.split_first() else { return Ok(None) };
        let (key, rest) = split_name(rest)?;
        let (value, rest) = split_value(*kind, rest)?;
        self.rest = rest;
        Ok(Some((key, value)))
    }

    /// Walks to the end.
    pub fn check(self) -> Walked<()> {
        check_fields(self, DEEPEST)
    }
}

impl Raw<'_> {
    /// Walks over all that is within a value that nobody asks for.
    #[inline]
    pub fn check(self) -> Walked<()> {
        match self {
            Raw::List(fields) | Raw::Object(fields) => fields.check(),
            _ => Ok(()),
        }
    }
}

fn check_fields(mut fields: Fields<'_>, levels: u8) -> Walked<()> {
    let levels = levels.checked_sub(1).ok_or(Unusual)?;
    while let Some((_, value)) = fields.next()? {
        if let Raw::List(within) | Raw::Object(within) = value {
            check_fields(within, levels)?;
        }
    }
    Ok(())
}

/// A name ends with a zero byte. One that is not ASCII is unusual.
#[inline]
fn split_name(bytes: &[u8]) -> Walked<(&[u8], &[u8])> {
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
fn split_value(kind: u8, bytes: &[u8]) -> Walked<(Raw<'_>, &[u8])> {
    Ok(match kind {
        0x01 => {
            let (value, rest) = split(bytes)?;
            (Raw::Float(f64::from_le_bytes(*value)), rest)
        }
        0x02 => {
            let (text, rest) = split_text(bytes)?;
            (Raw::Text(text), rest)
        }
        0x03 => {
            let (fields, rest) = split_document(bytes)?;
            (Raw::Object(fields), rest)
        }
        0x04 => {
            let (fields, rest) = split_document(bytes)?;
            (Raw::List(fields), rest)
        }
        0x07 => {
            let (id, rest) = split(bytes)?;
            (Raw::ObjectId(id), rest)
        }
        0x08 => match bytes.split_first() {
            Some((0, rest)) => (Raw::Bool(false), rest),
            Some((1, rest)) => (Raw::Bool(true), rest),
            _ => return Err(Unusual),
        },
        0x09 => {
            let (value, rest) = split(bytes)?;
            (Raw::Date(i64::from_le_bytes(*value)), rest)
        }
        0x0a => (Raw::Null, bytes),
        0x10 => {
            let (value, rest) = split(bytes)?;
            (Raw::Int(i64::from(i32::from_le_bytes(*value))), rest)
        }
        0x12 => {
            let (value, rest) = split(bytes)?;
            (Raw::Int(i64::from_le_bytes(*value)), rest)
        }
        _ => return Err(Unusual),
    })
}

#[inline]
fn split<const SIZE: usize>(bytes: &[u8]) -> Walked<(&[u8; SIZE], &[u8])> {
    bytes.split_first_chunk().ok_or(Unusual)
}

/// The length counts the zero byte at the end.
#[inline]
fn split_text(bytes: &[u8]) -> Walked<(Text<'_>, &[u8])> {
    let (length, rest) = split(bytes)?;
    let length = usize::try_from(i32::from_le_bytes(*length)).map_err(|_| Unusual)?;
    let (text, rest) = rest.split_at_checked(length).ok_or(Unusual)?;
    match text.split_last() {
        Some((0, text)) if text.is_ascii() || str::from_utf8(text).is_ok() => Ok((Text(text), rest)),
        _ => Err(Unusual),
    }
}

/// The length counts its own four bytes.
#[inline]
fn split_document(bytes: &[u8]) -> Walked<(Fields<'_>, &[u8])> {
    let (length, _) = split(bytes)?;
    let length = usize::try_from(i32::from_le_bytes(*length)).map_err(|_| Unusual)?;
    let (document, rest) = bytes.split_at_checked(length).ok_or(Unusual)?;
    Ok((Fields::of(document)?, rest))
}
