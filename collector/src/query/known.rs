//! Exporters and interfaces as people name them: looked up before a question is asked, and, where it found nothing, whether there is
//! such a thing at all.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use super::answer::{Answer, Cell};
use super::ask::{Error, Limits, ask};
use super::dimension::Dimension;
use super::filter::{Exporters, Filter};
use super::question::{Question, Request, Span};
use super::statement::{Column, Kind, Parameters, Statement, whole_seconds};
use crate::clickhouse::Client;
use crate::prefix::Prefix;

/// The most that is looked through for a name, and the most that an error lists.
const MOST: u32 = 10_000;
const LISTED: usize = 8;

/// An exporter as somebody names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExporterName {
    /// By its address, or several by a prefix.
    Prefix(Prefix),
    /// By its name.
    Name(String),
}

/// An interface as somebody names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InterfaceName {
    /// By its ifIndex.
    Index(u32),
    /// By its name.
    Name(String),
}

/// What of a request has to be looked up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// The exporters that it is about, if not all.
    pub exporter: Option<ExporterName>,
    /// The interface of [`Question::Interface`].
    pub series: Option<InterfaceName>,
    /// The interface that traffic must pass, if any will not do.
    pub interface: Option<InterfaceName>,
}

impl FromStr for ExporterName {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Prefix))
    }
}

impl FromStr for InterfaceName {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Index))
    }
}

