//! A snapshot for people and for scripts: `collector templates`.

use std::io::{self, Write};
use std::net::Ipv6Addr;

use netflow::options::Part;
use netflow::template::VARIABLE;
use serde_json::json;

use super::snapshot::{SavedDomain, SavedField, SavedScope, SavedTemplate, Snapshot};

/// Gives the name of an information element: (element, enterprise).
pub type Names<'a> = &'a dyn Fn(u16, u32) -> Option<&'static str>;

/// Writes a snapshot as text, one exporter's domain after the other: a line for each template and each option value.
///
/// # Errors
/// What `out` says.
pub fn text(snapshot: &Snapshot, names: Names<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut domains: Vec<SavedDomain> = snapshot.templates.iter().map(|template| template.domain).collect();
    domains.extend(snapshot.options.iter().map(|options| options.domain));
    domains.sort_unstable();
    domains.dedup();
    let (mut templates, mut options) = (snapshot.templates.as_slice(), snapshot.options.as_slice());
    for domain in domains {
        let (of_domain, later) = templates.split_at(templates.partition_point(|template| template.domain <= domain));
        let (announced, later_options) = options.split_at(options.partition_point(|options| options.domain <= domain));
        (templates, options) = (later, later_options);
        writeln!(out, "exporter {} version {} domain {}", address(&domain), domain.version, domain.domain)?;
        for template in of_domain {
            let idle = snapshot.taken_at.saturating_sub(template.seen_at);
            let fields: Vec<String> = template.fields.iter().map(|field| field_text(*field, names)).collect();
            writeln!(out, "  {} {}, idle {idle} s: {}", kind_text(template), template.id, fields.join(" "))?;
        }
        for options in announced {
            for sampling in &options.sampling {
                writeln!(out, "  sampling rate of {}: {}", scope_text(sampling.scope), sampling.rate)?;
            }
            if let Some(milliseconds) = options.system_init_ms {
                writeln!(out, "  exporter started at {milliseconds} ms since 1970")?;
            }
            for (id, name) in &options.applications {
                writeln!(out, "  application {id}: {}", name.escape_debug())?;
            }
            for (index, name) in &options.interface_names {
                writeln!(out, "  interface {index}: {}", name.escape_debug())?;
            }
            for (id, name) in &options.vrf_names {
                writeln!(out, "  VRF {id}: {}", name.escape_debug())?;
            }
        }
    }
    match snapshot.templates.len() {
        1 => writeln!(out, "1 template"),
        count => writeln!(out, "{count} templates"),
    }
}

/// Writes a snapshot as JSON, an object a line: `{"template": ..}` and `{"options": ..}`.
///
/// # Errors
/// What `out` says.
pub fn json(snapshot: &Snapshot, names: Names<'_>, out: &mut dyn Write) -> io::Result<()> {
    for template in &snapshot.templates {
        let fields: Vec<_> = template
            .fields
            .iter()
            .map(|field| {
                json!({
                    "element": field.element, "enterprise": field.enterprise, "length": field.length,
                    "name": names(field.element, field.enterprise),
                })
            })
            .collect();
        let line = json!({
            "exporter": address(&template.domain), "version": template.domain.version, "domain": template.domain.domain,
            "template": template.id, "scope_fields": template.scope_fields, "fields": fields,
            "learned_at": template.learned_at, "seen_at": template.seen_at, "used_at": template.used_at,
        });
        writeln!(out, "{line}")?;
    }
    for options in &snapshot.options {
        let sampling: Vec<_> = options
            .sampling
            .iter()
            .map(|sampling| json!({ "scope": scope_text(sampling.scope), "rate": sampling.rate, "seen_at": sampling.seen_at }))
            .collect();
        let applications: Vec<_> =
            options.applications.iter().map(|(id, name)| json!({ "id": id, "name": name })).collect();
        let interfaces: Vec<_> =
            options.interface_names.iter().map(|(index, name)| json!({ "index": index, "name": name })).collect();
        let vrfs: Vec<_> = options.vrf_names.iter().map(|(id, name)| json!({ "id": id, "name": name })).collect();
        let line = json!({
            "exporter": address(&options.domain), "version": options.domain.version, "domain": options.domain.domain,
            "sampling": sampling, "applications": applications, "interfaces": interfaces, "vrfs": vrfs,
            "system_init_ms": options.system_init_ms,
            "applications_seen_at": options.applications_seen_at,
            "interface_names_seen_at": options.interface_names_seen_at,
            "vrf_names_seen_at": options.vrf_names_seen_at, "system_init_seen_at": options.system_init_seen_at,
        });
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn address(domain: &SavedDomain) -> String {
    Ipv6Addr::from(domain.exporter).to_canonical().to_string()
}

fn kind_text(template: &SavedTemplate) -> String {
    match template.scope_fields {
        None => "template".to_owned(),
        Some(scope_fields) => format!("options template ({scope_fields} scope)"),
    }
}

fn field_text(field: SavedField, names: Names<'_>) -> String {
    let name = match names(field.element, field.enterprise) {
        Some(name) => name.to_owned(),
        None if field.enterprise == 0 => field.element.to_string(),
        None => format!("{}/{}", field.enterprise, field.element),
    };
    match field.length {
        VARIABLE => format!("{name}:variable"),
        length => format!("{name}:{length}"),
    }
}

/// A sampling scope in words.
pub fn scope_text(scope: SavedScope) -> String {
    match scope {
        SavedScope::Domain => "domain".to_owned(),
        SavedScope::Sampler(id) => format!("sampler {id}"),
        SavedScope::Interface(index) => format!("interface {index}"),
        SavedScope::EgressInterface(index) => format!("egress interface {index}"),
        SavedScope::SelectionSequence(id) => format!("selection sequence {id}"),
        SavedScope::Template(id) => format!("template {id}"),
        SavedScope::ObservationPoint(id) => format!("observation point {id}"),
        SavedScope::Port(id) => format!("port {id}"),
        SavedScope::LineCard(id) => format!("line card {id}"),
        SavedScope::Cache(id) => format!("cache {id}"),
        SavedScope::MeteringProcess(id) => format!("metering process {id}"),
        SavedScope::ExportingProcess(id) => format!("exporting process {id}"),
        SavedScope::SamplerOfPart(part, id, sampler) => {
            let part = match Part::ALL.get(usize::from(part)) {
                Some(Part::ObservationPoint) => "observation point",
                Some(Part::Port) => "port",
                Some(Part::LineCard) => "line card",
                Some(Part::Cache) => "cache",
                Some(Part::MeteringProcess) => "metering process",
                Some(Part::ExportingProcess) | None => "exporting process",
            };
            format!("sampler {sampler} of {part} {id}")
        }
    }
}
