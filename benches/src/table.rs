use std::fmt;

/// A Markdown table. All columns except the first have numbers.
#[derive(Clone, Debug)]
pub struct MarkdownTable {
    columns: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl MarkdownTable {
    /// A table without rows.
    #[must_use]
    pub fn new(columns: impl Into<Vec<&'static str>>) -> Self {
        Self { columns: columns.into(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn add(&mut self, cells: impl Into<Vec<String>>) {
        self.rows.push(cells.into());
    }
}

impl fmt::Display for MarkdownTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| {} |", self.columns.join(" | "))?;
        writeln!(f, "|---|{}", "--:|".repeat(self.columns.len().saturating_sub(1)))?;
        for row in &self.rows {
            writeln!(f, "| {} |", row.join(" | "))?;
        }
        Ok(())
    }
}
