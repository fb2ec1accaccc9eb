//! Datagrams encoded once and sent again and again.

use anyhow::Result;
use perf::envelope::Envelope;
use perf::preload::Preload;
use perf::{Account, Exporter, Settings};

use super::{Arguments, Refused, Told, pace, told};
use crate::output::Output;
use crate::pace::{Pace, Schedule};
use crate::transmit::{BATCH, Frame};

/// The accounts of exporters that are told of one by one.
struct Accounts {
    settings: Vec<Settings>,
    accounts: Vec<Account>,
    refused: Vec<Refused>,
}

pub(super) fn send(
    arguments: &Arguments,
    exporters: Vec<Exporter>,
    envelopes: &[Envelope],
    datagrams: usize,
    mut output: Output,
    is_told: bool,
) -> Result<Told> {
    let told_of = if is_told { exporters.len() } else { 0 };
    let mut accounts = Accounts {
        settings: exporters.iter().take(told_of).map(|exporter| exporter.settings().clone()).collect(),
        accounts: vec![Account::default(); told_of],
        refused: vec![Refused::default(); told_of],
    };
    let mut preload = Preload::new(exporters, envelopes, datagrams, arguments.template_every());
    output.begin();
    let templates_first = if arguments.templates_first {
        announce(arguments, &mut preload, &mut output)?;
        Some(output.take_sent())
    } else {
        None
    };
    let mut pace = pace(arguments);
    let (mut batch, mut flows) = (Vec::with_capacity(BATCH), Vec::with_capacity(BATCH));
    let mut left = arguments.total();
    loop {
        let due = pace.due(left.min(BATCH as u64));
        if due == 0 {
            break;
        }
        left -= due;
        let mut filled = 0;
        while filled < due {
            preload.fill((due - filled) as usize, pace.now_ms(), &mut batch);
            filled += batch.len() as u64;
            send_batch(&preload, &batch, &pace, &mut output, &mut accounts, &mut flows)?;
        }
    }
    let exporters = accounts.told();
    Ok(Told { templates_first, sent: output.finish()?, exporters })
}

/// The templates of all, at the rate.
fn announce(arguments: &Arguments, preload: &mut Preload, output: &mut Output) -> Result<()> {
    let mut pace = Pace::new(Schedule::of_rate(arguments.rate), None, arguments.no_send);
    let (mut batch, mut flows) = (Vec::with_capacity(BATCH), Vec::with_capacity(BATCH));
    let mut none = Accounts { settings: Vec::new(), accounts: Vec::new(), refused: Vec::new() };
    let mut from = 0;
    loop {
        let due = pace.due(BATCH as u64);
        preload.announce(from, due as usize, pace.now_ms(), &mut batch);
        if batch.is_empty() {
            preload.skip_first_announcements();
            return Ok(());
        }
        from += batch.len();
        send_batch(preload, &batch, &pace, output, &mut none, &mut flows)?;
    }
}

fn send_batch(
    preload: &Preload,
    batch: &[usize],
    pace: &Pace,
    output: &mut Output,
    accounts: &mut Accounts,
    flows: &mut Vec<u64>,
) -> Result<()> {
    flows.clear();
    let mut frames = [Frame { bytes: &[], payload_at: 0, source: 0 }; BATCH];
    for (frame, place) in frames.iter_mut().zip(batch) {
        let (bytes, of) = preload.frame(*place);
        *frame = Frame { bytes, payload_at: of.payload_at.into(), source: of.exporter as usize };
        flows.push(of.flows.into());
        if let Some(account) = accounts.accounts.get_mut(frame.source) {
            account.exported += 1;
            account.exported_flows += u64::from(of.flows);
            account.exported_options += u64::from(of.options);
            account.delivered += 1;
            account.delivered_flows += u64::from(of.flows);
            account.delivered_bytes += frame.payload().len() as u64;
            account.delivered_templates += u64::from(of.has_templates);
        }
    }
    for index in output.send(pace, &frames[..batch.len()], flows)? {
        let (_, of) = preload.frame(batch[*index]);
        if let Some(refused) = accounts.refused.get_mut(of.exporter as usize) {
            refused.add(of.flows.into(), frames[*index].payload().len(), of.has_templates);
        }
    }
    Ok(())
}

impl Accounts {
    fn told(&self) -> Vec<serde_json::Value> {
        let all = self.settings.iter().zip(&self.accounts).zip(&self.refused);
        all.map(|((settings, account), refused)| told(settings, account, refused)).collect()
    }
}
