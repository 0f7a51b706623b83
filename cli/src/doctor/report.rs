//! Prints checks for a person or as JSON.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::doctor::check::{Check, Group, Status};
use crate::ui::{Ink, clean, count, counted};

/// For a person: the checks by group, then their counts.
pub fn text(checks: &[Check], ink: Ink) -> String {
    let mut text = String::new();
    for group in Group::ALL {
        let in_group: Vec<&Check> = checks.iter().filter(|check| check.group == group).collect();
        if in_group.is_empty() {
            continue;
        }
        let _ = writeln!(text, "{}", ink.strong(group.title()));
        for check in in_group {
            line(&mut text, check, ink);
        }
        text.push('\n');
    }
    text + &counts(checks, ink)
}

fn line(text: &mut String, check: &Check, ink: Ink) {
    let mark = match check.finding.status {
        Status::Good => ink.good("✔"),
        Status::Warning => ink.warning("!"),
        Status::Bad => ink.bad("✘"),
        Status::Skipped => ink.quiet("–"),
    };
    let (name, found) = (clean(&check.name), clean(&check.finding.found));
    let found = if check.finding.status == Status::Skipped { ink.quiet(&found) } else { found };
    let _ = writeln!(text, "  {mark} {name}: {found}");
    if let Some(fix) = &check.finding.fix {
        let _ = writeln!(text, "    → {}", clean(fix));
    }
}

fn counts(checks: &[Check], ink: Ink) -> String {
    let (good, warnings) = (number(checks, Status::Good), number(checks, Status::Warning));
    let (bad, skipped) = (number(checks, Status::Bad), number(checks, Status::Skipped));
    let mut parts = vec![format!("{} good", count(good)), counted(warnings, "warning")];
    parts.push(format!("{} bad", count(bad)));
    if skipped > 0 {
        parts.push(format!("{} skipped", count(skipped)));
    }
    let line = parts.join(", ");
    match (bad, warnings) {
        (0, 0) => ink.good(&line),
        (0, _) => ink.warning(&line),
        _ => ink.bad(&line),
    }
}

fn number(checks: &[Check], status: Status) -> usize {
    checks.iter().filter(|check| check.finding.status == status).count()
}

/// For a program: one object.
pub fn json(checks: &[Check]) -> Value {
    let entry = |check: &Check| {
        json!({
            "group": check.group.name(), "name": check.name, "status": check.finding.status.name(),
            "found": check.finding.found, "mend": check.finding.fix,
        })
    };
    json!({
        "checks": checks.iter().map(entry).collect::<Vec<_>>(),
        "good": number(checks, Status::Good), "warnings": number(checks, Status::Warning),
        "bad": number(checks, Status::Bad), "skipped": number(checks, Status::Skipped),
    })
}

#[cfg(test)]
mod tests {
    use crate::ui::Ink;

    use super::{json, text};
    use crate::doctor::check::{Check, Finding, Group};

    fn checks() -> Vec<Check> {
        vec![
            Group::Aws.check("credentials", Finding::good("account 1")),
            Group::Mongodb.check("server", Finding::bad("no\u{1b}[2J answer", "start it")),
            Group::Mongodb.check("indexes", Finding::skipped("the server does not answer")),
            Group::Sqs.check("reports", Finding::warning("4 receives", "make them 5")),
        ]
    }

    #[test]
    fn text_lists_checks_by_group_without_escapes() {
        insta::assert_snapshot!(text(&checks(), Ink { colour: false }), @"
        AWS
          ✔ credentials: account 1

        MongoDB
          ✘ server: no�[2J answer
            → start it
          – indexes: skipped, because the server does not answer

        SQS
          ! reports: 4 receives
            → make them 5

        1 good, 1 warning, 1 bad, 1 skipped
        ");
        assert!(text(&checks(), Ink { colour: true }).contains("\u{1b}[31m✘\u{1b}[0m server"));
    }

    #[test]
    fn json_has_checks_and_counts() {
        let report = json(&checks());
        assert_eq!(report["checks"][1]["status"], "bad");
        assert_eq!(report["checks"][0]["mend"], serde_json::Value::Null);
        assert_eq!((&report["good"], &report["bad"], &report["skipped"]), (&1.into(), &1.into(), &1.into()));
    }
}
