//! Prints `docs/METRICS.md`.
#![allow(clippy::print_stdout, reason = "it prints a page")]

fn main() {
    print!("{}", quiz_pipeline::metrics_page());
}
