use std::collections::BTreeSet;

use anyhow::{Context, bail};
use quiz_domain::reports::{ReportFormats, ReportTable};
use quiz_events::Sink;
use quiz_sns_sqs::dead_letters::{DeadLetter, DeadLetterAction, Pace};

use crate::dead_letters::{ActionPlan, DlqClient, carry_out};
use crate::erase::args::EraseArgs;
use crate::erase::find::{Stored, find_letters};
use crate::erase::plan::ErasePlan;
use crate::erase::stores::Stores;
use crate::erase::syncs::{Synced, sync, wait_for_runs};
use crate::erase::view;
use crate::ui::{Done, Interrupt, Question, Terminal, counted, line};

/// Erases one student, or shows the plan with `--dry-run`. The steps are those of the module.
///
/// # Errors
/// The cause that stopped it. The command may run again.
pub async fn erase(args: &EraseArgs, terminal: Terminal) -> anyhow::Result<Done> {
    let interrupt = Interrupt::listen();
    let reason =
        if args.dry_run { String::new() } else { args.audit.require_reason(terminal, &interrupt).await? };
    let stores = Stores::connect(!args.dry_run).await?;
    let mut dlq = DlqClient::connect(!args.dry_run, terminal).await?;
    let user_id = args.user.as_str();
    let plan = Box::pin(make_plan(&stores, &mut dlq, user_id, terminal, &interrupt));
    let plan = unless_stopped(&interrupt, plan).await?;
    if args.dry_run || plan.is_empty() {
        view::print_plan(&plan, args.dry_run, terminal);
        return Ok(if dlq.is_incomplete { Done::WithFailures } else { Done::Well });
    }
    terminal.step(&view::plan(&plan, terminal.ink()));
    confirm(args, terminal, &interrupt).await?;
    stores.settings.audit().record(plan.action(args.audit.requester(), reason)).await?;

    let synced = replace(&stores, &plan, args, terminal, &interrupt).await?;
    unless_stopped(&interrupt, Box::pin(delete_rest(&stores, &plan, &synced, user_id))).await?;
    drop_letters(&dlq, &plan.letters, terminal, &interrupt).await?;
    view::print_end(&plan, &synced, terminal);
    let is_complete = synced.failures.is_empty() && !dlq.is_incomplete;
    Ok(if is_complete { Done::Well } else { Done::WithFailures })
}

/// Checks MongoDB, and finds what the stores hold.
async fn make_plan(
    stores: &Stores,
    dlq: &mut DlqClient,
    user_id: &str,
    terminal: Terminal,
    interrupt: &Interrupt,
) -> anyhow::Result<ErasePlan> {
    stores.check_source(user_id).await?;
    let bytes =
        stores.warehouse.search_bytes(user_id).await.context("cannot check the search in BigQuery")?;
    terminal.step(&format!("searching DynamoDB and BigQuery ({} in BigQuery) …", view::bytes(bytes)));
    let stored = Stored::find(stores, user_id).await?;
    let letters = find_letters(dlq, user_id, interrupt).await?;
    ErasePlan::complete(stores, stored, letters, bytes).await
}

async fn confirm(args: &EraseArgs, terminal: Terminal, interrupt: &Interrupt) -> anyhow::Result<()> {
    if args.yes {
        return Ok(());
    }
    let text = "Type the user id to erase this student permanently.".to_owned();
    let answer = line(terminal, Question { text, hint: "", option: "--yes" }, interrupt).await?;
    if answer.as_deref() != Some(args.user.as_str()) {
        bail!("stopped: nothing was changed");
    }
    Ok(())
}

/// Deletes the snapshots, and lets syncs replace the items and rows of all test sessions that have a quiz.
async fn replace(
    stores: &Stores,
    plan: &ErasePlan,
    args: &EraseArgs,
    terminal: Terminal,
    interrupt: &Interrupt,
) -> anyhow::Result<Synced> {
    let deleted = async { Ok(stores.tables.delete_snapshots(plan.snapshots.clone()).await?) };
    unless_stopped(interrupt, deleted).await?;
    if !plan.targets.is_empty() {
        terminal.step(&format!("syncing {} …", counted(plan.targets.len(), "test session")));
    }
    let synced = sync(stores, &plan.targets, args.audit.requester(), terminal, interrupt).await?;
    let is_open = |session_id: &String| Sink::ALL.iter().any(|sink| !synced.has(session_id, *sink));
    let targets = plan.targets.iter().map(|target| &target.session_id);
    let open: BTreeSet<String> =
        targets.chain(&plan.without_quiz).filter(|session_id| is_open(session_id)).cloned().collect();
    if !open.is_empty() {
        terminal.step(&format!("waiting for runs of {} to end …", counted(open.len(), "test session")));
    }
    unless_stopped(interrupt, wait_for_runs(stores, &open)).await?;
    Ok(synced)
}

