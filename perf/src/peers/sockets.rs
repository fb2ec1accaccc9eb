//! UDP sockets as the kernel shows them: whether somebody listens, what waits, and what found no room. And the limit of their
//! receive buffers, raised while the peers run, as their manuals ask.

use std::fs;

use anyhow::{Context as _, Result};

use crate::rig::Namespace;

/// Relative to the thread, since one thread alone is inside the namespace.
const FILES: [&str; 2] = ["/proc/thread-self/net/udp", "/proc/thread-self/net/udp6"];
const LIMIT: &str = "/proc/sys/net/core/rmem_max";

/// The sockets of a port together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sockets {
    pub(super) count: u64,
    /// Bytes of kernel memory that hold datagrams which were not read yet.
    pub(super) waiting_bytes: u64,
    /// Datagrams that found no room.
    pub(super) drops: u64,
}

/// The limit of receive buffers, back as it was when dropped.
#[derive(Debug)]
pub(super) struct BufferLimit {
    before: u64,
}

impl Sockets {
    /// Those of a port in a namespace.
    ///
    /// # Errors
    ///
    /// When the namespace cannot be entered.
    pub(super) fn at(namespace: &Namespace, port: u16) -> Result<Self> {
        namespace.enter(|| {
            let read = |path: &&str| fs::read_to_string(path).unwrap_or_default();
            FILES.iter().map(read).fold(Self::default(), |sum, text| sum.with(&text, port))
        })
    }

    /// Adds those of a file as proc_net_udp(5) has it.
    fn with(mut self, text: &str, port: u16) -> Self {
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [_, local, _, _, queues, .., drops] = fields[..] else { continue };
            let local_port = local.rsplit_once(':').and_then(|(_, port)| u16::from_str_radix(port, 16).ok());
            if local_port != Some(port) {
                continue;
            }
            let waiting = queues.split_once(':').and_then(|(_, bytes)| u64::from_str_radix(bytes, 16).ok());
            self.count += 1;
            self.waiting_bytes += waiting.unwrap_or(0);
            self.drops += drops.parse().unwrap_or(0);
        }
        self
    }
}

impl BufferLimit {
    /// Lets every socket of the machine have as much as it asks for, up to so many bytes.
    ///
    /// # Errors
    ///
    /// When the limit may not be changed.
    pub(super) fn raise(bytes: u64) -> Result<Self> {
        let text = fs::read_to_string(LIMIT).with_context(|| format!("cannot read {LIMIT}"))?;
        let before = text.trim().parse().with_context(|| format!("{LIMIT} is no number"))?;
        if before < bytes {
            fs::write(LIMIT, bytes.to_string())
                .with_context(|| format!("cannot raise {LIMIT}: run outside of a container"))?;
        }
        Ok(Self { before })
    }
}

impl Drop for BufferLimit {
    fn drop(&mut self) {
        if let Err(error) = fs::write(LIMIT, self.before.to_string()) {
            eprintln!("{LIMIT} could not be set back to {}: {error}", self.before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table_is_read() {
        let text = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
            31: 0100007F:270B 00000000:0000 07 00000000:00000300 00:00000000 00000000     0        0 777 2 0000000000000000 5\n\
            32: 00000000:0807 00000000:0000 07 00000000:00000001 00:00000000 00000000     0        0 778 2 0000000000000000 9\n";
        let check = |port, expected| assert_eq!(Sockets::default().with(text, port), expected, "{port}");
        check(9995, Sockets { count: 1, waiting_bytes: 0x300, drops: 5 });
        check(2055, Sockets { count: 1, waiting_bytes: 1, drops: 9 });
        check(2056, Sockets::default());
    }
}
