//! Measures reading, scoring, ranking and encoding a large test session from a mongodump folder with the real engine. No
//! result is written to a service:
//!
//! `cargo run --release -p quiz-benches --example whole -- --students 5000,50000`
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand, ValueEnum};
use quiz_benches::{
    DiscardingSink, Dump, EncodingStore, EncodingWarehouse, MarkdownTable, ResultsCsv, Usage, megabytes,
    run_in_process, sync,
};
use quiz_domain::reports::ReportFormats;
use quiz_local::DumpSource;
use quiz_pipeline::{ReportSink, ResultSink, SyncOutcome, WarehouseSink};

#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Options {
    /// Numbers of students, measured one after the other.
    #[arg(long, value_delimiter = ',', default_value = "5000")]
    students: Vec<u32>,
    /// Runs of each measurement, each in a process of its own. The table shows the fastest time and the highest memory.
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// Keep the dumps below target/dumps (28 MB for 1,000 students).
    #[arg(long)]
    keep: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Write the dump of a number of students and print its folder.
    Dump { students: u32 },
    /// Measure one run in this process and print its resource usage as JSON.
    Measure { work: Work, folder: PathBuf },
    /// Write each student's marks, rank and percentile to a CSV file.
    Results { folder: PathBuf, file: PathBuf },
}

#[derive(Clone, Copy, ValueEnum)]
enum Work {
    Score,
    Reports,
    Warehouse,
}

impl Work {
    const ALL: [Self; 3] = [Self::Score, Self::Reports, Self::Warehouse];

    fn argument(self) -> &'static str {
        match self {
            Self::Score => "score",
            Self::Reports => "reports",
            Self::Warehouse => "warehouse",
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::Score => "read, scored, ranked",
            Self::Reports => "the same, and v1 items made, digested and encoded",
            Self::Warehouse => "the same, and one row for each answer encoded",
        }
    }

    fn sink(self) -> Arc<dyn ResultSink> {
        match self {
            Self::Score => Arc::new(DiscardingSink),
            Self::Reports => Arc::new(ReportSink::new(Arc::new(EncodingStore), ReportFormats::default())),
            Self::Warehouse => Arc::new(WarehouseSink::new(Arc::new(EncodingWarehouse))),
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    match options.command {
        Some(Command::Dump { students }) => println!("{}", Dump::open(students)?.folder().display()),
        Some(Command::Measure { work, folder }) => {
            let (_, usage) = Usage::measure(run(&folder, work.sink())).await?;
            println!("{}", serde_json::to_string(&usage)?);
        }
        Some(Command::Results { folder, file }) => {
            let outcome = run(&folder, Arc::new(ResultsCsv(file))).await?;
            println!("{} participants, {} rows", outcome.participants, outcome.rows_written);
        }
        None => {
            let mut table = MarkdownTable::new([
                "students",
                "BSON, MB",
                "work",
                "seconds",
                "MB/s",
                "CPU seconds",
                "peak, MB",
            ]);
            for students in options.students {
                measure(students, options.runs, options.keep, &mut table)?;
            }
            print!("{table}");
        }
    }
    Ok(())
}

async fn run(folder: &Path, sink: Arc<dyn ResultSink>) -> Result<SyncOutcome> {
    let source = DumpSource::open(folder)?;
    sync(Arc::new(source), sink, 1, None).await
}

fn measure(students: u32, runs: u32, keep: bool, table: &mut MarkdownTable) -> Result<()> {
    let dump = Dump::open(students)?;
    for work in Work::ALL {
        let folder = dump.folder().as_os_str();
        let arguments = ["measure".as_ref(), work.argument().as_ref(), folder];
        let runs: Vec<Usage> = (0..runs).map(|_| run_in_process(arguments)).collect::<Result<_>>()?;
        let best = runs
            .iter()
            .min_by(|a, b| a.seconds.total_cmp(&b.seconds))
            .context("--runs must be at least 1")?;
        let peak = runs.iter().map(|run| run.peak).max().unwrap_or_default();
        let (bson, seconds) = (megabytes(dump.bytes), best.seconds);
        table.add([
            students.to_string(),
            format!("{bson:.0}"),
            work.description().to_owned(),
            format!("{seconds:.2}"),
            format!("{:.0}", bson / seconds),
            format!("{:.2}", best.cpu_seconds),
            format!("{:.0}", megabytes(peak)),
        ]);
    }
    if keep || dump.existed { Ok(()) } else { dump.remove() }
}
