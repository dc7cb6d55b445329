//! `[[alert]]` and `[[test]]`, read key by key. What templates and patterns name is looked up by `resolve`.

use std::ops::Range;

use super::{CODES, File, RawValue};
use crate::diagnostic::Diagnostic;
use crate::document::{Placed, Table};
use crate::pack::{Severity, Step, Threshold};

/// A window may be this long: what it holds must be read again after a restart.
const WINDOW_MAX_MS: i64 = 7 * 24 * 3600 * 1000;
/// One step of a sequence may stand for so many lines.
const TIMES_MAX: u32 = 100_000;
/// When a sequence begins unless it says: Wednesday, 3 January 2024, 12:00 UTC.
const START: &str = "2024-01-03T12:00:00Z";

/// Annotations that every alert has by itself.
const ANNOTATIONS: [&str; 8] =
    ["runbook", "runbook_url", "action", "contact", "escalation", "first_line", "silence", "snooze"];

pub(in crate::pack) struct RawAlert {
    pub(in crate::pack) id: Placed<String>,
    pub(in crate::pack) from: Vec<Placed<String>>,
    pub(in crate::pack) except: Vec<Placed<String>>,
    pub(in crate::pack) unless: Vec<Placed<String>>,
    pub(in crate::pack) group_by: Vec<Placed<String>>,
    pub(in crate::pack) distinct: Option<Placed<String>>,
    /// Members of the line that templates may name.
    pub(in crate::pack) members: Vec<String>,
    pub(in crate::pack) window_ms: i64,
    pub(in crate::pack) count: Threshold,
    pub(in crate::pack) severity: Severity,
    pub(in crate::pack) labels: Vec<(String, Placed<String>)>,
    pub(in crate::pack) annotations: Vec<(String, Placed<String>)>,
    pub(in crate::pack) action: Option<String>,
    pub(in crate::pack) contact: Option<String>,
    pub(in crate::pack) snooze: Option<String>,
    pub(in crate::pack) escalate: Vec<RawEscalate>,
}

pub(in crate::pack) struct RawEscalate {
    pub(in crate::pack) when: Vec<(Placed<String>, Vec<RawValue>)>,
    pub(in crate::pack) cie: bool,
    pub(in crate::pack) business_hours: bool,
    pub(in crate::pack) text: String,
}

pub(in crate::pack) struct RawSequence {
    pub(in crate::pack) name: String,
    pub(in crate::pack) alert: Placed<String>,
    pub(in crate::pack) start_ms: i64,
    pub(in crate::pack) cie: bool,
    pub(in crate::pack) steps: Vec<Step>,
    pub(in crate::pack) fires: Vec<crate::pack::Moment>,
    pub(in crate::pack) resolves: Option<Vec<crate::pack::Moment>>,
    pub(in crate::pack) span: Range<usize>,
}

