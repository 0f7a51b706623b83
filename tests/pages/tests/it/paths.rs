use std::collections::BTreeSet;

use quiz_pages::{Repository, anchors, ending};

/// What a bare name ends with if it is one of this repository's files.
const OURS: [&str; 4] = ["md", "rs", "toml", "yaml"];

fn is_part_of_a_path(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "._-/".contains(letter)
}

/// `ENVIRONMENT.yaml`
fn is_placeholder(part: &str) -> bool {
    let (name, ending) = part.split_once('.').unwrap_or((part, ""));
    ending != "md" && name.len() > 2 && name.chars().all(|letter| letter.is_ascii_uppercase())
}

#[test]
fn each_path_in_a_page_exists() {
    let repository = Repository::read().unwrap();
    let folders: BTreeSet<&str> =
        repository.files().filter_map(|file| file.split_once('/')).map(|(folder, _)| folder).collect();
    let names: BTreeSet<&str> = repository.files().filter_map(|file| file.rsplit('/').next()).collect();
    let (mut seen, mut missing) = (0, Vec::new());
    for page in repository.pages().unwrap() {
        let words = page.text.split(|letter: char| letter.is_whitespace() || "`|\"'()[],;=".contains(letter));
        for word in words.map(|word| word.trim_end_matches(['.', ':', '*'])) {
            if !word.chars().all(is_part_of_a_path) || word.split('/').any(is_placeholder) {
                continue;
            }
            let is_there = match word.split_once('/') {
                Some((first, _)) if folders.contains(first) => repository.has(word),
                Some((".." | ".", _)) => page.resolve(word).is_some_and(|path| repository.has(&path)),
                None if OURS.contains(&ending(word)) => names.contains(word),
                _ => continue,
            };
            seen += 1;
            if !is_there {
                missing.push(format!("{}: {word}", page.path));
            }
        }
    }
    assert!(seen > 50, "only {seen} paths were found");
    assert!(missing.is_empty(), "these paths are not there: {missing:#?}");
}

/// A comment, a message or a template names a page alone, or with a heading: `docs/RUNBOOK.md, no-sync`.
#[test]
fn each_page_that_code_names_exists() {
    let repository = Repository::read().unwrap();
    let is_code =
        |file: &&str| [".rs", ".yaml", ".yml", ".toml", ".py"].iter().any(|ending| file.ends_with(ending));
    let (mut seen, mut missing) = (0, Vec::new());
    for file in repository.files().filter(is_code) {
        let text = repository.text(file).unwrap();
        for (place, _) in text.match_indices("docs/") {
            let (before, named) = text.split_at(place);
            let end = named.find(|letter| !is_part_of_a_path(letter)).unwrap_or(named.len());
            let (page, rest) = named.split_at(end);
            let page = page.trim_end_matches('.');
            if before.ends_with(is_part_of_a_path) || ending(page) != "md" {
                continue;
            }
            seen += 1;
            let heading = rest.strip_prefix('#').or_else(|| rest.strip_prefix(", ")).unwrap_or_default();
            let heading =
                heading.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-').next();
            let heading = heading.filter(|heading| heading.contains('-'));
            let is_there = repository.has(page)
                && heading.is_none_or(|heading| anchors(&repository.text(page).unwrap()).contains(heading));
            if !is_there {
                missing.push(format!("{file}: {page} {}", heading.unwrap_or_default()));
            }
        }
    }
    assert!(seen > 50, "only {seen} pages were found");
    assert!(missing.is_empty(), "these pages or headings are not there: {missing:#?}");
}
