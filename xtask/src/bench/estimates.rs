//! What criterion left behind: a folder for each benchmark, with the estimates and the samples of the last run.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result};
use serde_json::Value;

/// One benchmark: nanoseconds of an iteration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Estimate {
    pub(super) median_ns: f64,
    /// The least of all samples: the one that nothing else disturbed.
    pub(super) min_ns: f64,
    pub(super) max_ns: f64,
    pub(super) samples: usize,
}

/// The benchmarks below a folder that were run since, by name as criterion has it.
pub(super) fn read(folder: &Path, since: SystemTime) -> Result<BTreeMap<String, Estimate>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| format!("no benchmarks in {}", folder.display()))?;
        for entry in entries {
            let path = entry.with_context(|| format!("cannot read {}", folder.display()))?.path();
            if path.is_dir() && !path.ends_with("new") {
                folders.push(path);
                continue;
            }
            if path.is_dir() && is_newer(&path.join("estimates.json"), since) {
                let (name, estimate) =
                    of_folder(&path).with_context(|| format!("{} is not of a benchmark", path.display()))?;
                found.insert(name, estimate);
            }
        }
    }
    Ok(found)
}

fn is_newer(file: &Path, since: SystemTime) -> bool {
    fs::metadata(file).and_then(|metadata| metadata.modified()).is_ok_and(|modified| modified >= since)
}

fn of_folder(folder: &Path) -> Option<(String, Estimate)> {
    let document =
        |name: &str| -> Option<Value> { serde_json::from_str(&fs::read_to_string(folder.join(name)).ok()?).ok() };
    let name = document("benchmark.json")?["full_id"].as_str()?.to_owned();
    Some((name, estimate(&document("estimates.json")?, &document("sample.json")?)?))
}

/// `estimates` has the median of all samples, `samples` how many iterations each had and how long they took.
fn estimate(estimates: &Value, samples: &Value) -> Option<Estimate> {
    let median_ns = estimates["median"]["point_estimate"].as_f64()?;
    let numbers = |key: &str| samples[key].as_array()?.iter().map(Value::as_f64).collect::<Option<Vec<_>>>();
    let (iterations, times) = (numbers("iters")?, numbers("times")?);
    let each = || times.iter().zip(&iterations).map(|(time, iterations)| time / iterations);
    let (min_ns, max_ns) = (each().reduce(f64::min)?, each().reduce(f64::max)?);
    Some(Estimate { median_ns, min_ns, max_ns, samples: times.len() })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ESTIMATES: &str = r#"{
        "mean": {"confidence_interval": {"confidence_level": 0.95, "lower_bound": 20.0, "upper_bound": 22.0}, "point_estimate": 21.0, "standard_error": 0.4},
        "median": {"confidence_interval": {"confidence_level": 0.95, "lower_bound": 19.0, "upper_bound": 21.0}, "point_estimate": 20.5, "standard_error": 0.4},
        "slope": null}"#;
    const SAMPLES: &str = r#"{"sampling_mode": "Linear", "iters": [10.0, 20.0, 30.0], "times": [205.0, 380.0, 690.0]}"#;

    #[test]
    fn estimates_and_samples_are_read() {
        let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let expected = Estimate { median_ns: 20.5, min_ns: 19.0, max_ns: 23.0, samples: 3 };
        assert_eq!(estimate(&parse(ESTIMATES), &parse(SAMPLES)), Some(expected));
        for (estimates, samples) in [("{}", SAMPLES), (ESTIMATES, "{}"), (ESTIMATES, r#"{"iters": [], "times": []}"#)] {
            assert_eq!(estimate(&parse(estimates), &parse(samples)), None, "{estimates} {samples}");
        }
    }

    #[test]
    fn only_what_was_run_now_counts() {
        let root = std::env::temp_dir().join(format!("xtask-estimates-{}", std::process::id()));
        let make = |folder: &str, name: &str| {
            let folder = root.join(folder);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("estimates.json"), ESTIMATES).unwrap();
            fs::write(folder.join("sample.json"), SAMPLES).unwrap();
            fs::write(folder.join("benchmark.json"), format!(r#"{{"full_id": "{name}"}}"#)).unwrap();
        };
        make("decode_v5/new", "decode_v5");
        make("decode_v5/base", "old");
        make("peer/decode_v5/new", "peer/decode_v5");
        let hour = Duration::from_secs(3600);
        let names = |since| read(&root, since).unwrap().into_keys().collect::<Vec<_>>();
        assert_eq!(names(SystemTime::now() - hour), ["decode_v5", "peer/decode_v5"]);
        assert_eq!(names(SystemTime::now() + hour), Vec::<String>::new());
        fs::write(root.join("decode_v5/new/sample.json"), "broken").unwrap();
        assert!(read(&root, SystemTime::now() - hour).is_err());
        fs::remove_dir_all(&root).unwrap();
        assert!(read(&root, SystemTime::now()).is_err());
    }
}
