//! The command line of `collector store`.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::{Error, Settings};

/// Run the embedded ClickHouse engine behind ClickHouse's HTTP interface
///
/// `collector run` does this by itself where no server is configured. Alone it serves what a collector stored: where, at which
/// address and to whom is what the configuration file says (`state_dir`, `[store]`, and user, password and database of
/// `[clickhouse]`). Flags stand above the file.
#[derive(Debug, Clone, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct StoreArgs {
    /// Where the engine keeps its data; one process at a time [default: store below state_dir, /var/lib/collector/store]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address of the HTTP interface; other than loopback only with a password [default: as configured, 127.0.0.1:8123]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// The engine: libchdb.so. Else COLLECTOR_LIBCHDB, /usr/lib/collector, beside the executable, or the repository's .cache
    #[arg(long, value_name = "FILE")]
    pub library: Option<PathBuf>,
    /// The database of requests that name none [default: as configured, collector]
    #[arg(long, value_name = "NAME")]
    pub database: Option<String>,
    /// The user that may ask [default: as configured, default]
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// File whose first line is the user's password [default: as configured]; where there is none, web pages are refused
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// SELECTs that run at the same time; as many INSERTs run beside them [default: as configured, 8]
    #[arg(long, value_name = "N")]
    pub connections: Option<usize>,
    /// Bound of the engine's memory in bytes [default: as configured, nine tenths of the machine's]
    #[arg(long, value_name = "BYTES")]
    pub memory_bytes: Option<u64>,
    /// End when standard input closes; nothing is configured but by these flags
    #[arg(long, hide = true)]
    pub until_stdin_closes: bool,
}

const EXAMPLES: &str = "\
Examples:
  collector store --config /etc/collector/collector.toml
  collector store --data-dir /tmp/store --listen 127.0.0.1:8124
  curl --data-binary 'SELECT version()' http://127.0.0.1:8124/";

impl StoreArgs {
    /// What the arguments mean where `configured` is what holds without them.
    ///
    /// # Errors
    ///
    /// When the password file cannot be read.
    pub fn settings(self, configured: Settings) -> Result<Settings, Error> {
        let password = match self.password_file {
            Some(path) => {
                let text = std::fs::read_to_string(&path).map_err(|source| Error::PasswordFile { path, source })?;
                text.lines().next().map(str::to_owned)
            }
            None => configured.password,
        };
        Ok(Settings {
            data_dir: self.data_dir.unwrap_or(configured.data_dir),
            listen: self.listen.unwrap_or(configured.listen),
            library: self.library.or(configured.library),
            database: self.database.unwrap_or(configured.database),
            user: self.user.or(configured.user),
            password: password.filter(|password| !password.is_empty()),
            connections: self.connections.unwrap_or(configured.connections),
            memory_bytes: self.memory_bytes.or(configured.memory_bytes),
            until_stdin_closes: self.until_stdin_closes,
        })
    }
}
