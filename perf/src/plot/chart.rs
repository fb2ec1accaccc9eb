//! The drawing: offered against stored on the left, and on the right what each way reaches without loss and what it costs.

use super::curves::{Curve, Point};
use super::svg::{Anchor, Svg};

const WIDTH: f64 = 1180.0;
const HEIGHT: f64 = 640.0;
/// The left chart's edges.
const LEFT: f64 = 74.0;
const RIGHT: f64 = 640.0;
const TOP: f64 = 104.0;
const BOTTOM: f64 = 520.0;
/// The right side: names and bars.
const NAMES: f64 = 694.0;
const BARS: f64 = 694.0;
const BARS_END: f64 = 1060.0;
const COLOURS: [&str; 4] = ["a", "b", "c", "d"];

/// Draws the curves.
pub(super) fn draw(curves: &[Curve], caption: &str) -> String {
    let mut svg = Svg::new(WIDTH, HEIGHT, "Flows offered against flows stored, for each way of capturing");
    svg.text((24.0, 36.0), Anchor::Start, "title", "Flows offered and flows stored");
    svg.text((24.0, 60.0), Anchor::Start, "faint small", caption);
    let mut modes: Vec<&str> = Vec::new();
    for curve in curves {
        if !modes.contains(&curve.mode.as_str()) {
            modes.push(&curve.mode);
        }
    }
    let colour = |curve: &Curve| {
        let place = modes.iter().position(|mode| *mode == curve.mode).unwrap_or_default();
        COLOURS[place % COLOURS.len()]
    };
    let most = |of: fn(&Point) -> f64| curves.iter().flat_map(|curve| &curve.points).map(of).fold(1.0, f64::max);
    let scale =
        Scale { offered: Axis::new(most(|point| point.offered)), stored: Axis::new(most(|point| point.stored)) };
    axes(&mut svg, &scale);
    for curve in curves {
        line(&mut svg, &scale, curve, colour(curve));
    }
    for curve in curves {
        marks(&mut svg, &scale, curve, colour(curve));
    }
    key(&mut svg);
    bars(&mut svg, curves, &colour);
    svg.finish()
}

/// Flows a second to pixels.
struct Scale {
    offered: Axis,
    stored: Axis,
}

/// From 0 to a round number, in steps that are easy to read.
struct Axis {
    most: f64,
    step: f64,
}

impl Scale {
    fn at(&self, offered: f64, stored: f64) -> (f64, f64) {
        (LEFT + (RIGHT - LEFT) * offered / self.offered.most, BOTTOM - (BOTTOM - TOP) * stored / self.stored.most)
    }
}

impl Axis {
    /// It ends at `most` or a little above.
    fn new(most: f64) -> Self {
        let rough = most / 6.0;
        let power = 10.0_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|digit| digit * power).find(|step| *step >= rough);
        let step = step.unwrap_or(power * 10.0);
        Self { most: (most / step).ceil() * step, step }
    }

    fn steps(&self) -> impl Iterator<Item = f64> {
        let (step, count) = (self.step, (self.most / self.step).round() as u32);
        (0..=count).map(move |number| f64::from(number) * step)
    }
}

fn axes(svg: &mut Svg, scale: &Scale) {
    svg.text((24.0, TOP - 16.0), Anchor::Start, "heading", "Stored, flows/s");
    for value in scale.stored.steps() {
        let (_, y) = scale.at(0.0, value);
        svg.line((LEFT, y), (RIGHT, y), "grid");
        svg.text((LEFT - 9.0, y + 4.0), Anchor::End, "faint small", &short(value));
    }
    for value in scale.offered.steps() {
        let (x, _) = scale.at(value, 0.0);
        svg.line((x, BOTTOM), (x, BOTTOM + 5.0), "axis");
        svg.text((x, BOTTOM + 20.0), Anchor::Middle, "faint small", &short(value));
    }
    svg.line((LEFT, BOTTOM), (RIGHT, BOTTOM), "axis");
    svg.text(((LEFT + RIGHT) / 2.0, BOTTOM + 44.0), Anchor::Middle, "heading", "Offered, flows/s");
    let end = scale.offered.most.min(scale.stored.most);
    svg.line(scale.at(0.0, 0.0), scale.at(end, end), "ideal");
    let (x, y) = scale.at(end, end);
    svg.text((x + 10.0, y + 14.0), Anchor::Start, "faint small", "all that is offered");
}

fn line(svg: &mut Svg, scale: &Scale, curve: &Curve, colour: &str) {
    let points: Vec<_> = curve.points.iter().map(|point| scale.at(point.offered, point.stored)).collect();
    let dashed = if curve.workers > 1 { " dashed" } else { "" };
    svg.path(&points, &format!("line stroke-{colour}{dashed}"));
}

fn marks(svg: &mut Svg, scale: &Scale, curve: &Curve, colour: &str) {
    for point in &curve.points {
        mark(svg, scale.at(point.offered, point.stored), point, colour);
    }
}

fn mark(svg: &mut Svg, at: (f64, f64), point: &Point, colour: &str) {
    if point.lost > 0.0 {
        svg.cross(at, 5.0, "cross stroke-bad");
    } else if point.kept_up {
        svg.circle(at, 4.2, &format!("fill-{colour}"));
    } else {
        svg.circle(at, 4.2, &format!("mark fill-ground stroke-{colour}"));
    }
}

