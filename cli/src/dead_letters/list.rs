use jiff::Timestamp;
use serde_json::json;

use crate::dead_letters::args::ListArgs;
use crate::dead_letters::client::DlqClient;
use crate::dead_letters::{json, view};
use crate::ui::{Done, Interrupt, Terminal};

pub(crate) async fn list(args: &ListArgs, terminal: Terminal) -> anyhow::Result<Done> {
    let interrupt = Interrupt::listen();
    let mut client = DlqClient::connect(false, terminal).await?;
    let found = client.search(&args.filter, &interrupt, |letter, _| letter).await?;
    args.filter.require_unique_ids(&found.chosen)?;
    let now = Timestamp::now();
    if terminal.json {
        let messages = found.chosen.iter().map(|letter| json::letter(letter, now));
        terminal.print_json(&json!({
            "queues": json::queues(&found.queues),
            "causes": json::causes(&found.chosen),
            "messages": messages.collect::<serde_json::Value>(),
        }));
    } else if found.chosen.is_empty() {
        let seen: usize = found.queues.iter().map(|queue| queue.coverage.seen).sum();
        let names: Vec<&str> = found.queues.iter().map(|queue| queue.name.as_str()).collect();
        let names = names.join(", ");
        let matching = if seen == 0 { "" } else { "matching " };
        terminal.print(&format!("no {matching}message in {names}"));
    } else {
        terminal.print(&view::list(&found.chosen, args.limit, now, terminal.ink()));
    }
    Ok(if client.is_incomplete { Done::WithFailures } else { Done::Well })
}
