//! What came of each kernel: a line as it ends, and the table for the documents.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};

use super::list::{Expected, Kernel};
use crate::test::tally::Tally;

/// One kernel's run.
#[derive(Debug)]
pub struct Tried {
    kernel: &'static str,
    whose: &'static str,
    expected: Expected,
    log: PathBuf,
    release: String,
    tally: Tally,
    /// What ended otherwise than it should.
    faults: Vec<String>,
    /// Whether the machine came to its end.
    pub is_finished: bool,
    /// How long the machine ran.
    pub took: Duration,
}

impl Tried {
    /// Nothing yet.
    pub fn new(kernel: &Kernel, log: PathBuf) -> Self {
        Self {
            kernel: kernel.name,
            whose: kernel.whose,
            expected: kernel.expected,
            log,
            release: String::new(),
            tally: Tally::default(),
            faults: Vec::new(),
            is_finished: false,
            took: Duration::ZERO,
        }
    }

    /// Takes what the machine's first process says.
    pub fn said(&mut self, said: &str) {
        match said.split_once(' ') {
            Some(("release", release)) => self.release = release.to_owned(),
            Some(("runs", _)) | Some(("ran", "ok")) => {}
            _ => self.faults.push(said.to_owned()),
        }
    }

    /// Takes a line of a test.
    pub fn line(&mut self, line: &str) {
        self.tally.reader().line(line);
        if line.ends_with(" ... FAILED") {
            self.faults.push(line.to_owned());
        }
    }

    fn is_good(&self) -> bool {
        self.is_finished && self.faults.is_empty() && self.tally.failed == 0 && self.tally.passed > 0
    }

    fn outcome(&self) -> &'static str {
        match (self.is_good(), self.expected) {
            (true, Expected::Runs) => "runs",
            (true, Expected::Refuses) => "too old: plain UDP sockets, told with the reason",
            (false, _) => "FAILS",
        }
    }
}

/// All runs.
#[derive(Debug, Default)]
pub struct Report {
    rows: String,
    failed: Vec<&'static str>,
}

impl Report {
    /// Adds what came of `kernel` and says it.
    pub fn add(&mut self, kernel: &Kernel, tried: Result<Tried>) {
        let tried = match tried {
            Ok(tried) => tried,
            Err(error) => {
                eprintln!("{}: {error:#}", kernel.name);
                return self.failed.push(kernel.name);
            }
        };
        println!(
            "{}: {}: {}, {}, {} s",
            tried.kernel,
            tried.release,
            tried.outcome(),
            tried.tally,
            tried.took.as_secs()
        );
        let _ = writeln!(self.rows, "| {} | {} | {} |", tried.release, tried.whose, tried.outcome());
        if tried.is_good() {
            return;
        }
        tried.faults.iter().for_each(|fault| println!("    {fault}"));
        if !tried.is_finished {
            println!("    the machine did not come to its end");
        }
        println!("    the console: {}", tried.log.display());
        self.failed.push(kernel.name);
    }

    /// Shows the table.
    ///
    /// # Errors
    ///
    /// When a kernel failed.
    pub fn finish(self) -> Result<()> {
        println!("\n| kernel | whose | the XDP program |\n| --- | --- | --- |\n{}", self.rows);
        if !self.failed.is_empty() {
            bail!("not as it should be on: {}", self.failed.join(", "));
        }
        Ok(())
    }
}
