use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use quiz_local::{DumpSource, SqliteStore};
use quiz_sample::{sapa, write_dump};

use super::local::print_run;
use super::report::items_of;
use crate::output_folder::OutputFolder;
use crate::ui::{Done, Terminal};
use crate::{embedded, view};

pub const EXAMPLES: &str = "\
Examples:
  quiz-etl demo                     write to demo/
  quiz-etl demo --out /tmp/sapa     write to /tmp/sapa";

/// Runs the pipeline on the answers to the SAPA items and shows the result.
pub async fn demo(out: &Path, terminal: Terminal) -> anyhow::Result<Done> {
    let folder = OutputFolder::claim(out)?;
    // refuse a foreign reports.db before the first write
    drop(folder.open_store()?);
    terminal.step("creating Quiz Engine documents from the SAPA ability items (1,525 people, 16 questions)");
    let source = out.join("source");
    std::fs::create_dir_all(&source)
        .with_context(|| format!("cannot create the folder {}", source.display()))?;
    write_dump(&source, &sapa::documents()?, false)?;
    let events: Vec<Arc<str>> =
        sapa::completion_events()?.iter().map(|event| event.to_string().into()).collect();
    terminal.step(&format!("sending {} completion events to the embedded queue", events.len()));
    let ran = embedded::run(Arc::new(DumpSource::open(&source)?), events, &folder, terminal).await?;
    if terminal.json {
        terminal.print_json(&ran.json());
        return Ok(ran.done());
    }
    print_run(&ran, terminal);
    if let Some(shown) = ran.top_ranks.first() {
        terminal.print(&format!("\n{}", shown.table));
        if let Some(user) = &shown.example_user {
            let store = SqliteStore::open_existing(&ran.database)?;
            let items = items_of(&store, &shown.session_id, user).await?;
            terminal.print(&format!("\n{}", view::report(&items, terminal.colour)));
        }
        terminal.print(&format!("\noverview page: {}", shown.page.display()));
    }
    Ok(ran.done())
}
