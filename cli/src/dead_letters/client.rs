use anyhow::bail;
use futures::future::join_all;
use jiff::Timestamp;
use quiz_lambda::{ConfigError, Environment};
use quiz_sns_sqs::SqsError;
use quiz_sns_sqs::dead_letters::{
    Content, Coverage, DeadLetter, DeadLetterQueue, DeadLetters, DiscoveryProblem,
};

use crate::audit::Audit;
use crate::dead_letters::MessageFilter;
use crate::ui::{Interrupt, Terminal, WrongUse, counted};

/// Access to the dead-letter queues of the environment's topics.
pub(crate) struct DlqClient {
    pub dead_letters: DeadLetters,
    pub queues: Vec<DeadLetterQueue>,
    pub audit: Audit,
    /// Whether a queue could not be found or read, so that messages may be missing.
    pub is_incomplete: bool,
    terminal: Terminal,
}

/// The selected messages, and each queue that was searched.
pub(crate) struct SearchResult<T> {
    pub chosen: Vec<T>,
    pub queues: Vec<SearchedQueue>,
}

pub(crate) struct SearchedQueue {
    pub name: String,
    pub coverage: Coverage,
}

struct DlqConfig {
    events_topic: String,
    notices_topic: Option<String>,
}

impl DlqConfig {
    fn read(mut env: Environment, acts: bool) -> Result<Self, ConfigError> {
        let events_topic = env.optional("EVENTS_TOPIC_ARN");
        if events_topic.is_none() {
            env.problem(
                "EVENTS_TOPIC_ARN must be set: dlq reads the dead-letter queues of its subscribers"
                    .to_owned(),
            );
        }
        let notices_topic =
            if acts { Some(Audit::require_topic(&mut env)) } else { env.optional("NOTICES_TOPIC_ARN") };
        env.finish(Self { events_topic: events_topic.unwrap_or_default(), notices_topic })
    }
}

impl DlqClient {
    /// Finds the dead-letter queues of the topics. A verb that `acts` needs the topic of notices.
    ///
    /// # Errors
    /// Missing settings, no access to AWS, or no dead-letter queue.
    pub async fn connect(acts: bool, terminal: Terminal) -> anyhow::Result<Self> {
        let config = DlqConfig::read(Environment::from_process(), acts)?;
        let aws = quiz_lambda::aws::signed_in().await?;
        let dead_letters = DeadLetters::new(aws_sdk_sns::Client::new(&aws), aws_sdk_sqs::Client::new(&aws));
        let mut topics = vec![config.events_topic];
        topics.extend(config.notices_topic.clone());
        let found = dead_letters.discover(&topics).await;
        if found.queues.is_empty() {
            let causes: Vec<String> = found.problems.iter().map(ToString::to_string).collect();
            let cause =
                if causes.is_empty() { "the topics have no queue".to_owned() } else { causes.join("; ") };
            bail!("no dead-letter queue found: {cause}; quiz-etl doctor shows what to fix");
        }
        for problem in &found.problems {
            terminal.warn(&problem.to_string());
        }
        let has_none = |problem: &DiscoveryProblem| {
            matches!(problem, DiscoveryProblem::Queue(SqsError::NoDeadLetterQueue(_)))
        };
        Ok(Self {
            dead_letters,
            queues: found.queues,
            audit: Audit::new(&aws, config.notices_topic.unwrap_or_default()),
            is_incomplete: !found.problems.iter().all(has_none),
            terminal,
        })
    }