impl File<'_> {
    pub(super) fn alert(&self, table: Table<'_>) -> Option<RawAlert> {
        let id = table.required_string("id", "an id names the alert; it becomes the label `alertname`");
        let id = id.filter(|id| self.is_alert_id(id));
        let from = table.strings("from").unwrap_or_default();
        let window = table.required_string("window", "how long lines count, as in \"15m\"");
        let window_ms = window.and_then(|window| self.window(&window));
        let count = table.required_string("count", "how many lines are enough, as in \">= 5\" or \"> 50\"");
        let count = count.and_then(|count| self.threshold(&count));
        let severity = table.required_string("severity", "one of critical, error, warning, info");
        let severity = severity.and_then(|severity| self.severity(&severity));
        let raw = RawAlert {
            except: table.strings("except").unwrap_or_default(),
            unless: table.strings("unless").unwrap_or_default(),
            group_by: table.strings("group_by").unwrap_or_default(),
            distinct: table.string("distinct"),
            members: table.strings("members").unwrap_or_default().into_iter().map(|member| member.value).collect(),
            labels: self.named_texts(&table, "labels", |name| self.is_label(name)),
            annotations: self.named_texts(&table, "annotations", |name| self.is_annotation(name)),
            action: table.string("action").map(|text| text.value),
            contact: table.string("contact").map(|text| text.value),
            snooze: table.string("snooze").and_then(|snooze| self.snooze(snooze)),
            escalate: table.tables("escalate").into_iter().filter_map(|row| self.escalate(row)).collect(),
            window_ms: window_ms.unwrap_or(1),
            count: count.unwrap_or(Threshold { least: 1 }),
            // What is missing has been reported; the packs are not used then.
            severity: severity.unwrap_or(Severity::Info),
            id: id.unwrap_or_else(|| Placed { value: String::new(), span: table.span.clone() }),
            from,
        };
        if raw.from.is_empty() {
            let help = "name the rules whose lines count: from = [\"family.*\"]";
            let (span, message) = (raw.id.span.clone(), "this alert counts nothing");
            self.reader.error(CODES.missing_key, span, message, "`from` is missing", help);
        }
        table.finish(&[]);
        (!raw.id.value.is_empty()).then_some(raw)
    }

    fn is_alert_id(&self, id: &Placed<String>) -> bool {
        let is_fine = !id.value.is_empty()
            && id.value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./:".contains(&byte));
        if !is_fine {
            let help = "an id is made of letters, digits and `_-./:`, as in `storage/disk_failures`";
            let message = format!("`{}` is no id of an alert", id.value);
            self.reader.error("P005", id.span.clone(), message, "not an id", help);
        }
        is_fine
    }

    fn window(&self, text: &Placed<String>) -> Option<i64> {
        let length =
            text.value.parse::<jiff::SignedDuration>().ok().and_then(|length| i64::try_from(length.as_millis()).ok());
        let length = length.filter(|length| (1..=WINDOW_MAX_MS).contains(length));
        if length.is_none() {
            let message = format!("`{}` is no length of a window", text.value);
            let help = "write a duration from 1ms to 168h, as in `15m` or `1h`";
            self.reader.error("P032", text.span.clone(), message, "not a window", help);
        }
        length
    }

    /// `>= 5` or `> 50`: the operator is written out, since a bare number leaves open whether it is enough.
    fn threshold(&self, text: &Placed<String>) -> Option<Threshold> {
        let written = text.value.trim();
        let (number, more) = match (written.strip_prefix(">="), written.strip_prefix('>')) {
            (Some(number), _) => (Some(number), 0),
            (None, Some(number)) => (Some(number), 1),
            (None, None) => (None, 0),
        };
        let least =
            number.and_then(|number| number.trim().parse::<u32>().ok()?.checked_add(more)).filter(|least| *least > 0);
        if least.is_none() {
            let help = match (written.parse::<u32>(), written.starts_with(['<', '='])) {
                (Ok(number), _) => format!("write the operator: \">= {number}\" or \"> {number}\""),
                (_, true) => "an alert fires when there are many: `>=` and `>` are the operators".to_owned(),
                _ => "write an operator and a number that needs at least one line: \">= 5\" or \"> 50\"".to_owned(),
            };
            let message = format!("`{}` does not say how many are enough", text.value);
            self.reader.error("P031", text.span.clone(), message, "not a condition", &help);
        }
        least.map(|least| Threshold { least })
    }

    /// A table of texts under names, each name looked at.
    fn named_texts(
        &self,
        table: &Table<'_>,
        key: &'static str,
        is_fine: impl Fn(&Placed<String>) -> bool,
    ) -> Vec<(String, Placed<String>)> {
        let Some(table) = table.table(key) else { return Vec::new() };
        let mut texts: Vec<(usize, String, Placed<String>)> = Vec::new();
        for (name, value) in table.members() {
            let Some(text) = self.text(value) else { continue };
            if is_fine(&name) {
                texts.push((name.span.start, name.value, Placed { value: text, span: value.span() }));
            }
        }
        // In the order of the file: that is how a reader meets them.
        texts.sort_by_key(|(place, ..)| *place);
        texts.into_iter().map(|(_, name, text)| (name, text)).collect()
    }

    fn is_label(&self, name: &Placed<String>) -> bool {
        let text = &name.value;
        let is_word = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let is_fine = is_word && text.starts_with(|first: char| !first.is_ascii_digit()) && !text.starts_with("__");
        if ["alertname", "severity"].contains(&text.as_str()) {
            let help = "`alertname` is the alert's `id`, `severity` its `severity`: leave this line out";
            self.reader.error(
                "P034",
                name.span.clone(),
                format!("the label `{text}` is set already"),
                "not here",
                help,
            );
            return false;
        }
        if !is_fine {
            let help = "a label is made of letters, digits and `_`, and begins with no digit and not with `__`";
            self.reader.error("P034", name.span.clone(), format!("`{text}` is no name of a label"), "not a name", help);
        }
        is_fine
    }

    fn is_annotation(&self, name: &Placed<String>) -> bool {
        let text = &name.value;
        let is_ours = ANNOTATIONS.contains(&text.as_str());
        if is_ours {
            let help = format!("these are told of every alert: {}", ANNOTATIONS.join(", "));
            self.reader.error(
                "P034",
                name.span.clone(),
                format!("the annotation `{text}` is not free"),
                "not here",
                &help,
            );
        }
        !is_ours
    }

    fn escalate(&self, row: Table<'_>) -> Option<RawEscalate> {
        let text = row.required_string("text", "what to do when this row holds");
        let raw = RawEscalate {
            when: row.table("when").map(|when| self.fact_values(&when)).unwrap_or_default(),
            cie: row.boolean("cie").is_some_and(|flag| flag.value),
            business_hours: row.boolean("business_hours").is_some_and(|flag| flag.value),
            text: text?.value,
        };
        row.finish(&["from", "group_by", "window", "count", "labels", "annotations", "snooze", "action", "contact"]);
        Some(raw)
    }

    pub(super) fn sequence(&self, table: Table<'_>) -> Option<RawSequence> {
        let span = table.span.clone();
        let name = table.required_string("name", "one sentence: what this sequence shows");
        let alert = table.required_string("alert", "the id of the alert that it is about");
        let start = table.string("start");
        let steps: Vec<Step> =
            table.strings("lines").unwrap_or_default().iter().filter_map(|line| self.step(line)).collect();
        let silent = table.boolean("silent").is_some_and(|flag| flag.value);
        let fires = table.has("fires").then(|| self.moments(&table, "fires"));
        let raw = RawSequence {
            resolves: table.has("resolves").then(|| self.moments(&table, "resolves")),
            start_ms: self.start(start.as_ref()),
            cie: table.boolean("cie").is_some_and(|flag| flag.value),
            steps,
            fires: fires.clone().unwrap_or_default(),
            name: name.map(|name| name.value).unwrap_or_default(),
            span: alert.as_ref().map_or_else(|| span.clone(), |alert| alert.span.clone()),
            alert: alert?,
        };
        table.finish(&[]);
        let help = if raw.steps.is_empty() {
            "write the lines: lines = ['''0m x4 {\"msg\":\"…\"}''', '''14m59s {\"msg\":\"…\"}''']"
        } else if silent == fires.as_ref().is_some_and(|fires| !fires.is_empty()) {
            "write either `fires = \"14m59s\"` or `silent = true`"
        } else {
            return Some(raw);
        };
        self.reader.error("P037", span, "this test shows nothing", "not a test", help);
        None
    }

    fn start(&self, text: Option<&Placed<String>>) -> i64 {
        let written = text.map_or(START, |text| text.value.as_str());
        match written.parse::<jiff::Timestamp>() {
            Ok(at) => at.as_millisecond(),
            Err(_) => {
                let span = text.map_or(0..0, |text| text.span.clone());
                let message = format!("`{written}` is no time");
                self.reader.error("P037", span, message, "not a time", "write it as in `2024-01-03T12:00:00Z`");
                0
            }
        }
    }

    /// `14m59s`, then maybe `x4` and `+6m`, then the line.
    fn step(&self, text: &Placed<String>) -> Option<Step> {
        let (at, rest) = text.value.split_once(' ').unwrap_or_default();
        let (at_ms, mut rest) = (length(at), rest.trim_start());
        let (mut times, mut read_after_ms) = (Some(1), Some(0));
        while let Some((word, behind)) = rest.split_once(' ') {
            match (word.strip_prefix('x'), word.strip_prefix('+')) {
                (Some(number), _) if number.starts_with(|first: char| first.is_ascii_digit()) => {
                    times = number.parse().ok().filter(|times| (1..=TIMES_MAX).contains(times));
                }
                (_, Some(late)) => read_after_ms = length(late),
                _ => break,
            }
            rest = behind.trim_start();
        }
        match (at_ms, times, read_after_ms, rest.is_empty()) {
            (Some(at_ms), Some(times), Some(read_after_ms), false) => {
                Some(Step { at_ms, times, read_after_ms, line: rest.to_owned() })
            }
            _ => {
                let message = "this step cannot be read";
                let help = "write when it happens and the line: `14m59s {\"msg\":\"…\"}`; between them, `x4` for four such lines and `+6m` for one that is read six minutes later";
                self.reader.error("P037", text.span.clone(), message, "not a step", help);
                None
            }
        }
    }

    /// `"14m59s"`, or `{ at = "14m59s", labels = { … }, annotations = { … } }`, or several of them.
    fn moments(&self, table: &Table<'_>, key: &'static str) -> Vec<crate::pack::Moment> {
        let mut moments = Vec::new();
        for value in table.values(key) {
            let span = value.span();
            let (at, labels, annotations) = match value.get_ref().as_str() {
                Some(at) => (Some(at.to_owned()), Vec::new(), Vec::new()),
                None => {
                    let Some(row) = table.as_table(value, key) else { continue };
                    let at = row.required_string("at", "when it happens, as in \"14m59s\"").map(|at| at.value);
                    let texts = |key| self.named_texts(&row, key, |_| true);
                    let plain = |texts: Vec<(String, Placed<String>)>| {
                        texts.into_iter().map(|(name, text)| (name, text.value)).collect()
                    };
                    let (labels, annotations) = (plain(texts("labels")), plain(texts("annotations")));
                    row.finish(&[]);
                    (at, labels, annotations)
                }
            };
            let Some(at) = at else { continue };
            match length(&at) {
                Some(at_ms) => moments.push(crate::pack::Moment { at_ms, labels, annotations, span }),
                None => self.reader.report(
                    Diagnostic::error("P037", format!("`{at}` is no time of the sequence"))
                        .at(self.reader.source(), span, "not a time")
                        .help("write how long after its beginning, as in `14m59s`"),
                ),
            }
        }
        moments
    }
}

/// Milliseconds of a length of time that is not negative.
fn length(text: &str) -> Option<i64> {
    let length = text.parse::<jiff::SignedDuration>().ok()?;
    i64::try_from(length.as_millis()).ok().filter(|length| *length >= 0)
}
