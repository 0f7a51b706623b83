use std::collections::HashMap;
use std::time::Duration;

use anyhow::Result;
use quiz_stack::{Discord, DiscordMessage};

use crate::say;

const PAUSE: Duration = Duration::from_secs(1);

/// Prints each new and each edited message of the channel, until the program ends.
pub async fn print_messages(discord: &Discord) -> Result<()> {
    let mut seen_edits: HashMap<String, usize> = HashMap::new();
    loop {
        for message in discord.messages() {
            let verb = match seen_edits.insert(message.id.clone(), message.edits) {
                Some(edits) if edits == message.edits => continue,
                Some(_) => "edited",
                None => "posted",
            };
            say(&format!("Discord, {verb}: {}", titles(&message)));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn titles(message: &DiscordMessage) -> String {
    let embeds = message.payload.get("embeds").and_then(serde_json::Value::as_array);
    let titles = embeds.into_iter().flatten().filter_map(|embed| embed.get("title")?.as_str());
    titles.collect::<Vec<_>>().join(" · ")
}