/// Which of these is most like a text, in any case; nothing where none is like it.
pub fn nearest<'a>(text: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let text = text.to_lowercase();
    let likeness = |known: &str| strsim::jaro_winkler(&text, &known.to_lowercase());
    known
        .map(|known| (likeness(known), known))
        .filter(|(likeness, _)| *likeness > 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

/// Puts what was named into a request.
///
/// # Errors
/// [`Error::Unknown`] for a name that nothing has, or that does not tell one interface apart.
pub async fn resolve(client: &Client, request: &mut Request, named: &Named, limits: Limits) -> Result<(), Error> {
    let exporter = match &named.exporter {
        None => None,
        Some(ExporterName::Prefix(prefix)) => Some(Filter::Exporter(*prefix)),
        Some(name) => Some(Filter::Exporters(name.among(&configured(client, limits).await?)?)),
    };
    request.filters.extend(exporter.clone());
    match &named.interface {
        None => {}
        Some(InterfaceName::Index(index)) => request.filters.push(Filter::Interface(*index)),
        Some(InterfaceName::Name(name)) => {
            let found = called(name, &interfaces(client, exporter.as_ref(), request.span, limits).await?)?;
            request.filters.push(Filter::Interfaces(found.iter().map(|one| (one.exporter, one.index)).collect()));
        }
    }
    let (Some(series), Question::Interface { if_index, .. }) = (&named.series, &mut request.question) else {
        return Ok(());
    };
    *if_index = match series {
        InterfaceName::Index(index) => *index,
        InterfaceName::Name(name) => {
            let found = called(name, &interfaces(client, exporter.as_ref(), request.span, limits).await?)?;
            if found.len() > 1 {
                let all: Vec<String> = found.iter().take(LISTED).map(|one| one.with_exporter()).collect();
                let message = format!("several interfaces are called \"{name}\": name one as {}", all.join(", or "));
                return Err(Error::Unknown(message));
            }
            let Some(one) = found.first() else { return Err(Error::NoAnswer) };
            // A name may be that of several exporters, of which one has the interface.
            request.filters.retain(|filter| !filter.is_of_exporter());
            request.filters.push(Filter::Exporter(Prefix::from(IpAddr::V6(one.exporter).to_canonical())));
            one.index
        }
    };
    Ok(())
}

/// After an answer without traffic: whether there are the exporter and the interface that were asked about.
///
/// # Errors
/// [`Error::Unknown`] where nothing was ever heard of them.
pub async fn check(client: &Client, request: &Request, answer: &Answer, limits: Limits) -> Result<(), Error> {
    let is_zero = |row: &Vec<Cell>| {
        let counts = answer.columns.iter().zip(row).filter(|(column, _)| column.kind == Kind::Bytes);
        counts.map(|(_, cell)| cell.as_f64()).sum::<f64>() == 0.0
    };
    let is_series = matches!(request.question, Question::Interface { .. });
    let is_without_traffic = answer.rows.is_empty() || is_series && answer.rows.iter().all(is_zero);
    if !is_without_traffic {
        return Ok(());
    }
    let exporter = request.filters.iter().find(|filter| filter.is_of_exporter());
    if let Some(filter) = exporter
        && !is_heard_of(client, filter, limits).await?
    {
        return Err(Error::Unknown(unknown_exporter(client, filter, limits).await?));
    }
    let of_filters = || {
        request
            .filters
            .iter()
            .find_map(|filter| if let Filter::Interface(index) = filter { Some(*index) } else { None })
    };
    let of_question = if let Question::Interface { if_index, .. } = &request.question { Some(*if_index) } else { None };
    let Some(index) = of_question.or_else(of_filters) else { return Ok(()) };
    let known = interfaces(client, exporter, request.span, limits).await?;
    if known.is_empty() || known.iter().any(|one| one.index == index) {
        return Ok(());
    }
    let mut all: Vec<String> = known.iter().take(LISTED).map(Interface::told).collect();
    if known.len() > LISTED {
        all.push(format!("and {} more", known.len() - LISTED));
    }
    Err(Error::Unknown(format!("there is no interface {index}: there are {}", all.join(", "))))
}

/// The names of exporters that are configured, each with its prefix.
async fn configured(client: &Client, limits: Limits) -> Result<Vec<(Prefix, String)>, Error> {
    let sql = format!("SELECT prefix, name FROM exporters WHERE name != '' ORDER BY prefix LIMIT {MOST}");
    let columns = [("prefix", Kind::Text), ("name", Kind::Text)];
    let answer = ask(client, &statement(sql, Parameters::default(), &columns), limits).await?;
    let rows = answer.rows.into_iter().filter_map(|row| match &row[..] {
        [Cell::Text(prefix), Cell::Text(name)] => Some((prefix.parse().ok()?, name.clone())),
        _ => None,
    });
    Ok(rows.collect())
}

impl ExporterName {
    /// The exporters that it names, by the names that are known.
    ///
    /// # Errors
    /// [`Error::Unknown`] with the nearest name.
    pub fn among(&self, known: &[(Prefix, String)]) -> Result<Exporters, Error> {
        let name = match self {
            Self::Prefix(prefix) => return Ok(Exporters { of: vec![*prefix], but: Vec::new() }),
            Self::Name(name) => name,
        };
        let has_name = known.iter().any(|(_, known)| known == name);
        let is_called = |known: &str| if has_name { known == name } else { known.eq_ignore_ascii_case(name) };
        let of: Vec<Prefix> = known.iter().filter(|(_, name)| is_called(name)).map(|(prefix, _)| *prefix).collect();
        if of.is_empty() {
            return Err(Error::Unknown(no_exporter(name, known.iter().map(|(_, name)| name.as_str()))));
        }
        let is_within = |prefix: Prefix| {
            of.iter().any(|wide| prefix.bits() > wide.bits() && wide.holds(IpAddr::V6(Ipv6Addr::from(prefix.first()))))
        };
        let others = known.iter().filter(|(prefix, name)| !is_called(name) && is_within(*prefix));
        Ok(Exporters { but: others.map(|(prefix, _)| *prefix).collect(), of })
    }
}

fn no_exporter<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let remedy = match nearest(name, known) {
        Some(nearest) => format!("is it {nearest} that is meant?"),
        None => "`collector query exporters` lists them".to_owned(),
    };
    format!("no exporter is called \"{name}\": {remedy}")
}

