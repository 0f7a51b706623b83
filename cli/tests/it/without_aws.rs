//! The command as the README builds it first: what it lacks says how to get it.

use std::process::Command;

/// The exit code and the error.
fn failure(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_quiz-etl")).args(arguments).env_clear().output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn lacking_verb_says_how_to_get_it() {
    for (arguments, lacks) in [
        (&["sync", "--help"][..], "`quiz-etl sync`"),
        (&["backfill", "--since", "2d", "--type", "assessment"], "`quiz-etl backfill`"),
        (&["dlq", "replay", "--code", "quiz_not_found"], "`quiz-etl dlq`"),
        (&["erase", "20231234"], "`quiz-etl erase`"),
        (&["doctor"], "`quiz-etl doctor`"),
        (&["status"], "`quiz-etl status` without --from"),
        (&["report", "Grp_1", "u"], "`quiz-etl report` without --from"),
    ] {
        let (code, error) = failure(arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {error}");
        assert!(error.starts_with(&format!("error: {lacks} is not in this build")), "{arguments:?}: {error}");
        assert!(error.contains("`cargo build --release --features aws`"), "{arguments:?}: {error}");
    }
}

#[test]
fn help_lists_lacking_verbs() {
    let output = Command::new(env!("CARGO_BIN_EXE_quiz-etl")).arg("--help").env_clear().output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for verb in ["sync", "backfill", "dlq", "erase", "doctor"] {
        let line = help.lines().find(|line| line.trim_start().starts_with(&format!("{verb} ")));
        assert!(line.is_some_and(|line| line.contains("(not in this build)")), "{verb} in\n{help}");
    }
}
