use quiz_domain::reports::ReportFormats;

use crate::Environment;

/// The formats of the reports, from `REPORT_FORMATS`.
pub fn formats(env: &mut Environment) -> ReportFormats {
    let mut formats = ReportFormats { v1: false, v2: false };
    for format in env.list("REPORT_FORMATS", "v1") {
        match format.as_str() {
            "v1" => formats.v1 = true,
            "v2" => formats.v2 = true,
            _ => env.problem("REPORT_FORMATS must be v1, v2 or v1,v2".to_owned()),
        }
    }
    if !formats.v1 && !formats.v2 {
        env.problem("REPORT_FORMATS names no format".to_owned());
    }
    formats
}
