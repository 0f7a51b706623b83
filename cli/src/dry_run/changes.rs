use std::cmp::Ordering;

use quiz_domain::OVERALL;
use quiz_domain::reports::ReportTable;
use serde_json::{Value, json};

/// A student's overall marks and rank in a report item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overall {
    pub marks: f64,
    pub rank: Option<u32>,
}

impl Overall {
    /// Reads an item; `None` for another section, a form or an unknown shape.
    pub(crate) fn from_item(table: ReportTable, item: &Value) -> Option<Self> {
        let result = match table {
            ReportTable::Sections if item.get("section")?.as_str()? == OVERALL => item,
            ReportTable::Students => item.get("overall_performance")?,
            ReportTable::Sections | ReportTable::FormResponses => return None,
        };
        let rank = || result.get("rank")?.as_f64();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the range")]
        let rank = rank().filter(|rank| (0.0..=f64::from(u32::MAX)).contains(rank)).map(|rank| rank as u32);
        Some(Self { marks: result.get("marks_scored")?.as_f64()?, rank })
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OldAndNew<T> {
    pub old: T,
    pub new: T,
}

/// The change of a student's overall result.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub user_id: String,
    pub marks: OldAndNew<f64>,
    /// `None` for an attempt without a rank.
    pub rank: OldAndNew<Option<u32>>,
}

impl Change {
    pub(crate) fn between(user_id: &str, old: Overall, new: Overall) -> Self {
        Self {
            user_id: user_id.to_owned(),
            marks: OldAndNew { old: old.marks, new: new.marks },
            rank: OldAndNew { old: old.rank, new: new.rank },
        }
    }

    /// Marks gained; negative for a loss.
    #[must_use]
    pub fn marks_gained(&self) -> f64 {
        self.marks.new - self.marks.old
    }

    /// Ranks gained; negative for a loss, 0 without a rank before or after.
    #[must_use]
    pub fn ranks_gained(&self) -> i64 {
        let gained = |old, new| i64::from(old) - i64::from(new);
        self.rank.old.zip(self.rank.new).map_or(0, |(old, new)| gained(old, new))
    }

    fn json(&self) -> Value {
        json!({
            "user_id": self.user_id,
            "marks": {"old": self.marks.old, "new": self.marks.new},
            "rank": {"old": self.rank.old, "new": self.rank.new},
        })
    }
}

/// The students with the largest changes of marks and of ranks, among those with a result before and after. Largest
/// change first, equal ones by user id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LargestChanges {
    pub marks: Vec<Change>,
    pub ranks: Vec<Change>,
}

impl LargestChanges {
    /// Selects at most `most` changes of each kind.
    pub(crate) fn select(changes: &[Change], most: usize) -> Self {
        let by_marks = |a: &Change, b: &Change| b.marks_gained().abs().total_cmp(&a.marks_gained().abs());
        let by_rank = |a: &Change, b: &Change| b.ranks_gained().abs().cmp(&a.ranks_gained().abs());
        Self {
            marks: first(most, changes.iter().filter(|change| change.marks_gained() != 0.0), by_marks),
            ranks: first(most, changes.iter().filter(|change| change.ranks_gained() != 0), by_rank),
        }
    }

    pub(crate) fn json(&self) -> Value {
        let all = |changes: &[Change]| changes.iter().map(Change::json).collect::<Vec<_>>();
        json!({"marks": all(&self.marks), "ranks": all(&self.ranks)})
    }
}

fn first<'a>(
    most: usize,
    changes: impl Iterator<Item = &'a Change>,
    order: impl Fn(&Change, &Change) -> Ordering,
) -> Vec<Change> {
    let mut changes: Vec<&Change> = changes.collect();
    changes.sort_by(|a, b| order(a, b).then_with(|| a.user_id.cmp(&b.user_id)));
    changes.into_iter().take(most).cloned().collect()
}
