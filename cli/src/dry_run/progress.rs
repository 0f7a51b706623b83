use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::ui::Terminal;

/// A bar with the finished test sessions, and a count of the attempts read.
pub struct Progress {
    bars: MultiProgress,
    tests: ProgressBar,
    pub taken: ProgressBar,
}

impl Progress {
    pub fn new(terminal: Terminal, tests: usize) -> Self {
        let target =
            if terminal.progress { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bars = MultiProgress::with_draw_target(target);
        let bar = |bar: ProgressBar, template: &str| {
            let bar = bars.add(bar);
            let style = ProgressStyle::with_template(template);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        };
        let length = u64::try_from(tests).unwrap_or(u64::MAX);
        Self {
            tests: bar(
                ProgressBar::new(length),
                "{bar:30} {human_pos} of {human_len} test sessions, about {eta} left",
            ),
            taken: bar(ProgressBar::no_length(), "{spinner} {human_pos} attempts read ({per_sec})"),
            bars,
        }
    }

    pub fn test_done(&self) {
        self.tests.inc(1);
    }

    /// Hides the bars while `print` runs.
    pub fn pause(&self, print: impl FnOnce()) {
        self.bars.suspend(print);
    }

    pub fn finish(&self) {
        self.tests.finish_and_clear();
        self.taken.finish_and_clear();
        let _ = self.bars.clear();
    }
}
