//! The parts of a Markdown page that can go out of date.

use std::collections::BTreeSet;

/// The headings in their order, without their marks.
#[must_use]
pub fn headings(page: &str) -> Vec<&str> {
    let mut is_code = false;
    let is_heading = |line: &&str| {
        is_code ^= line.trim_start().starts_with("```");
        !is_code && line.starts_with('#')
    };
    page.lines().filter(is_heading).map(|line| line.trim_start_matches('#').trim()).collect()
}

/// The names that GitHub gives the headings: `a-heading`, and `a-heading-1` for the second of the same text.
#[must_use]
pub fn anchors(page: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for heading in headings(page) {
        let name = anchor(heading);
        let mut free = name.clone();
        let mut number = 0;
        while !anchors.insert(free) {
            number += 1;
            free = format!("{name}-{number}");
        }
    }
    anchors
}

fn anchor(heading: &str) -> String {
    let kept = without_targets(heading).to_lowercase();
    let kept = kept.chars().filter(|kept| kept.is_alphanumeric() || " -_".contains(*kept));
    kept.collect::<String>().replace(' ', "-")
}

/// `[text](target)` as `[text]`.
fn without_targets(text: &str) -> String {
    let mut parts = text.split("](");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |kept, part| kept + "]" + part.split_once(')').map_or(part, |(_, rest)| rest))
}

/// The targets of the links, with those of pictures.
#[must_use]
pub fn links(page: &str) -> Vec<&str> {
    let outside_of_fences = page.split("```").step_by(2);
    let after_texts = outside_of_fences.flat_map(|text| text.split("](").skip(1));
    after_texts.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target).collect()
}

/// The lines of code blocks, continued ones joined, and the code within text.
#[must_use]
pub fn code(page: &str) -> Vec<String> {
    let mut code = Vec::new();
    for (place, part) in page.split("```").enumerate() {
        if place % 2 == 1 {
            code.extend(part.replace("\\\n", " ").lines().map(str::to_owned));
        } else {
            code.extend(part.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{anchors, code, headings, links};

    const PAGE: &str = "\
# A page, with `code`
[one](a.md#b) and ![two](c.svg), `ls a`
```
# no heading
cargo test \\
  --workspace
[three](d.md)
```
## See [the map](MAP.md)
## Twice
## Twice
";

    #[test]
    fn headings_are_named_as_github_names_them() {
        assert_eq!(headings(PAGE), ["A page, with `code`", "See [the map](MAP.md)", "Twice", "Twice"]);
        let expected = ["a-page-with-code", "see-the-map", "twice", "twice-1"];
        assert_eq!(anchors(PAGE), BTreeSet::from(expected.map(str::to_owned)));
    }

    #[test]
    fn links_and_code_are_found() {
        assert_eq!(links(PAGE), ["a.md#b", "c.svg", "MAP.md"]);
        let expected = ["code", "ls a", "", "# no heading", "cargo test    --workspace", "[three](d.md)"];
        assert_eq!(code(PAGE), expected);
    }
}
