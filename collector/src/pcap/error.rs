//! What can be wrong with a capture file.

use std::io;

/// Why reading a capture file ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum PcapError {
    /// The system could not read on.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The first bytes are of no capture format.
    #[error("not a pcap or pcapng file: {0}")]
    NotACapture(&'static str),
    /// A length or type that cannot be, with the position where reading stopped.
    #[error("damaged at byte {position} ({what}): what comes before was read, capture it again for the rest")]
    Damaged {
        /// Offset of the record or block in the file.
        position: u64,
        /// What is wrong there.
        what: &'static str,
    },
}
