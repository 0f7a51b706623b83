/// Colours, or none.
#[derive(Clone, Copy, Debug)]
pub struct Ink {
    pub colour: bool,
}

impl Ink {
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
