//! What each exporter says it sent, against what the collector received and what ClickHouse holds.

use anyhow::{Context, Result, bail};

use super::exporters::{Exporter, Sent};
use super::screen;
use super::service::Service;

const STORED: &str = "SELECT replaceOne(toString(exporter_address), '::ffff:', ''), count() FROM collector.flows GROUP BY exporter_address";

/// The account at one moment.
#[derive(Debug)]
pub struct Account {
    /// How the collector receives, in its own words.
    mode: String,
    /// Datagrams that the collector counts as received through AF_XDP sockets, over all exporters.
    by_xdp: u64,
    /// And through plain UDP sockets.
    by_udp: u64,
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    exporter: &'static str,
    sent: Sent,
    stored: u64,
}

impl Account {
    /// Asks the collector and ClickHouse; `sent` is by exporter.
    ///
    /// # Errors
    ///
    /// When one of them does not answer.
    pub fn take(service: &Service<'_>, exporters: &[Exporter], sent: &[Sent]) -> Result<Self> {
        let samples = service.samples()?;
        let rows: Vec<Vec<String>> = screen::cells(&service.query(STORED)?).collect();
        let mut lines = Vec::new();
        for (exporter, sent) in exporters.iter().zip(sent) {
            let address = exporter.address.to_string();
            let stored = match rows.iter().find(|row| row.first() == Some(&address)) {
                Some(row) => {
                    row.get(1).and_then(|count| count.parse().ok()).context("the store's count is no number")?
                }
                None => 0,
            };
            lines.push(Line { exporter: exporter.name, sent: *sent, stored });
        }
        let mode = samples.label_of("collector_info", "capture").unwrap_or("unknown").to_owned();
        let by = |path| samples.sum("collector_datagrams_total", &[path]);
        Ok(Self { mode, by_xdp: by("path=\"xdp\""), by_udp: by("path=\"udp\""), lines })
    }

    /// Whether all that was sent was received and stored, and no more.
    pub fn is_even(&self) -> bool {
        self.by_xdp + self.by_udp == self.datagrams() && self.lines.iter().all(|line| line.sent.flows == line.stored)
    }

    fn datagrams(&self) -> u64 {
        self.lines.iter().map(|line| line.sent.datagrams).sum()
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut rows = vec![["exporter", "flows sent", "flows stored"].map(str::to_owned).to_vec()];
        for line in &self.lines {
            rows.push(vec![line.exporter.to_owned(), line.sent.flows.to_string(), line.stored.to_string()]);
        }
        let datagrams = self.datagrams();
        format!(
            "capture mode: {}\ndatagrams sent: {datagrams}, received: {} by XDP, {} by UDP sockets\n\n{}",
            self.mode,
            self.by_xdp,
            self.by_udp,
            screen::table(&rows)
        )
    }

    /// Prints the final account.
    ///
    /// # Errors
    ///
    /// When it is not even, or there was nothing to count, or the datagrams did not come the way they should.
    pub fn judge(&self, capture: &str) -> Result<()> {
        println!("{}", self.text());
        if let Some(idle) = self.lines.iter().find(|line| line.sent.flows == 0) {
            bail!("{} sent no flows, nothing was shown by this", idle.exporter);
        }
        if !self.is_even() {
            bail!("sent, received and stored differ");
        }
        if capture == "xdp" && self.by_udp > 0 {
            bail!("{} datagrams came through UDP sockets instead of XDP", self.by_udp);
        }
        println!("every flow that the exporters say they sent is stored");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(by_xdp: u64, stored: [u64; 2]) -> Account {
        let line = |exporter, stored| Line { exporter, sent: Sent { flows: 10, datagrams: 2 }, stored };
        Account {
            mode: "native copy".to_owned(),
            by_xdp,
            by_udp: 0,
            lines: vec![line("one", stored[0]), line("other", stored[1])],
        }
    }

    #[test]
    fn too_few_and_too_many_are_both_wrong() {
        let cases = [(4, [10, 10], true), (3, [10, 10], false), (4, [10, 9], false), (4, [11, 10], false)];
        for (received, stored, even) in cases {
            let account = account(received, stored);
            assert_eq!(account.is_even(), even, "{account:?}");
            assert_eq!(account.judge("xdp").is_ok(), even, "{account:?}");
        }
    }

    #[test]
    fn with_xdp_asked_for_nothing_comes_by_udp() {
        let mut account = account(3, [10, 10]);
        account.by_udp = 1;
        assert!(account.judge("auto").is_ok());
        assert!(account.judge("xdp").is_err());
    }

    #[test]
    fn an_exporter_that_sent_nothing_proves_nothing() {
        let mut account = account(4, [10, 0]);
        account.lines[1].sent = Sent::default();
        account.by_xdp = 2;
        assert!(account.is_even());
        assert!(account.judge("xdp").is_err());
    }
}
