//! Prints `docs/WAREHOUSE.md`.
#![expect(clippy::print_stdout, reason = "its output is the page")]

fn main() {
    print!("{}", quiz_bigquery::page());
}
