//! What the tables are filled with: what is known without files, what the configuration says, and the lines of files above that.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};

use super::builtin::{PROTOCOLS, SERVICES};
use super::{Settings, csv, mapped};
use crate::prefix::Prefix;

/// The longest name that is taken, in bytes.
const MAX_NAME_BYTES: usize = 256;

/// The rows of one table, as TSV in the order of its columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// The rows.
    pub tsv: String,
    /// How many.
    pub count: usize,
}

/// The rows of each table; an error where its file cannot be used.
#[derive(Debug)]
pub struct Content {
    /// Tables by name.
    pub tables: [(&'static str, Result<Rows, Error>); 6],
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("cannot read {path}: {source}; the names known before stay")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A line is at fault.
    #[error("{path}:{line}: {fault}; the names known before stay")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        fault: String,
    },
}

/// An interface of an exporter: its name, its speed in bit/s, whether the exporter says so itself.
type Interfaces = BTreeMap<(Ipv6Addr, u32), (String, u64, bool)>;

impl Content {
    /// Reads the files; `systems` are AS names by GeoIP, `announced` interfaces' names as exporters say.
    #[must_use]
    pub fn read(
        settings: &Settings,
        systems: impl IntoIterator<Item = (u32, String)>,
        announced: impl IntoIterator<Item = (IpAddr, u32, String)>,
    ) -> Self {
        let tables = [
            ("as_names", as_names(settings, systems)),
            ("protocols", protocols(settings)),
            ("services", services(settings)),
            ("exporters", Ok(exporters(settings))),
            ("interfaces", interfaces(settings, announced)),
            ("networks", Ok(networks(settings))),
        ];
        Self { tables }
    }
}

impl Rows {
    fn push(&mut self, fields: &[&dyn std::fmt::Display]) {
        for (index, field) in fields.iter().enumerate() {
            if index > 0 {
                self.tsv.push('\t');
            }
            let mut text = String::new();
            let _ = write!(text, "{field}");
            for character in text.chars() {
                match character {
                    '\\' => self.tsv.push_str("\\\\"),
                    // No name needs these, and terminals obey them.
                    control if control.is_control() => self.tsv.push(' '),
                    other => self.tsv.push(other),
                }
            }
        }
        self.tsv.push('\n');
        self.count += 1;
    }
}

fn as_names(settings: &Settings, systems: impl IntoIterator<Item = (u32, String)>) -> Result<Rows, Error> {
    let mut names: BTreeMap<u32, String> = systems.into_iter().collect();
    each(settings.as_names.as_deref(), |fields| {
        let [number, name] = exactly(fields, "number, name")?;
        // As registries write them too.
        let digits = number.strip_prefix("AS").or(number.strip_prefix("as")).unwrap_or(number);
        names.insert(parsed(digits, number, "an AS number")?, named(name)?);
        Ok(())
    })?;
    let mut rows = Rows::default();
    names.iter().for_each(|(number, name)| rows.push(&[number, name]));
    Ok(rows)
}

fn protocols(settings: &Settings) -> Result<Rows, Error> {
    let mut names: BTreeMap<u8, String> =
        PROTOCOLS.into_iter().map(|(number, name)| (number, name.to_owned())).collect();
    each(settings.protocols.as_deref(), |fields| {
        let [number, name] = exactly(fields, "number, name")?;
        names.insert(parsed(number, number, "a protocol number from 0 to 255")?, named(name)?);
        Ok(())
    })?;
    let mut rows = Rows::default();
    names.iter().for_each(|(number, name)| rows.push(&[number, name]));
    Ok(rows)
}

fn services(settings: &Settings) -> Result<Rows, Error> {
    let mut names: BTreeMap<(u8, u16), String> = BTreeMap::new();
    for (over, port, name) in SERVICES {
        names.extend(over.protocols().iter().map(|protocol| ((*protocol, port), name.to_owned())));
    }
    each(settings.ports.as_deref(), |fields| {
        let [protocol, port, name] = exactly(fields, "protocol, port, name")?;
        let known = PROTOCOLS.iter().find(|(_, name)| name.eq_ignore_ascii_case(protocol));
        let protocol = match known {
            Some((number, _)) => *number,
            None => parsed(protocol, protocol, "a protocol such as tcp, udp or 132")?,
        };
        names.insert((protocol, parsed(port, port, "a port from 0 to 65535")?), named(name)?);
        Ok(())
    })?;
    let mut rows = Rows::default();
    names.iter().for_each(|((protocol, port), name)| rows.push(&[protocol, port, name]));
    Ok(rows)
}

fn exporters(settings: &Settings) -> Rows {
    let mut rows = Rows::default();
    for exporter in settings.exporters.iter().filter(|exporter| !exporter.name.is_empty() || !exporter.site.is_empty())
    {
        rows.push(&[&in_full(exporter.prefix), &exporter.name, &exporter.site]);
    }
    rows
}

fn interfaces(settings: &Settings, announced: impl IntoIterator<Item = (IpAddr, u32, String)>) -> Result<Rows, Error> {
    let mut known: Interfaces = BTreeMap::new();
    known.extend(
        announced.into_iter().map(|(exporter, if_index, name)| ((mapped(exporter), if_index), (name, 0, true))),
    );
    let mut tell = |exporter: Ipv6Addr, if_index, name: String, speed_bps| {
        let entry = known.entry((exporter, if_index)).or_insert((String::new(), 0, false));
        let name = if name.is_empty() { std::mem::take(&mut entry.0) } else { name };
        *entry = (name, speed_bps, false);
    };
    for exporter in &settings.exporters {
        for one in &exporter.interfaces {
            tell(Ipv6Addr::from(exporter.prefix.first()), one.if_index, one.name.clone(), one.speed_bps);
        }
    }
    each(settings.interfaces.as_deref(), |fields| {
        let (fields, mbps) = match fields {
            [fields @ .., mbps] if fields.len() == 3 => (fields, mbps.as_str()),
            fields => (fields, "0"),
        };
        let [exporter, if_index, name] = exactly(fields, "exporter, ifIndex, name and Mbit/s or not")?;
        let exporter: IpAddr = parsed(exporter, exporter, "an exporter's address")?;
        let mbps: u64 = if mbps.is_empty() { 0 } else { parsed(mbps, mbps, "a speed in Mbit/s")? };
        let if_index = parsed(if_index, if_index, "an ifIndex")?;
        tell(mapped(exporter), if_index, named(name)?, mbps.saturating_mul(1_000_000));
        Ok(())
    })?;
    let mut rows = Rows::default();
    for ((exporter, if_index), (name, speed_bps, is_announced)) in &known {
        rows.push(&[exporter, if_index, name, speed_bps, if *is_announced { &"exporter" } else { &"configuration" }]);
    }
    Ok(rows)
}

fn networks(settings: &Settings) -> Rows {
    let known: BTreeMap<Prefix, _> = settings.networks.iter().collect();
    let mut rows = Rows::default();
    known.iter().for_each(|(prefix, network)| rows.push(&[&in_full(*prefix), &network.name, &network.customer]));
    rows
}

/// A prefix as dictionaries want it: in IPv6, with its length.
fn in_full(prefix: Prefix) -> String {
    format!("{}/{}", Ipv6Addr::from(prefix.first()), prefix.bits())
}

/// Calls `take` with the fields of each line of a file, if there is one.
fn each(path: Option<&Path>, mut take: impl FnMut(&[String]) -> Result<(), String>) -> Result<(), Error> {
    let Some(path) = path else { return Ok(()) };
    let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let mut is_first = true;
    for (line, fields) in csv::lines(&text) {
        let taken = fields.map_err(str::to_owned).and_then(|fields| {
            let taken = take(&fields);
            // The names of the columns, as spreadsheets write them.
            let is_head =
                is_first && fields.iter().all(|field| field.starts_with(|first: char| first.is_ascii_alphabetic()));
            if is_head { Ok(()) } else { taken }
        });
        is_first = false;
        taken.map_err(|fault| Error::Line { path: path.to_owned(), line, fault })?;
    }
    Ok(())
}

fn exactly<'a, const N: usize>(fields: &'a [String], expected: &str) -> Result<[&'a str; N], String> {
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    fields.try_into().map_err(|fields: Vec<&str>| format!("{} fields, expected {expected}", fields.len()))
}

fn parsed<T: std::str::FromStr>(text: &str, shown: &str, what: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| format!("\"{}\" is not {what}", shown.escape_debug()))
}

fn named(name: &str) -> Result<String, String> {
    if name.len() > MAX_NAME_BYTES {
        return Err(format!("a name of {} bytes, expected at most {MAX_NAME_BYTES}", name.len()));
    }
    Ok(name.to_owned())
}
