use serde::Serialize;

use crate::read::value::Value;

/// How much a chapter matters for the exam, from the most to the least: the smallest is the highest. The Reporting Engine's
/// page shows chapters of these four priorities, and chapters without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChapterPriority {
    High,
    Medium,
    Low,
    Unknown,
}

impl ChapterPriority {
    /// Reads a question's `priority` in any letter case; `None` where it is none of the four.
    #[must_use]
    pub fn read(value: &Value) -> Option<Self> {
        let Value::Text(text) = value else { return None };
        match text.trim().to_lowercase().as_str() {
            "high" => Some(Self::High),
            "medium" => Some(Self::Medium),
            "low" => Some(Self::Low),
            "unknown" => Some(Self::Unknown),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ChapterPriority;
    use crate::read::value::Value;

    #[test]
    fn priority_reads_in_any_letter_case() {
        let read = |text: &str| ChapterPriority::read(&Value::Text(text.to_owned()));
        assert_eq!(read("HIGH"), Some(ChapterPriority::High));
        assert_eq!(read(" Medium "), Some(ChapterPriority::Medium));
        assert_eq!(read("low"), Some(ChapterPriority::Low));
        assert_eq!(read("Unknown"), Some(ChapterPriority::Unknown));
        assert_eq!(read("urgent"), None);
        assert_eq!(ChapterPriority::read(&Value::Int(1)), None);
        assert!(ChapterPriority::High < ChapterPriority::Unknown);
    }
}
