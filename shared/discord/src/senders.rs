//! The footer of a card: the senders of its notices, with the commits they were built from.

use std::collections::{BTreeMap, BTreeSet};

use quiz_events::Notice;

use crate::text::{shorten, visible};

/// Shown characters of a commit's hash.
const COMMIT: usize = 12;
/// Far below Discord's limit, as the message is for the notice.
const LONGEST: usize = 200;

/// The senders of a card's notices, by their commits.
#[derive(Clone, Debug, Default)]
pub struct Senders(BTreeMap<Option<String>, BTreeSet<&'static str>>);

impl Senders {
    pub fn of<'a>(notices: impl IntoIterator<Item = &'a Notice>) -> Self {
        let mut senders = Self::default();
        for notice in notices {
            let commit = notice.commit.as_deref().map(|hash| visible_text(hash, COMMIT));
            senders.0.entry(commit).or_default().insert(notice.kind.sender());
        }
        senders
    }

    pub fn add(&mut self, others: Self) {
        for (commit, names) in others.0 {
            self.0.entry(commit).or_default().extend(names);
        }
    }

    /// `reports and warehouse, commit 0123456789ab`; `None` if no commit is known.
    pub fn footer(&self) -> Option<String> {
        self.0.keys().any(Option::is_some).then(|| {
            let part = |(commit, names): (&Option<String>, &BTreeSet<&str>)| {
                let names: Vec<&str> = names.iter().copied().collect();
                format!("{}, commit {}", names.join(" and "), commit.as_deref().unwrap_or("unknown"))
            };
            shorten(&self.0.iter().map(part).collect::<Vec<_>>().join(" · "), LONGEST)
        })
    }
}

/// The visible characters. Nothing is escaped, as Discord formats nothing in a footer.
fn visible_text(text: &str, limit: usize) -> String {
    text.trim().chars().filter_map(visible).take(limit).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use quiz_events::{Backfill, MessagesParked, Notice, NoticeKind, Sink};

    use super::Senders;

    fn parked(sink: Sink, commit: Option<&str>) -> Notice {
        let kind = NoticeKind::MessagesParked(MessagesParked { sink, ..MessagesParked::default() });
        Notice { commit: commit.map(str::to_owned), ..Notice::new("n", Timestamp::UNIX_EPOCH, kind) }
    }

    fn footer(notices: &[Notice]) -> Option<String> {
        Senders::of(notices).footer()
    }

    #[test]
    fn footer_names_each_commit_with_its_senders() {
        let (old, new) = (Some("0123456789abcdef"), Some("fedcba9876543210"));
        let both = [parked(Sink::Warehouse, old), parked(Sink::Reports, old), parked(Sink::Reports, old)];
        assert_eq!(footer(&both).unwrap(), "reports and warehouse, commit 0123456789ab");
        let two = [parked(Sink::Warehouse, old), parked(Sink::Reports, new)];
        assert_eq!(footer(&two).unwrap(), "warehouse, commit 0123456789ab · reports, commit fedcba987654");
        let one = [parked(Sink::Warehouse, old), parked(Sink::Reports, None)];
        assert_eq!(footer(&one).unwrap(), "reports, commit unknown · warehouse, commit 0123456789ab");
        assert_eq!(footer(&[parked(Sink::Reports, None)]), None);
    }

    #[test]
    fn command_is_named_and_long_commits_are_cut() {
        let kind = NoticeKind::BackfillStarted(Backfill::default());
        let notice = Notice { commit: Some("4f0c".into()), ..Notice::new("n", Timestamp::UNIX_EPOCH, kind) };
        assert_eq!(footer(&[notice]).unwrap(), "quiz-etl, commit 4f0c");
        let commit = |number: u32| format!("{number}\n").repeat(90);
        let odd: Vec<Notice> = (0..50).map(|number| parked(Sink::Reports, Some(&commit(number)))).collect();
        let shown = footer(&odd).unwrap();
        assert!(shown.chars().count() <= 200 && !shown.contains('\n'), "{shown}");
    }
}
