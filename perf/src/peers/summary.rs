//! What the rounds say: medians with the least and the most beside them, ratios of the same round, and the claims that rest on these.

use serde_json::{Value, json};

use super::contender::Contender;
use super::trial::Trial;

/// Rounds of one kind: in each, every contender once.
pub(super) type Rounds = Vec<Vec<Trial>>;

/// A figure of several rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

/// Two contenders whose cost per flow is compared, in this order: how many times the flows the first does in the same processor time.
const PAIRS: [(&str, &str); 12] = [
    ("collector-xdp", "nfcapd"),
    ("collector-xdp", "nfcapd-lzo"),
    ("collector-xdp-lz4", "nfcapd-lz4"),
    ("collector-xdp-rollups", "nfcapd"),
    ("collector-xdp-rollups-lz4", "nfcapd-lz4"),
    ("collector-udp", "nfcapd"),
    ("collector-udp-rollups", "nfcapd"),
    ("collector-xdp", "nfacctd"),
    ("collector-xdp-rollups", "nfacctd"),
    ("collector-xdp", "collector-udp"),
    ("collector-xdp-rollups", "collector-udp-rollups"),
    ("recvmmsg", "recvfrom"),
];

impl Spread {
    /// Of some values; none of none.
    pub(super) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (&least, &most) = (values.first()?, values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 };
        Some(Self { median, least, most })
    }

    fn told(self) -> Value {
        json!({ "median": self.median, "least": self.least, "most": self.most })
    }
}

/// The figures of one contender in rounds of one kind.
pub(super) fn of_contender(rounds: &Rounds, contender: Contender) -> Value {
    let trials: Vec<&Trial> = rounds.iter().flatten().filter(|trial| trial.contender == contender).collect();
    let valid: Vec<&Trial> = trials.iter().copied().filter(|trial| trial.holds()).collect();
    let spread = |figure: fn(&Trial) -> f64| Spread::of(valid.iter().map(|trial| figure(trial)).collect());
    let told = |figure| spread(figure).map(Spread::told);
    json!({
        "runs": trials.len(), "runs_at_zero_loss": valid.len(),
        "flows_per_second": told(|trial| trial.flows() as f64 / trial.sent.seconds),
        "ns_per_flow": told(Trial::ns_per_flow),
        "ns_per_flow_user": told(|trial| trial.cpu.user_s * 1e9 / trial.flows() as f64),
        "ns_per_flow_kernel": told(|trial| trial.cpu.kernel_s * 1e9 / trial.flows() as f64),
        "ns_per_datagram": told(Trial::ns_per_datagram),
        "flows_per_second_per_core": told(|trial| 1e9 / trial.ns_per_flow()),
        "ns_per_flow_with_interrupts_of_sender_core": told(Trial::ns_per_flow_with_interrupts),
        "ns_per_datagram_in_interrupts_of_sender_core":
            told(|trial| trial.sender_core.interrupts_s * 1e9 / trial.sent.datagrams as f64),
        "ns_per_datagram_of_receiver_core_whoever_used_it":
            told(|trial| trial.receiver_core.busy_s() * 1e9 / trial.sent.datagrams as f64),
    })
}

/// Ratios of pairs that took part, each from runs of the same round.
pub(super) fn ratios(rounds: &Rounds) -> Value {
    let told = PAIRS.iter().filter_map(|&(first, second)| {
        let ratio = ratio(rounds, first, second, Trial::ns_per_flow)?;
        let with_interrupts = self::ratio(rounds, first, second, Trial::ns_per_flow_with_interrupts)?;
        Some(json!({
            "flows_per_second_per_core_of": first, "to": second, "ratio": ratio.told(),
            "ratio_with_interrupts_of_sender_core": with_interrupts.told(),
        }))
    });
    told.collect()
}

/// How many times the second's figure is the first's, round by round.
fn ratio(rounds: &Rounds, first: &str, second: &str, figure: fn(&Trial) -> f64) -> Option<Spread> {
    let of = |round: &Vec<Trial>, name: &str| {
        round.iter().find(|trial| trial.contender.to_string() == name && trial.holds()).map(figure)
    };
    Spread::of(rounds.iter().filter_map(|round| Some(of(round, second)? / of(round, first)?)).collect())
}

