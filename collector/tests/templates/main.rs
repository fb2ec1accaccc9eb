//! The template store: keys never mix, whatever threads do; bounds hold; what is idle goes.

/// What it tells of exporters.
mod elements;
/// Data sets that wait for their template.
mod held;
/// Random steps, compared with a plain map.
mod model;
/// Several threads at once.
mod threads;
/// Running totals.
mod totals;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use collector::metrics::Exposition;
use collector::templates::{Bounds, Cache, Settings, Templates};
use netflow::options::{OptionKey, OptionValue, Part, SamplingScope};
use netflow::store::{DomainKey, Learned, Store, TemplateKey};
use netflow::template::{FieldSpecifier, Kind, Template};

fn domain(exporter: u8, version: u8, domain: u32) -> DomainKey {
    let mut address = [0; 16];
    address[15] = exporter;
    DomainKey { exporter: address, version, domain }
}

fn key(exporter: u8, version: u8, domain_number: u32, id: u16) -> TemplateKey {
    TemplateKey { domain: domain(exporter, version, domain_number), id }
}

/// A template that tells by its enterprise numbers whose it is and which.
fn marked(key: &TemplateKey, mark: u32, fields: usize) -> Arc<Template> {
    let owner = u32::from(key.domain.exporter[15]) << 24
        | u32::from(key.domain.version) << 16
        | (key.domain.domain & 0xff) << 8
        | u32::from(key.id & 0xff);
    let field = |(at, enterprise)| FieldSpecifier { element: at, enterprise, length: 4 };
    let fields = (0..).zip([owner, mark].into_iter().cycle().take(fields.max(2))).map(field).collect();
    Arc::new(Template::new(key.domain.version, Kind::Data, fields))
}

fn options_template(fields: usize) -> Arc<Template> {
    let field = FieldSpecifier { element: 34, enterprise: 0, length: 4 };
    Arc::new(Template::new(9, Kind::Options { scope_fields: 1 }, vec![field; fields].into()))
}

fn mark_of(template: &Template) -> (u32, u32) {
    (template.fields()[0].enterprise, template.fields()[1].enterprise)
}

fn sampling(rate: u64) -> OptionValue {
    OptionValue::Sampling { scope: SamplingScope::Domain, rate }
}

fn bounded(per_exporter: Bounds, total: Bounds) -> Templates {
    Templates::new(Settings { per_exporter, total, idle_expiry: Some(Duration::from_secs(100)), ..Settings::default() })
}

const ROOMY: Bounds = Bounds { templates: 1000, fields: 10_000, option_values: 1000 };

#[test]
fn workers_see_each_others_changes_at_once() {
    let templates = Templates::new(Settings::default());
    let (mut one, mut other) = (templates.cache(), templates.cache());
    let of = key(1, 9, 7, 256);
    assert!(one.template(&of).is_none());
    assert_eq!(other.learn(of, marked(&of, 1, 2)), Learned::New);
    assert_eq!(mark_of(&one.template(&of).expect("learned")).1, 1);
    assert_eq!(one.learn(of, marked(&of, 2, 2)), Learned::Replaced);
    assert_eq!(mark_of(&other.template(&of).expect("replaced")).1, 2);
    assert!(other.withdraw(&of) && !other.withdraw(&of));
    assert!(one.template(&of).is_none());

    assert!(one.options(&of.domain).is_none());
    other.announce(&of.domain, &[sampling(100)]);
    assert_eq!(one.options(&of.domain).expect("announced").sampling.get(&SamplingScope::Domain), Some(100));
    other.announce(&of.domain, &[sampling(200)]);
    assert_eq!(one.options(&of.domain).expect("announced").sampling.get(&SamplingScope::Domain), Some(200));
    let counters = templates.counters();
    let counted = [&counters.learned, &counters.replaced, &counters.withdrawn, &counters.options_changed];
    assert_eq!(counted.map(|counter| counter.get()), [1, 1, 1, 2]);
}

