//! Numbers as people read them: three digits and a decimal prefix.

/// `1234567` with the unit `B` is `1.23 MB`.
pub(super) fn scaled(number: f64, unit: &str) -> String {
    const PREFIXES: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
    let mut number = number;
    let mut prefix = 0;
    // What would be rounded up to four digits gets the next prefix.
    while number >= 999.5 && prefix + 1 < PREFIXES.len() {
        number /= 1000.0;
        prefix += 1;
    }
    let text = match number {
        number if prefix == 0 && number.fract() == 0.0 => format!("{number:.0}"),
        number if number < 9.995 => format!("{number:.2}"),
        number if number < 99.95 => format!("{number:.1}"),
        number => format!("{number:.0}"),
    };
    format!("{text} {}{unit}", PREFIXES[prefix]).trim_end().to_owned()
}

/// Milliseconds as `250 ms`, `1.5 s`, `4m 10s`, `2h 05m` or `3d 01h`.
pub(super) fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms} ms"),
        1..60 => format!("{}.{} s", seconds, ms % 1000 / 100),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d {:02}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        for (number, expected) in [
            (0.0, "0 B"),
            (999.0, "999 B"),
            (1000.0, "1.00 kB"),
            (999_499.0, "999 kB"),
            (999_500.0, "1.00 MB"),
            (1_234_567.0, "1.23 MB"),
            (12_345_678_901.0, "12.3 GB"),
            (0.5, "0.50 B"),
            (18_446_744_073_709_551_615.0, "18.4 EB"),
        ] {
            assert_eq!(scaled(number, "B"), expected);
        }
        assert_eq!(scaled(7.0, ""), "7");
    }

    #[test]
    fn durations() {
        for (ms, expected) in
            [(0, "0 ms"), (1500, "1.5 s"), (250_000, "4m 10s"), (7_500_000, "2h 05m"), (262_800_000, "3d 01h")]
        {
            assert_eq!(duration(ms), expected);
        }
    }
}
