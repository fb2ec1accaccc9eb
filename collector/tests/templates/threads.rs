//! Threads on one store: nobody ever gets another domain's template.

use std::collections::HashMap;
use std::thread;

use collector::templates::{Cache, Settings, Templates};
use netflow::options::SamplingScope;
use netflow::store::{DomainKey, Learned, Store, TemplateKey};
use netflow::template::Kind;

use crate::{domain, mark_of, marked, sampling};

/// Threads learn, use and withdraw templates under the same ids in different domains. Nobody may ever get another domain's
/// template, and what one thread alone writes is what it reads.
#[test]
fn threads_never_see_anothers_template() {
    let templates = Templates::new(Settings::default());
    let domains: Vec<DomainKey> = [(1, 9, 1), (1, 9, 2), (1, 10, 1), (2, 9, 1)]
        .map(|(exporter, version, of)| domain(exporter, version, of))
        .into();
    thread::scope(|scope| {
        for (worker, own) in domains.iter().enumerate() {
            let (templates, domains) = (&templates, &domains);
            scope.spawn(move || stress(&mut templates.cache(), *own, domains, worker as u32));
        }
    });
    for saved in &templates.snapshot(0).templates {
        let owner = TemplateKey { domain: saved.domain.into(), id: saved.id };
        assert_eq!(saved.fields[0].enterprise, mark_of(&marked(&owner, 0, 2)).0);
    }
}

fn stress(cache: &mut Cache, own: DomainKey, domains: &[DomainKey], worker: u32) {
    let mut random = worker.wrapping_mul(0x9e37_79b9) | 1;
    let mut model: HashMap<u16, u32> = HashMap::new();
    for round in 0..20_000 {
        // Xorshift: the same rounds at every run.
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        let id = 256 + u16::try_from(random % 16).expect("small");
        let of = TemplateKey { domain: own, id };
        match random >> 16 & 7 {
            0 => {
                assert_ne!(cache.learn(of, marked(&of, round, 2)), Learned::Refused);
                model.insert(id, round);
            }
            1 => assert_eq!(cache.withdraw(&of), model.remove(&id).is_some()),
            2 if round % 64 == 0 => {
                assert_eq!(cache.withdraw_all(&own, Kind::Data), model.len());
                model.clear();
            }
            3 => cache.announce(&own, &[sampling(u64::from(worker) + 1)]),
            4 => {
                let rate = cache.options(&own).and_then(|options| options.sampling.get(&SamplingScope::Domain));
                assert!(rate.is_none_or(|rate| rate == u64::from(worker) + 1));
            }
            5 => assert_eq!(cache.template(&of).map(|template| mark_of(&template).1), model.get(&id).copied()),
            _ => {
                let anyones = TemplateKey { domain: domains[(random >> 8) as usize % domains.len()], id };
                let found = cache.template(&anyones).map(|template| mark_of(&template).0);
                assert!(found.is_none_or(|owner| owner == mark_of(&marked(&anyones, 0, 2)).0));
            }
        }
    }
}