#[test]
fn withdrawing_all_of_a_kind_leaves_the_others() {
    let templates = Templates::new(Settings::default());
    let mut cache = templates.cache();
    for id in 256..266 {
        let of = key(1, 10, 1, id);
        cache.learn(of, marked(&of, 0, 2));
        cache.learn(key(1, 10, 2, id), marked(&of, 0, 2));
        cache.learn(key(1, 10, 1, id + 100), options_template(3));
        assert!(cache.template(&of).is_some());
    }
    assert_eq!(cache.withdraw_all(&domain(1, 10, 1), Kind::Options { scope_fields: 0 }), 10);
    assert_eq!(templates.len(), 20);
    assert_eq!(cache.withdraw_all(&domain(1, 10, 1), Kind::Data), 10);
    assert!(cache.template(&key(1, 10, 1, 256)).is_none());
    assert!(cache.template(&key(1, 10, 2, 256)).is_some());
    assert_eq!(cache.withdraw_all(&domain(1, 10, 1), Kind::Data), 0);
}

#[test]
fn no_exporter_takes_more_than_its_share() {
    let small = Bounds { templates: 3, fields: 20, option_values: 2 };
    let templates = bounded(small, ROOMY);
    let mut cache = templates.cache();
    let mut learn = |exporter, id, fields| {
        let of = key(exporter, 9, u32::from(id), id);
        cache.learn(of, marked(&of, u32::try_from(fields).expect("few fields"), fields))
    };
    assert_eq!(learn(1, 256, 21), Learned::Refused);
    assert_eq!(learn(1, 256, 10), Learned::New);
    assert_eq!(learn(1, 257, 11), Learned::Refused);
    assert_eq!(learn(1, 257, 5), Learned::New);
    assert_eq!(learn(1, 258, 5), Learned::New);
    assert_eq!(learn(1, 259, 2), Learned::Refused);
    assert_eq!(learn(2, 259, 2), Learned::New);
    // The same template once more takes nothing; a larger one that does not fit takes its predecessor away.
    assert_eq!(learn(1, 258, 5), Learned::New);
    assert_eq!(learn(1, 258, 6), Learned::Refused);
    assert!(cache.template(&key(1, 9, 258, 258)).is_none());
    assert_eq!((templates.len(), templates.counters().refused.get()), (3, 4));

    let names = ["a", "b", "c"].map(|name| OptionValue::Application { id: name.len() as u64, name: name.into() });
    cache.announce(&domain(1, 9, 1), &names);
    cache.announce(&domain(1, 9, 2), &[sampling(10), OptionValue::SystemInit { milliseconds: 5 }]);
    let options = cache.options(&domain(1, 9, 2)).expect("announced");
    assert_eq!((options.sampling.len(), options.system_init_ms), (1, None));
    assert_eq!(&*cache.options(&domain(1, 9, 1)).expect("announced").applications[&1], "c");
    let long = OptionValue::Application { id: 9, name: "x".repeat(10_000).into() };
    cache.announce(&domain(3, 9, 1), &[long]);
    assert!(cache.options(&domain(3, 9, 1)).is_none());
    assert_eq!(templates.counters().options_refused.get(), 2);
}

#[test]
fn all_exporters_together_are_bounded() {
    let total = Bounds { templates: 10, fields: 30, option_values: 3 };
    let templates = bounded(ROOMY, total);
    let mut cache = templates.cache();
    for exporter in 0..50 {
        let of = key(exporter, 9, 1, 256);
        let expected = if exporter < 10 { Learned::New } else { Learned::Refused };
        assert_eq!(cache.learn(of, marked(&of, 0, 3)), expected);
        cache.announce(&of.domain, &[sampling(9)]);
    }
    assert_eq!(templates.len(), 10);
    assert_eq!((0..50).filter(|exporter| cache.options(&domain(*exporter, 9, 1)).is_some()).count(), 3);
    assert!(cache.withdraw(&key(0, 9, 1, 256)));
    let of = key(77, 9, 1, 256);
    assert_eq!(cache.learn(of, marked(&of, 0, 4)), Learned::Refused, "fields are bounded too");
    assert_eq!(cache.learn(of, marked(&of, 0, 3)), Learned::New);
    let mut out = Exposition::default();
    templates.write(&mut out);
    let text = out.finish();
    assert!(text.contains("collector_templates 10\n") && text.contains("collector_template_fields 30\n"), "{text}");
    assert!(text.contains("collector_template_exporters 11\n"), "{text}");
}