/// Whether anything ever came of the exporters of a filter.
async fn is_heard_of(client: &Client, filter: &Filter, limits: Limits) -> Result<bool, Error> {
    let mut parameters = Parameters::default();
    let condition = filter.sql(&mut parameters, |dimension| dimension.column().to_owned());
    let any = ["ledger", "interface_1m", "flows"]
        .map(|table| format!("(SELECT count() FROM (SELECT 1 FROM {table} WHERE {condition} LIMIT 1))"));
    let sql = format!("SELECT {} AS heard", any.join(" + "));
    let answer = ask(client, &statement(sql, parameters, &[("heard", Kind::Count)]), limits).await?;
    Ok(answer.rows.first().is_none_or(|row| row[0].as_f64() > 0.0))
}

/// What to say of exporters that never sent anything.
async fn unknown_exporter(client: &Client, filter: &Filter, limits: Limits) -> Result<String, Error> {
    let sql = format!(
        "SELECT DISTINCT exporter_address AS address FROM (SELECT exporter_address FROM ledger UNION ALL SELECT exporter_address FROM interface_1m) \
         WHERE address != toIPv6('::') ORDER BY address LIMIT {MOST}"
    );
    let answer = ask(client, &statement(sql, Parameters::default(), &[("address", Kind::Address)]), limits).await?;
    let known: Vec<String> = answer
        .rows
        .iter()
        .filter_map(|row| if let Cell::Address(address) = row[0] { Some(address.to_string()) } else { None })
        .collect();
    let of = if let Filter::Exporters(Exporters { of, .. }) = filter { of.as_slice() } else { &[] };
    let of = if let Filter::Exporter(prefix) = filter { std::slice::from_ref(prefix) } else { of };
    let asked = of.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let address = asked.split('/').next().unwrap_or_default();
    let remedy = match nearest(address, known.iter().map(String::as_str)) {
        Some(nearest) => format!("is it {nearest} that is meant?"),
        None if known.is_empty() => "no exporter has sent anything yet".to_owned(),
        None => format!("those that have are {}", known.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ")),
    };
    Ok(format!("no exporter of {asked} has ever sent anything: {remedy}"))
}

/// An interface that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Interface {
    exporter: Ipv6Addr,
    index: u32,
    name: String,
}

impl Interface {
    fn told(&self) -> String {
        format!("{} {}", self.index, self.name).trim_end().to_owned()
    }

    fn with_exporter(&self) -> String {
        format!("{} {}", IpAddr::V6(self.exporter).to_canonical(), self.index)
    }
}

/// The interfaces that have a name, or had traffic in the span or the last days.
async fn interfaces(
    client: &Client,
    exporter: Option<&Filter>,
    span: Span,
    limits: Limits,
) -> Result<Vec<Interface>, Error> {
    let mut parameters = Parameters::default();
    let from = parameters.put("from", "DateTime('UTC')", whole_seconds(span.from_ms));
    let to = parameters.put("to", "DateTime('UTC')", whole_seconds(span.to_ms));
    let condition = exporter.map_or_else(String::new, |filter| {
        let condition = filter.sql(&mut parameters, |dimension: Dimension| dimension.column().to_owned());
        format!(" AND {condition}")
    });
    let sql = format!(
        "SELECT exporter_address, if_index, anyIf(name, name != '') AS name FROM\n(\n    \
         SELECT exporter_address, if_index, name FROM interfaces WHERE 1{condition}\n    UNION ALL\n    \
         SELECT exporter_address, if_index, max(if_name) AS name FROM interface_1m WHERE (time >= now() - INTERVAL 7 DAY OR time >= {from} AND time < {to}){condition} \
         GROUP BY exporter_address, if_index\n)\nGROUP BY exporter_address, if_index\nORDER BY exporter_address, if_index\nLIMIT {MOST}"
    );
    let columns = [("exporter_address", Kind::Address), ("if_index", Kind::Number), ("name", Kind::Text)];
    let answer = ask(client, &statement(sql, parameters, &columns), limits).await?;
    let rows = answer.rows.into_iter().filter_map(|row| match &row[..] {
        [Cell::Address(address), Cell::Whole(index), Cell::Text(name)] => {
            let exporter = match address {
                IpAddr::V4(address) => address.to_ipv6_mapped(),
                IpAddr::V6(address) => *address,
            };
            Some(Interface { exporter, index: u32::try_from(*index).ok()?, name: name.clone() })
        }
        _ => None,
    });
    Ok(rows.collect())
}

