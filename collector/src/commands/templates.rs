//! `collector templates`: prints a saved snapshot. What a snapshot is, and how it is printed, is the template store's business.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;

use super::Cli;
use super::output::Output;
use crate::templates::{print, snapshot};

/// Print the templates that the collector has saved
///
/// Every template and option value (sampling rates, application names) of every exporter, as in the last snapshot that
/// `collector run` saved.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct TemplatesArgs {
    /// Snapshot file [default: templates.snapshot in the state directory]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// Print JSON, one object a line
    #[arg(long)]
    pub json: bool,
}

const EXAMPLES: &str = "\
Examples:
  collector templates
  collector templates /var/lib/collector/templates.snapshot --json | jq .";

/// Reads and prints the snapshot.
pub(super) fn run(args: &TemplatesArgs, cli: &Cli) -> anyhow::Result<()> {
    let path = match &args.file {
        Some(path) => path.clone(),
        None => cli.configured()?.templates.snapshot,
    };
    let snapshot = snapshot::read(&path)?;
    let mut out = Output::new();
    let print = if args.json { print::json } else { print::text };
    print(&snapshot, &name, &mut out)?;
    out.flush()?;
    Ok(())
}

/// The name of an information element: IANA's, its reverse direction's, or the vendor's.
fn name(element: u16, enterprise: u32) -> Option<&'static str> {
    match enterprise {
        0 => netflow::element::iana(element).map(|element| element.name),
        netflow::element::REVERSE => netflow::element::reverse_name(element),
        vendor => netflow::element::vendor_name(vendor, element),
    }
}
