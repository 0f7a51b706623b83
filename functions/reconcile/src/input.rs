use std::time::Duration;

use serde_json::Value;

const DEFAULT_HOURS: u64 = 24;
/// 30 days.
const MOST_HOURS: u64 = 720;
const HOUR: Duration = Duration::from_hours(1);

/// How far back answers are looked for, as the schedule's input says: `{"lookback_hours": 24}`. Without it, or where it
/// is no whole number, 24 hours; at least 1, and at most 720. All else in the input is ignored.
#[must_use]
pub fn lookback(input: &Value) -> Duration {
    let hours = match input.get("lookback_hours") {
        None | Some(Value::Null) => DEFAULT_HOURS,
        Some(given) => given.as_u64().unwrap_or_else(|| {
            tracing::warn!(%given, hours = DEFAULT_HOURS, "lookback_hours is no whole number");
            DEFAULT_HOURS
        }),
    };
    HOUR.saturating_mul(u32::try_from(hours.clamp(1, MOST_HOURS)).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::lookback;

    #[test]
    fn the_schedule_says_how_far_back_within_bounds() {
        let hours = |input| lookback(&input).as_secs() / 3_600;
        assert_eq!(hours(json!({"lookback_hours": 384})), 384);
        assert_eq!(hours(json!({"lookback_hours": 0})), 1);
        assert_eq!(hours(json!({"lookback_hours": 9_000_000_000_u64})), 720);
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
