use anyhow::bail;
use jiff::Timestamp;
use quiz_sns_sqs::dead_letters::{DeadLetterAction, Pace};

use crate::dead_letters::args::DropArgs;
use crate::dead_letters::carry_out::carry_out;
use crate::dead_letters::client::DlqClient;
use crate::dead_letters::plan::ActionPlan;
use crate::dead_letters::preview::preview;
use crate::dead_letters::{json, view};
use crate::ui::{Done, Interrupt, Terminal, counted, is_wanted};

pub(crate) async fn drop(args: &DropArgs, terminal: Terminal) -> anyhow::Result<Done> {
    args.filter.require_choice(args.all)?;
    let interrupt = Interrupt::listen();
    let reason =
        if args.dry_run { String::new() } else { args.audit.require_reason(terminal, &interrupt).await? };
    let mut client = DlqClient::connect(!args.dry_run, terminal).await?;
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
    let question = format!("Delete {messages} permanently (reason: {reason})?");
    if !args.yes && !is_wanted(terminal, question, &interrupt).await? {
        bail!("stopped: nothing was changed");
    }
    client.audit.record(plan.action(&args.filter, args.audit.requester(), reason.clone())).await?;
    let outcome = carry_out(&client, &plan, &Pace::unlimited(), &interrupt, terminal).await;
    if terminal.json {
        let mut output = json::plan(&plan, false, Some(&outcome));
        if let Some(fields) = output.as_object_mut() {
            fields.insert("reason".into(), reason.into());
        }
        terminal.print_json(&output);
    } else {
        terminal.print(&view::outcome(&plan, &outcome, terminal.ink()));
    }
    Ok(done(outcome.is_complete()))
}
