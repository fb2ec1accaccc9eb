//! The service that the check is about: its user, its rights, and which files it can read. Asked of the unit file, for the service
//! starts as another user with other rights than the shell that checks.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::{Group, User, getgrouplist};

use super::Finding;
use crate::config::Config;
use crate::steering;

const UNIT: &str = "collector.service";
/// Where systemd looks, the first one wins (systemd.unit(5)).
const UNIT_DIRECTORIES: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
const SUBJECT: &str = "service";
/// Directories that `ProtectHome=` hides, and `PrivateTmp=`.
const HOMES: [&str; 3] = ["/home", "/root", "/run/user"];
const TEMPORARY: [&str; 2] = ["/tmp", "/var/tmp"];

/// Whose rights count.
#[derive(Debug)]
pub(super) enum Who {
    /// Whoever runs the check.
    Shell,
    /// The service.
    Service(Box<Service>),
}

/// What a unit file says of the process.
#[derive(Debug)]
pub(super) struct Service {
    path: PathBuf,
    user: String,
    /// None for root, or where the user does not exist.
    ids: Option<Ids>,
    settings: Settings,
}

#[derive(Debug)]
struct Ids {
    user: u32,
    groups: Vec<u32>,
}

/// The settings of `[Service]`, lists joined.
#[derive(Debug, Default, PartialEq, Eq)]
struct Settings(BTreeMap<String, String>);

impl Who {
    /// The service of the unit file that is named or found, if any.
    ///
    /// # Errors
    /// A file that was named and cannot be read.
    pub(super) fn find(named: Option<&Path>) -> anyhow::Result<Self> {
        let found =
            || UNIT_DIRECTORIES.iter().map(|directory| Path::new(directory).join(UNIT)).find(|path| path.exists());
        let Some(path) = named.map(Path::to_path_buf).or_else(found) else { return Ok(Self::Shell) };
        match Service::read(&path) {
            Ok(service) => Ok(Self::Service(Box::new(service))),
            Err(error) if named.is_some() => Err(anyhow::anyhow!(
                "reading unit file {}: {error}: check the path and its permissions",
                path.display()
            )),
            Err(_) => Ok(Self::Shell),
        }
    }

    /// What is to be said of the service itself.
    pub(super) fn findings(&self, config: &Config, configuration: Option<&Path>) -> Vec<Finding> {
        let Self::Service(service) = self else { return Vec::new() };
        let path = service.path.display();
        if service.ids.is_none() && service.user != "root" {
            let remedy = format!(
                "make it: useradd --system --home-dir {} --shell /usr/sbin/nologin {}",
                config.state_dir.display(),
                service.user
            );
            return vec![Finding::fail(
                SUBJECT,
                format!("{path} starts as user {}, who does not exist", service.user),
                remedy,
            )];
        }
        let text = format!("{path} starts as user {}: what follows is said of it, not of this shell", service.user);
        let mut findings = vec![Finding::ok(SUBJECT, text)];
        let files = configuration.map(Path::to_path_buf).into_iter().chain(files(config));
        findings.extend(files.filter_map(|file| service.unreadable(&file)));
        findings
    }

