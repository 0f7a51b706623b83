use crate::error::EventError;

/// Bytes of the longest id. DynamoDB allows 2,048 bytes in a partition key; ids of test sessions are far shorter.
const LONGEST: usize = 512;
/// Characters of an id that an error shows.
const SHOWN: usize = 60;

/// A test session and the quiz that it schedules.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionTarget {
    /// `{group}_{quiz id}`, or another id that its sender gives together with `quiz_id`; at most 512 bytes.
    pub session_id: String,
    /// The `_id` of the quiz in MongoDB; at most 512 bytes.
    pub quiz_id: String,
}

impl SessionTarget {
    /// Checks the ids, without the white space around them. Without `quiz_id`, the end of the session id names the quiz.
    /// `field` is the name by which an error shows the session id.
    ///
    /// # Errors
    /// [`EventError::Invalid`] if an id is empty, longer than 512 bytes, or has white space, a comma, a quote or a control
    /// character in it. [`EventError::NoQuiz`] if the session id names no quiz.
    ///
    /// # Examples
    ///
    /// ```
    /// use quiz_events::SessionTarget;
    ///
    /// let target = SessionTarget::new("Group_6715f621e1eb083bfa9b56cc", None, "session_id")?;
    /// assert_eq!(target.quiz_id, "6715f621e1eb083bfa9b56cc");
    ///
    /// // an id without 24 hex digits at its end needs the id of its quiz
    /// let error = SessionTarget::new("weekly-1", None, "session_id").unwrap_err();
    /// assert_eq!(error.code(), "quiz_id_unknown");
    /// assert!(SessionTarget::new("weekly-1", Some("6715f621e1eb083bfa9b56cc"), "session_id").is_ok());
    ///
    /// // a list that its sender did not split
    /// let error = SessionTarget::new("Group-A,Group-B", None, "session_ids[2]").unwrap_err();
    /// assert_eq!(error.to_string(), r#"`session_ids[2]` "Group-A,Group-B" has a comma in it: ','"#);
    /// # Ok::<(), quiz_events::EventError>(())
    /// ```
    pub fn new(session_id: &str, quiz_id: Option<&str>, field: &str) -> Result<Self, EventError> {
        let session_id = checked(session_id, field)?;
        let quiz_id = match quiz_id {
            Some(quiz_id) => checked(quiz_id, "quiz_id")?,
            None => quiz_id_of(&session_id)
                .ok_or_else(|| EventError::NoQuiz {
                    field: field.to_owned(),
                    session_id: session_id.clone(),
                })?
                .to_owned(),
        };
        Ok(Self { session_id, quiz_id })
    }
}

/// The quiz at the end of a session id: the part after the last `_`, or the whole id without `_`. `None` if that part is
/// not 24 hex digits.
#[must_use]
pub fn quiz_id_of(session_id: &str) -> Option<&str> {
    let last = session_id.rsplit('_').next()?;
    (last.len() == 24 && last.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(last)
}

/// Checks an id. Unfit characters come from lists that were not split, from command lines and from CSV files.
fn checked(id: &str, field: &str) -> Result<String, EventError> {
    let invalid = |problem: String| Err(EventError::Invalid { field: field.to_owned(), problem });
    let id = id.trim();
    if id.is_empty() {
        return invalid("is empty".into());
    }
    if id.len() > LONGEST {
        return invalid(format!("has {} bytes; at most {LONGEST} are allowed", id.len()));
    }
    match id.chars().find_map(|character| Some((character, unfit_character(character)?))) {
        Some((character, name)) => invalid(format!("{} has {name} in it: {character:?}", shown(id))),
        None => Ok(id.to_owned()),
    }
}

/// The name of a character that an id cannot have.
fn unfit_character(character: char) -> Option<&'static str> {
    match character {
        ',' => Some("a comma"),
        '\'' | '"' | '`' => Some("a quote"),
        _ if character.is_control() => Some("a control character"),
        _ if character.is_whitespace() => Some("white space"),
        _ => None,
    }
}

/// The id between quotes, cut where it is long.
fn shown(id: &str) -> String {
    let mut start: String = id.chars().take(SHOWN).collect();
    if start.len() < id.len() {
        start.push('…');
    }
    format!("{start:?}")
}

#[cfg(test)]
mod tests {
    use super::SessionTarget;

    #[test]
    fn unfit_character_is_named_with_its_id() {
        let error = |id: &str| SessionTarget::new(id, Some("q"), "session_id").unwrap_err().to_string();
        assert_eq!(error("A,B"), r#"`session_id` "A,B" has a comma in it: ','"#);
        assert_eq!(error("Mock test"), r#"`session_id` "Mock test" has white space in it: ' '"#);
        assert_eq!(error("a\u{a0}b"), r#"`session_id` "a\u{a0}b" has white space in it: '\u{a0}'"#);
        assert_eq!(error("it's"), r#"`session_id` "it's" has a quote in it: '\''"#);
        assert_eq!(error("a`b"), r#"`session_id` "a`b" has a quote in it: '`'"#);
        assert_eq!(error("a\"b"), r#"`session_id` "a\"b" has a quote in it: '"'"#);
        assert_eq!(
            error("a\u{1b}[2J"),
            r#"`session_id` "a\u{1b}[2J" has a control character in it: '\u{1b}'"#
        );
        let long = error(&format!("{},", "x".repeat(200)));
        assert_eq!(long, format!(r#"`session_id` "{}…" has a comma in it: ','"#, "x".repeat(60)));
        let quiz = SessionTarget::new("A", Some("q 1"), "session_id").unwrap_err().to_string();
        assert_eq!(quiz, r#"`quiz_id` "q 1" has white space in it: ' '"#);
    }

    #[test]
    fn real_ids_are_taken() {
        for id in ["EnableStudents_6715f621e1eb083bfa9b56cc", "Gr-1.2_#3/é_6715f621e1eb083bfa9b56cc", " A_B "]
        {
            assert!(SessionTarget::new(id, Some("weekly-1"), "session_id").is_ok(), "{id}");
        }
    }
}
