//! Logs: one JSON object a line on standard output, which Lambda sends to CloudWatch. Each line has the commit.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::Commit;

/// Starts logging. `RUST_LOG` sets the levels, `info` by default. A second call does nothing.
///
/// Lines with the target `audit` pass every level: they record the actions of operators.
pub fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let json = tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(with_audit(filter));
    let log = json.map_event_format(|format| WithCommit { format, commit: Commit::from_process() });
    if log.try_init().is_err() {
        tracing::debug!("logging already started");
    }
}

/// The filter that also lets the lines with the target `audit` pass.
fn with_audit(filter: EnvFilter) -> EnvFilter {
    match "audit=info".parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    }
}

/// A format of JSON lines with the commit as the first field.
struct WithCommit<F> {
    format: F,
    commit: Commit,
}

impl<F, S, N> FormatEvent<S, N> for WithCommit<F>
where
    F: FormatEvent<S, N>,
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.format.format_event(context, Writer::new(&mut line), event)?;
        match line.strip_prefix('{') {
            Some(fields) => write!(writer, r#"{{"commit":"{}",{fields}"#, self.commit.short()),
            None => writer.write_str(&line),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use serde_json::Value;

    use tracing_subscriber::EnvFilter;

    use super::{WithCommit, with_audit};
    use crate::Commit;

    #[derive(Clone, Default)]
    struct LogBuffer(Arc<Mutex<Vec<u8>>>);

    impl Write for LogBuffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn audit_lines_pass_every_level() {
        for level in ["warn", "off", "quiz_lambda=error"] {
            let buffer = LogBuffer::default();
            let writer = buffer.clone();
            let log = tracing_subscriber::fmt().json().with_writer(move || writer.clone());
            let log = log.with_env_filter(with_audit(EnvFilter::new(level)));
            tracing::subscriber::with_default(log.finish(), || {
                tracing::info!(target: "audit", "operator acted");
                tracing::info!("pass done");
            });
            let text = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
            assert!(text.contains("operator acted") && !text.contains("pass done"), "{level}: {text}");
        }
    }

    #[test]
    fn each_log_line_names_the_commit() {
        let buffer = LogBuffer::default();
        let writer = buffer.clone();
        let log = tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || writer.clone());
        let log = log
            .map_event_format(|format| WithCommit { format, commit: Commit::from_hash("0123456789abcdef") });
        tracing::subscriber::with_default(log.finish(), || {
            tracing::info!(participants = 3, "sync finished");
            tracing::info_span!("sync", session_id = "s").in_scope(|| tracing::warn!("no answer"));
        });
        let text = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|line| line["commit"] == "0123456789ab"), "{text}");
        assert_eq!((&lines[0]["message"], &lines[0]["participants"]), (&"sync finished".into(), &3.into()));
        assert_eq!(lines[1]["span"]["session_id"], "s");
    }
}
