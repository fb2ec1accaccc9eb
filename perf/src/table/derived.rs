//! Rows for results that have figures and no words: the loss curve, latency, a burst, a sustained load. Targets are those that the
//! project has set itself; what has none is told without a verdict.

use serde_json::Value;

use super::Claim;

/// Share of the store's own speed that the whole is to reach.
const SUSTAINED: f64 = 0.85;
/// Share of the burst's rate that the sender has to have reached for the burst to count as one.
const BURST_REACHED: f64 = 0.95;

/// What a result says, if it is one of those.
pub(super) fn claims_of(document: &Value, result: &str) -> Vec<Claim> {
    let rows = match document["measurement"].as_str() {
        Some("sustain") => sustain(document).into_iter().collect(),
        Some("burst") => burst(document).into_iter().collect(),
        Some("curve") => of_each(&document["series"], curve),
        Some("latency") => of_each(&document["results"], latency),
        _ => Vec::new(),
    };
    rows.into_iter().map(|claim| Claim { result: result.to_owned(), ..claim }).collect()
}

fn of_each(rows: &Value, claim: fn(&Value) -> Option<Claim>) -> Vec<Claim> {
    rows.as_array().map(Vec::as_slice).unwrap_or_default().iter().filter_map(claim).collect()
}

fn row(claim: String, target: &str, measured: String, is_met: Option<bool>) -> Claim {
    Claim { claim, target: target.to_owned(), measured, is_met, result: String::new() }
}

fn sustain(document: &Value) -> Option<Claim> {
    let ratio = document["ratio"].as_f64()?;
    let rate = |which: &str| document[which]["flows_per_second"].as_f64();
    let measured = format!(
        "{:.0} %: {} and {} flows/s",
        ratio * 100.0,
        thousands(rate("end_to_end")?),
        thousands(rate("ready_blocks")?)
    );
    let claim =
        "end to end into the embedded ClickHouse, beside the same inserts ready-made on the same cores".to_owned();
    Some(row(claim, "at least 85 %", measured, Some(ratio >= SUSTAINED)))
}

fn burst(document: &Value) -> Option<Claim> {
    let (asked, offered) =
        (document["asked_times_sustainable"].as_f64()?, document["offered_times_sustainable"].as_f64()?);
    let (seconds, nothing_lost) = (document["seconds"].as_f64()?, document["nothing_lost"].as_bool()?);
    let drained = document["drain"]["stored_after_seconds"].as_f64()?;
    let counted = |name: &str| document["account"][name].as_f64();
    let loss = match (counted("lost_datagrams"), counted("sent_datagrams")) {
        _ if nothing_lost => "nothing lost".to_owned(),
        (Some(lost), Some(sent)) if sent > 0.0 => format!("{:.1} % of the datagrams lost", lost / sent * 100.0),
        _ => "loss".to_owned(),
    };
    let flows = thousands(document["offered_flows_per_second"].as_f64()?);
    Some(row(
        format!("a burst of {seconds:.1} s at {asked:.0} times the rate that can be stored"),
        "no loss, and the backlog drains",
        format!("{offered:.1} times, {flows} flows/s: {loss}; all stored {drained:.1} s after it"),
        Some(nothing_lost && offered >= asked * BURST_REACHED),
    ))
}

fn curve(series: &Value) -> Option<Claim> {
    let (mode, workers) = (series["mode"].as_str()?, series["workers"].as_u64()?);
    let workers = if workers == 1 { "1 worker".to_owned() } else { format!("{workers} workers") };
    let highest = &series["highest_at_zero_loss_keeping_up"];
    let rate = |name: &str| highest[name].as_f64().map(thousands);
    let mut measured = match (rate("datagrams_per_second"), rate("flows_per_second")) {
        (Some(datagrams), Some(flows)) => format!("{flows} flows/s in {datagrams} datagrams/s"),
        _ => "none".to_owned(),
    };
    if let Some(calls) = series["syscalls"]["syscalls_per_datagram"].as_f64() {
        measured += &format!("; {calls:.4} system calls a datagram");
    }
    Some(row(format!("highest rate at zero loss that is kept up: {mode}, {workers}"), "", measured, None))
}

