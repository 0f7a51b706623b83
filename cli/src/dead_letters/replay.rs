use anyhow::bail;
use jiff::Timestamp;
use quiz_sns_sqs::dead_letters::{DeadLetterAction, Pace};

use crate::dead_letters::args::ReplayArgs;
use crate::dead_letters::carry_out::carry_out;
use crate::dead_letters::client::DlqClient;
use crate::dead_letters::plan::ActionPlan;
use crate::dead_letters::preview::preview;
use crate::dead_letters::{json, view};
use crate::ui::{Done, Interrupt, Terminal, counted, is_wanted};

pub(crate) async fn replay(args: &ReplayArgs, terminal: Terminal) -> anyhow::Result<Done> {
    args.filter.require_choice(args.all)?;
    let interrupt = Interrupt::listen();
    let reason =
        if args.dry_run { String::new() } else { args.audit.require_reason(terminal, &interrupt).await? };
    let mut client = DlqClient::connect(!args.dry_run, terminal).await?;
    let found = client.search(&args.filter, &interrupt, |letter, _| letter).await?;
    args.filter.require_unique_ids(&found.chosen)?;
    let plan = ActionPlan::new(DeadLetterAction::Replay, &client.queues, found.chosen);
    let is_plan_complete = plan.without_source.is_empty() && !client.is_incomplete;
    let done =
        |is_complete: bool| if is_complete && is_plan_complete { Done::Well } else { Done::WithFailures };
    if args.dry_run || plan.messages() == 0 {
        preview(&plan, args.dry_run, terminal);
        return Ok(done(true));
    }
    terminal.step(&view::plan(&plan, Timestamp::now(), terminal.ink()));
    let messages = counted(plan.messages(), "message");
    let targets = plan.targets().into_iter().collect::<Vec<_>>().join(" and ");
    let question = format!("Send {messages} back to {targets}, {} a second?", args.rate);
    if !args.yes && !is_wanted(terminal, question, &interrupt).await? {
        bail!("stopped: nothing was changed");
    }
    client.audit.record(plan.action(&args.filter, args.audit.requester(), reason)).await?;
    let pace = Pace::per_second(args.rate);
    let outcome = carry_out(&client, &plan, &pace, &interrupt, terminal).await;
    if terminal.json {
        terminal.print_json(&json::plan(&plan, false, Some(&outcome)));
    } else {
        terminal.print(&view::outcome(&plan, &outcome, terminal.ink()));
        if outcome.done() > 0 {
            terminal.print(&terminal.ink().quiet("Next: quiz-etl status shows the syncs"));
        }
    }
    Ok(done(outcome.is_complete()))
}
