//! `fingerpost alerts`: what fires in the whole fleet, since when, and why: the lines that were counted.

use anyhow::Result;
use comfy_table::{CellAlignment, Table, presets};

use super::arguments::AlertsArguments;
use super::run::report_failure;
use super::{Exit, print, print_json, usable};
use crate::alert::{Change, Place, State};
use crate::config;
use crate::flow::alerts::{Told, lines, told};
use crate::flow::{self, Failure};
use crate::sanitize::escaped;
use crate::telemetry::foreign;

/// The verb.
///
/// # Errors
/// When stdout cannot be written.
pub fn run(arguments: &AlertsArguments) -> Result<Exit> {
    let Some(config) = usable(config::load(&arguments.daemon.layers())) else { return Ok(Exit::Config) };
    match listed(arguments, &config.flow) {
        Ok(text) => if arguments.json { print_json(&text) } else { print(&text) }.map(|()| Exit::Fine),
        Err(failure) => Ok(report_failure(&failure)),
    }
}

fn listed(arguments: &AlertsArguments, settings: &flow::Settings) -> Result<String, Failure> {
    let Told { mut alerts, unreadable } = told(settings, arguments.all)?;
    if let Some(id) = &arguments.alert {
        alerts.retain(|change| change.alert.contains(id.as_str()));
    }
    if unreadable > 0 {
        tracing::warn!(unreadable, "records of the alerts topic that this version cannot read are left out");
    }
    if arguments.json {
        return Ok(alerts.iter().map(|change| change.to_json() + "\n").collect());
    }
    let mut text = table(&alerts);
    for change in alerts.iter().filter(|_| arguments.lines) {
        let quoted = lines(settings, &change.lines)?;
        text += &counted(change, &quoted);
    }
    Ok(text)
}

fn time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |time| format!("{time:.0}"))
}

fn group(change: &Change) -> String {
    let part = |(name, value): &(String, String)| format!("{}={}", escaped(name), foreign(value.as_bytes()));
    change.group.iter().map(part).collect::<Vec<_>>().join(" ")
}

fn table(alerts: &[Change]) -> String {
    if alerts.is_empty() {
        return "nothing fires\n".to_owned();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["SINCE", "UNTIL", "ALERT", "GROUP", "LINES", "FIRST LINE"]);
    for change in alerts {
        let until = change.ends_at.map_or_else(|| "fires".to_owned(), time);
        let first = change.lines.first().map_or_else(String::new, Place::to_string);
        table.add_row([
            time(change.starts_at),
            until,
            escaped(&change.alert).into_owned(),
            group(change),
            change.count.to_string(),
            first,
        ]);
    }
    if let Some(lines) = table.column_mut(4) {
        lines.set_cell_alignment(CellAlignment::Right);
    }
    let firing = alerts.iter().filter(|change| change.state == State::Firing).count();
    format!("{}\n{firing} firing\n", table.trim_fmt())
}

/// The lines by which an alert came to fire, as they stand in the input.
fn counted(change: &Change, quoted: &[Option<Vec<u8>>]) -> String {
    let heading = format!("\n{} {}\n", escaped(&change.alert), group(change));
    let line = |(place, text): (&Place, &Option<Vec<u8>>)| {
        let text = text.as_deref().map_or_else(|| "(gone from the input)".to_owned(), foreign);
        format!("  {place}  {text}\n")
    };
    let shown: String = change.lines.iter().zip(quoted).map(line).collect();
    let more = change.count.saturating_sub(change.lines.len());
    let more = if more == 0 { String::new() } else { format!("  and {more} more\n") };
    heading + &shown + &more
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(ends_at: Option<i64>) -> Change {
        let place = |offset| Place { topic: "logs".to_owned(), partition: 3, offset };
        Change {
            alert: "disk".to_owned(),
            group: vec![("crn".to_owned(), "crn:\u{1b}[1m".to_owned()), ("app".to_owned(), "a".to_owned())],
            state: if ends_at.is_some() { State::Resolved } else { State::Firing },
            starts_at: 1_790_000_000_123,
            ends_at,
            withdrawn: false,
            count: 5,
            lines: vec![place(7), place(9)],
            labels: Vec::new(),
            annotations: Vec::new(),
            place: place(9),
            said: crate::alert::Said::default(),
            settled: 0,
            held: Vec::new(),
            read_to: None,
            word: 0,
            told_ms: None,
            pack: String::new(),
        }
    }

    #[test]
    fn what_fires_is_listed_with_its_lines() {
        let text = table(&[change(None), change(Some(1_790_000_900_000))]);
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[1], ["2026-09-21T14:13:20Z", "fires", "disk", "crn=crn:\\u{1b}[1m", "app=a", "5", "logs/3/7"]);
        assert_eq!(rows[2][1], "2026-09-21T14:28:20Z");
        assert_eq!(rows[3], ["1", "firing"]);
        assert_eq!(table(&[]), "nothing fires\n");
        let lines = counted(&change(None), &[Some(b"{\"a\":1}".to_vec()), None]);
        assert!(lines.ends_with("  logs/3/7  {\"a\":1}\n  logs/3/9  (gone from the input)\n  and 3 more\n"), "{lines}");
    }
}