#[test]
fn what_is_idle_goes_and_makes_room() {
    let templates = bounded(Bounds { templates: 2, ..ROOMY }, ROOMY);
    let mut cache = templates.cache();
    let (used, idle, late) = (key(1, 9, 1, 256), key(1, 9, 1, 257), key(1, 9, 1, 258));
    cache.set_now(1000);
    for of in [used, idle] {
        assert_eq!(cache.learn(of, marked(&of, 0, 2)), Learned::New);
    }
    cache.announce(&used.domain, &[sampling(10)]);
    cache.set_now(1090);
    assert!(cache.template(&used).is_some());
    assert_eq!(cache.learn(late, marked(&late, 0, 2)), Learned::Refused);
    assert_eq!(templates.expire(1100), 0);
    assert_eq!(templates.expire(1101), 2);
    assert!(cache.template(&idle).is_none() && cache.options(&used.domain).is_none());
    assert_eq!(cache.learn(late, marked(&late, 0, 2)), Learned::New);
    assert!(cache.template(&used).is_some());
    assert_eq!(templates.counters().expired.get(), 2);
}

fn rate_of(cache: &mut Cache, scope: SamplingScope) -> Option<u64> {
    cache.options(&domain(1, 9, 1)).and_then(|options| options.sampling.get(&scope))
}

/// A use does not keep an option value, and neither does another value of the same domain; only its repetition does.
#[test]
fn option_values_age_each_for_itself() {
    let templates = bounded(ROOMY, Bounds { option_values: 4, ..ROOMY });
    let mut cache = templates.cache();
    let of = domain(1, 9, 1);
    let (one, other) = (SamplingScope::Sampler(1), SamplingScope::Sampler(2));
    let values = [
        OptionValue::Sampling { scope: one, rate: 1000 },
        OptionValue::Sampling { scope: other, rate: 100 },
        OptionValue::Application { id: 1, name: "web".into() },
        OptionValue::SystemInit { milliseconds: 5 },
    ];
    cache.set_now(1000);
    cache.announce(&of, &values);
    cache.set_now(1090);
    cache.repeated(&of, OptionKey::Sampling(other));
    cache.repeated(&of, OptionKey::Application(1));
    assert_eq!((rate_of(&mut cache, one), templates.expire(1100)), (Some(1000), 0));
    assert_eq!(templates.expire(1101), 2, "the first sampler and the start");
    assert_eq!((rate_of(&mut cache, one), rate_of(&mut cache, other)), (None, Some(100)));
    let options = cache.options(&of).expect("announced");
    assert_eq!((options.sampling.of_every_sampler(), options.system_init_ms), (Some(100), None));
    assert_eq!(&*options.applications[&1], "web");
    // A new value makes no other one younger, and the room of those that went is there again.
    cache.set_now(1150);
    cache.announce(&of, &[values[0].clone(), OptionValue::Sampling { scope: SamplingScope::Domain, rate: 7 }]);
    assert_eq!(templates.expire(1191), 2, "the second sampler and the name");
    assert_eq!((rate_of(&mut cache, one), rate_of(&mut cache, other)), (Some(1000), None));
    assert_eq!(templates.expire(1251), 2);
    assert!(cache.options(&of).is_none());
    assert_eq!(templates.counters().options_refused.get(), 0);
}

/// A change copies only the part that it changes, and what is refused copies nothing.
#[test]
fn option_values_are_shared() {
    let templates = bounded(Bounds { option_values: 2, ..ROOMY }, ROOMY);
    let mut cache = templates.cache();
    let of = domain(1, 9, 1);
    let name = |id, name: &str| OptionValue::Application { id, name: name.into() };
    cache.announce(&of, &[name(1, "web"), sampling(10)]);
    let first = cache.options(&of).expect("announced");
    cache.announce(&of, &[name(2, "too many")]);
    cache.announce(&of, &[name(1, &"x".repeat(10_000))]);
    assert!(Arc::ptr_eq(&first, &cache.options(&of).expect("announced")), "refused");
    cache.announce(&of, &[sampling(20)]);
    let second = cache.options(&of).expect("announced");
    assert!(Arc::ptr_eq(&first.applications, &second.applications), "names are not touched");
    cache.announce(&of, &[name(1, "mail")]);
    assert!(Arc::ptr_eq(&second.sampling, &cache.options(&of).expect("announced").sampling), "rates are not touched");
}

