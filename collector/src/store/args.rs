//! The command line of `collector store`.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::{Error, Settings};

/// Run the embedded ClickHouse engine behind ClickHouse's HTTP interface
///
/// `collector run` does this by itself where no server is configured. Alone it serves what a collector stored, or a test.
#[derive(Debug, Clone, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct StoreArgs {
    /// Where the engine keeps its data; one process at a time
    #[arg(long, value_name = "DIR", default_value = "/var/lib/collector/store")]
    pub data_dir: PathBuf,
    /// Address of the HTTP interface; other than loopback only with a password
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8123")]
    pub listen: SocketAddr,
    /// The engine: libchdb.so. Else COLLECTOR_LIBCHDB, /usr/lib/collector, beside the executable, or the repository's .cache
    #[arg(long, value_name = "FILE")]
    pub library: Option<PathBuf>,
    /// The user that may ask
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub user: String,
    /// File whose first line is the user's password; without one there is none, and web pages are refused
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// SELECTs that run at the same time; as many INSERTs run beside them
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub connections: usize,
    /// Bound of the engine's memory in bytes; without one nine tenths of the machine's
    #[arg(long, value_name = "BYTES")]
    pub memory_bytes: Option<u64>,
    /// End when standard input closes
    #[arg(long, hide = true)]
    pub until_stdin_closes: bool,
}

const EXAMPLES: &str = "\
Examples:
  collector store --data-dir /tmp/store --listen 127.0.0.1:8124
  curl --data-binary 'SELECT version()' http://127.0.0.1:8124/";

impl StoreArgs {
    /// What the arguments mean.
    ///
    /// # Errors
    ///
    /// When the password file cannot be read.
    pub fn settings(self) -> Result<Settings, Error> {
        let password = match self.password_file {
            Some(path) => {
                let text = std::fs::read_to_string(&path).map_err(|source| Error::PasswordFile { path, source })?;
                text.lines().next().map(str::to_owned)
            }
            None => None,
        };
        Ok(Settings {
            data_dir: self.data_dir,
            listen: self.listen,
            library: self.library,
            user: Some(self.user),
            password: password.filter(|password| !password.is_empty()),
            connections: self.connections,
            memory_bytes: self.memory_bytes,
            until_stdin_closes: self.until_stdin_closes,
        })
    }
}