/// The interfaces of a name.
fn called(name: &str, known: &[Interface]) -> Result<Vec<Interface>, Error> {
    let those = |is_called: &dyn Fn(&Interface) -> bool| -> Vec<Interface> {
        known.iter().filter(|one| is_called(one)).cloned().collect()
    };
    let mut found = those(&|one| one.name == name);
    if found.is_empty() {
        found = those(&|one| one.name.eq_ignore_ascii_case(name));
    }
    if found.is_empty() {
        let remedy = match nearest(name, known.iter().map(|one| one.name.as_str())) {
            Some(nearest) => format!("is it {nearest} that is meant?"),
            None => "`collector query interfaces` lists them".to_owned(),
        };
        return Err(Error::Unknown(format!("no interface is called \"{name}\": {remedy}")));
    }
    Ok(found)
}

fn statement(sql: String, parameters: Parameters, columns: &[(&'static str, Kind)]) -> Statement {
    let columns = columns.iter().map(|(name, kind)| Column { name, kind: *kind }).collect();
    Statement { sql, parameters: parameters.0, columns }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().expect("a prefix")
    }

    #[test]
    fn a_name_is_that_of_its_prefixes_less_what_has_another_within() {
        let known =
            [("192.0.2.0/24", "lab"), ("192.0.2.7", "vyos-1"), ("192.0.2.128/25", "lab"), ("198.51.100.1", "Lab")]
                .map(|(text, name)| (prefix(text), name.to_owned()));
        let among = |name: &str| name.parse::<ExporterName>().expect("a name").among(&known);
        let exporters = |of: &[&str], but: &[&str]| Exporters {
            of: of.iter().map(|text| prefix(text)).collect(),
            but: but.iter().map(|text| prefix(text)).collect(),
        };
        assert_eq!(among("lab").expect("a name"), exporters(&["192.0.2.0/24", "192.0.2.128/25"], &["192.0.2.7"]));
        // In another case where there is none of exactly that name.
        assert_eq!(among("VYOS-1").expect("a name"), exporters(&["192.0.2.7"], &[]));
        assert_eq!(among("2001:db8::/32").expect("a prefix"), exporters(&["2001:db8::/32"], &[]));
        let error = among("vyos-2").expect_err("no such name").to_string();
        assert_eq!(error, "no exporter is called \"vyos-2\": is it vyos-1 that is meant?");
        let error = among("@").expect_err("no name").to_string();
        assert!(error.contains("collector query exporters"), "{error}");
        let lab = among("lab").expect("a name");
        for (address, expected) in [("192.0.2.1", true), ("192.0.2.7", false), ("198.51.100.1", false)] {
            assert_eq!(lab.holds(address.parse().expect("an address")), expected, "{address}");
        }
    }

    #[test]
    fn interfaces_are_called_by_their_names() {
        let of = |index: u32, name: &str| Interface {
            exporter: std::net::Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped(),
            index,
            name: name.to_owned(),
        };
        let known = [of(1, "eth0"), of(2, "uplink"), of(3, "Uplink")];
        assert_eq!(called("uplink", &known).expect("one"), [of(2, "uplink")]);
        assert_eq!(called("UPLINK", &known).expect("two").len(), 2);
        let error = called("uplnk", &known).expect_err("none").to_string();
        assert!(error.contains("uplink") || error.contains("Uplink"), "{error}");
    }
}
