use anyhow::bail;
use futures::future::join_all;
use jiff::Timestamp;
use quiz_lambda::{Commit, ConfigError, Environment};
use quiz_sns_sqs::dead_letters::{
    Content, Coverage, DeadLetter, DeadLetterQueue, DeadLetters, DiscoveryProblem,
};
use quiz_sns_sqs::{SnsNotices, SqsError};

use crate::dead_letters::Filter;
use crate::ui::{Interrupt, Terminal, WrongUse, counted};

/// The dead-letter queues that the environment leads to.
pub(crate) struct World {
    pub dead_letters: DeadLetters,
    pub queues: Vec<DeadLetterQueue>,
    /// Where the ops team is told.
    pub notices: Option<SnsNotices>,
    /// Whether some queue could not be found or read: then more may lie there than is shown.
    pub is_incomplete: bool,
    terminal: Terminal,
}

/// What was chosen of the messages that were seen.
pub(crate) struct Look<T> {
    pub chosen: Vec<T>,
    pub queues: Vec<QueueLook>,
}

pub(crate) struct QueueLook {
    pub name: String,
    pub coverage: Coverage,
}

struct Config {
    events_topic: String,
    notices_topic: Option<String>,
}

impl Config {
    fn read(mut env: Environment) -> Result<Self, ConfigError> {
        let events_topic = env.optional("EVENTS_TOPIC_ARN");
        if events_topic.is_none() {
            env.problem(
                "EVENTS_TOPIC_ARN must be set: its subscribers' dead-letter queues are meant".to_owned(),
            );
        }
        let notices_topic = env.optional("NOTICES_TOPIC_ARN");
        env.finish(Self { events_topic: events_topic.unwrap_or_default(), notices_topic })
    }
}

impl World {
    /// # Errors
    /// Where the environment is not complete, AWS cannot be asked, or no dead-letter queue is found.
    pub async fn connect(terminal: Terminal) -> anyhow::Result<Self> {
        let config = Config::read(Environment::from_process())?;
        let aws = quiz_lambda::aws::signed_in().await?;
        let sns = aws_sdk_sns::Client::new(&aws);
        let dead_letters = DeadLetters::new(sns.clone(), aws_sdk_sqs::Client::new(&aws));
        let mut topics = vec![config.events_topic];
        topics.extend(config.notices_topic.clone());
        let found = dead_letters.discover(&topics).await;
        if found.queues.is_empty() {
            let why: Vec<String> = found.problems.iter().map(ToString::to_string).collect();
            let why = if why.is_empty() { "the topics feed no queue".to_owned() } else { why.join("; ") };
            bail!("no dead-letter queue was found: {why}; quiz-etl doctor says what to mend");
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
            notices: config
                .notices_topic
                .map(|topic| SnsNotices::new(sns, topic, Commit::from_process().hash())),
            is_incomplete: !found.problems.iter().all(has_none),
            terminal,
        })
    }

    /// Looks through the queues that the filter names, and keeps what it admits, as `keep` makes it. Warns of what
    /// could not be seen.
    ///
    /// # Errors
    /// Where the filter names an unknown queue, or on an interrupt. Nothing is held any more then.
    pub async fn look<T>(
        &mut self,
        filter: &Filter,
        interrupt: &Interrupt,
        keep: impl Fn(DeadLetter, Content) -> T,
    ) -> anyhow::Result<Look<T>> {
        let queues = named(&self.queues, &filter.queue)?;
        self.terminal.step(&format!("looking through {} …", counted(queues.len(), "dead-letter queue")));
        let now = Timestamp::now();
        let stop = || interrupt.is_raised();
        let choose = |letter: DeadLetter, content| filter.admits(&letter, now).then(|| keep(letter, content));
        let looks =
            join_all(queues.iter().map(|queue| self.dead_letters.browse(queue, &stop, &choose))).await;
        let mut look = Look { chosen: Vec::new(), queues: Vec::new() };
        for (queue, browsed) in queues.iter().zip(looks) {
            look.chosen.extend(browsed.chosen);
            look.queues.push(QueueLook { name: queue.name.clone(), coverage: browsed.coverage });
        }
        self.warn_of(&look.queues);
        if interrupt.is_raised() {
            bail!("stopped: nothing was changed");
        }
        Ok(look)
    }

    fn warn_of(&mut self, looks: &[QueueLook]) {
        for QueueLook { name, coverage } in looks {
            if let Some(trouble) = &coverage.trouble {
                self.is_incomplete = true;
                self.terminal.warn(&format!("not all of {name} was seen: {trouble}"));
            }
            for warning in warnings(name, coverage) {
                self.terminal.warn(&warning);
            }
        }
    }
}

/// What a person should know of the messages that were not seen, or not given back at once.
pub(crate) fn warnings(queue: &str, coverage: &Coverage) -> Vec<String> {
    let elsewhere = coverage.held_elsewhere;
    let (late, hidden) = (coverage.not_handed_out, coverage.not_released);
    let mut warnings = Vec::new();
    if elsewhere > 0 {
        let messages = counted(elsewhere, "message");
        warnings.push(format!(
            "{messages} of {queue} cannot be seen while somebody else holds them: look again later"
        ));
    }
    if late > 0 && coverage.trouble.is_none() && !coverage.stopped {
        let messages = counted(late, "message");
        warnings.push(format!("SQS counts {messages} more in {queue} than it handed out: look again later"));
    }
    if hidden > 0 {
        let messages = counted(hidden, "message");
        warnings.push(format!(
            "{messages} of {queue} could not be given back at once: they are seen again in some minutes"
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
            return Err(WrongUse(format!("there is no queue {name}: there are {}", known.join(", "))));
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
    fn a_queue_goes_by_its_name_or_that_of_its_dead_letter_queue() {
        let queues = [queue("reports"), queue("warehouse")];
        let names = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&it| it.to_owned()).collect();
            named(&queues, &names).map(|queues| queues.iter().map(|it| it.name.clone()).collect::<Vec<_>>())
        };
        assert_eq!(names(&[]).unwrap().len(), 2);
        assert_eq!(names(&["reports"]).unwrap(), ["reports-dlq"]);
        assert_eq!(names(&["warehouse-dlq", "warehouse"]).unwrap(), ["warehouse-dlq"]);
        assert_eq!(
            names(&["report"]).unwrap_err().to_string(),
            "there is no queue report: there are reports-dlq (of reports), warehouse-dlq (of warehouse)"
        );
    }
}
