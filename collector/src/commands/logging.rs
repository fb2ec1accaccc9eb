//! Log lines on standard error: text, for systemd's journal with the priority that it understands, or JSON where that is asked for.

use std::fmt;
use std::io::IsTerminal;
use std::os::unix::fs::MetadataExt as _;

use anyhow::anyhow;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

use crate::config::LogFormat;

/// Where systemd tells a service what its standard error is: device and inode of the journal's stream (systemd.exec(5)).
const JOURNAL_VARIABLE: &str = "JOURNAL_STREAM";

/// Starts logging for the whole process.
pub(super) fn start(level: &str, format: LogFormat) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(level).map_err(|error| {
        anyhow!("log level \"{level}\" is not valid ({error}): use error, warn, info, debug or trace")
    })?;
    let terminal = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // That a line cannot be written would be said on standard error too, and the thread that logs would panic when that fails.
    let builder = builder.log_internal_errors(false);
    let format = match format {
        LogFormat::Auto if is_journal() => LogFormat::Journal,
        LogFormat::Auto => LogFormat::Human,
        asked @ (LogFormat::Human | LogFormat::Journal | LogFormat::Json) => asked,
    };
    let started = match format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Journal => builder.with_ansi(false).event_format(Journal).try_init(),
        LogFormat::Auto | LogFormat::Human => builder.with_ansi(terminal).with_target(false).try_init(),
    };
    started.map_err(|error| anyhow!("starting the log: {error}"))
}

/// Whether standard error is a stream of systemd's journal.
fn is_journal() -> bool {
    let told = std::env::var(JOURNAL_VARIABLE).unwrap_or_default();
    let Ok(stream) = std::fs::metadata("/proc/self/fd/2") else { return false };
    told == format!("{}:{}", stream.dev(), stream.ino())
}

/// A line as systemd's journal takes it: the priority in front (sd-daemon(3)), message and fields behind it. The journal has the time.
struct Journal;

impl<S, N> FormatEvent<S, N> for Journal
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut text = String::new();
        context.format_fields(Writer::new(&mut text), event)?;
        // A second line would have no priority.
        let text = text.replace('\n', " ");
        writeln!(writer, "<{}>{text}", priority(*event.metadata().level()))
    }
}

/// The priority of syslog(3) for a level.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}
