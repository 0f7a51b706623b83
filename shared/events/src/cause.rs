/// An adapter's own error, as the cause of a port's.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// An error and its causes as one text, by their display texts: some debug texts hold whole responses.
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    texts.dedup();
    texts.join(": ")
}

/// Why a call to a service failed, as a text for people: the service's code and message, or the error with its causes.
#[must_use]
pub fn error_cause(code: Option<&str>, message: Option<&str>, error: &dyn std::error::Error) -> String {
    match (code, message) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        (None, _) => with_causes(error),
    }
}
