//! Finds the cargo commands that pages name, and the packages, targets and tests of the workspace.

use std::io;

use crate::repository::{Repository, ending};

/// Options whose value is the next word. A [`CargoCommand`] has fields for the others.
const WITH_VALUE: [&str; 5] = ["--config", "--features", "--profile", "--target", "-j"];
/// Where a command of a shell ends.
const ENDS: [&str; 5] = ["|", "&&", ";", ">", "<"];

/// A command that names a package, a target, or tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CargoCommand {
    pub verb: String,
    pub package: Option<String>,
    /// The option and its value: `--test` and `it`.
    pub target: Option<(String, String)>,
    pub is_lib: bool,
    /// Of tests, each a part of a test's path.
    pub filters: Vec<String>,
}

impl CargoCommand {
    /// The command that a line of a shell holds. `None` where there is none, or it has a placeholder such as `NAME` or `…`.
    #[must_use]
    pub fn read(line: &str) -> Option<Self> {
        let words = line.split_whitespace().skip_while(|word| *word != "cargo").skip(1);
        let mut words = words.take_while(|word| !ENDS.contains(word)).peekable();
        let mut command = Self { verb: words.next()?.to_owned(), ..Self::default() };
        let takes_filters = command.verb == "test";
        let mut is_after_dashes = false;
        while let Some(word) = words.next() {
            if is_placeholder(word) {
                return None;
            }
            match word {
                "--" => is_after_dashes = true,
                _ if is_after_dashes && !takes_filters => {}
                "-p" | "--package" => command.package = words.next().map(str::to_owned),
                "--test" | "--example" | "--bench" | "--bin" => {
                    command.target = words.next().map(|name| (word.to_owned(), name.to_owned()));
                }
                "--lib" => command.is_lib = true,
                option if WITH_VALUE.contains(&option) => drop(words.next()),
                option if option.starts_with('-') => {}
                filter if takes_filters => command.filters.push(filter.to_owned()),
                _ => {}
            }
        }
        let named = command.package.iter().chain(command.target.iter().map(|(_, name)| name));
        (!named.map(String::as_str).any(is_placeholder)).then_some(command)
    }
}

fn is_placeholder(word: &str) -> bool {
    word.contains(['…', '<']) || (word.len() > 2 && word.chars().all(|letter| letter.is_ascii_uppercase()))
}

/// A crate of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    pub name: String,
    pub folder: String,
    binaries: Vec<String>,
}

impl Package {
    /// `None` for a manifest without a package.
    pub(crate) fn read(folder: &str, manifest: &str) -> Option<Self> {
        let names = |section: &str| {
            let sections =
                manifest.split("\n[").filter(|text| text.trim_start_matches('[').starts_with(section));
            let lines = sections.flat_map(str::lines).filter_map(|line| line.strip_prefix("name = \""));
            lines.map(|name| name.trim_end_matches('"').to_owned()).collect::<Vec<_>>()
        };
        let name = names("package]").pop()?;
        let binaries = names("bin]]").into_iter().chain([name.clone()]).collect();
        Some(Self { name, folder: folder.to_owned(), binaries })
    }

    /// The source files of a target, such as `--test` and `it`; none where there is no such target.
    #[must_use]
    pub fn target<'a>(&self, repository: &'a Repository, option: &str, name: &str) -> Vec<&'a str> {
        let folder = match option {
            "--test" => "tests",
            "--example" => "examples",
            "--bench" => "benches",
            _ if self.binaries.iter().any(|binary| binary == name) => return self.sources(repository),
            _ => "src/bin",
        };
        let (file, folder) =
            (format!("{}/{folder}/{name}.rs", self.folder), format!("{}/{folder}/{name}", self.folder));
        let is_folder = repository.has(&format!("{folder}/main.rs"));
        let files = repository.files().filter(|path| *path == file);
        files.chain(repository.below(&folder).filter(|path| is_folder && ending(path) == "rs")).collect()
    }

    /// The files of the library and the binaries.
    #[must_use]
    pub fn sources<'a>(&self, repository: &'a Repository) -> Vec<&'a str> {
        let files = repository.below(&self.folder).filter(|path| ending(path) == "rs");
        files
            .filter(|path| path.strip_prefix(&self.folder).is_some_and(|path| path.starts_with("/src/")))
            .collect()
    }

    /// The tests that a command chooses from, as `module::name`.
    ///
    /// # Errors
    /// A source file that is no text.
    pub fn tests(&self, repository: &Repository, command: &CargoCommand) -> io::Result<Vec<String>> {
        let files = match &command.target {
            Some((option, name)) => self.target(repository, option, name),
            None if command.is_lib => self.sources(repository),
            None => repository.below(&self.folder).filter(|path| ending(path) == "rs").collect(),
        };
        let mut tests = Vec::new();
        for file in files {
            let module = module(file.strip_prefix(&self.folder).unwrap_or(file));
            let text = repository.text(file)?;
            tests.extend(test_names(&text).map(|name| format!("{module}{name}")));
        }
        Ok(tests)
    }
}

