//! Makes `docs/REPORTS.md` from the lists of fields.

use std::fmt::Write;

use super::{FieldGroup, FieldType, Presence, ReportTable, field_groups};

/// The text of `docs/REPORTS.md`.
#[must_use]
pub fn reports_page() -> String {
    let mut page = String::from(INTRODUCTION);
    page.push_str("| table | an item for each | keys |\n|---|---|---|\n");
    for table in ReportTable::ALL {
        let name = table.default_name();
        let keys = format!("`{}`, `{}`", ReportTable::PARTITION_KEY, table.sort_key());
        let _ = writeln!(page, "| [`{name}`](#{name}) | {} | {keys} |", about(table));
    }
    page.push_str(RULES);
    for table in ReportTable::ALL {
        let _ = writeln!(page, "\n## {}\n\n{}", table.default_name(), notes(table));
        for group in field_groups(table) {
            push_group(&mut page, group);
        }
    }
    page
}

fn push_group(page: &mut String, group: &FieldGroup) {
    if !group.path.is_empty() {
        let _ = writeln!(page, "\n### `{}`", group.path);
    }
    page.push_str("\n| field | type | present | meaning | readers |\n|---|---|---|---|---|\n");
    for field in group.fields() {
        let kind = match field.kind {
            FieldType::Text => "text",
            FieldType::Count => "count",
            FieldType::Number => "number",
            FieldType::Flag => "flag",
            FieldType::Object => "object",
            FieldType::List => "list",
            FieldType::Any => "as stored",
        };
        let present = match field.presence {
            Presence::Always => "always",
            Presence::OrNull => "or null",
            Presence::IfKnown => "if known",
        };
        let _ = writeln!(
            page,
            "| `{}` | {kind} | {present} | {} | {} |",
            field.name, field.meaning, field.readers
        );
    }
}

fn about(table: ReportTable) -> &'static str {
    match table {
        ReportTable::Sections => "student and section (v1)",
        ReportTable::Students => "student (v2)",
        ReportTable::FormResponses => "student and question of a form",
    }
}

fn notes(table: ReportTable) -> &'static str {
    match table {
        ReportTable::Sections => {
            "An index `gsi_user_id` finds the items of a student.\n\
             Two chapter ids with one name are one line: counts and marks add up."
        }
        ReportTable::Students => {
            "The Reporting Engine shows a v2 document before v1 items.\n\
             Chapters are merged by name as in v1.\n\n\
             The recommendation names the chapters with the lowest accuracy among those of the highest priority.\n\
             A chapter counts with at least two questions and an accuracy below 100.\n\
             Without an answer its accuracy is 0, and without a priority its priority is unknown."
        }
        ReportTable::FormResponses => FORMS,
    }
}

const INTRODUCTION: &str = "# Report items

This page describes the DynamoDB items that sync-reports writes: each field, its type, and who reads it.
`cargo run -p quiz-domain --example reports_page > docs/REPORTS.md` makes the page from `shared/domain/src/reports/fields.rs`.

";

const RULES: &str = "
The readers have the names of the first two tables in their code: they find no report in a table with another name.

| reader | it is |
|---|---|
| page | the Reporting Engine's report of a student on a screen |
| print | the same as a print page or PDF; it fails where a field that it reads is absent |
| list | the Reporting Engine's list of a student's reports |
| old links | its search for a report by `student_id` or `apaar_id` |
| form page | its page of a student's answers to a form |
| LMS | the dashboards of the LMS |
| quiz-etl | this project |

| word | meaning |
|---|---|
| count | a whole number |
| always | every item has the field |
| or null | every item has the field; null where the divisor is 0 |
| if known | the field is left out where the value is unknown |

An empty cell of readers means that none is known.
Percentages are 0 to 100 with two decimals.
Dates are `YYYY-MM-DD` and clock times `HH:MM:SS`, both India's (UTC+05:30).
A release only adds fields; [CHANGELOG.md](../CHANGELOG.md) names each field that a later release leaves out.
";

const FORMS: &str = "`user_response` keeps the type in which the Quiz Engine stores it; the column in [BigQuery](WAREHOUSE.md#all_responses_form_level) is a text.

| question | stored | BigQuery's `user_response` | `user_response_labels` |
|---|---|---|---|
| single choice of Yes, No, Perhaps | `[0]` | `0` | `Yes` |
| multiple choice of the same | `[0, 2]` | `0,2` | `Yes, Perhaps` |
| text | `\"Physics\"` | `Physics` | `Physics` |
| number | `5` | `5` | `5` |
| matrix with the same options | `{\"Maths\": 1}` | `{\"Maths\":1}` | `Maths: No` |
| matrix with texts or numbers | `{\"Maths\": \"85\"}` | `{\"Maths\":\"85\"}` | `Maths: 85` |
| matrix with pairs | `[\"AP\", \"BQ\"]` | `[\"AP\",\"BQ\"]` | `A: P; B: Q` |

An option without a text, such as a picture, is `option 3` where it is the third.";
