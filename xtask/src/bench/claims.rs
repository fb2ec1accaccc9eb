//! What is claimed about speed, and whether it holds: a target, what was measured, one line each.

use std::fmt;

use serde_json::{Value, json};

/// Which side of the target is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// Less than it.
    Below,
    /// It, or more.
    AtLeast,
}

/// A claim.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Claim {
    claim: String,
    target: String,
    measured: String,
    is_met: bool,
}

impl Claim {
    /// Holds `measured` against `target`.
    pub(super) fn new(claim: &str, bound: Bound, target: f64, measured: f64, unit: &str) -> Self {
        let (word, is_met) = match bound {
            Bound::Below => ("under", measured < target),
            Bound::AtLeast => ("at least", measured >= target),
        };
        Self {
            claim: claim.to_owned(),
            target: format!("{word} {target} {unit}"),
            measured: format!("{measured:.1} {unit}"),
            is_met,
        }
    }

    /// As it stands in a document.
    pub(super) fn to_json(&self) -> Value {
        json!({ "claim": self.claim, "target": self.target, "measured": self.measured, "met": self.is_met })
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.is_met { "met   " } else { "MISSED" };
        write!(formatter, "{word} {}: {} (target: {})", self.claim, self.measured, self.target)
    }
}

/// The claims of a document, whichever command made it.
pub(super) fn of_document(text: &str) -> Vec<Claim> {
    let document: Value = serde_json::from_str(text).unwrap_or_default();
    let word = |claim: &Value, key: &str| match &claim[key] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let claim = |claim: &Value| Claim {
        claim: word(claim, "claim"),
        target: word(claim, "target"),
        measured: word(claim, "measured"),
        is_met: claim["met"] == true,
    };
    document["claims"].as_array().map_or_else(Vec::new, |claims| claims.iter().map(claim).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_met_or_missed() {
        let cases = [
            (Bound::Below, 20.0, 19.99, true),
            (Bound::Below, 20.0, 20.0, false),
            (Bound::AtLeast, 20.0, 20.0, true),
            (Bound::AtLeast, 20.0, 19.9, false),
        ];
        for (bound, target, measured, is_met) in cases {
            assert_eq!(Claim::new("decode", bound, target, measured, "ns").is_met, is_met, "{bound:?} {measured}");
        }
    }

    #[test]
    fn claims_are_read_as_they_were_written() {
        let claim = Claim::new("decode", Bound::Below, 20.0, 18.04, "ns a flow");
        assert_eq!(claim.to_string(), "met    decode: 18.0 ns a flow (target: under 20 ns a flow)");
        let text = json!({ "claims": [claim.to_json()] }).to_string();
        assert_eq!(of_document(&text), [claim]);
        let of_others = r#"{"claims": [{"claim": "peers", "target": 10, "measured": 7.5, "met": false}]}"#;
        assert_eq!(of_document(of_others)[0].to_string(), "MISSED peers: 7.5 (target: 10)");
        for text in ["", "{}", r#"{"claims": []}"#] {
            assert_eq!(of_document(text), []);
        }
    }
}
