//! Writes a mongodump folder of one large assessment:
//! `cargo run --release -p quiz-sample --example large_dump -- --students 50000 --out DIR`
#![expect(clippy::print_stdout, reason = "the example prints the size that it wrote")]

use std::path::PathBuf;

use clap::Parser;
use quiz_sample::large::LargeAssessment;

#[derive(Parser)]
struct Options {
    #[arg(long)]
    students: u32,
    #[arg(long, default_value_t = 105)]
    questions: u32,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long)]
    out: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let Options { students, questions, seed, out } = Options::parse();
    let written = LargeAssessment { students, questions, seed }.write(&out)?;
    let (sessions, bytes) = (written.sessions, written.bytes);
    println!("{sessions} session documents, {bytes} bytes, {} bytes each", bytes / sessions.max(1));
    Ok(())
}