    /// Names of the capabilities that XDP needs and that are missing.
    pub(super) fn missing_capabilities(&self) -> Vec<&'static str> {
        match self {
            Self::Shell => steering::missing_capabilities(),
            Self::Service(service) => steering::CAPABILITIES
                .iter()
                .map(|(_, name)| *name)
                .filter(|name| !service.has_capability(name))
                .collect(),
        }
    }

    /// Whether the process will have a capability; nothing where only the kernel can tell.
    pub(super) fn has_capability(&self, name: &str) -> Option<bool> {
        match self {
            Self::Shell => None,
            Self::Service(service) => Some(service.has_capability(name)),
        }
    }

    /// How much memory it may lock, as the unit file has it.
    pub(super) fn lock_limit(&self) -> Option<&str> {
        match self {
            Self::Shell => None,
            Self::Service(service) => service.settings.get("LimitMEMLOCK"),
        }
    }

    /// What is to be said of the state directory, where the service says more of it than the directory itself.
    pub(super) fn state_directory(&self, path: &Path) -> Option<Finding> {
        let Self::Service(service) = self else { return None };
        let subject = "state directory";
        if service.makes(path) {
            let text = format!("{}: systemd makes it for user {} (StateDirectory=)", path.display(), service.user);
            return Some(Finding::ok(subject, text));
        }
        let existing = path.ancestors().find(|ancestor| ancestor.exists())?;
        if service.settings.is("ProtectSystem", "strict") && !service.is_let_write(path) {
            let remedy = format!("add ReadWritePaths={} to the unit, or use StateDirectory=", path.display());
            let text = format!("{}: the unit has ProtectSystem=strict", path.display());
            return Some(Finding::fail(subject, text, remedy));
        }
        if service.can(existing, 0o3) {
            return Some(Finding::ok(subject, format!("{}: user {} can write there", path.display(), service.user)));
        }
        let (user, existing) = (&service.user, existing.display());
        let remedy = format!("chown {user} {existing}, or keep it below /var/lib with StateDirectory= in the unit");
        Some(Finding::fail(subject, format!("{existing}: user {user} cannot write there"), remedy))
    }
}

/// Files that the configuration names.
fn files(config: &Config) -> impl Iterator<Item = PathBuf> {
    let names = &config.names_files;
    let named = [&names.as_names, &names.protocols, &names.ports, &names.interfaces, &config.clickhouse.ca_file];
    let more = [&config.written.names.networks, &config.written.clickhouse.password_file];
    let files = config.geoip.files.clone().into_iter();
    files.chain(named.into_iter().chain(more).flatten().cloned().collect::<Vec<_>>())
}

impl Service {
    fn read(path: &Path) -> std::io::Result<Self> {
        let mut settings = Settings::default();
        settings.take(&fs::read_to_string(path)?);
        let mut drop_ins: Vec<PathBuf> = fs::read_dir(path.with_extension("service.d"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "conf"))
            .collect();
        drop_ins.sort();
        for drop_in in drop_ins {
            settings.take(&fs::read_to_string(drop_in)?);
        }
        let user = settings.get("User").unwrap_or("root").to_owned();
        let ids = Ids::of(&user, settings.get("Group"));
        Ok(Self { path: path.to_path_buf(), user, ids, settings })
    }

    fn has_capability(&self, name: &str) -> bool {
        let list = |key| self.settings.get(key).map(|list| list.split_whitespace().any(|one| one == name));
        let is_bounded = list("CapabilityBoundingSet").unwrap_or(true);
        // Root has what is in its bounds; others only what is given them.
        is_bounded && (self.user == "root" || list("AmbientCapabilities").unwrap_or(false))
    }

    /// Whether systemd makes this directory for the service, or one above it.
    fn makes(&self, path: &Path) -> bool {
        let list = self.settings.get("StateDirectory").unwrap_or_default();
        list.split_whitespace().any(|name| path.starts_with(Path::new("/var/lib").join(name)))
    }

    fn is_let_write(&self, path: &Path) -> bool {
        let list = self.settings.get("ReadWritePaths").unwrap_or_default();
        list.split_whitespace().any(|allowed| path.starts_with(allowed.trim_start_matches(['-', '+'])))
    }

    /// A file that is there and that the service cannot read.
    fn unreadable(&self, file: &Path) -> Option<Finding> {
        if !file.exists() {
            return None;
        }
        let hides = |key, directories: &[&str]| {
            self.settings.get(key).is_some_and(|value| !matches!(value, "no" | "false" | "off" | "0"))
                && directories.iter().any(|directory| file.starts_with(directory))
        };
        for (key, directories) in [("ProtectHome", &HOMES[..]), ("PrivateTmp", &TEMPORARY[..])] {
            if hides(key, directories) {
                let text = format!("{}: the unit has {key}=, which hides it from the service", file.display());
                return Some(Finding::fail(SUBJECT, text, "move it, such as to /etc/collector or /usr/share/GeoIP"));
            }
        }
        let way = file.ancestors().skip(1).find(|directory| directory.is_dir() && !self.can(directory, 0o1));
        let closed = way.or_else(|| (!self.can(file, 0o4)).then_some(file))?;
        let (user, closed) = (&self.user, closed.display());
        let text = format!("{}: user {user} cannot read it, {closed} is closed to it", file.display());
        Some(Finding::fail(SUBJECT, text, format!("chgrp {user} {closed} and give the group the right to read")))
    }

