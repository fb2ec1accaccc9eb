//! What can be wrong with a configuration, in one line each: what is wrong where, and what to do about it.

use std::path::PathBuf;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("reading configuration file {path}: {cause}: check the path and its permissions")]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Not TOML, or a value of the wrong type.
    #[error("{origin}:{line}: {message}: correct the value (see deploy/collector.toml)")]
    Syntax {
        /// File name.
        origin: String,
        /// Line, from 1.
        line: usize,
        /// What the parser said, in one line.
        message: String,
    },
    /// A key that does not exist.
    #[error("{origin}:{line}: unknown key \"{key}\"{section}: the nearest known key is \"{nearest}\"")]
    UnknownKey {
        /// File name.
        origin: String,
        /// Line, from 1.
        line: usize,
        /// The key as written.
        key: String,
        /// ` in [section]`, or nothing at the top.
        section: String,
        /// The known key most like it.
        nearest: String,
    },
    /// A section with as many brackets as another kind of section has.
    #[error("{origin}:{line}: {name} {}", brackets(*is_list, name))]
    Brackets {
        /// File name.
        origin: String,
        /// Line, from 1.
        line: usize,
        /// The section, without brackets.
        name: &'static str,
        /// Whether it may stand several times.
        is_list: bool,
    },
    /// A value of the right type that cannot be meant.
    #[error("setting {key} is {value}: {remedy}")]
    Meaning {
        /// `section.key`.
        key: &'static str,
        /// The value, printable.
        value: String,
        /// What to write instead.
        remedy: String,
    },
    /// The password file could not be read.
    #[error("reading password file {path}: {cause}: check the path and its permissions")]
    PasswordFile {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The file of networks could not be read, or has a line that is not as it must be.
    #[error(
        "reading networks from {path}: {cause}: check the path and the file (see names.networks in deploy/collector.toml)"
    )]
    Networks {
        /// Which file.
        path: PathBuf,
        /// What the system said, or what is wrong in which line.
        cause: std::io::Error,
    },
}

fn brackets(is_list: bool, name: &str) -> String {
    if is_list {
        format!("is a list, an entry each time: write [[{name}]] with two brackets on both sides, not [{name}]")
    } else {
        format!("is one section, not a list: write [{name}] once, not [[{name}]]")
    }
}

impl ConfigError {
    /// A value that cannot be meant.
    pub(super) fn meaning(key: &'static str, value: impl std::fmt::Display, remedy: impl Into<String>) -> Self {
        Self::Meaning { key, value: value.to_string(), remedy: remedy.into() }
    }
}