    /// Searches the queues of the filter and returns the matching messages, each converted by `keep`. Warns about messages
    /// that it could not read.
    ///
    /// # Errors
    /// An unknown queue in the filter, or an interrupt. All messages are released before.
    pub async fn search<T>(
        &mut self,
        filter: &MessageFilter,
        interrupt: &Interrupt,
        keep: impl Fn(DeadLetter, Content) -> T,
    ) -> anyhow::Result<SearchResult<T>> {
        let queues = named(&self.queues, &filter.queue)?;
        self.terminal.step(&format!("searching {} …", counted(queues.len(), "dead-letter queue")));
        let now = Timestamp::now();
        let stop = || interrupt.is_raised();
        let choose =
            |letter: DeadLetter, content| filter.matches(&letter, now).then(|| keep(letter, content));
        let searches =
            join_all(queues.iter().map(|queue| self.dead_letters.browse(queue, &stop, &choose))).await;
        let mut found = SearchResult { chosen: Vec::new(), queues: Vec::new() };
        for (queue, browsed) in queues.iter().zip(searches) {
            found.chosen.extend(browsed.chosen);
            found.queues.push(SearchedQueue { name: queue.name.clone(), coverage: browsed.coverage });
        }
        self.warn_about(&found.queues);
        if interrupt.is_raised() {
            bail!("stopped: nothing was changed");
        }
        Ok(found)
    }

    fn warn_about(&mut self, queues: &[SearchedQueue]) {
        for SearchedQueue { name, coverage } in queues {
            if let Some(trouble) = &coverage.trouble {
                self.is_incomplete = true;
                self.terminal.warn(&format!("cannot read all of {name}: {trouble}"));
            }
            for warning in warnings(name, coverage) {
                self.terminal.warn(&warning);
            }
        }
    }
}

/// Warnings about messages of a queue that were not read, or not released at once.
pub(crate) fn warnings(queue: &str, coverage: &Coverage) -> Vec<String> {
    let elsewhere = coverage.held_elsewhere;
    let (late, hidden) = (coverage.not_received, coverage.not_released);
    let mut warnings = Vec::new();
    if elsewhere > 0 {
        let messages = counted(elsewhere, "message");
        warnings.push(format!(
            "{messages} of {queue} not read, because another consumer holds them: try again later"
        ));
    }
    if late > 0 && coverage.trouble.is_none() && !coverage.stopped {
        let messages = counted(late, "message");
        warnings.push(format!(
            "{messages} of {queue} not read, because SQS did not deliver them: try again later"
        ));
    }
    if hidden > 0 {
        let messages = counted(hidden, "message");
        warnings.push(format!(
            "{messages} of {queue} not released at once: they are visible again in some minutes"
        ));
    }
    warnings
}

fn named<'a>(queues: &'a [DeadLetterQueue], names: &[String]) -> Result<Vec<&'a DeadLetterQueue>, WrongUse> {
    let is = |queue: &DeadLetterQueue, name: &String| {
        queue.name == *name || queue.sources.iter().any(|source| source.name == *name)
    };
    for name in names {
        if !queues.iter().any(|queue| is(queue, name)) {
            let known: Vec<String> = queues
                .iter()
                .map(|queue| match queue.sources.first() {
                    Some(source) => format!("{} (of {})", queue.name, source.name),
                    None => queue.name.clone(),
                })
                .collect();
            return Err(WrongUse(format!("there is no queue {name}: choose from {}", known.join(", "))));
        }
    }
    let chosen = |queue: &&DeadLetterQueue| names.is_empty() || names.iter().any(|name| is(queue, name));
    Ok(queues.iter().filter(chosen).collect())
}

#[cfg(test)]
mod tests {
    use super::named;
    use crate::dead_letters::fixtures::queue;

    #[test]
    fn queue_has_two_names() {
        let queues = [queue("reports"), queue("warehouse")];
        let names = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            named(&queues, &names)
                .map(|queues| queues.iter().map(|queue| queue.name.clone()).collect::<Vec<_>>())
        };
        assert_eq!(names(&[]).unwrap().len(), 2);
        assert_eq!(names(&["reports"]).unwrap(), ["reports-dlq"]);
        assert_eq!(names(&["warehouse-dlq", "warehouse"]).unwrap(), ["warehouse-dlq"]);
        assert_eq!(
            names(&["report"]).unwrap_err().to_string(),
            "there is no queue report: choose from reports-dlq (of reports), warehouse-dlq (of warehouse)"
        );
    }
}
