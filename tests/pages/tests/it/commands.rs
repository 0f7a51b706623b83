use quiz_pages::{CargoCommand, Package, Repository, code};

#[test]
fn each_cargo_command_names_what_is_there() {
    let repository = Repository::read().unwrap();
    let packages = repository.packages().unwrap();
    let (mut seen, mut wrong) = (0, Vec::new());
    for page in repository.pages().unwrap() {
        for line in code(&page.text) {
            let Some(command) = CargoCommand::read(&line) else { continue };
            seen += 1;
            if let Some(problem) = problem(&repository, &packages, &command) {
                wrong.push(format!("{}: {}: {problem}", page.path, line.trim()));
            }
        }
    }
    assert!(seen > 20, "only {seen} commands were found");
    assert!(wrong.is_empty(), "these commands do nothing: {wrong:#?}");
}

fn problem(repository: &Repository, packages: &[Package], command: &CargoCommand) -> Option<String> {
    let named = |package: &&Package| command.package.as_ref().is_none_or(|name| package.name == *name);
    let packages: Vec<&Package> = packages.iter().filter(named).collect();
    if packages.is_empty() {
        return Some("there is no such package".to_owned());
    }
    if let Some((option, name)) = &command.target
        && packages.iter().all(|package| package.target(repository, option, name).is_empty())
    {
        return Some(format!("there is no {option} {name}"));
    }
    let tests: Vec<String> =
        packages.iter().flat_map(|package| package.tests(repository, command).unwrap()).collect();
    let unmatched = command.filters.iter().find(|filter| !tests.iter().any(|test| test.contains(*filter)))?;
    Some(format!("no test has {unmatched} in its name"))
}
