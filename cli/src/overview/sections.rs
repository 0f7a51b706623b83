use quiz_domain::{Quiz, Ranking, SessionResult};

use super::html::{Text, bar, card, count, number, or_dash};

pub(super) fn render(test: &SessionResult, rankings: &[Ranking]) -> String {
    let names = std::iter::once(None).chain((0..test.quiz.sections.len()).map(Some));
    let rows: String =
        names.zip(rankings).map(|(section, ranking)| row(&test.quiz, section, ranking)).collect();
    let table = format!(
        "<div class=\"scroll\"><table class=\"sections\">\n<tr><th class=\"text\">Section</th><th class=\"graph\" aria-hidden=\"true\"></th>\
         <th>Average</th><th class=\"wide\">Median</th><th>Highest</th><th>Maximum</th><th class=\"wide\">Participants</th></tr>\n\
         {rows}</table></div>"
    );
    card(
        "Sections",
        "The bar shows the average and the tick the highest marks, as shares of the maximum.",
        &table,
    )
}

fn row(quiz: &Quiz, section: Option<usize>, ranking: &Ranking) -> String {
    let (class, name) = match section.and_then(|section| quiz.sections.get(section)) {
        Some(name) => ("", name.as_str()),
        None => (" class=\"whole\"", "Whole test"),
    };
    let (figures, maximum) = (ranking.figures, quiz.max_marks(section));
    format!(
        "<tr{class}><td class=\"text\">{}</td><td class=\"graph\">{}</td><td>{}</td><td class=\"wide\">{}</td>\
         <td>{}</td><td>{}</td><td class=\"wide\">{}</td></tr>\n",
        Text(name),
        bar(figures.average.unwrap_or_default(), maximum, figures.highest),
        or_dash(figures.average),
        or_dash(figures.median),
        or_dash(figures.highest),
        number(maximum),
        count(figures.ranked)
    )
}
