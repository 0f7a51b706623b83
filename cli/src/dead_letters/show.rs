use jiff::Timestamp;
use serde_json::{Value, json};

use crate::dead_letters::args::ShowArgs;
use crate::dead_letters::world::World;
use crate::dead_letters::{Filter, json, view};
use crate::ui::{Done, Interrupt, Terminal};

pub(crate) async fn show(args: &ShowArgs, terminal: Terminal) -> anyhow::Result<Done> {
    let filter = Filter::of_ids(&args.ids);
    let interrupt = Interrupt::listen();
    let mut world = World::connect(terminal).await?;
    let look = world.look(&filter, &interrupt, |letter, content| (letter, content)).await?;
    filter.must_be_clear(look.chosen.iter().map(|(letter, _)| letter))?;
    let now = Timestamp::now();
    if terminal.json {
        let messages = look.chosen.iter().map(|(letter, content)| json::whole(letter, content, now));
        terminal.print_json(&json!({"messages": messages.collect::<Value>()}));
        return Ok(Done::Well);
    }
    let messages = look.chosen.iter().map(|(letter, content)| {
        let queue = world.queues.iter().find(|queue| queue.name == letter.queue);
        view::whole(letter, content, queue, args.raw, now, terminal.ink())
    });
    terminal.print(&messages.collect::<Vec<_>>().join("\n\n"));
    Ok(Done::Well)
}
