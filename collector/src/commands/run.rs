//! `collector run`: the flags, and how they stand above the configuration file. What runs is the supervisor's business.

use std::path::PathBuf;

use clap::Args;

use super::{Cli, password_of_environment};
use crate::config::{Attach, CaptureMode, Config, ConfigError, Secret, StdoutFormat, Written};
use crate::store;

/// Collect flows until told to stop
///
/// Takes datagrams on the given ports, decodes and enriches them, and inserts the flows into ClickHouse: the server of
/// --clickhouse-url, or an embedded store that is started along. SIGTERM and SIGINT stop receiving, insert what is held,
/// save the templates and exit; a second one exits at once.
///
/// Flags stand above the configuration file.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct RunArgs {
    #[command(flatten)]
    flags: Flags,

    /// Write every row to standard output too
    #[arg(long, value_name = "FORMAT")]
    stdout: Option<StdoutFormat>,
}

// Flags that stand above the configuration file, the same for `run` and `check`. A doc comment would become the help text
// of the commands that take them.
#[derive(Debug, Args, Default)]
pub(super) struct Flags {
    /// Network interface for XDP (repeatable); without one, plain UDP sockets on all interfaces
    #[arg(short, long, value_name = "NAME", help_heading = "Capture")]
    interface: Vec<String>,

    /// Network interface of a mirror port or tap (repeatable): its datagrams are taken whoever they are addressed to
    #[arg(long, value_name = "NAME", help_heading = "Capture")]
    mirror: Vec<String>,

    /// UDP port on which exporters send (repeatable) [default: 2055]
    #[arg(short, long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Capture")]
    port: Vec<u16>,

    /// Which way datagrams are taken in [default: auto]
    #[arg(long, value_name = "WAY", help_heading = "Capture")]
    capture: Option<CaptureMode>,

    /// Where the XDP program hooks in [default: auto]
    #[arg(long, value_name = "WHERE", help_heading = "Capture")]
    attach: Option<Attach>,

    /// Worker threads [default: one per receive queue, at most half the CPUs]
    #[arg(long, value_name = "COUNT", help_heading = "Capture")]
    workers: Option<usize>,

    /// File of countries, cities or AS in the MaxMind DB format (repeatable)
    #[arg(long, value_name = "FILE", help_heading = "Enrichment")]
    geoip: Vec<PathBuf>,

    #[command(flatten)]
    clickhouse: ClickHouseFlags,

    /// Store nothing: rows are encoded as for ClickHouse, then thrown away; for measurements
    #[arg(long, conflicts_with = "clickhouse_url", help_heading = "ClickHouse")]
    discard: bool,

    /// Directory of the template snapshot and the embedded store [default: /var/lib/collector]
    #[arg(long, value_name = "DIRECTORY")]
    state_dir: Option<PathBuf>,

    /// Address of the Prometheus page /metrics, or "off" [default: 127.0.0.1:9105]
    #[arg(long, value_name = "ADDRESS:PORT")]
    metrics: Option<String>,
}

// Flags of those commands that speak to ClickHouse; without a doc comment for the same reason.
#[derive(Debug, Args, Default)]
pub(super) struct ClickHouseFlags {
    /// HTTP interface of a ClickHouse server, such as https://clickhouse:8443 [default: the embedded store]
    #[arg(long, value_name = "URL", help_heading = "ClickHouse")]
    clickhouse_url: Option<String>,

    /// Database of the flows table, created where it is missing [default: collector]
    #[arg(long, value_name = "NAME", help_heading = "ClickHouse")]
    database: Option<String>,

    /// User of the ClickHouse server [default: default]
    #[arg(long, value_name = "NAME", help_heading = "ClickHouse")]
    user: Option<String>,

