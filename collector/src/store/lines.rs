//! What the store's process writes to standard error, said again in the log of its parent.
//!
//! Its own log comes as JSON and becomes lines of this process's level and format. What the engine prints past the log, such as the
//! trace of a fault, is one line of warning: the rest of it is for `--log-level debug`.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How the process ends that failed: the line is its parent's to tell, with what follows from it.
const FAILURE: &str = "collector: ";
/// Lines of the engine that follow sooner belong to the one before.
const BURST: Duration = Duration::from_secs(1);

/// The last that was heard of the process.
#[derive(Debug, Clone, Default)]
pub(super) struct LastWords(Arc<Mutex<String>>);

impl LastWords {
    fn set(&self, words: &str) {
        words.clone_into(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn get(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Says everything again that comes, until there is no more.
pub(super) fn say_again(errors: impl Read, last_words: &LastWords) {
    let mut last_of_engine: Option<Instant> = None;
    for line in BufReader::new(errors).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        match classify(&line) {
            Line::Logged { level, text } => log(&level, &text),
            Line::Failed(reason) => last_words.set(reason),
            Line::Nothing => {}
            Line::Engine => {
                let follows = last_of_engine.replace(Instant::now()).is_some_and(|last| last.elapsed() < BURST);
                if follows {
                    tracing::debug!(target: "collector::store", "the engine: {line}");
                } else {
                    last_words.set(line.trim());
                    tracing::warn!(target: "collector::store", "the engine: {}", line.trim());
                }
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Line<'l> {
    Logged { level: String, text: String },
    Failed(&'l str),
    Engine,
    Nothing,
}

fn classify(line: &str) -> Line<'_> {
    if line.trim().is_empty() {
        return Line::Nothing;
    }
    if let Some(reason) = line.strip_prefix(FAILURE) {
        return Line::Failed(reason);
    }
    let Ok(Value::Object(event)) = serde_json::from_str::<Value>(line) else { return Line::Engine };
    let Some(level) = event.get("level").and_then(Value::as_str) else { return Line::Engine };
    let message = event.get("message").and_then(Value::as_str).unwrap_or_default();
    let fields = event.iter().filter(|(key, _)| !matches!(key.as_str(), "timestamp" | "level" | "message" | "target"));
    let fields = fields.map(|(key, value)| match value {
        Value::String(text) => format!(" {key}={text:?}"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            format!(" {key}={value}")
        }
    });
    Line::Logged { level: level.to_owned(), text: std::iter::once(message.to_owned()).chain(fields).collect() }
}

fn log(level: &str, text: &str) {
    match level {
        "ERROR" => tracing::error!(target: "collector::store", "{text}"),
        "WARN" => tracing::warn!(target: "collector::store", "{text}"),
        "INFO" => tracing::info!(target: "collector::store", "{text}"),
        "DEBUG" => tracing::debug!(target: "collector::store", "{text}"),
        _ => tracing::trace!(target: "collector::store", "{text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        let logged = r#"{"timestamp":"x","level":"INFO","message":"the store answers","address":"127.0.0.1:1","n":5,"target":"t"}"#;
        let expected =
            Line::Logged { level: "INFO".to_owned(), text: "the store answers address=\"127.0.0.1:1\" n=5".to_owned() };
        assert_eq!(classify(logged), expected);
        assert_eq!(classify("collector: no library"), Line::Failed("no library"));
        for line in ["0. DB::Exception::Exception(...)", "{\"a\": 1}", "7"] {
            assert_eq!(classify(line), Line::Engine, "{line}");
        }
        assert_eq!(classify("  "), Line::Nothing);
    }

    #[test]
    fn the_first_line_of_a_trace_is_what_was_said_last() {
        let words = LastWords::default();
        let trace = "Code: 76. Cannot open file\n\n0. frame\n1. frame\n";
        say_again(trace.as_bytes(), &words);
        assert_eq!(words.get(), "Code: 76. Cannot open file");
        say_again("collector: the engine did not start\n".as_bytes(), &words);
        assert_eq!(words.get(), "the engine did not start");
    }
}
