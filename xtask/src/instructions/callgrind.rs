//! What callgrind and the program that it ran wrote.

/// What one case took.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Count {
    /// For one unit.
    pub(super) instructions: f64,
    /// Flows, or what else the case does one after the other.
    pub(super) unit: String,
}

/// The count of a run: `told` is what the program wrote, how many of what, `log` what callgrind did.
pub(super) fn count(told: &str, log: &str) -> Option<Count> {
    let (done, unit) = told.trim().split_once(' ')?;
    let done: f64 = done.parse().ok().filter(|done| *done > 0.0)?;
    let instructions = collected(log).filter(|collected| *collected > 0)?;
    Some(Count { instructions: instructions as f64 / done, unit: unit.to_owned() })
}

/// The instructions that were counted. None at all means that nothing had the name of what is counted.
fn collected(log: &str) -> Option<u64> {
    log.lines().rev().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "==7== Callgrind, a call-graph generating cache profiler
==7== Command: target/release/instructions decode_v5
==7==
==7== Events    : Ir
==7== Collected : 4096000
==7==
==7== I   refs:      4,096,000
";

    #[test]
    fn what_was_counted_is_divided_by_what_was_done() {
        let flows = |instructions| Some(Count { instructions, unit: "flow".to_owned() });
        let cases = [
            ("4096 flow\n", LOG.to_owned(), flows(1000.0)),
            ("8192 flow\n", LOG.to_owned(), flows(500.0)),
            ("0 flow\n", LOG.to_owned(), None),
            ("", LOG.to_owned(), None),
            ("flow", LOG.to_owned(), None),
            ("4096 flow\n", LOG.replace("4096000", "0"), None),
            ("4096 flow\n", "valgrind: not found".to_owned(), None),
        ];
        for (told, log, expected) in cases {
            assert_eq!(count(told, &log), expected, "{told:?} {log:?}");
        }
    }
}
