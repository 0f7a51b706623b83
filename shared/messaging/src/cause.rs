/// An adapter's own error, as the cause of a port's.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// An error and its causes, by what they say of themselves: the debug texts of some hold whole responses.
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
