//! The store against a plain map: random steps of two workers.

use std::collections::{HashMap, HashSet};

use collector::templates::{Settings, Templates};
use netflow::store::{DomainKey, Store, TemplateKey};
use netflow::template::Kind;
use proptest::prelude::*;

use crate::{domain, mark_of, marked};

/// One thing that an exporter or a worker does.
#[derive(Debug, Clone)]
enum Step {
    Learn(TemplateKey, u32),
    Withdraw(TemplateKey),
    WithdrawAll(DomainKey),
    Look(TemplateKey),
}

fn any_domain() -> impl Strategy<Value = DomainKey> {
    (1_u8..4, prop_oneof![Just(9_u8), Just(10)], 0_u32..3)
        .prop_map(|(exporter, version, of)| domain(exporter, version, of))
}

fn any_step() -> impl Strategy<Value = Step> {
    let any_key = || (any_domain(), 256_u16..260).prop_map(|(domain, id)| TemplateKey { domain, id });
    prop_oneof![
        4 => (any_key(), 0_u32..3).prop_map(|(key, mark)| Step::Learn(key, mark)),
        1 => any_key().prop_map(Step::Withdraw),
        1 => any_domain().prop_map(Step::WithdrawAll),
        4 => any_key().prop_map(Step::Look),
    ]
}

proptest! {
    /// Two workers take turns at random; the store does what a plain map with these keys does.
    #[test]
    fn keys_never_mix(steps in proptest::collection::vec((any::<bool>(), any_step()), 1..200)) {
        let templates = Templates::new(Settings::default());
        let mut caches = [templates.cache(), templates.cache()];
        let mut model: HashMap<TemplateKey, u32> = HashMap::new();
        for (worker, step) in steps {
            let cache = &mut caches[usize::from(worker)];
            match step {
                Step::Learn(key, mark) => {
                    cache.learn(key, marked(&key, mark, 2));
                    model.insert(key, mark);
                }
                Step::Withdraw(key) => prop_assert_eq!(cache.withdraw(&key), model.remove(&key).is_some()),
                Step::WithdrawAll(domain) => {
                    let before = model.len();
                    model.retain(|key, _| key.domain != domain);
                    prop_assert_eq!(cache.withdraw_all(&domain, Kind::Data), before - model.len());
                }
                Step::Look(key) => {
                    let expected = model.get(&key).map(|mark| mark_of(&marked(&key, *mark, 2)));
                    prop_assert_eq!(cache.template(&key).map(|template| mark_of(&template)), expected);
                }
            }
        }
        let listed = templates.snapshot(0).templates;
        let keys: HashSet<TemplateKey> =
            listed.iter().map(|saved| TemplateKey { domain: saved.domain.into(), id: saved.id }).collect();
        prop_assert_eq!(keys, model.keys().copied().collect::<HashSet<_>>());
        prop_assert_eq!(listed.len(), templates.len());
    }
}
