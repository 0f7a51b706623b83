use jiff::Timestamp;
use serde_json::{Value, json};

use crate::dead_letters::args::ShowArgs;
use crate::dead_letters::client::DlqClient;
use crate::dead_letters::{MessageFilter, json, view};
use crate::ui::{Done, Interrupt, Terminal};

pub(crate) async fn show(args: &ShowArgs, terminal: Terminal) -> anyhow::Result<Done> {
    let filter = MessageFilter::by_ids(&args.ids);
    let interrupt = Interrupt::listen();
    let mut client = DlqClient::connect(false, terminal).await?;
    let found = client.search(&filter, &interrupt, |letter, content| (letter, content)).await?;
    filter.require_unique_ids(found.chosen.iter().map(|(letter, _)| letter))?;
    let now = Timestamp::now();
    if terminal.json {
        let messages = found.chosen.iter().map(|(letter, content)| json::details(letter, content, now));
        terminal.print_json(&json!({"messages": messages.collect::<Value>()}));
        return Ok(Done::Well);
    }
    let messages = found.chosen.iter().map(|(letter, content)| {
        let queue = client.queues.iter().find(|queue| queue.name == letter.queue);
        view::details(letter, content, queue, args.raw, now, terminal.ink())
    });
    terminal.print(&messages.collect::<Vec<_>>().join("\n\n"));
    Ok(Done::Well)
}