    /// Whether the mode of a file gives the user these rights. Access control lists are not looked at.
    fn can(&self, path: &Path, rights: u32) -> bool {
        let Some(ids) = &self.ids else { return true };
        let Ok(metadata) = fs::metadata(path) else { return false };
        let shift = match () {
            () if metadata.uid() == ids.user => 6,
            () if ids.groups.contains(&metadata.gid()) => 3,
            () => 0,
        };
        metadata.mode() >> shift & rights == rights
    }
}

impl Ids {
    /// None for root, and for users that do not exist.
    fn of(user: &str, group: Option<&str>) -> Option<Self> {
        let entry = match user.parse::<u32>() {
            Ok(id) => User::from_uid(id.into()),
            Err(_) => User::from_name(user),
        };
        let entry = entry.ok().flatten().filter(|entry| !entry.uid.is_root())?;
        let group = group.and_then(|name| Group::from_name(name).ok().flatten()).map_or(entry.gid, |group| group.gid);
        let name = std::ffi::CString::new(entry.name.as_str()).ok()?;
        let groups = getgrouplist(&name, group).unwrap_or_else(|_| vec![group]);
        Some(Self { user: entry.uid.as_raw(), groups: groups.into_iter().map(|group| group.as_raw()).collect() })
    }
}

impl Settings {
    /// Takes the lines of a unit file over those before: lists grow, an empty value empties them, all else is replaced.
    fn take(&mut self, text: &str) {
        const LISTS: [&str; 4] = ["AmbientCapabilities", "CapabilityBoundingSet", "ReadWritePaths", "StateDirectory"];
        let mut is_service = false;
        for line in text.replace("\\\n", " ").lines().map(str::trim) {
            if line.starts_with('[') {
                is_service = line == "[Service]";
            }
            let Some((key, value)) = line.split_once('=').filter(|_| is_service && !line.starts_with(['#', ';']))
            else {
                continue;
            };
            let (key, value) = (key.trim(), value.trim());
            let before = self.0.entry(key.to_owned()).or_default();
            if value.is_empty() || !LISTS.contains(&key) || before.is_empty() {
                value.clone_into(before);
            } else {
                *before = format!("{before} {value}");
            }
        }
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn is(&self, key: &str, value: &str) -> bool {
        self.get(key) == Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_units_settings_are_read_with_its_drop_ins() {
        let mut settings = Settings::default();
        settings.take(
            "[Unit]\nUser=no\n[Service]\n# User=no\nUser = flows\nAmbientCapabilities=CAP_BPF \\\n CAP_NET_RAW\n",
        );
        settings.take("[Service]\nAmbientCapabilities=CAP_PERFMON\nStateDirectory=a\n[Install]\nUser=no\n");
        assert_eq!(settings.get("User"), Some("flows"));
        let all = settings.get("AmbientCapabilities").unwrap_or_default();
        assert_eq!(all.split_whitespace().collect::<Vec<_>>(), ["CAP_BPF", "CAP_NET_RAW", "CAP_PERFMON"]);
        settings.take("[Service]\nStateDirectory=\nUser=other\n");
        assert_eq!((settings.get("StateDirectory"), settings.get("User")), (None, Some("other")));
    }

    #[test]
    fn the_units_that_come_along_give_what_is_needed() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/collector.service");
        let who = Who::Service(Box::new(Service::read(&path).expect("it is in the repository")));
        assert_eq!(who.missing_capabilities(), Vec::<&str>::new());
        assert_eq!(who.has_capability("CAP_SYS_ADMIN"), Some(false));
        assert_eq!(who.lock_limit(), Some("infinity"));
        let state = who.state_directory(Path::new("/var/lib/collector")).expect("something is said");
        assert!(state.text.contains("systemd makes it for user collector"), "{state:?}");
        let other = who.state_directory(Path::new("/srv/flows")).expect("something is said");
        assert!(other.remedy.is_some_and(|remedy| remedy.contains("ReadWritePaths=/srv/flows")));
    }
}