/// Deletes what the syncs have left, and checks that nothing remains.
async fn delete_rest(
    stores: &Stores,
    plan: &ErasePlan,
    synced: &Synced,
    user_id: &str,
) -> anyhow::Result<()> {
    let rest = Stored::find(stores, user_id).await?;
    check_not_written_again(&rest, synced, stores.documents.formats, stores.is_excluded(user_id))?;
    if !rest.is_empty() {
        stores.tables.delete(rest.items).await?;
        stores.warehouse.delete(user_id, &rest.rows).await.context("cannot delete the warehouse rows")?;
        if !Stored::find(stores, user_id).await?.is_empty() {
            bail!("a run wrote the student during the erasure: run the command again");
        }
    }
    let snapshots = stores.tables.snapshots(&plan.quiz_ids).await?;
    stores.tables.delete_snapshots(snapshots).await?;
    stores.check_source(user_id).await
}

/// Refuses to go on if a sync that began after the request wrote the student.
fn check_not_written_again(
    rest: &Stored,
    synced: &Synced,
    formats: ReportFormats,
    is_excluded: bool,
) -> anyhow::Result<()> {
    let is_written = |table: ReportTable| match table {
        ReportTable::Sections => formats.v1,
        ReportTable::Students => formats.v2,
        ReportTable::FormResponses => true,
    };
    let items = rest.items.iter();
    let items =
        items.filter(|item| is_written(item.table) && synced.has(&item.session_id, Sink::Reports)).count();
    let rows = rest.rows.iter().filter(|rows| synced.has(&rows.session_id, Sink::Warehouse));
    let rows: u64 = rows.map(|rows| rows.rows).sum();
    if items == 0 && rows == 0 {
        return Ok(());
    }
    let cause = if is_excluded {
        "the functions do not exclude the student yet: release ExcludedUserIds"
    } else {
        "the student has new attempts, or REPORT_FORMATS is not that of the functions: check both"
    };
    let (items, rows) = (counted(items, "report item"), counted(rows, "warehouse row"));
    bail!("a sync wrote the student again ({items}, {rows}), because {cause}; then run this command again")
}

async fn drop_letters(
    dlq: &DlqClient,
    letters: &[DeadLetter],
    terminal: Terminal,
    interrupt: &Interrupt,
) -> anyhow::Result<()> {
    if letters.is_empty() {
        return Ok(());
    }
    let drop = ActionPlan::new(DeadLetterAction::Drop, &dlq.queues, letters.to_vec());
    let outcome = carry_out(dlq, &drop, &Pace::unlimited(), interrupt, terminal).await;
    if !outcome.is_complete() {
        let (done, all) = (outcome.done(), counted(letters.len(), "parked message"));
        bail!("{done} of {all} dropped, and the student is gone from all tables: run the command again");
    }
    Ok(())
}

/// Runs a step that repeats without harm; Ctrl-C ends it.
async fn unless_stopped<T>(
    interrupt: &Interrupt,
    step: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    tokio::select! {
        done = step => done,
        () = interrupt.raised() => bail!("stopped: run the command again to continue"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use quiz_bigquery::StudentRows;
    use quiz_domain::reports::{ReportFormats, ReportTable};
    use quiz_domain::rows::WarehouseTable;
    use quiz_dynamo::StudentItem;
    use quiz_events::Sink;

    use super::check_not_written_again;
    use crate::erase::find::Stored;
    use crate::erase::syncs::Synced;

    #[test]
    fn only_a_synced_session_shows_new_attempts() {
        let item = |table, session_id: &str| StudentItem {
            table,
            session_id: session_id.into(),
            sort_key: "u".into(),
        };
        let done = HashSet::from([("A".to_owned(), Sink::Reports), ("B".to_owned(), Sink::Warehouse)]);
        let synced = Synced { done, failures: Vec::new() };
        let check = |items, rows, is_excluded| {
            let formats = ReportFormats { v1: true, v2: false };
            let checked = check_not_written_again(&Stored { items, rows }, &synced, formats, is_excluded);
            checked.map_err(|error| error.to_string())
        };
        let others = vec![item(ReportTable::Students, "A"), item(ReportTable::Sections, "B")];
        assert_eq!(check(others, Vec::new(), false), Ok(()), "no function writes v2; B is not synced");
        let again = check(vec![item(ReportTable::Sections, "A")], Vec::new(), false).unwrap_err();
        assert!(again.contains("(1 report item, 0 warehouse rows), because the student has new attempts"));
        let table = WarehouseTable::TestResponses;
        let rows = StudentRows { table, session_id: "B".into(), start_date: None, rows: 2 };
        let again = check(Vec::new(), vec![rows], true).unwrap_err();
        assert!(again.contains("2 warehouse rows") && again.contains("release ExcludedUserIds"), "{again}");
    }
}
