use anyhow::bail;
use jiff::Timestamp;
use quiz_events::{MessagesDropped, Notice, NoticeKind, Notices};
use quiz_sns_sqs::dead_letters::{Act, Pace};

use crate::dead_letters::args::DropArgs;
use crate::dead_letters::carry_out::{Outcome, carry_out};
use crate::dead_letters::plan::Plan;
use crate::dead_letters::preview::preview;
use crate::dead_letters::world::World;
use crate::dead_letters::{json, view};
use crate::ui::{Done, Interrupt, Terminal, asker, counted, is_wanted};

pub(crate) async fn drop(args: &DropArgs, terminal: Terminal) -> anyhow::Result<Done> {
    args.filter.must_choose(args.all)?;
    let interrupt = Interrupt::listen();
    let mut world = World::connect(terminal).await?;
    let look = world.look(&args.filter, &interrupt, |letter, _| letter).await?;
    args.filter.must_be_clear(&look.chosen)?;
    let plan = Plan::new(Act::Drop, &world.queues, look.chosen);
    let done = |whole: bool| if whole && !world.is_incomplete { Done::Well } else { Done::WithFailures };
    if args.dry_run || plan.messages() == 0 {
        preview(&plan, args.dry_run, terminal);
        return Ok(done(true));
    }
    terminal.step(&view::plan(&plan, Timestamp::now(), terminal.ink()));
    let messages = counted(plan.messages(), "message");
    let question = format!("Delete {messages} for good, because: {}?", args.reason);
    if !args.yes && !is_wanted(terminal, question, &interrupt).await? {
        bail!("stopped: nothing was changed");
    }
    let outcome = carry_out(&world, &plan, &Pace::unlimited(), &interrupt, terminal).await;
    tell_the_team(&world, args, &outcome, terminal).await;
    if terminal.json {
        let mut told = json::plan(&plan, false, Some(&outcome));
        if let Some(fields) = told.as_object_mut() {
            fields.insert("reason".into(), args.reason.clone().into());
        }
        terminal.print_json(&told);
    } else {
        terminal.print(&view::outcome(&plan, &outcome, terminal.ink()));
    }
    Ok(done(outcome.is_whole()))
}

/// One notice for each queue.
async fn tell_the_team(world: &World, args: &DropArgs, outcome: &Outcome<'_>, terminal: Terminal) {
    let requested_by = asker(args.requested_by.as_ref());
    let at = Timestamp::now();
    let notice = |queue: &str, ids: &[String], error_codes: Vec<String>| {
        let dropped = MessagesDropped {
            queue: queue.to_owned(),
            messages: u64::try_from(ids.len()).unwrap_or(u64::MAX),
            reason: args.reason.clone(),
            requested_by: requested_by.clone(),
            error_codes,
        };
        let first = ids.first()?;
        let id = format!("dropped:{queue}:{first}");
        Some(Notice::new(id, at, NoticeKind::MessagesDropped(dropped)))
    };
    let notices: Vec<Notice> = outcome
        .parts
        .iter()
        .filter_map(|(part, acted)| notice(&part.queue.name, &acted.done, part.codes(&acted.done)))
        .collect();
    match &world.notices {
        _ if notices.is_empty() => {}
        Some(topic) => topic.send(notices).await,
        None => terminal.warn("NOTICES_TOPIC_ARN is not set: nobody else is told of it, nor why"),
    }
}
