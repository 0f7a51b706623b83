use jiff::Timestamp;
use serde_json::json;

use crate::dead_letters::args::ListArgs;
use crate::dead_letters::world::World;
use crate::dead_letters::{json, view};
use crate::ui::{Done, Interrupt, Terminal};

pub(crate) async fn list(args: &ListArgs, terminal: Terminal) -> anyhow::Result<Done> {
    let interrupt = Interrupt::listen();
    let mut world = World::connect(terminal).await?;
    let look = world.look(&args.filter, &interrupt, |letter, _| letter).await?;
    args.filter.must_be_clear(&look.chosen)?;
    let now = Timestamp::now();
    if terminal.json {
        let messages = look.chosen.iter().map(|letter| json::letter(letter, now));
        terminal.print_json(&json!({
            "queues": json::queues(&look.queues),
            "causes": json::causes(&look.chosen),
            "messages": messages.collect::<serde_json::Value>(),
        }));
    } else if look.chosen.is_empty() {
        let seen: usize = look.queues.iter().map(|queue| queue.coverage.seen).sum();
        let names: Vec<&str> = look.queues.iter().map(|queue| queue.name.as_str()).collect();
        let names = names.join(", ");
        let others = if seen == 0 { "" } else { " that fits" };
        terminal.print(&format!("there is no message{others} in {names}"));
    } else {
        terminal.print(&view::list(&look.chosen, args.limit, now, terminal.ink()));
    }
    Ok(if world.is_incomplete { Done::WithFailures } else { Done::Well })
}
