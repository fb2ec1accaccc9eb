//! Templates, options and names in any number: what is kept of them is bounded.

use netflow::Event;
use netflow::map_store::TEMPLATE_LIMIT;
use netflow::options::{APPLICATION_LIMIT, SAMPLING_LIMIT};
use netflow::template::MAX_FIELDS;
use perf::announce::{Form, Scope, sampling};
use perf::template::{VARIABLE, data_set, iana, set, template_set};
use perf::{Field, Template};

use crate::memory::used;
use crate::{Decoded, PROTOCOLS};

/// Bytes that a template takes for each of its fields, the plan and both stores included; with it the bound of DESIGN.md's
/// keeper can be told in bytes.
const BYTES_PER_FIELD: usize = 400;

#[test]
fn templates_of_all_ids() {
    for protocol in PROTOCOLS {
        let mut decoded = Decoded::default();
        let ((), most, _) = used(|| {
            for ids in (256..=u16::MAX).collect::<Vec<_>>().chunks(500) {
                let templates: Vec<Template> = ids
                    .iter()
                    .map(|id| Template::data(*id, vec![iana(8, 4), iana(1, 8), iana(82, VARIABLE)]))
                    .collect();
                decoded.sets(protocol, &[template_set(protocol, &templates, 0)]);
            }
        });
        let all = 65_536 - 256;
        assert_eq!(decoded.report.get(Event::TemplateLearned), TEMPLATE_LIMIT as u64, "{protocol:?}");
        assert_eq!(decoded.report.get(Event::TemplateRefused), all - TEMPLATE_LIMIT as u64, "{protocol:?}");
        assert_eq!(decoded.store.templates().count(), TEMPLATE_LIMIT);
        assert!(most < 2 * TEMPLATE_LIMIT * (1024 + 3 * BYTES_PER_FIELD), "{protocol:?}: {most} bytes");
    }
}

/// The largest template that fits, once and redefined over and over: what is replaced is given back.
#[test]
fn template_bombs() {
    let fields = |element: u16| vec![iana(element, 1); MAX_FIELDS];
    for protocol in PROTOCOLS {
        let mut decoded = Decoded::default();
        let ((), most, still) = used(|| {
            for round in 0..500_u16 {
                let bomb = Template::data(256 + round % 4, fields(1 + round));
                decoded.sets(protocol, &[template_set(protocol, &[bomb], 0)]);
            }
        });
        assert_eq!(decoded.report.get(Event::TemplateLearned), 4, "{protocol:?}");
        assert_eq!(decoded.report.get(Event::TemplateReplaced), 496, "{protocol:?}");
        let bound = 2 * 6 * MAX_FIELDS * BYTES_PER_FIELD;
        assert!(most < bound && still < bound, "{protocol:?}: {most} bytes, {still} kept");
    }
}

/// Templates that say they have up to 65535 fields, of which a datagram holds no more than 16 thousand.
#[test]
fn templates_of_too_many_fields() {
    let many: Vec<Field> = vec![iana(1, 1); 16_000];
    let sizes = [
        (MAX_FIELDS, Event::TemplateLearned),
        (MAX_FIELDS + 1, Event::TemplateFields),
        (16_000, Event::TemplateFields),
    ];
    for protocol in PROTOCOLS {
        for (fields, event) in sizes {
            let mut decoded = Decoded::default();
            let template = Template::data(256, many[..fields].to_vec());
            let payload = [template_set(protocol, &[template], 0)];
            let ((), most, _) = used(|| {
                decoded.sets(protocol, &payload);
            });
            assert_eq!(decoded.report.get(event), 1, "{protocol:?}, {fields} fields: {:?}", decoded.report);
            assert!(most < 2 * MAX_FIELDS * BYTES_PER_FIELD + 200_000, "{protocol:?}, {fields} fields: {most} bytes");
        }
        // The count says 65535, the set holds one field.
        let lie = set(protocol.template_sets()[0], &[1, 0, 0xff, 0xff, 0, 1, 0, 4]);
        let mut decoded = Decoded::default();
        decoded.sets(protocol, &[lie]);
        assert_eq!(decoded.report.get(Event::TemplateTruncated), 1, "{protocol:?}");
        assert_eq!(decoded.store.templates().count(), 0);
    }
}

/// Samplers and applications by the hundred thousand.
#[test]
fn options_without_end() {
    for protocol in PROTOCOLS {
        let mut decoded = Decoded::default();
        let (template, _) = sampling(protocol, 300, Scope::Everything, Form::Sampler(1), 100);
        decoded.sets(protocol, &[template_set(protocol, std::slice::from_ref(&template), 0)]);
        let names = Template::options(301, &[iana(95, 4)], &[iana(96, 200)]);
        decoded.sets(protocol, &[template_set(protocol, std::slice::from_ref(&names), 0)]);
        let ((), most, _) = used(|| {
            for round in 0..100_u16 {
                let records: Vec<_> = (0..600_u16)
                    .map(|number| {
                        sampling(protocol, 300, Scope::Everything, Form::Sampler(round * 600 + number), 100).1
                    })
                    .collect();
                decoded.sets(protocol, &[data_set(&template, &records, 0)]);
                let records: Vec<_> = (0..200_u32)
                    .map(|number| {
                        let id = (u32::from(round) * 200 + number) | 1 << 24;
                        vec![id.to_be_bytes().to_vec().into(), vec![b'a' + (number % 26) as u8; 200].into()]
                    })
                    .collect();
                decoded.sets(protocol, &[data_set(&names, &records, 0)]);
            }
        });
        assert!(decoded.report.get(Event::OptionRefused) > 0, "{protocol:?}");
        // Both ways keep their own.
        let bound = 2 * (SAMPLING_LIMIT * 200 + APPLICATION_LIMIT * 600) + 4_000_000;
        assert!(most < bound, "{protocol:?}: {most} bytes");
    }
}