/// The module path of a source file, such as `a::b::`. A test file's path begins below the folder of its program; unit
/// tests are in the module `tests`.
fn module(path: &str) -> String {
    let (path, unit) = match path.strip_prefix("/src/") {
        Some(path) => (path, "tests::"),
        None => (path.splitn(4, '/').nth(3).unwrap_or_default(), ""),
    };
    let path = path.trim_end_matches(".rs");
    let path = path.trim_end_matches("/mod").trim_end_matches("main").trim_end_matches("lib");
    let modules: String =
        path.split('/').filter(|part| !part.is_empty()).flat_map(|part| [part, "::"]).collect();
    modules + unit
}

/// The functions with a test's attribute.
fn test_names(text: &str) -> impl Iterator<Item = &str> {
    let mut is_test = false;
    text.lines().filter_map(move |line| {
        let line = line.trim_start();
        if line.starts_with("#[") {
            is_test |= line.contains("test");
            return None;
        }
        let name = line.trim_start_matches("async ").strip_prefix("fn ").filter(|_| is_test);
        is_test = false;
        name?.split('(').next()
    })
}

#[cfg(test)]
mod tests {
    use super::{CargoCommand, Package, module, test_names};

    #[test]
    fn a_command_is_read_to_its_filters() {
        let line = "SEED=1 cargo test -p quiz-e2e --test it -- lost:: burst:: --nocapture | tail";
        let command = CargoCommand::read(line).unwrap();
        assert_eq!((&*command.verb, command.package.as_deref()), ("test", Some("quiz-e2e")));
        assert_eq!(command.target, Some(("--test".to_owned(), "it".to_owned())));
        assert_eq!(command.filters, ["lost::", "burst::"]);
        let run = CargoCommand::read("cargo run --release -- report a").unwrap();
        assert_eq!((run.package, run.filters), (None, Vec::new()));
        assert_eq!(CargoCommand::read("cargo test -p CRATE --lib"), None);
        assert_eq!(CargoCommand::read("cargo test …"), None);
        assert_eq!(CargoCommand::read("quiz-etl demo"), None);
    }

    #[test]
    fn a_manifest_names_its_binaries() {
        let manifest = "[package]\nname = \"a\"\n\n[[bin]]\nname = \"b\"\n\n[dependencies]\nname = \"1\"\n";
        let package = Package::read("cli", manifest).unwrap();
        assert_eq!((&*package.name, package.binaries), ("a", vec!["b".to_owned(), "a".to_owned()]));
        assert_eq!(Package::read("", "[workspace]\n"), None);
    }

    #[test]
    fn tests_are_named_by_their_modules() {
        let modules = [
            "/tests/it/oracle/mod.rs",
            "/tests/it/burst.rs",
            "/tests/start.rs",
            "/src/a/b.rs",
            "/src/lib.rs",
        ];
        assert_eq!(modules.map(module), ["oracle::", "burst::", "", "a::b::tests::", "tests::"]);
        let text = "#[cfg(test)]\nmod tests {\n#[test]\nfn one() {}\nfn two() {}\n#[tokio::test]\n#[ignore]\nasync fn three() {}";
        assert_eq!(test_names(text).collect::<Vec<_>>(), ["one", "three"]);
    }
}
