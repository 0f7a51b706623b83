use std::collections::{BTreeSet, HashSet};

use quiz_events::OperatorActed;
use quiz_sns_sqs::dead_letters::{DeadLetter, DeadLetterAction, DeadLetterQueue, NoSource};

use crate::audit::Action;
use crate::dead_letters::MessageFilter;
use crate::ui::counted;

/// How many error codes the audit names.
const CODES: usize = 10;

/// The messages to replay or drop.
#[derive(Debug)]
pub(crate) struct ActionPlan<'a> {
    pub act: DeadLetterAction,
    /// One group for each queue with at least one message.
    pub groups: Vec<QueueMessages<'a>>,
    /// Messages that stay, because their source queue is unknown.
    pub without_source: Vec<(DeadLetter, NoSource)>,
}

/// The selected messages of one dead-letter queue.
#[derive(Debug)]
pub(crate) struct QueueMessages<'a> {
    pub queue: &'a DeadLetterQueue,
    pub letters: Vec<DeadLetter>,
}

impl<'a> ActionPlan<'a> {
    pub fn new(act: DeadLetterAction, queues: &'a [DeadLetterQueue], letters: Vec<DeadLetter>) -> Self {
        let mut plan = Self { act, groups: Vec::new(), without_source: Vec::new() };
        for letter in letters {
            let Some(queue) = queues.iter().find(|queue| queue.name == letter.queue) else { continue };
            match (act, queue.find_source(letter.source_arn.as_deref())) {
                (DeadLetterAction::Replay, Err(reason)) => plan.without_source.push((letter, reason)),
                _ => plan.add(queue, letter),
            }
        }
        plan
    }

    fn add(&mut self, queue: &'a DeadLetterQueue, letter: DeadLetter) {
        match self.groups.iter_mut().find(|group| group.queue.arn == queue.arn) {
            Some(group) => group.letters.push(letter),
            None => self.groups.push(QueueMessages { queue, letters: vec![letter] }),
        }
    }

    pub fn letters(&self) -> impl Iterator<Item = &DeadLetter> + Clone {
        self.groups.iter().flat_map(|group| &group.letters)
    }

    pub fn messages(&self) -> usize {
        self.groups.iter().map(|group| group.letters.len()).sum()
    }

    /// The action for the audit.
    pub fn action(&self, filter: &MessageFilter, by: Option<String>, reason: String) -> Action {
        let queues: Vec<&str> = self.groups.iter().map(|group| group.queue.name.as_str()).collect();
        let codes: BTreeSet<&str> = self.letters().map(|letter| letter.error_code.as_str()).collect();
        let codes: Vec<&str> = codes.into_iter().take(CODES).collect();
        let sessions = self.letters().flat_map(|letter| &letter.session_ids);
        Action {
            name: match self.act {
                DeadLetterAction::Replay => OperatorActed::REPLAY,
                DeadLetterAction::Drop => OperatorActed::DROP,
            },
            by,
            reason: Some(reason),
            target: format!(
                "{} of {}, parked with {} ({})",
                counted(self.messages(), "message"),
                queues.join(" and "),
                codes.join(", "),
                filter.options()
            ),
            count: self.messages(),
            session_ids: sessions.collect::<BTreeSet<_>>().into_iter().cloned().collect(),
        }
    }

    /// The names of the queues that a replay sends to.
    pub fn targets(&self) -> BTreeSet<&str> {
        let targets = self.groups.iter().flat_map(|group| {
            group
                .letters
                .iter()
                .filter_map(|letter| group.queue.find_source(letter.source_arn.as_deref()).ok())
        });
        targets.map(|source| source.name.as_str()).collect()
    }
}

impl QueueMessages<'_> {
    pub fn ids(&self) -> HashSet<String> {
        self.letters.iter().map(|letter| letter.message_id.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use quiz_sns_sqs::dead_letters::{DeadLetterAction, NoSource, Source};

    use super::ActionPlan;
    use crate::dead_letters::MessageFilter;
    use crate::dead_letters::fixtures::{letter, queue};

    #[test]
    fn message_without_source_is_dropped_not_replayed() {
        let mut shared = queue("reports");
        let other = queue("warehouse").sources.remove(0);
        shared.sources.push(Source { ..other.clone() });
        let queues = [shared, queue("notices")];
        let letters = || {
            let named = letter("2", "reports-dlq", "receives_exhausted", 1);
            vec![
                letter("1", "reports-dlq", "unknown_quiz", 1),
                quiz_sns_sqs::dead_letters::DeadLetter { source_arn: Some(other.arn.clone()), ..named },
                letter("3", "notices-dlq", "discord_refused", 1),
            ]
        };
        let plan = ActionPlan::new(DeadLetterAction::Replay, &queues, letters());
        assert_eq!((plan.messages(), plan.without_source.len()), (2, 1));
        assert!(matches!(plan.without_source[0].1, NoSource::Ambiguous(_)));
        assert_eq!(plan.targets().into_iter().collect::<Vec<_>>(), ["notices", "warehouse"]);
        let plan = ActionPlan::new(DeadLetterAction::Drop, &queues, letters());
        assert_eq!((plan.messages(), plan.without_source.len()), (3, 0));
        let action = plan.action(&MessageFilter::default(), Some("olivia".into()), "a trial".into());
        assert_eq!((action.name, action.count), ("drop", 3));
        assert_eq!(
            action.target,
            "3 messages of reports-dlq and notices-dlq, parked with discord_refused, receives_exhausted, \
             unknown_quiz (--all)"
        );
    }
}
