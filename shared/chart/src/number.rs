//! Writes numbers for people: 12,345.6 and −3.

/// Writes a mark with at most two decimals and no trailing zeros.
pub fn mark(value: f64) -> String {
    let text = decimals(value, 2);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Writes a number with this many decimals.
pub fn decimals(value: f64, decimals: usize) -> String {
    let digits = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    let is_negative = value < 0.0 && digits.contains(|digit| matches!(digit, '1'..='9'));

    let mut text = String::from(if is_negative { "−" } else { "" });
    for (left, digit) in (0..whole.len()).rev().zip(whole.chars()) {
        text.push(digit);
        if left > 0 && left % 3 == 0 {
            text.push(',');
        }
    }
    if !fraction.is_empty() {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_separators_and_no_trailing_zeros() {
        let marks = [12.0, 12.5, 12.345, -3.0, -0.001, 0.0, 100.0, 1_234_567.891];
        let texts = ["12", "12.5", "12.35", "−3", "0", "0", "100", "1,234,567.89"];
        assert_eq!(marks.map(mark), texts);
        assert_eq!(decimals(100_000.0, 0), "100,000");
        assert_eq!(decimals(-0.5, 2), "−0.50");
    }
}
