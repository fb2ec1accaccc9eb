//! State directory, GeoIP files, ClickHouse or the embedded store, and the metrics page.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};

use super::host::mebibytes;
use super::running::{Owner, Protocol};
use super::{Case, Finding};
use crate::clickhouse::{self, Class, Client, schema};
use crate::config::Config;
use crate::enrich::Geo;
use crate::store;

/// Below this much free space the embedded store fills the disk within days.
const SPACE_WANTED_BYTES: u64 = 10 << 30;
/// Below this much nothing can be kept.
const SPACE_NEEDED_BYTES: u64 = 256 << 20;

/// Looks at what rows, templates and enrichment need.
pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    let config = case.config;
    let mut findings = state_directory(case);
    findings.extend(geoip(config));
    if let Some(path) = &config.written.names.networks {
        // The file was read, and so found sound, with the configuration.
        let text = format!("{}: {} prefixes", path.display(), config.networks.prefixes());
        findings.push(Finding::ok("networks", text));
    }
    match &config.clickhouse.url {
        None if config.clickhouse.discard => findings.push(Finding::warn(
            "store",
            "rows are thrown away (discard)",
            "for measurements alone: leave out --discard and clickhouse.discard to store them",
        )),
        Some(_) => findings.extend(config.clients().iter().flatten().map(|settings| clickhouse(config, settings))),
        None => findings.extend(embedded(case)),
    }
    if let Some(address) = config.metrics.listen {
        findings.push(listener(case, "metrics page", address, "metrics.listen"));
    }
    findings
}

fn state_directory(case: &Case<'_>) -> Vec<Finding> {
    let (subject, path) = ("state directory", case.config.state_dir.as_path());
    if case.running.is_some() {
        return vec![Finding::ok(subject, format!("{}, in use", path.display())), disk_space(path)];
    }
    if let Some(finding) = case.who.state_directory(path) {
        let existing = path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("/"));
        return vec![finding, disk_space(existing)];
    }
    // Where it does not exist yet, the nearest directory above it is where it would be made.
    let Some(existing) = path.ancestors().find(|ancestor| ancestor.exists()) else {
        return vec![Finding::fail(
            subject,
            format!("{} cannot be made", path.display()),
            "name another with --state-dir",
        )];
    };
    let remedy = format!("make {} writable for this user, or name another with --state-dir", existing.display());
    if !existing.is_dir() {
        return vec![Finding::fail(
            subject,
            format!("{} is not a directory", existing.display()),
            "name another with --state-dir",
        )];
    }
    if let Err(error) = access(existing, AccessFlags::W_OK | AccessFlags::X_OK) {
        return vec![Finding::fail(subject, format!("{}: {}", existing.display(), error.desc()), remedy)];
    }
    let text =
        if existing == path { format!("{}", path.display()) } else { format!("{} will be made", path.display()) };
    vec![Finding::ok(subject, text), disk_space(existing)]
}

fn disk_space(path: &Path) -> Finding {
    let subject = "disk space";
    let Ok(space) = statvfs(path) else {
        return Finding::unknown(subject, format!("not known for {}", path.display()), "see `df`");
    };
    let free = space.blocks_available() * space.fragment_size();
    let text = format!("{} free at {}", mebibytes(free), path.display());
    match free {
        0..SPACE_NEEDED_BYTES => {
            Finding::fail(subject, text, "free some space, or name another place with --state-dir")
        }
        SPACE_NEEDED_BYTES..SPACE_WANTED_BYTES => {
            Finding::warn(subject, text, "the embedded store needs some 40 bytes for each flow: have 10 GiB or more")
        }
        _ => Finding::ok(subject, text),
    }
}

fn geoip(config: &Config) -> Vec<Finding> {
    if config.geoip.files.is_empty() {
        return vec![Finding::warn(
            "GeoIP",
            "no files: places and autonomous systems will be unknown",
            "name files in the MaxMind DB format with --geoip FILE: country, city, ASN",
        )];
    }
    let open = |path: &PathBuf| match Geo::open(&[path]) {
        Ok(geo) => {
            let told: Vec<String> =
                geo.files().iter().map(|file| format!("{}, gives {}", file.kind, file.gives)).collect();
            Finding::ok("GeoIP", format!("{}: {}, {} networks", path.display(), told.join(" "), geo.networks()))
        }
        Err(error) => Finding::failed("GeoIP", &error),
    };
    config.geoip.files.iter().map(open).collect()
}

fn clickhouse(config: &Config, settings: &clickhouse::Settings) -> Finding {
    let (subject, url) = ("ClickHouse", &settings.url);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Finding::unknown(subject, error.to_string(), "check again with fewer programs running"),
    };
    let asked = runtime.block_on(async {
        let client = Client::new(settings)?;
        let version = match client.probe().await {
            Err(error) if error.class == Class::NoDatabase => None,
            other => Some(other?),
        };
        match version {
            None => Ok::<_, clickhouse::Error>((None, 0)),
            Some(version) => Ok((Some(version), schema::version(&client).await?)),
        }
    });
    let (needed, database) = (schema::latest_version(), &config.clickhouse.database);
    match asked {
        Err(error) => Finding::failed(subject, &error),
        Ok((None, _)) => Finding::ok(subject, format!("{url}: database {database} will be made")),
        Ok((Some(version), 0)) => {
            Finding::ok(subject, format!("{url}: version {version}; tables will be made in {database}"))
        }
        Ok((Some(version), found)) if found == needed => {
            Finding::ok(subject, format!("{url}: version {version}, schema {found} in {database}"))
        }
        Ok((Some(version), found)) if found < needed => Finding::ok(
            subject,
            format!("{url}: version {version}, schema {found} in {database} will be raised to {needed}"),
        ),
        Ok((Some(_), found)) => Finding::fail(
            subject,
            format!("{url}: schema {found} in {database} is newer than {needed}, which this collector knows"),
            "install the collector that made it, or a later one",
        ),
    }
}

/// What the embedded store needs before it can start.
fn embedded(case: &Case<'_>) -> Vec<Finding> {
    let config = case.config;
    let library = match store::locate::library(config.store.library.as_deref()) {
        Ok(path) => Finding::ok("store engine", path.display().to_string()),
        Err(error) => Finding::failed("store engine", &error),
    };
    vec![library, listener(case, "embedded store", config.store.listen, "store.listen")]
}

fn listener(case: &Case<'_>, subject: &str, address: SocketAddr, key: &str) -> Finding {
    match TcpListener::bind(address) {
        Ok(_) => Finding::ok(subject, format!("{address} is free")),
        Err(_) if case.owner(Protocol::Tcp, address.port()) == Some(Owner::Collector) => {
            Finding::ok(subject, format!("{address}: the running collector's"))
        }
        Err(_) if case.owner(Protocol::Tcp, address.port()) == Some(Owner::Unknown) => Finding::unknown(
            subject,
            format!("{address} is in use, by the running collector as it seems"),
            "check again as root to see whose it is",
        ),
        Err(error) => Finding::fail(
            subject,
            format!("{address}: {error}"),
            format!("stop what listens there (`ss -ltnp` names it), or set {key} to another address"),
        ),
    }
}
