//! `ARCHITECTURE.md` links functions and types to their files: each file defines them.

use std::path::Path;

/// The code texts of the page's links, with their targets.
fn links(page: &str) -> impl Iterator<Item = (&str, &str)> {
    page.split("[`").skip(1).filter_map(|rest| {
        let (name, rest) = rest.split_once("`](")?;
        Some((name, rest.split_once(')')?.0))
    })
}

/// Whether a source file defines `Type::name`, `name` or `Type`.
fn defines(source: &str, path: &str) -> bool {
    let name = path.rsplit("::").next().unwrap_or(path);
    let is_part_of_a_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    let is_name =
        |rest: &str| rest.strip_prefix(name).is_some_and(|rest| !rest.starts_with(is_part_of_a_name));
    ["fn ", "struct ", "enum ", "trait "].into_iter().any(|kind| source.split(kind).skip(1).any(is_name))
}

#[test]
fn linked_functions_are_in_their_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let is_source = |file: &str| Path::new(file).extension().is_some_and(|ending| ending == "rs");
    let (mut seen, mut missing) = (0, Vec::new());
    for (name, file) in links(&page).filter(|(_, file)| is_source(file)) {
        let is_file = name.contains(['.', '/']);
        let is_module = file.split('/').any(|folder| folder == name);
        if is_file || is_module {
            continue;
        }
        seen += 1;
        if !defines(&std::fs::read_to_string(root.join(file)).unwrap_or_default(), name) {
            missing.push(format!("{name} in {file}"));
        }
    }
    assert!(seen > 20, "only {seen} functions were found");
    assert!(missing.is_empty(), "ARCHITECTURE.md names missing items: {missing:#?}");
}
