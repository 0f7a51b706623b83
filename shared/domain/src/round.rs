use serde::Serializer;

/// Rounds to two decimals as the Quiz Engine's backend does: by the exact binary value, with ties to the even digit.
/// `-0.0` becomes `0.0`.
#[must_use]
pub fn round2(value: f64) -> f64 {
    if value.fract() == 0.0 || !value.is_finite() {
        return value + 0.0;
    }
    format!("{value:.2}").parse().unwrap_or(value) + 0.0
}

/// `100 × part / whole`, unrounded; `None` where `whole` is zero.
pub(crate) fn percent(part: f64, whole: f64) -> Option<f64> {
    (whole != 0.0).then(|| 100.0 * part / whole)
}

/// Serialises a whole number without a fraction: `33`, not `33.0`.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
pub(crate) fn number<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    const MAX_EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < MAX_EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
        serializer.serialize_i64(*value as i64)
    } else {
        serializer.serialize_f64(*value)
    }
}

/// As [`number`]; `None` becomes null.
#[expect(clippy::ref_option, reason = "serde's signature")]
pub(crate) fn optional_number<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => number(value, serializer),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::round2;

    #[test]
    fn rounds_as_python_does() {
        // python3 -c 'print([round(x, 2) for x in (2.675, 1.005, 0.125, 0.375, -0.001, 33.333333)])'
        let cases =
            [(2.675, 2.67), (1.005, 1.0), (0.125, 0.12), (0.375, 0.38), (-0.001, 0.0), (33.333_333, 33.33)];
        for (value, rounded) in cases {
            assert_eq!(round2(value).to_bits(), f64::to_bits(rounded), "{value}");
        }
    }
}
