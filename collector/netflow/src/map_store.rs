//! A plain store: for tests, and for programs that decode a capture from one end to the other.

use std::collections::HashMap;
use std::sync::Arc;

use crate::options::{OptionValue, Options};
use crate::store::{DomainKey, Learned, Store, TemplateKey};
use crate::template::{Kind, Template};

/// Most templates kept for one observation domain.
pub const TEMPLATE_LIMIT: usize = 4096;

/// Templates and options in maps, bounded for each observation domain; nothing ages.
#[derive(Debug, Default)]
pub struct MapStore {
    domains: HashMap<DomainKey, Domain>,
}

#[derive(Debug, Default)]
struct Domain {
    templates: HashMap<u16, Arc<Template>>,
    options: Arc<Options>,
}

impl MapStore {
    /// Every template kept, in no order.
    pub fn templates(&self) -> impl Iterator<Item = (TemplateKey, &Arc<Template>)> {
        self.domains.iter().flat_map(|(key, domain)| {
            domain.templates.iter().map(|(id, template)| (TemplateKey { domain: *key, id: *id }, template))
        })
    }
}

impl Store for MapStore {
    fn template(&mut self, key: &TemplateKey) -> Option<Arc<Template>> {
        self.domains.get(&key.domain)?.templates.get(&key.id).cloned()
    }

    fn learn(&mut self, key: TemplateKey, template: Arc<Template>) -> Learned {
        let templates = &mut self.domains.entry(key.domain).or_default().templates;
        if templates.len() >= TEMPLATE_LIMIT && !templates.contains_key(&key.id) {
            return Learned::Refused;
        }
        match templates.insert(key.id, template) {
            Some(_) => Learned::Replaced,
            None => Learned::New,
        }
    }

    fn withdraw(&mut self, key: &TemplateKey) -> bool {
        self.domains.get_mut(&key.domain).is_some_and(|domain| domain.templates.remove(&key.id).is_some())
    }

    fn withdraw_all(&mut self, domain: &DomainKey, kind: Kind) -> usize {
        let Some(domain) = self.domains.get_mut(domain) else { return 0 };
        let before = domain.templates.len();
        let is_data = kind == Kind::Data;
        domain.templates.retain(|_, template| (template.kind() == Kind::Data) != is_data);
        before.saturating_sub(domain.templates.len())
    }

    fn options(&mut self, domain: &DomainKey) -> Option<Arc<Options>> {
        self.domains.get(domain).map(|domain| Arc::clone(&domain.options))
    }

    fn announce(&mut self, domain: &DomainKey, values: &[OptionValue]) {
        let options = Arc::make_mut(&mut self.domains.entry(*domain).or_default().options);
        for value in values {
            options.apply(value);
        }
    }
}
