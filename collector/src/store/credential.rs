//! The embedded store's own password: made at its first start, in a file that its user alone can read.
//!
//! Whoever has an account on the machine can connect to loopback; the password keeps the flows to those who may read the
//! collector's directory. It is used where the configuration names none. Not here: who asks for it ([`super::http`]).

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::Error;

/// The file below the state directory.
const FILE_NAME: &str = "store.password";
/// Random bytes in a password, each two digits in the file.
const RANDOM_BYTES: usize = 16;

/// Where the password is kept.
#[must_use]
pub fn file(state_dir: &Path) -> PathBuf {
    state_dir.join(FILE_NAME)
}

/// The password that was made before; none where there is none yet, or where this user may not read it.
#[must_use]
pub fn kept(state_dir: &Path) -> Option<String> {
    let text = std::fs::read_to_string(file(state_dir)).ok()?;
    text.lines().next().map(str::to_owned).filter(|password| !password.is_empty())
}

/// The password that was made before, or a new one.
///
/// # Errors
///
/// When the file can neither be read nor made.
pub fn kept_or_made(state_dir: &Path) -> Result<String, Error> {
    let path = file(state_dir);
    if !path.exists() {
        make(&path).map_err(|source| Error::PasswordUnmade { path: path.clone(), source })?;
    }
    kept(state_dir).ok_or_else(|| {
        let source = io::Error::new(ErrorKind::InvalidData, "unreadable or empty; remove it, and a new one is made");
        Error::PasswordFile { path, source }
    })
}

/// Makes the file. It is there whole or not at all, and of two that make it at once the first one's stays.
fn make(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    let draft = path.with_extension(format!("{}.tmp", std::process::id()));
    let outcome = write(&draft).and_then(|()| match std::fs::hard_link(&draft, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => Ok(()),
    });
    let _ = std::fs::remove_file(&draft);
    outcome
}

fn write(path: &Path) -> io::Result<()> {
    let mut random = [0; RANDOM_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut random)?;
    let password: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    writeln!(file, "{password}")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_password_is_made_once_and_for_its_user_alone() {
        let folder = std::env::temp_dir().join(format!("collector-credential-{}", std::process::id()));
        assert_eq!(kept(&folder), None, "nothing was made yet");
        let first = kept_or_made(&folder).expect("a password");
        assert_eq!(first.len(), 2 * RANDOM_BYTES);
        assert_eq!(kept_or_made(&folder).expect("the same"), first);
        assert_eq!(kept(&folder), Some(first));
        let mode = file(&folder).metadata().expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(file(&folder), "").expect("our file");
        assert!(kept_or_made(&folder).is_err(), "an empty password would open the store to everyone");
        std::fs::remove_dir_all(&folder).expect("our folder");
    }
}
