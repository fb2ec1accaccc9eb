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
pub struct TemplatesArgs {
    /// Snapshot file [default: templates.snapshot in the state directory]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// Print JSON, one object a line
    #[arg(long)]
    pub json: bool,
}

/// Reads and prints the snapshot.
pub(super) fn run(args: &TemplatesArgs, cli: &Cli) -> anyhow::Result<()> {
    let path = match &args.file {
        Some(path) => path.clone(),
        None => cli.configured()?.templates.snapshot,
    };
    let snapshot = snapshot::read(&path)?;
    let mut out = Output::new();
    let print = if args.json { print::json } else { print::text };
    print(&snapshot, &netflow_name, &mut out)?;
    out.flush()?;
    Ok(())
}
