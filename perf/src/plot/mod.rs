//! `perf plot`: results of `perf curve` as a drawing (SVG), readable on light and dark ground.

/// The drawing.
mod chart;
/// What is drawn.
mod curves;
/// Shapes.
mod svg;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::Value;

/// What `perf plot` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Results of `perf curve`; of several, all curves are in one drawing, under the first's machine and load.
    #[arg(required = true, value_name = "RESULT.json")]
    results: Vec<PathBuf>,
    /// The file that is written.
    #[arg(long, value_name = "FILE.svg", default_value = "perf/results/bench/curve.svg")]
    out: PathBuf,
}

/// Draws.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let (mut all, mut caption) = (Vec::new(), None);
    for path in &arguments.results {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let document: Value = serde_json::from_str(&text).with_context(|| format!("{}: no JSON", path.display()))?;
        all.extend(curves::read(&document).with_context(|| path.display().to_string())?);
        caption.get_or_insert_with(|| curves::caption(&document));
    }
    let drawing = chart::draw(&all, &caption.unwrap_or_default());
    fs::write(&arguments.out, drawing).with_context(|| format!("cannot write {}", arguments.out.display()))
}