/// Exporters that only send templates do not keep others out for long, however often they repeat them.
#[test]
fn a_full_store_makes_room_for_new_exporters() {
    let templates = bounded(ROOMY, Bounds { templates: 4, ..ROOMY });
    let mut cache = templates.cache();
    let (honest, late) = (key(100, 9, 1, 256), key(101, 9, 1, 256));
    cache.set_now(1000);
    for of in [honest, key(1, 9, 1, 256), key(2, 9, 1, 256), key(3, 9, 1, 256)] {
        cache.learn(of, marked(&of, 0, 2));
    }
    assert!(cache.template(&honest).is_some());
    let mut learn_late = |now| {
        cache.set_now(now);
        (1..4).for_each(|forged| assert_eq!(cache.known(&key(forged, 9, 1, 256)).is_some(), now <= 1061));
        let learned = cache.learn(late, marked(&late, 0, 2));
        (learned, templates.counters().evicted.get())
    };
    assert_eq!(learn_late(1060), (Learned::Refused, 0));
    assert_eq!(learn_late(1061), (Learned::New, 3));
    assert!(cache.template(&honest).is_some() && cache.template(&late).is_some());
    // What was used goes only after a longer time without use; within a second nobody looks again.
    for of in [key(4, 9, 1, 256), key(5, 9, 1, 256)] {
        assert_eq!(cache.learn(of, marked(&of, 0, 2)), Learned::New);
        assert!(cache.template(&of).is_some());
    }
    let of = key(6, 9, 1, 256);
    cache.set_now(1661);
    assert!(cache.template(&honest).is_some());
    assert_eq!(cache.learn(of, marked(&of, 0, 2)), Learned::Refused);
    cache.set_now(1662);
    assert_eq!(cache.learn(of, marked(&of, 0, 2)), Learned::New);
    assert!(cache.template(&honest).is_some() && cache.template(&late).is_none());
    assert_eq!(templates.counters().evicted.get(), 6);
}

/// While one worker replaces a template, another one finds it at every moment.
#[test]
fn a_replacement_leaves_no_gap() {
    let templates = Templates::new(Settings::default());
    let of = key(1, 9, 1, 256);
    templates.cache().learn(of, marked(&of, 0, 2));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut cache = templates.cache();
            for round in 1..20_000 {
                cache.learn(of, marked(&of, round, 2 + round as usize % 3));
            }
            done.store(true, Ordering::Relaxed);
        });
        let mut missing = 0;
        let mut cache = templates.cache();
        while !done.load(Ordering::Relaxed) {
            missing += u32::from(cache.template(&of).is_none());
        }
        assert_eq!(missing, 0);
    });
    let mut out = Exposition::default();
    templates.write(&mut out);
    let fields = fields_in(&templates);
    assert!(out.finish().contains(&format!("collector_template_fields {fields}\n")), "the account is right");
}

fn fields_in(templates: &Templates) -> usize {
    templates.snapshot(0).templates.iter().map(|template| template.fields.len()).sum()
}

#[test]
fn another_start_makes_room_for_the_rates_of_other_processes() {
    let few = Bounds { templates: 10, fields: 100, option_values: 3 };
    let templates = bounded(few, few);
    let mut cache = templates.cache();
    cache.set_now(1000);
    let of = domain(1, 10, 0);
    let start = |milliseconds| OptionValue::SystemInit { milliseconds };
    let rate = |process| OptionValue::Sampling { scope: SamplingScope::Part(Part::MeteringProcess, process), rate: 9 };
    let in_force = |cache: &mut Cache| {
        let options = cache.options(&of).expect("there are some");
        let mut processes: Vec<u64> = (1..9).filter(|process| options.is_known(&rate(*process))).collect();
        processes.extend(options.system_init_ms.map(i64::cast_unsigned));
        processes
    };
    cache.announce(&of, &[start(1_000_000), rate(1), rate(2)]);
    assert_eq!(in_force(&mut cache), [1, 2, 1_000_000]);
    cache.announce(&of, &[start(1_000_900), rate(3)]);
    assert_eq!(in_force(&mut cache), [1, 2, 1_000_900], "there is no room for a third");
    cache.announce(&of, &[start(9_000_000), rate(3), rate(4), rate(5)]);
    assert_eq!(in_force(&mut cache), [3, 4, 9_000_000]);
    assert_eq!(templates.expire(1101), 3, "all are accounted for");
    cache.announce(&of, &[rate(6), rate(7), rate(8)]);
    let options = cache.options(&of).expect("there are some");
    assert_eq!(options.len(), 3);
}
