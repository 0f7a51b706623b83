use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use tokio::time::Instant;

use crate::backfill::track::Counts;
use crate::ui::{Terminal, count};

/// Between two progress lines, where no bar is shown.
const LINE_INTERVAL: Duration = Duration::from_secs(30);

/// Shows progress on standard error: a bar with rate and remaining time, or a line every 30 seconds.
pub struct Screen {
    terminal: Terminal,
    bar: Option<ProgressBar>,
    last_line: Mutex<(Instant, Counts)>,
}

impl Screen {
    #[must_use]
    pub fn new(terminal: Terminal, counts: Counts) -> Self {
        let bar = terminal.progress.then(|| {
            let bar = ProgressBar::new(counts.tests);
            let template = "{bar:32.green/dim} {pos}/{len} done  {msg}  {rate}, {eta} left";
            let style = ProgressStyle::with_template(template);
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).with_key("rate", rate);
            bar.set_style(style.progress_chars("━━─"));
            bar.set_position(counts.done);
            bar.reset_eta();
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        let screen = Self { terminal, bar, last_line: Mutex::new((Instant::now(), counts)) };
        screen.show(counts);
        screen
    }

    pub fn show(&self, counts: Counts) {
        if let Some(bar) = &self.bar {
            bar.set_position(counts.done);
            bar.set_message(open_counts(counts));
            return;
        }
        let mut last_line = self.last_line.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, last) = *last_line;
        if at.elapsed() >= LINE_INTERVAL && last != counts {
            *last_line = (Instant::now(), counts);
            let (done, all) = (count(counts.done), count(counts.tests));
            self.terminal.step(&format!("{done} of {all} test sessions done  {}", open_counts(counts)));
        }
    }

    pub fn warn(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.terminal.warn(text)),
            None => self.terminal.warn(text),
        }
    }

    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn rate(state: &ProgressState, to: &mut dyn Write) {
    // a failure to draw the bar must not stop the backfill
    let _ = write!(to, "{:.1} test sessions/s", state.per_sec());
}

fn open_counts(counts: Counts) -> String {
    let parts = [
        (counts.tests - counts.published.min(counts.tests), "to publish"),
        (counts.running, "running"),
        (counts.retrying, "retrying"),
        (counts.failed, "failed"),
    ];
    let texts: Vec<String> = parts
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, label)| format!("{} {label}", count(number)))
        .collect();
    texts.join(", ")
}