fn latency(result: &Value) -> Option<Claim> {
    let figure = |name: &str| result[name].as_f64();
    let (p50, p99) = (figure("p50_ms")?, figure("p99_ms")?);
    let background = match figure("background_datagrams_per_second")? {
        0.0 => "nothing else".to_owned(),
        rate => format!("{} datagrams/s", thousands(rate)),
    };
    let age = figure("block_age_ms")?;
    let claim = format!("from the wire to visible in ClickHouse beside {background}, blocks up to {age:.0} ms old");
    Some(row(claim, "", format!("{p50:.0} ms (p50), {p99:.0} ms (p99)"), None))
}

/// A whole number in groups of three digits.
fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (number, expected) in [(0.0, "0"), (999.0, "999"), (1000.4, "1 000"), (12_345_678.0, "12 345 678")] {
            assert_eq!(thousands(number), expected);
        }
    }

    #[test]
    fn figures_become_words() {
        let check = |document: Value, measured: &str, is_met: Option<bool>| {
            let claims = claims_of(&document, "x.json");
            assert_eq!(claims.len(), 1, "{document}");
            assert_eq!((claims[0].measured.as_str(), claims[0].is_met), (measured, is_met), "{document}");
        };
        let sustain = |ratio: f64| {
            json!({
                "measurement": "sustain", "ratio": ratio,
                "end_to_end": { "flows_per_second": 400_000.0 }, "ready_blocks": { "flows_per_second": 450_000.0 },
            })
        };
        check(sustain(0.889), "89 %: 400 000 and 450 000 flows/s", Some(true));
        check(sustain(0.849), "85 %: 400 000 and 450 000 flows/s", Some(false));
        let burst = |offered: f64, nothing_lost: bool| {
            json!({
                "measurement": "burst", "asked_times_sustainable": 10.0, "offered_times_sustainable": offered,
                "offered_flows_per_second": 4e6, "seconds": 2.0, "nothing_lost": nothing_lost,
                "drain": { "stored_after_seconds": 21.04 },
            })
        };
        check(burst(10.0, true), "10.0 times, 4 000 000 flows/s: nothing lost; all stored 21.0 s after it", Some(true));
        check(burst(10.0, false), "10.0 times, 4 000 000 flows/s: loss; all stored 21.0 s after it", Some(false));
        check(burst(6.0, true), "6.0 times, 4 000 000 flows/s: nothing lost; all stored 21.0 s after it", Some(false));
        let curve = json!({ "measurement": "curve", "series": [{
            "mode": "udp", "workers": 2, "syscalls": { "syscalls_per_datagram": 0.03 },
            "highest_at_zero_loss_keeping_up": { "datagrams_per_second": 90_000.0, "flows_per_second": 1_440_000.0 },
        }] });
        check(curve, "1 440 000 flows/s in 90 000 datagrams/s; 0.0300 system calls a datagram", None);
        let latency = json!({ "measurement": "latency", "results": [{
            "background_datagrams_per_second": 0.0, "block_age_ms": 1000, "p50_ms": 640.2, "p99_ms": 1105.0,
        }] });
        check(latency, "640 ms (p50), 1105 ms (p99)", None);
    }

    #[test]
    fn what_is_not_known_says_nothing() {
        for document in [json!({}), json!([]), json!({ "measurement": "sustain" }), json!({ "measurement": "peers" })] {
            assert_eq!(claims_of(&document, "x.json"), [], "{document}");
        }
        let none = json!({ "measurement": "curve", "series": [{
            "mode": "native XDP", "workers": 1, "highest_at_zero_loss_keeping_up": null,
        }] });
        assert_eq!(claims_of(&none, "x.json")[0].measured, "none");
    }
}
