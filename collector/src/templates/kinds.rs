//! Templates that many exporters have alike: kept once.
//!
//! Devices of one make announce the same fields. That their templates are the same in memory keeps the store small, and what workers
//! decode by in the nearest caches, however many exporters there are.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use netflow::template::{Kind, Template};

use super::same;

/// Below this many it is not looked for those that are gone.
const FEW: usize = 1024;

/// The templates in use, by version of the protocol and content.
#[derive(Debug, Default)]
pub(super) struct Kinds(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    hasher: foldhash::fast::RandomState,
    /// By hash; of several with one hash the one that came last.
    kinds: HashMap<u64, (u8, Weak<Template>), foldhash::fast::RandomState>,
    /// At how many it is looked for those that are gone.
    full: usize,
}

impl Kinds {
    /// The one of all templates like this one.
    pub(super) fn one(&self, version: u8, template: Arc<Template>) -> Arc<Template> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = known.hash(version, &template);
        if let Some((known_version, kind)) = known.kinds.get(&hash)
            && *known_version == version
            && let Some(kind) = kind.upgrade()
            && same(&kind, &template)
        {
            return kind;
        }
        known.kinds.insert(hash, (version, Arc::downgrade(&template)));
        if known.kinds.len() > known.full.max(FEW) {
            known.kinds.retain(|_, (_, kind)| kind.strong_count() > 0);
            known.full = 2 * known.kinds.len();
        }
        template
    }
}

impl Known {
    fn hash(&self, version: u8, template: &Template) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        let scope_fields = match template.kind() {
            Kind::Data => None,
            Kind::Options { scope_fields } => Some(scope_fields),
        };
        (version, scope_fields).hash(&mut hasher);
        for field in template.fields() {
            (field.element, field.enterprise, field.length).hash(&mut hasher);
        }
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use netflow::template::FieldSpecifier;

    use super::*;

    fn template(kind: Kind, elements: &[u16]) -> Arc<Template> {
        let fields = elements.iter().map(|element| FieldSpecifier { element: *element, enterprise: 0, length: 4 });
        Arc::new(Template::new(9, kind, fields.collect()))
    }

    #[test]
    fn templates_are_one_where_nothing_tells_them_apart() {
        let kinds = Kinds::default();
        let first = kinds.one(9, template(Kind::Data, &[1, 2]));
        assert!(Arc::ptr_eq(&first, &kinds.one(9, template(Kind::Data, &[1, 2]))));
        for (version, kind, elements) in [
            (10, Kind::Data, &[1, 2][..]),
            (9, Kind::Data, &[2, 1]),
            (9, Kind::Data, &[1]),
            (9, Kind::Options { scope_fields: 1 }, &[1, 2]),
            (9, Kind::Options { scope_fields: 2 }, &[1, 2]),
        ] {
            let other = kinds.one(version, template(kind, elements));
            assert!(!Arc::ptr_eq(&first, &other), "{version} {kind:?} {elements:?}");
            assert!(Arc::ptr_eq(&other, &kinds.one(version, template(kind, elements))));
        }
    }

    #[test]
    fn those_that_are_gone_take_no_room() {
        let kinds = Kinds::default();
        let kept: Vec<_> = (0..2000).map(|element| kinds.one(9, template(Kind::Data, &[element, 1]))).collect();
        for element in 0..20_000 {
            kinds.one(9, template(Kind::Data, &[element, 2]));
        }
        assert!(kinds.0.lock().unwrap_or_else(PoisonError::into_inner).kinds.len() <= 2 * kept.len() + 1);
        let again = template(Kind::Data, &[7, 1]);
        assert!(Arc::ptr_eq(&kinds.one(9, again), &kept[7]));
    }
}
