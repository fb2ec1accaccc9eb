//! SVG as text: a few shapes, with classes that a style sheet colours for light and dark surroundings.

use std::fmt::Write as _;

/// Colours and letters. `a`, `b`, `c` and `d` are series, told apart by people who see colours differently (Okabe and Ito's palette,
/// made lighter on dark ground).
const STYLE: &str = "\
:root{--ground:#ffffff;--ink:#1f2328;--faint:#656d76;--grid:#d8dee4;--a:#0072b2;--b:#d55e00;--c:#009e73;--d:#8250df;--bad:#cf222e}\
@media(prefers-color-scheme:dark){:root{--ground:#0d1117;--ink:#e6edf3;--faint:#8d96a0;--grid:#30363d;--a:#56b4e9;--b:#e69f00;--c:#2fc79a;--d:#bc8cff;--bad:#ff7b72}}\
.ground{fill:var(--ground)}\
text{fill:var(--ink);font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;font-size:13px}\
.title{font-size:20px;font-weight:600}.heading{font-size:14px;font-weight:600}.faint{fill:var(--faint)}.small{font-size:12px}.bad-text{fill:var(--bad);font-size:12px;font-weight:600}\
.grid{stroke:var(--grid);stroke-width:1}.axis{stroke:var(--faint);stroke-width:1}.ideal{stroke:var(--faint);stroke-width:1.2;stroke-dasharray:2 4}\
.line{fill:none;stroke-width:2.2;stroke-linejoin:round;stroke-linecap:round}.dashed{stroke-dasharray:7 5}\
.stroke-a{stroke:var(--a)}.stroke-b{stroke:var(--b)}.stroke-c{stroke:var(--c)}.stroke-d{stroke:var(--d)}.stroke-bad{stroke:var(--bad)}.stroke-ink{stroke:var(--ink)}\
.fill-a{fill:var(--a)}.fill-b{fill:var(--b)}.fill-c{fill:var(--c)}.fill-d{fill:var(--d)}.fill-ink{fill:var(--ink)}.fill-ground{fill:var(--ground)}\
.mark{stroke-width:2}.cross{stroke-width:2.4;stroke-linecap:round}.pale{opacity:.32}";

/// Where a text is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A drawing under way. Lengths are pixels, y grows downwards.
#[derive(Debug)]
pub(super) struct Svg {
    text: String,
}

impl Svg {
    /// An empty drawing; `label` is what is read out to those who do not see it.
    pub(super) fn new(width: f64, height: f64, label: &str) -> Self {
        let mut text = String::new();
        let _ = write!(
            text,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
             role=\"img\" aria-label=\"{}\">\n<style>{STYLE}</style>\n",
            escaped(label)
        );
        let mut svg = Self { text };
        svg.rectangle(0.0, 0.0, width, height, "ground");
        svg
    }

    pub(super) fn rectangle(&mut self, x: f64, y: f64, width: f64, height: f64, class: &str) {
        self.add(format!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"2\" class=\"{class}\"/>"
        ));
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.add(format!("<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" class=\"{class}\"/>"));
    }

    pub(super) fn path(&mut self, points: &[(f64, f64)], class: &str) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        self.add(format!("<polyline points=\"{}\" class=\"{class}\"/>", points.join(" ")));
    }

    pub(super) fn circle(&mut self, at: (f64, f64), radius: f64, class: &str) {
        self.add(format!("<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius}\" class=\"{class}\"/>", at.0, at.1));
    }

    /// An x.
    pub(super) fn cross(&mut self, at: (f64, f64), radius: f64, class: &str) {
        let (x, y) = at;
        self.line((x - radius, y - radius), (x + radius, y + radius), class);
        self.line((x - radius, y + radius), (x + radius, y - radius), class);
    }

    pub(super) fn text(&mut self, at: (f64, f64), anchor: Anchor, class: &str, text: &str) {
        self.add(format!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{}\" class=\"{class}\">{}</text>",
            at.0,
            at.1,
            anchor.word(),
            escaped(text)
        ));
    }

    /// The finished document.
    pub(super) fn finish(mut self) -> String {
        self.text.push_str("</svg>\n");
        self.text
    }

    fn add(&mut self, element: String) {
        self.text.push_str(&element);
        self.text.push('\n');
    }
}

impl Anchor {
    fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_break_out() {
        let mut svg = Svg::new(10.0, 10.0, "a \"b\"");
        svg.text((1.0, 2.0), Anchor::End, "faint", "<c> & d");
        let text = svg.finish();
        assert!(text.contains("aria-label=\"a &quot;b&quot;\""));
        assert!(text.contains("text-anchor=\"end\" class=\"faint\">&lt;c&gt; &amp; d</text>"), "{text}");
        assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"));
    }
}
