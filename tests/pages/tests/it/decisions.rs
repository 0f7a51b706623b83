use quiz_pages::Repository;

const FOLDER: &str = "docs/decisions";
const PARTS: [&str; 6] =
    ["- **Status:** ", "- **Date:** ", "## Context", "## Decision", "## Alternatives", "## Consequences"];

#[test]
fn each_decision_has_its_parts_in_order() {
    let repository = Repository::read().unwrap();
    let index = repository.text(&format!("{FOLDER}/README.md")).unwrap();
    let decisions: Vec<&str> = repository.below(FOLDER).filter(|file| !file.ends_with("README.md")).collect();
    assert!(decisions.len() > 10, "{decisions:?}");
    for (number, file) in (1..).zip(decisions) {
        let text = repository.text(file).unwrap();
        let found: Vec<&str> =
            text.lines().filter_map(|line| PARTS.into_iter().find(|part| line.starts_with(part))).collect();
        assert_eq!(found, PARTS, "{file}");
        let line = |part: &str| text.lines().find_map(|line| line.strip_prefix(part)).unwrap();
        let status = line("- **Status:** ");
        assert!(status == "accepted" || status.starts_with("superseded by [decision "), "{file}: {status}");
        let shape: String = line("- **Date:** ")
            .chars()
            .map(|letter| if letter.is_ascii_digit() { '0' } else { letter })
            .collect();
        assert_eq!(shape, "0000-00-00", "{file}: a date is a day");
        let (title, name) = (line("# "), file.trim_start_matches(FOLDER).trim_start_matches('/'));
        let row = format!("| [{number:04}]({name}) | {title} |");
        assert!(index.contains(&row), "{FOLDER}/README.md lacks the row {row}");
    }
}