    /// File whose first line is the password; the variable COLLECTOR_CLICKHOUSE_PASSWORD is the other way
    #[arg(long, value_name = "FILE", help_heading = "ClickHouse")]
    password_file: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  sudo collector run --interface eth0
  sudo collector run -i eth0 -i eth1 -p 2055 -p 4739 --geoip GeoLite2-City.mmdb
  COLLECTOR_CLICKHOUSE_PASSWORD=... collector run --capture udp \\
      --clickhouse-url https://clickhouse:8443 --user flows
  sudo collector run --mirror eth2                 (a SPAN port: others' datagrams)
  collector run --capture udp --state-dir /tmp/collector --stdout json

XDP needs root, or CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN and CAP_NET_RAW.
`collector check` takes the same flags and says what this machine can do.";

/// Resolves the configuration, starts the log and hands over to the supervisor.
pub(super) fn run(args: &RunArgs, cli: &Cli) -> anyhow::Result<()> {
    let written = cli.written()?;
    cli.start_log(&written.log)?;
    let mut config = args.flags.resolve(written, password_of_environment())?;
    if config.clickhouse.url.is_none() && !config.clickhouse.discard && config.clickhouse.password.reveal().is_empty() {
        config.clickhouse.password = Secret::new(store::credential::kept_or_made(&config.state_dir)?);
    }
    config.stdout = args.stdout;
    let reread = || args.flags.resolve(cli.written()?, password_of_environment());
    Ok(crate::supervisor::run(&config, &reread)?)
}

impl Flags {
    /// The configuration with these flags above it; `password` is the one from the environment.
    ///
    /// # Errors
    /// As [`Config::resolve`].
    pub(super) fn resolve(&self, mut written: Written, password: Option<Secret>) -> Result<Config, ConfigError> {
        if !self.interface.is_empty() || !self.mirror.is_empty() {
            written.capture.interfaces.clone_from(&self.interface);
            // What the file says of an interface that a flag names goes on to hold.
            written.capture.mirror.retain(|name| self.interface.contains(name));
        }
        replace_list(&mut written.capture.mirror, &self.mirror);
        replace_list(&mut written.capture.ports, &self.port);
        replace_list(&mut written.geoip.files, &self.geoip);
        replace(&mut written.capture.mode, self.capture.as_ref());
        replace(&mut written.capture.attach, self.attach.as_ref());
        replace(&mut written.capture.workers, self.workers.as_ref());
        replace(&mut written.state_dir, self.state_dir.as_ref());
        replace(&mut written.metrics.listen, self.metrics.as_ref());
        written.clickhouse.discard |= self.discard;
        let password = self.clickhouse.stand_above(&mut written, password);
        Config::resolve(written, password)
    }
}

impl ClickHouseFlags {
    /// Puts these flags above what was written; returns the password of the environment, unless a flag stands above it, and
    /// where none is named anywhere the one that the embedded store has made for itself.
    pub(super) fn stand_above(&self, written: &mut Written, password: Option<Secret>) -> Option<Secret> {
        let settings = &mut written.clickhouse;
        replace(&mut settings.database, self.database.as_ref());
        replace(&mut settings.user, self.user.as_ref());
        if self.clickhouse_url.is_some() {
            settings.url.clone_from(&self.clickhouse_url);
            settings.urls.clear();
            settings.shards.clear();
        }
        if self.password_file.is_none() {
            let named = settings.password.is_some() || settings.password_file.is_some();
            let is_embedded = settings.url.is_none() && settings.urls.is_empty() && settings.shards.is_empty();
            let kept = (is_embedded && !named).then(|| store::credential::kept(&written.state_dir));
            return password.or_else(|| kept.flatten().map(Secret::new));
        }
        settings.password_file.clone_from(&self.password_file);
        settings.password = None;
        None
    }
}

fn replace<T: Clone>(setting: &mut T, flag: Option<&T>) {
    if let Some(flag) = flag {
        setting.clone_from(flag);
    }
}

/// A repeatable flag replaces the whole list.
fn replace_list<T: Clone>(setting: &mut Vec<T>, flag: &[T]) {
    if !flag.is_empty() {
        *setting = flag.to_vec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "state_dir = \"/file\"\n[capture]\nports = [4739]\nmode = \"udp\"\n[clickhouse]\nurl = \"http://file:8123\"\n\
                        user = \"file\"\npassword = \"file\"\n";

    fn written() -> Written {
        Written::parse(FILE, "test").expect("valid")
    }

    #[test]
    fn flags_stand_above_the_file() {
        let args = Flags {
            port: vec![9995, 2055],
            interface: vec!["lo".to_owned()],
            capture: Some(CaptureMode::Xdp),
            workers: Some(3),
            clickhouse: ClickHouseFlags {
                clickhouse_url: Some("http://flag:8123".to_owned()),
                ..ClickHouseFlags::default()
            },
            state_dir: Some(PathBuf::from("/flag")),
            metrics: Some("off".to_owned()),
            ..Flags::default()
        };
        let config = args.resolve(written(), None).expect("meant");
        assert_eq!(config.capture.ports, [2055, 9995]);
        assert_eq!(config.capture.interfaces, ["lo"]);
        assert_eq!(config.capture.mode, CaptureMode::Xdp);
        assert_eq!(config.capture.workers, Some(3));
        assert_eq!(config.clickhouse.url.as_deref(), Some("http://flag:8123"));
        assert_eq!(config.clickhouse.user, "file");
        assert_eq!(config.state_dir, PathBuf::from("/flag"));
        assert_eq!(config.metrics.listen, None);
    }

    #[test]
    fn an_interface_is_a_mirror_by_flag_or_by_file() {
        let file = "[capture]\ninterfaces = [\"a\", \"b\"]\nmirror = [\"b\", \"c\"]\n";
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (interface, mirror, interfaces, mirrors) in [
            (&[][..], &[][..], &["a", "b", "c"][..], &["b", "c"][..]),
            (&["b"], &[], &["b"], &["b"]),
            (&["a"], &[], &["a"], &[]),
            (&["a"], &["d"], &["a", "d"], &["d"]),
            (&[], &["a"], &["a"], &["a"]),
        ] {
            let args = Flags { interface: names(interface), mirror: names(mirror), ..Flags::default() };
            let config = args.resolve(Written::parse(file, "test").expect("valid"), None).expect("meant");
            assert_eq!((config.capture.interfaces, config.capture.mirror), (names(interfaces), names(mirrors)));
        }
    }

    #[test]
    fn without_flags_the_file_holds() {
        let config = Flags::default().resolve(written(), None).expect("meant");
        assert_eq!(config.capture.ports, [4739]);
        assert_eq!(config.clickhouse.url.as_deref(), Some("http://file:8123"));
    }

    #[test]
    fn passwords_come_from_flag_then_environment_then_file() {
        let path = std::env::temp_dir().join(format!("collector-password-{}", std::process::id()));
        std::fs::write(&path, "flag\n").expect("the temporary directory is writable");
        let with_flag = Flags {
            clickhouse: ClickHouseFlags { password_file: Some(path.clone()), ..ClickHouseFlags::default() },
            ..Flags::default()
        };
        let environment = || Some(Secret::new("environment".to_owned()));
        let password = |args: &Flags, environment| {
            let config = args.resolve(written(), environment).expect("meant");
            config.clickhouse.password.reveal().to_owned()
        };
        assert_eq!(password(&with_flag, environment()), "flag");
        assert_eq!(password(&Flags::default(), environment()), "environment");
        assert_eq!(password(&Flags::default(), None), "file");
        std::fs::remove_file(path).expect("it was just written");
    }
}
