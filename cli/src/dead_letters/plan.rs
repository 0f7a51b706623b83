use std::collections::{BTreeSet, HashSet};

use quiz_sns_sqs::dead_letters::{Act, DeadLetter, DeadLetterQueue, NoSource};

/// Which messages are to be acted on.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub act: Act,
    /// Queue by queue, each with at least one message.
    pub parts: Vec<Part<'a>>,
    /// Messages that are left where they are, as it cannot be told where they belong.
    pub homeless: Vec<(DeadLetter, NoSource)>,
}

#[derive(Debug)]
pub(crate) struct Part<'a> {
    pub queue: &'a DeadLetterQueue,
    pub letters: Vec<DeadLetter>,
}

impl<'a> Plan<'a> {
    pub fn new(act: Act, queues: &'a [DeadLetterQueue], letters: Vec<DeadLetter>) -> Self {
        let mut plan = Self { act, parts: Vec::new(), homeless: Vec::new() };
        for letter in letters {
            let Some(queue) = queues.iter().find(|queue| queue.name == letter.queue) else { continue };
            match (act, queue.source_of(letter.source_arn.as_deref())) {
                (Act::Replay, Err(why)) => plan.homeless.push((letter, why)),
                _ => plan.add(queue, letter),
            }
        }
        plan
    }

    fn add(&mut self, queue: &'a DeadLetterQueue, letter: DeadLetter) {
        match self.parts.iter_mut().find(|part| part.queue.arn == queue.arn) {
            Some(part) => part.letters.push(letter),
            None => self.parts.push(Part { queue, letters: vec![letter] }),
        }
    }

    pub fn letters(&self) -> impl Iterator<Item = &DeadLetter> + Clone {
        self.parts.iter().flat_map(|part| &part.letters)
    }

    pub fn messages(&self) -> usize {
        self.parts.iter().map(|part| part.letters.len()).sum()
    }

    /// The names of the queues that a replay sends to.
    pub fn targets(&self) -> BTreeSet<&str> {
        let targets = self.parts.iter().flat_map(|part| {
            part.letters.iter().filter_map(|letter| part.queue.source_of(letter.source_arn.as_deref()).ok())
        });
        targets.map(|source| source.name.as_str()).collect()
    }
}

impl Part<'_> {
    pub fn ids(&self) -> HashSet<String> {
        self.letters.iter().map(|letter| letter.message_id.clone()).collect()
    }

    /// Of the messages with those ids, each code once.
    pub fn codes(&self, ids: &[String]) -> Vec<String> {
        let ids: HashSet<&String> = ids.iter().collect();
        let letters = self.letters.iter().filter(|letter| ids.contains(&letter.message_id));
        letters.map(|letter| letter.error_code.clone()).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use quiz_sns_sqs::dead_letters::{Act, NoSource, Source};

    use super::Plan;
    use crate::dead_letters::fixtures::{letter, queue};

    #[test]
    fn what_has_no_home_is_dropped_but_not_replayed() {
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
        let plan = Plan::new(Act::Replay, &queues, letters());
        assert_eq!((plan.messages(), plan.homeless.len()), (2, 1));
        assert!(matches!(plan.homeless[0].1, NoSource::Ambiguous(_)));
        assert_eq!(plan.targets().into_iter().collect::<Vec<_>>(), ["notices", "warehouse"]);
        let plan = Plan::new(Act::Drop, &queues, letters());
        assert_eq!((plan.messages(), plan.homeless.len()), (3, 0));
        assert_eq!(plan.parts[0].codes(&["1".into(), "2".into()]), ["receives_exhausted", "unknown_quiz"]);
        assert_eq!(plan.parts[0].codes(&["2".into()]), ["receives_exhausted"]);
    }
}
