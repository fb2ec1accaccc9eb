//! Counting what Rust's test runner says, and telling the tests that skipped from those that passed.

use std::fmt;

/// Tests by outcome, over all test binaries.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub passed: u64,
    pub failed: u64,
    /// Ignored, or passed after saying `SKIPPED:`.
    pub skipped: u64,
    /// What the tests said that skipped, without repetition.
    pub skipped_names: Vec<String>,
}

impl Tally {
    /// Counts the output of one run.
    pub fn reader(&mut self) -> Reader<'_> {
        Reader { tally: self, section: None, failures: false }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// Reads the runner's lines one after another.
#[derive(Debug)]
pub struct Reader<'a> {
    tally: &'a mut Tally,
    /// What is known of the test whose captured output is being shown.
    section: Option<Section>,
    /// Whether the captured output is that of tests that failed, which count as failed whatever they said.
    failures: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Ran,
    Skipped,
}

impl Reader<'_> {
    /// Takes one line, without its end.
    pub fn line(&mut self, line: &str) {
        if line.starts_with("---- ") && line.ends_with(" stdout ----") {
            self.section = Some(Section::Ran);
        } else if line == "successes:" || line == "failures:" {
            // Names of tests follow, or further sections that open themselves.
            self.section = None;
            self.failures = line == "failures:";
        } else if let Some(reason) = line.strip_prefix("SKIPPED: ") {
            self.skipped(reason);
        } else if let Some(counts) = line.strip_prefix("test result: ") {
            self.section = None;
            self.counts(counts);
        }
    }

    fn skipped(&mut self, reason: &str) {
        if !self.tally.skipped_names.iter().any(|known| known == reason) {
            self.tally.skipped_names.push(reason.to_owned());
        }
        if self.section != Some(Section::Ran) || self.failures {
            return;
        }
        self.section = Some(Section::Skipped);
        self.tally.skipped += 1;
        // The runner will count it as passed.
        self.tally.passed = self.tally.passed.wrapping_sub(1);
    }

    /// `ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s`
    fn counts(&mut self, counts: &str) {
        let count = |label: &str| -> u64 {
            let part = counts.split(['.', ';']).map(str::trim).find_map(|part| part.strip_suffix(label));
            part.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
        };
        self.tally.passed = self.tally.passed.wrapping_add(count("passed"));
        self.tally.failed += count("failed");
        self.tally.skipped += count("ignored");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipping_tests_are_not_counted_as_passed() {
        let output = "\nrunning 3 tests\ntest a ... ok\ntest b ... ok\ntest c ... FAILED\n\nsuccesses:\n\n\
            ---- a stdout ----\nSKIPPED: corpus: no such folder\nSKIPPED: more: the same\n\n---- b stdout ----\nhello\n\n\n\
            successes:\n    a\n    b\n\nfailures:\n\n---- c stdout ----\nSKIPPED: corpus: no such folder\npanicked\n\nfailures:\n    c\n\n\
            test result: FAILED. 2 passed; 1 failed; 4 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\n\
            running 1 test\ntest d ... ok\n\n\
            test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0.00s\n";
        let mut tally = Tally::default();
        let mut reader = tally.reader();
        output.lines().for_each(|line| reader.line(line));
        assert_eq!(tally.to_string(), "2 passed, 1 failed, 5 skipped");
        assert_eq!(tally.skipped_names, ["corpus: no such folder", "more: the same"]);
    }
}