/// What the marks mean.
fn key(svg: &mut Svg) {
    let y = HEIGHT - 36.0;
    svg.circle((LEFT + 4.0, y), 4.2, "fill-ink");
    svg.text((LEFT + 14.0, y + 4.0), Anchor::Start, "small", "all stored");
    svg.circle((LEFT + 104.0, y), 4.2, "mark fill-ground stroke-ink");
    svg.text((LEFT + 114.0, y + 4.0), Anchor::Start, "small", "all stored, later (journal)");
    svg.cross((LEFT + 290.0, y), 5.0, "cross stroke-bad");
    svg.text((LEFT + 302.0, y + 4.0), Anchor::Start, "small", "some lost");
    svg.line((LEFT + 382.0, y), (LEFT + 412.0, y), "line stroke-ink");
    svg.text((LEFT + 420.0, y + 4.0), Anchor::Start, "small", "1 worker");
    svg.line((LEFT + 490.0, y), (LEFT + 520.0, y), "line dashed stroke-ink");
    svg.text((LEFT + 528.0, y + 4.0), Anchor::Start, "small", "more");
}

/// The highest rates, and what they cost.
fn bars<'c>(svg: &mut Svg, curves: &'c [Curve], colour: &dyn Fn(&'c Curve) -> &'static str) {
    svg.text((NAMES, TOP - 16.0), Anchor::Start, "heading", "Highest rate at zero loss, flows/s");
    let most = curves.iter().fold(1.0_f64, |most, curve| most.max(curve.lossless).max(curve.kept_up));
    let row = ((BOTTOM - TOP) / curves.len().max(1) as f64).min(72.0);
    for (number, curve) in curves.iter().enumerate() {
        let top = TOP + row * number as f64;
        let length = |value: f64| (BARS_END - BARS) * value / most;
        let colour = colour(curve);
        let workers = if curve.workers == 1 { "1 worker".to_owned() } else { format!("{} workers", curve.workers) };
        svg.text((NAMES, top + 12.0), Anchor::Start, "", &format!("{}, {workers}", curve.mode));
        svg.text((NAMES, top + 52.0), Anchor::Start, "faint small", &costs(curve));
        svg.rectangle(BARS, top + 20.0, length(curve.lossless), 16.0, &format!("fill-{colour} pale"));
        svg.rectangle(BARS, top + 20.0, length(curve.kept_up), 16.0, &format!("fill-{colour}"));
        let end = BARS + length(curve.lossless.max(curve.kept_up)) + 8.0;
        svg.text((end, top + 33.0), Anchor::Start, "heading", &rates(curve));
    }
    let bottom = BOTTOM + 44.0;
    svg.text(
        (NAMES, bottom),
        Anchor::Start,
        "faint small",
        "Full colour: stored as fast as it comes. Pale, in brackets: the journal takes it for",
    );
    svg.text(
        (NAMES, bottom + 18.0),
        Anchor::Start,
        "faint small",
        "some seconds, and it is stored after. CPU: all of the collector's threads at the full",
    );
    svg.text(
        (NAMES, bottom + 36.0),
        Anchor::Start,
        "faint small",
        "colour's rate. Calls: system calls of the workers.",
    );
}

fn rates(curve: &Curve) -> String {
    if curve.lossless > curve.kept_up * 1.05 {
        format!("{} ({})", short(curve.kept_up), short(curve.lossless))
    } else {
        short(curve.kept_up)
    }
}

fn costs(curve: &Curve) -> String {
    let cpu = curve.cpu_ns.map(|(user, kernel)| format!("{:.0} + {kernel:.0} ns/flow user + kernel", user));
    let calls = curve.syscalls_per_datagram.map(|calls| match calls {
        calls if calls < 0.0005 => "0 calls/datagram".to_owned(),
        calls => format!("{calls:.3} calls/datagram"),
    });
    [cpu, calls].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// A number of three digits with k or M.
fn short(value: f64) -> String {
    let (value, unit) = match value {
        value if value >= 1e6 => (value / 1e6, " M"),
        value if value >= 1e3 => (value / 1e3, " k"),
        value => (value, ""),
    };
    let digits = match value {
        value if value >= 100.0 => 0,
        value if value >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, expected) in
            [(0.0, "0"), (7.0, "7"), (1000.0, "1 k"), (12_340.0, "12.3 k"), (1.5e6, "1.5 M"), (200e6, "200 M")]
        {
            assert_eq!(short(value), expected);
        }
    }

    #[test]
    fn axes_end_at_round_numbers() {
        for (most, expected) in [(1.0, 1.0), (5.4e6, 6e6), (100.0, 100.0), (7e5, 8e5)] {
            let axis = Axis::new(most);
            assert!((axis.most - expected).abs() < 1e-6, "{most}: {}", axis.most);
            let steps = axis.steps().count();
            assert!((4..=8).contains(&steps), "{most}: {steps}");
        }
    }

    #[test]
    fn loss_is_marked() {
        let point = |offered: f64, stored: f64, lost: f64, kept_up| Point { offered, stored, lost, kept_up };
        let curve = Curve {
            mode: "udp".to_owned(),
            workers: 2,
            points: vec![point(1e6, 1e6, 0.0, true), point(2e6, 1.2e6, 0.0, false), point(4e6, 1e6, 0.5, false)],
            kept_up: 1e6,
            lossless: 2e6,
            cpu_ns: Some((100.0, 50.0)),
            syscalls_per_datagram: Some(0.0),
        };
        let text = draw(&[curve], "here & there");
        assert_eq!(text.matches("cross stroke-bad").count(), 2 + 2, "one step lost something, and the key has a cross");
        assert!(text.contains("udp, 2 workers") && text.contains("1 M (2 M)") && text.contains("0 calls"), "{text}");
        assert!(text.contains("here &amp; there"));
    }
}
