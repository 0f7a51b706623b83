//! Prints `docs/REPORTS.md`.
#![expect(clippy::print_stdout, reason = "its output is the page")]

fn main() {
    print!("{}", quiz_domain::reports::reports_page());
}
