//! What the saved snapshot of templates knows, as the decoder takes it: option values, and templates as datagrams that announce them.

use netflow::options::OptionValue;

use crate::templates::snapshot::{SavedOptions, SavedTemplate};

/// Set ids of templates and options templates: RFC 3954 section 5.2 and 6.1, RFC 7011 section 3.3.2.
const V9_SETS: [u16; 2] = [0, 1];
const IPFIX_SETS: [u16; 2] = [2, 3];
/// The bit of an IPFIX field specifier that says that an enterprise number follows: RFC 7011 section 3.2.
const ENTERPRISE: u16 = 1 << 15;

/// The option values of a domain.
pub(super) fn values(saved: &SavedOptions) -> Vec<OptionValue> {
    let rates =
        saved.sampling.iter().map(|saved| OptionValue::Sampling { scope: saved.scope.into(), rate: saved.rate });
    let applications =
        saved.applications.iter().map(|(id, name)| OptionValue::Application { id: *id, name: name.as_str().into() });
    let interfaces = saved
        .interface_names
        .iter()
        .map(|(index, name)| OptionValue::InterfaceName { index: *index, name: name.as_str().into() });
    let vrfs = saved.vrf_names.iter().map(|(id, name)| OptionValue::VrfName { id: *id, name: name.as_str().into() });
    let start = saved.system_init_ms.map(|milliseconds| OptionValue::SystemInit { milliseconds });
    rates.chain(applications).chain(interfaces).chain(vrfs).chain(start).collect()
}

/// A datagram of the exporter that announces a template and nothing else.
pub(super) fn template(saved: &SavedTemplate) -> Vec<u8> {
    let is_ipfix = saved.domain.version == 10;
    let fields = u16::try_from(saved.fields.len()).unwrap_or(u16::MAX);
    let mut body = Vec::new();
    put16(&mut body, saved.id);
    match saved.scope_fields {
        None => put16(&mut body, fields),
        Some(scope_fields) if is_ipfix => {
            put16(&mut body, fields);
            put16(&mut body, scope_fields);
        }
        Some(scope_fields) => {
            // NetFlow v9 counts bytes: four for each field.
            put16(&mut body, scope_fields.saturating_mul(4));
            put16(&mut body, fields.saturating_sub(scope_fields).saturating_mul(4));
        }
    }
    for field in &saved.fields {
        let has_enterprise = is_ipfix && field.enterprise != 0;
        put16(&mut body, if has_enterprise { field.element | ENTERPRISE } else { field.element });
        put16(&mut body, field.length);
        if has_enterprise {
            put32(&mut body, field.enterprise);
        }
    }
    body.resize(body.len().next_multiple_of(4), 0);
    let [data, options] = if is_ipfix { IPFIX_SETS } else { V9_SETS };
    let set_bytes = u16::try_from(4 + body.len()).unwrap_or(u16::MAX);
    let mut datagram = Vec::new();
    put16(&mut datagram, u16::from(saved.domain.version));
    if is_ipfix {
        put16(&mut datagram, set_bytes.saturating_add(16));
    } else {
        put16(&mut datagram, 1);
        put32(&mut datagram, 0);
    }
    put32(&mut datagram, 0);
    put32(&mut datagram, 0);
    put32(&mut datagram, saved.domain.domain);
    put16(&mut datagram, if saved.scope_fields.is_some() { options } else { data });
    put16(&mut datagram, set_bytes);
    datagram.extend(body);
    datagram
}

fn put16(out: &mut Vec<u8>, number: u16) {
    out.extend(number.to_be_bytes());
}

fn put32(out: &mut Vec<u8>, number: u32) {
    out.extend(number.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use netflow::store::{Store as _, TemplateKey};
    use netflow::{Datagram, Report, Tables, decode};

    use super::*;
    use crate::templates::snapshot::{SavedDomain, SavedField};
    use crate::templates::{Settings, Templates};

    #[test]
    fn a_saved_template_comes_back_from_its_datagram() {
        let field = |element, enterprise, length| SavedField { element, enterprise, length };
        let data = vec![field(8, 0, 4), field(12, 0, 4), field(1, 0, 8)];
        let own = vec![field(8, 0, 4), field(1001, 9, 65_535), field(2, 0, 4)];
        let v9_options = vec![field(2, 0, 4), field(48, 0, 1), field(50, 0, 4)];
        let options = vec![field(149, 0, 4), field(305, 0, 4)];
        for (version, scope_fields, fields) in [
            (9, None, data.clone()),
            (10, None, data),
            (10, None, own),
            (9, Some(1), v9_options),
            (10, Some(1), options),
        ] {
            let domain = SavedDomain { exporter: [1; 16], version, domain: 7 };
            let saved = SavedTemplate {
                domain,
                id: 300,
                scope_fields,
                fields: fields.clone(),
                learned_at: 0,
                seen_at: 0,
                used_at: 0,
            };
            let mut cache = Templates::new(Settings::default()).cache();
            let payload = template(&saved);
            let datagram = Datagram { payload: &payload, exporter: [1; 16], received_ms: 0 };
            let mut report = Report::default();
            let outcome = decode(&datagram, &mut cache, &mut Tables::default(), &mut report);
            assert!(outcome.is_sound() && outcome.is_complete, "{saved:?}: {outcome:?}");
            let learned = cache.template(&TemplateKey { domain: domain.into(), id: 300 }).expect("learned");
            let found: Vec<SavedField> = learned.fields().iter().map(|field| (*field).into()).collect();
            assert_eq!(found, fields, "{saved:?}");
        }
    }
}
