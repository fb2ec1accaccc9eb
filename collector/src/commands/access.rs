//! Files of the collector that this user may not read: whose they are, and so who has to ask.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::unistd::{Uid, User, geteuid};

/// The error as it is, or, where it is that this user may not read `path`, who may.
pub(super) fn explained(error: anyhow::Error, what: &str, path: &Path) -> anyhow::Error {
    let is_denied = error.chain().any(|cause| {
        let kind = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        kind == Some(ErrorKind::PermissionDenied)
    });
    if !is_denied {
        return error;
    }
    let (user, path) = (name(geteuid()), path.display());
    match owner(path.to_string().as_ref()).filter(|owner| *owner != geteuid()) {
        Some(owner) => {
            let owner = name(owner);
            anyhow::anyhow!(
                "user {user} may not read {what} {path}, which belongs to {owner}: run as {owner}, as with `sudo -u {owner} collector ...`"
            )
        }
        None => anyhow::anyhow!("user {user} may not read {what} {path}: run as root, or change its rights"),
    }
}

/// Who owns a file, or the directory above it that hides it.
fn owner(path: &Path) -> Option<Uid> {
    path.ancestors().find_map(|path| path.metadata().ok()).map(|metadata| Uid::from_raw(metadata.uid()))
}

fn name(user: Uid) -> String {
    User::from_uid(user).ok().flatten().map_or_else(|| user.to_string(), |user| user.name)
}
