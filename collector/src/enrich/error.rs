//! Why GeoIP files could not be taken up.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

/// Why GeoIP files could not be taken up; each names the file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system said no.
    #[error("cannot read GeoIP file {}: {source}; check its path and that the collector's user may read it", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The file is no MaxMind DB, or is damaged.
    #[error("GeoIP file {} is no usable MaxMind database: {detail}; fetch it again, for example with geoipupdate", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A sound file, but one of something else, or in a form that is not known.
    #[error(
        "GeoIP file {} ({kind}) gives neither country nor city nor AS: {fields}; name a country, city or ASN file of MaxMind, \
         DB-IP, IPinfo, IP2Location or ip-location-db, or take it out of geoip.files",
        path.display()
    )]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// What it calls itself.
        kind: String,
        /// Which fields it has.
        fields: String,
    },
    /// More distinct places or branches than the tables can number.
    #[error("the GeoIP files together have more distinct places than fit; give fewer files")]
    TooLarge,
    /// The thread that watches the files could not be started.
    #[error("cannot start the thread that watches the GeoIP files: {source}; raise the limit of processes")]
    Thread {
        /// What the system answered.
        source: io::Error,
    },
}

impl Error {
    pub(super) fn damaged(path: &Path, detail: &dyn Display) -> Self {
        Self::Damaged { path: path.to_owned(), detail: detail.to_string() }
    }
}
