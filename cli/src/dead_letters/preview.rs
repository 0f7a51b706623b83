use jiff::Timestamp;

use crate::dead_letters::plan::Plan;
use crate::dead_letters::{json, view};
use crate::ui::Terminal;

/// Prints what a replay or drop would do.
pub(crate) fn preview(plan: &Plan<'_>, dry_run: bool, terminal: Terminal) {
    if terminal.json {
        terminal.print_json(&json::plan(plan, dry_run, None));
    } else if plan.messages() == 0 && plan.homeless.is_empty() {
        terminal.print("no message fits: there is nothing to do");
    } else {
        terminal.print(&view::plan(plan, Timestamp::now(), terminal.ink()));
    }
}
