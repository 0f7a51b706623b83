//! Checks secrets that must be one plain text, such as a URL or a token, for common mistakes in storing them.

use thiserror::Error;

use super::Secret;

/// A secret that holds more than its text. A person must store it again.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NotPlain {
    #[error("the secret is JSON, as the console's key/value form stores it: store the text alone")]
    Json,
    #[error("the secret is in quotes: store the text without the quotes")]
    Quoted,
    #[error("the secret begins with a name and `=`, like a line of a settings file: store the value alone")]
    Assignment,
    #[error("the secret has several lines: store one line")]
    Lines,
}

impl Secret {
    /// The secret's text, without spaces around it. An error names the mistake and shows no part of the secret.
    ///
    /// # Errors
    /// [`NotPlain`] if the secret is JSON, in quotes, an assignment or several lines.
    ///
    /// ```
    /// use quiz_lambda::{NotPlain, Secret};
    /// assert_eq!(Secret::new("mongodb://host".into()).plain(), Ok("mongodb://host"));
    /// assert_eq!(Secret::new(r#"{"uri": "mongodb://host"}"#.into()).plain(), Err(NotPlain::Json));
    /// ```
    pub fn plain(&self) -> Result<&str, NotPlain> {
        let text = self.expose().trim();
        let is_quoted = |quote: char| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote);
        let is_name = |name: &str| {
            !name.is_empty() && name.chars().all(|char| char.is_ascii_uppercase() || char == '_')
        };
        if text.starts_with(['{', '[']) {
            Err(NotPlain::Json)
        } else if ['"', '\'', '`'].into_iter().any(is_quoted) || text.starts_with('“') {
            Err(NotPlain::Quoted)
        } else if text.split_once('=').is_some_and(|(name, _)| is_name(name.trim_end())) {
            Err(NotPlain::Assignment)
        } else if text.lines().nth(1).is_some() {
            Err(NotPlain::Lines)
        } else {
            Ok(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{NotPlain, Secret};

    #[test]
    fn wrongly_stored_secret_names_the_mistake() {
        let mistake = |text: &str| Secret::new(text.to_owned()).plain().err();
        for (text, expected) in [
            ("{\"url\": \"https://discord.com/api/webhooks/1/hunter2\"}", NotPlain::Json),
            ("\"https://discord.com/api/webhooks/1/hunter2\"", NotPlain::Quoted),
            ("'hunter2'", NotPlain::Quoted),
            ("“hunter2”", NotPlain::Quoted),
            ("MONGODB_URI=mongodb://u:hunter2@host", NotPlain::Assignment),
            ("mongodb://u:hunter2@host\nquiz", NotPlain::Lines),
        ] {
            assert_eq!(mistake(text), Some(expected), "{text}");
            assert!(!expected.to_string().contains("hunter2"));
        }
        for text in ["mongodb://u:p@host/?retryWrites=true", " a.b.c-=\n", "AbC=", "https://x/?A=b"] {
            assert_eq!(mistake(text), None, "{text}");
        }
    }
}
