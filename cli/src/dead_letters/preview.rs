use jiff::Timestamp;

use crate::dead_letters::plan::ActionPlan;
use crate::dead_letters::{json, view};
use crate::ui::Terminal;

/// Prints the plan of a replay or a drop.
pub(crate) fn preview(plan: &ActionPlan<'_>, dry_run: bool, terminal: Terminal) {
    if terminal.json {
        terminal.print_json(&json::plan(plan, dry_run, None));
    } else if plan.messages() == 0 && plan.without_source.is_empty() {
        terminal.print("no matching message: nothing to do");
    } else {
        terminal.print(&view::plan(plan, Timestamp::now(), terminal.ink()));
    }
}
