use std::time::Duration;

use serde_json::Value;

const DEFAULT_HOURS: u64 = 24;
/// 60 days.
const MOST_HOURS: u64 = 1_440;
const HOUR: Duration = Duration::from_hours(1);

/// How far back a pass searches for answers, from the schedule's input: `{"lookback_hours": 24}`.
///
/// The default is 24 hours, also if the value is no whole number. The hours are limited to 1 to 1440. Other fields of the
/// input are ignored.
#[must_use]
pub fn parse_lookback(input: &Value) -> Duration {
    let hours = match input.get("lookback_hours") {
        None | Some(Value::Null) => DEFAULT_HOURS,
        Some(given) => given.as_u64().unwrap_or_else(|| {
            tracing::warn!(%given, hours = DEFAULT_HOURS, "lookback_hours is not a whole number");
            DEFAULT_HOURS
        }),
    };
    HOUR.saturating_mul(u32::try_from(hours.clamp(1, MOST_HOURS)).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::parse_lookback;

    #[test]
    fn lookback_is_read_and_limited() {
        let hours = |input| parse_lookback(&input).as_secs() / 3_600;
        assert_eq!(hours(json!({"lookback_hours": 1_440})), 1_440);
        assert_eq!(hours(json!({"lookback_hours": 0})), 1);
        assert_eq!(hours(json!({"lookback_hours": 9_000_000_000_u64})), 1_440);
        for odd in [json!({}), json!(null), json!("x"), json!([1]), json!({"lookback_hours": null})] {
            assert_eq!(hours(odd), 24);
        }
        for odd in [json!("24h"), json!(-5), json!(1.5)] {
            assert_eq!(hours(json!({"lookback_hours": odd})), 24);
        }
        let event = json!({"source": "aws.scheduler", "detail": {}, "time": "2026-11-21T08:36:04Z"});
        assert_eq!(hours(event), 24);
    }
}