/// What is claimed of such rounds. `load` names them.
pub(super) fn claims(rounds: &Rounds, load: &str) -> Vec<Value> {
    let per_core = |first: &str, second: &str, least: f64, claim: &str, target: &str| {
        let whole = ratio(rounds, first, second, Trial::ns_per_flow_with_interrupts)?;
        let ratio = ratio(rounds, first, second, Trial::ns_per_flow)?;
        let millions = |name: &str| {
            let values = rounds.iter().flatten().filter(|trial| trial.contender.to_string() == name && trial.holds());
            Spread::of(values.map(|trial| 1e3 / trial.ns_per_flow()).collect()).map_or(0.0, |spread| spread.median)
        };
        Some(json!({
            "claim": format!("{claim}, {load}"), "target": target,
            "measured": format!(
                "{:.1} times ({:.1} to {:.1}): {:.2} and {:.2} M flows/s per core; {:.1} times with the kernel's receive path",
                ratio.median,
                ratio.least,
                ratio.most,
                millions(first),
                millions(second),
                whole.median
            ),
            "met": ratio.median >= least,
        }))
    };
    let per_datagram = || {
        let (first, second) = ("collector-xdp", "collector-udp");
        let ratio = ratio(rounds, first, second, Trial::ns_per_datagram)?;
        let nanoseconds = |name: &str| {
            let values = rounds.iter().flatten().filter(|trial| trial.contender.to_string() == name && trial.holds());
            Spread::of(values.map(Trial::ns_per_datagram).collect()).map_or(0.0, |spread| spread.median)
        };
        let (xdp, udp) = (nanoseconds(first), nanoseconds(second));
        Some(json!({
            "claim": format!("processor time per datagram with AF_XDP and with recvmmsg, all else the same, {load}"),
            "target": "less with AF_XDP",
            "measured": format!(
                "{xdp:.0} and {udp:.0} ns: {:.2} of it ({:.2} to {:.2})",
                1.0 / ratio.median, 1.0 / ratio.most, 1.0 / ratio.least
            ),
            "met": ratio.median > 1.0,
        }))
    };
    let all = [
        per_core(
            "collector-xdp",
            "nfcapd",
            10.0,
            "flows per core: collector, sink that discards, and nfcapd",
            "at least 10 times",
        ),
        per_core("collector-xdp-rollups", "nfcapd", 1.0, "the same with all six rollups", "more"),
        per_core("collector-xdp-lz4", "nfcapd-lz4", 1.0, "the same, both with LZ4", "more"),
        per_core("collector-xdp", "nfacctd", 1.0, "the same and nfacctd, which keeps sums", "more"),
        per_datagram(),
    ];
    all.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::super::trial::tests::trial;
    use super::*;

    fn rounds() -> Rounds {
        let round = |xdp, udp, nfcapd| {
            let rate = 240_000.0;
            vec![trial("collector-xdp", rate, xdp), trial("nfcapd", rate, nfcapd), trial("collector-udp", rate, udp)]
        };
        vec![round(50.0, 80.0, 600.0), round(100.0, 120.0, 600.0), round(60.0, 90.0, 540.0)]
    }

    #[test]
    fn medians_have_their_bounds() {
        let check = |values: &[f64], expected: Option<(f64, f64, f64)>| {
            let found = Spread::of(values.to_vec()).map(|spread| (spread.median, spread.least, spread.most));
            assert_eq!(found, expected, "{values:?}");
        };
        check(&[], None);
        check(&[3.0], Some((3.0, 3.0, 3.0)));
        check(&[9.0, 1.0, 2.0], Some((2.0, 1.0, 9.0)));
        check(&[9.0, 1.0, 2.0, 4.0], Some((3.0, 1.0, 9.0)));
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        let told = ratios(&rounds());
        let of_nfcapd = &told[0];
        assert_eq!(of_nfcapd["flows_per_second_per_core_of"], "collector-xdp");
        let ratio = |name: &str| of_nfcapd["ratio"][name].as_f64().expect("a number");
        assert!((ratio("median") - 9.0).abs() < 1e-6 && (ratio("least") - 6.0).abs() < 1e-6, "{of_nfcapd}");
        assert!((ratio("most") - 12.0).abs() < 1e-6, "{of_nfcapd}");
    }

    #[test]
    fn runs_with_loss_count_for_nothing() {
        let mut rounds = rounds();
        rounds[0][1].lag_s = 9.0;
        let nfcapd = of_contender(&rounds, Contender::named("nfcapd").expect("a contender"));
        assert_eq!((nfcapd["runs"].as_u64(), nfcapd["runs_at_zero_loss"].as_u64()), (Some(3), Some(2)));
        let nobody = of_contender(&rounds, Contender::named("nfacctd").expect("a contender"));
        assert_eq!((nobody["runs"].as_u64(), nobody["ns_per_flow"].is_null()), (Some(0), true));
    }

    #[test]
    fn claims_are_met_by_their_median() {
        let claims = claims(&rounds(), "v9");
        let check = |number: usize, met: bool, start: &str| {
            let claim = &claims[number];
            assert_eq!(claim["met"], met, "{claim}");
            assert!(claim["measured"].as_str().is_some_and(|text| text.starts_with(start)), "{claim}");
        };
        check(0, false, "9.0 times (6.0 to 12.0): 16.67 and 1.67 M flows/s");
        check(1, true, "1440 and 2160 ns: 0.67 of it");
        assert_eq!(claims.len(), 2);
    }
}
