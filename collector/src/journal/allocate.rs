//! Files whose blocks are all there before they are written: a full disk is found out here, where it can be said, and not while
//! memory is written, where it would end the process.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};

/// Gives a file `len_bytes` bytes, all of them with blocks of their own; what it holds already stays.
pub(super) fn allocate(file: &File, len_bytes: u64) -> io::Result<()> {
    let length = i64::try_from(len_bytes).map_err(io::Error::other)?;
    match fallocate(file.as_fd(), FallocateFlags::empty(), 0, length) {
        Ok(()) => {}
        Err(Errno::EOPNOTSUPP) => fill(file, len_bytes)?,
        Err(error) => return Err(error.into()),
    }
    if file.metadata()?.len() != len_bytes {
        file.set_len(len_bytes)?;
    }
    Ok(())
}

/// Writes zeros, for file systems that cannot allocate otherwise.
fn fill(file: &File, len_bytes: u64) -> io::Result<()> {
    static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
    let mut offset = 0;
    while offset < len_bytes {
        let length = (len_bytes - offset).min(ZEROS.len() as u64) as usize;
        file.write_all_at(&ZEROS[..length], offset)?;
        offset += length as u64;
    }
    Ok(())
}
