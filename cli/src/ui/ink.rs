/// Paints text with terminal colours, or leaves it plain.
#[derive(Clone, Copy, Debug)]
pub struct Ink {
    pub colour: bool,
}

impl Ink {
    /// The code that ends a colour.
    pub(crate) const END: &str = "\u{1b}[0m";
    /// All codes that the command writes.
    pub(crate) const CODES: [&str; 6] =
        [Self::END, "\u{1b}[1m", "\u{1b}[2m", "\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m"];

    fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    #[must_use]
    pub fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }

    #[must_use]
    pub fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    #[must_use]
    pub fn warning(self, text: &str) -> String {
        self.paint("33", text)
    }

    #[must_use]
    pub fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    #[must_use]
    pub fn quiet(self, text: &str) -> String {
        self.paint("2", text)
    }
}
