use anyhow::bail;
use jiff::Timestamp;
use quiz_events::{MessagesDropped, Notice, NoticeKind, Notices};
use quiz_sns_sqs::dead_letters::{DeadLetterAction, Pace};

use crate::dead_letters::args::DropArgs;
use crate::dead_letters::carry_out::{PlanOutcome, carry_out};
use crate::dead_letters::client::DlqClient;
use crate::dead_letters::plan::ActionPlan;
use crate::dead_letters::preview::preview;
use crate::dead_letters::{json, view};
use crate::ui::{Done, Interrupt, Terminal, asker, counted, is_wanted};

pub(crate) async fn drop(args: &DropArgs, terminal: Terminal) -> anyhow::Result<Done> {
    args.filter.require_choice(args.all)?;
    let interrupt = Interrupt::listen();
    let mut client = DlqClient::connect(terminal).await?;
    let found = client.search(&args.filter, &interrupt, |letter, _| letter).await?;
    args.filter.require_unique_ids(&found.chosen)?;
    let plan = ActionPlan::new(DeadLetterAction::Drop, &client.queues, found.chosen);
    let done = |is_complete: bool| {
        if is_complete && !client.is_incomplete { Done::Well } else { Done::WithFailures }
    };
    if args.dry_run || plan.messages() == 0 {
        preview(&plan, args.dry_run, terminal);
        return Ok(done(true));
    }
    terminal.step(&view::plan(&plan, Timestamp::now(), terminal.ink()));
    let messages = counted(plan.messages(), "message");
    let question = format!("Delete {messages} permanently (reason: {})?", args.reason);
    if !args.yes && !is_wanted(terminal, question, &interrupt).await? {
        bail!("stopped: nothing was changed");
    }
    let outcome = carry_out(&client, &plan, &Pace::unlimited(), &interrupt, terminal).await;
    send_notices(&client, args, &outcome, terminal).await;
    if terminal.json {
        let mut output = json::plan(&plan, false, Some(&outcome));
        if let Some(fields) = output.as_object_mut() {
            fields.insert("reason".into(), args.reason.clone().into());
        }
        terminal.print_json(&output);
    } else {
        terminal.print(&view::outcome(&plan, &outcome, terminal.ink()));
    }
    Ok(done(outcome.is_complete()))
}

/// Sends one notice for each queue.
async fn send_notices(client: &DlqClient, args: &DropArgs, outcome: &PlanOutcome<'_>, terminal: Terminal) {
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
        .groups
        .iter()
        .filter_map(|(group, acted)| notice(&group.queue.name, &acted.done, group.codes(&acted.done)))
        .collect();
    match &client.notices {
        _ if notices.is_empty() => {}
        Some(topic) => topic.send(notices).await,
        None => terminal.warn("no notice sent: NOTICES_TOPIC_ARN is not set"),
    }
}
