use quiz_pages::{Repository, anchors, ending, links};

#[test]
fn each_link_leads_to_a_file_and_a_heading() {
    let repository = Repository::read().unwrap();
    let (mut seen, mut broken) = (0, Vec::new());
    for page in repository.pages().unwrap() {
        for link in links(&page.text).into_iter().filter(|link| !link.contains(':')) {
            seen += 1;
            let (file, place) = link.split_once('#').unwrap_or((link, ""));
            let path = if file.is_empty() { Some(page.path.clone()) } else { page.resolve(file) };
            let path = path.filter(|path| repository.has(path));
            let is_there = path.is_some_and(|path| {
                place.is_empty()
                    || ending(&path) != "md"
                    || anchors(&repository.text(&path).unwrap()).contains(place)
            });
            if !is_there {
                broken.push(format!("{}: {link}", page.path));
            }
        }
    }
    assert!(seen > 100, "only {seen} links were found");
    assert!(broken.is_empty(), "these links lead nowhere: {broken:#?}");
}
