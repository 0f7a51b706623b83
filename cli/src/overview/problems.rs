use quiz_domain::{Problem, Problems};

use super::html::{Text, card, count};

pub(super) fn render(problems: &Problems) -> String {
    if problems.is_empty() {
        return card("Problems", "", "<p class=\"fine\">No problems found.</p>");
    }
    let items: String = problems.iter().map(|problem| item(&problem)).collect();
    card("Problems", "", &format!("<ul class=\"problems\">\n{items}</ul>"))
}

fn item(problem: &Problem) -> String {
    format!(
        "<li><h3>{} × {}</h3><p>{}</p><p class=\"example\">Example: {}</p></li>\n",
        count(problem.count),
        Text(&problem.kind.to_string()),
        Text(problem.kind.advice()),
        Text(&problem.example)
    )
}
