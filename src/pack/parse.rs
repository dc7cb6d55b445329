//! One pack's file, read key by key. Names that point elsewhere (facts, tables, contexts, sections, rules) stay names
//! with their places here; `resolve` looks them up when all files have been read.

mod alert;
mod waiver;

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};
use toml::Spanned;
use toml::de::DeValue;

use super::{
    ATOM_MIN, Condition, Example, Examples, FIXED_MEMBERS, Kind, Pack, Severity, Waiver, atom, digest, trigger_places,
};
use crate::diagnostic::{Diagnostic, Source};
use crate::document::{Codes, Placed, Reader, Table, as_i64, did_you_mean};

pub(super) use alert::{ANNOTATIONS, RawAlert, RawEscalate, RawSequence};

/// The codes of what can be wrong with any TOML file, as packs number them. The rest stand where they are reported.
pub const CODES: Codes = Codes { syntax: "P001", unknown_key: "P002", wrong_type: "P003", missing_key: "P004" };

/// A compiled expression may take this many bytes.
const REGEX_SIZE_MAX: usize = 1 << 20;

/// A file as read, names unresolved.
pub(super) struct RawPack {
    pub(super) pack: Pack,
    pub(super) sections: Vec<(String, String)>,
    pub(super) facts: Vec<(Placed<String>, Kind)>,
    pub(super) tables: Vec<(String, Vec<RawRow>)>,
    pub(super) contexts: Vec<RawContext>,
    pub(super) rules: Vec<RawRule>,
    pub(super) shared: Vec<RawShared>,
    pub(super) alerts: Vec<RawAlert>,
    pub(super) sequences: Vec<RawSequence>,
}

/// A row: all members as written, told apart once the lookup's key is known.
pub(super) struct RawRow {
    pub(super) members: Vec<(Placed<String>, RawValue)>,
}

/// A scalar of the file.
#[derive(Debug, Clone)]
pub(super) struct RawValue {
    pub(super) scalar: Scalar,
    pub(super) span: Range<usize>,
}

#[derive(Debug, Clone)]
pub(super) enum Scalar {
    String(String),
    Int(i64),
    Float(f64),
    Bool(bool),
}

pub(super) struct RawContext {
    pub(super) id: Placed<String>,
    pub(super) conditions: Conditions,
    pub(super) set: Vec<(Placed<String>, Vec<RawValue>)>,
    pub(super) captures: RawCaptures,
    pub(super) waivers: Vec<Waiver>,
}

pub(super) struct Conditions {
    /// Every one of them was understood.
    pub(super) sound: bool,
    pub(super) all: Vec<Condition>,
    pub(super) any: Vec<Condition>,
    pub(super) none: Vec<Condition>,
}

pub(super) struct RawShared {
    pub(super) rules: Vec<Placed<String>>,
    pub(super) captures: RawCaptures,
}

#[derive(Default)]
pub(super) struct RawCaptures {
    pub(super) get: Vec<RawGet>,
    pub(super) inherit: Vec<Placed<String>>,
    pub(super) lookup: Option<RawLookup>,
}

pub(super) struct RawGet {
    pub(super) name: Placed<String>,
    pub(super) path: Option<String>,
    pub(super) re: Option<Arc<Regex>>,
    pub(super) from: Option<Placed<String>>,
    pub(super) except: Option<Placed<String>>,
    pub(super) required: bool,
    pub(super) upper: bool,
}

pub(super) struct RawLookup {
    pub(super) table: Placed<String>,
    pub(super) by: Placed<String>,
    pub(super) re: Option<Arc<Regex>>,
}

pub(super) struct RawRule {
    pub(super) app: Vec<String>,
    pub(super) app_required: bool,
    pub(super) level_error: bool,
    pub(super) conditions: Conditions,
    pub(super) captures: RawCaptures,
    pub(super) unless: Vec<Placed<String>>,
    pub(super) report: RawReport,
    pub(super) cases: Vec<RawCase>,
    pub(super) examples: Examples,
    pub(super) waivers: Vec<Waiver>,
    pub(super) span: Range<usize>,
}

pub(super) struct RawCase {
    pub(super) when: Vec<(Placed<String>, Vec<RawValue>)>,
    pub(super) also: Vec<Condition>,
    pub(super) earlier: Vec<Placed<String>>,
    pub(super) report: RawReport,
    pub(super) examples: Examples,
    pub(super) span: Range<usize>,
}

/// What a rule or a case says; a case leaves out what it does not change.
pub(super) struct RawReport {
    pub(super) id: Option<Placed<String>>,
    pub(super) title: Option<String>,
    pub(super) severity: Option<Severity>,
    pub(super) priority: Option<i64>,
    pub(super) section: Option<Placed<String>>,
    pub(super) action: Option<String>,
    pub(super) contact: Option<String>,
    pub(super) see: Option<String>,
    pub(super) snooze: Option<String>,
}

/// Reads one file.
pub(super) fn read(source: &Arc<Source>) -> (RawPack, Vec<Diagnostic>) {
    let reader = Reader::new(Arc::clone(source), CODES);
    let pack = reader.read(|root| File { reader: &reader, expressions: RefCell::default() }.pack(root));
    (pack, reader.into_problems())
}

/// The reading of one file: every method reads one kind of table.
struct File<'r> {
    reader: &'r Reader,
    /// Expressions by their texts: rules that use the same one share it, and what it keeps while it searches.
    expressions: RefCell<HashMap<String, Arc<Regex>>>,
}

impl File<'_> {
    fn pack(&self, root: Table<'_>) -> RawPack {
        let source = self.reader.source();
        let mut pack = Pack {
            name: digest::pack_name(&source.name).to_owned(),
            source: Arc::clone(source),
            digest: digest::of_text(&source.text),
            runbook: None,
            link: None,
            waivers: Vec::new(),
        };
        if let Some(table) = root.table("pack") {
            pack.runbook = table.string("runbook").map(|text| text.value);
            pack.link = table.string("link").map(|link| self.link(link));
            pack.waivers = self.waivers(&table);
            self.with_reasons(
                &table,
                "ignore",
                "what the runbook shows and no rule is to claim; `*` is any run of characters",
            );
            let _ = table.strings("todo");
            table.finish(&[]);
        }
        let raw = RawPack {
            pack,
            sections: self.sections(&root),
            facts: self.facts(&root),
            tables: self.tables(&root),
            contexts: root.tables("context").into_iter().filter_map(|table| self.context(table)).collect(),
            rules: root.tables("rule").into_iter().map(|table| self.rule(table)).collect(),
            shared: root.tables("facts").into_iter().map(|table| self.shared(table)).collect(),
            alerts: root.tables("alert").into_iter().filter_map(|table| self.alert(table)).collect(),
            sequences: root.tables("test").into_iter().filter_map(|table| self.sequence(table)).collect(),
        };
        root.finish(&[]);
        raw
    }

    fn link(&self, link: Placed<String>) -> String {
        if !link.value.starts_with('/') || link.value.contains(['#', ' ']) {
            let help = "write the path of the page as in `/armada/some-page.html`; the section is added by the rule";
            self.reader.error(
                "P005",
                link.span,
                format!("`{}` is no path of a page", link.value),
                "must start with `/`",
                help,
            );
        }
        link.value
    }

    fn sections(&self, root: &Table<'_>) -> Vec<(String, String)> {
        let Some(table) = root.table("sections") else { return Vec::new() };
        table.members().filter_map(|(anchor, heading)| Some((anchor.value, self.text(heading)?))).collect()
    }

    fn text(&self, value: &Spanned<DeValue<'_>>) -> Option<String> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            let help = "write it in quotes: \"…\", or '…' where nothing is to be escaped";
            self.reader.error(CODES.wrong_type, value.span(), "a string is wanted here", "expected a string", help);
        }
        text.map(str::to_owned)
    }

    fn facts(&self, root: &Table<'_>) -> Vec<(Placed<String>, Kind)> {
        let Some(table) = root.table("capture") else { return Vec::new() };
        let mut facts = Vec::new();
        for (name, kind) in table.members() {
            if FIXED_MEMBERS.contains(&name.value.as_str()) || !is_fact_name(&name.value) {
                let message = format!("no fact can be called `{}`", name.value);
                let help = format!(
                    "a name is made of a-z, 0-9 and `_`, and is none of the fixed members: {}",
                    FIXED_MEMBERS.join(", ")
                );
                self.reader.error("P009", name.span, message, "this name is not free", &help);
                continue;
            }
            let Some(word) = self.text(kind) else { continue };
            let kinds = [Kind::String, Kind::Int, Kind::Float, Kind::Bool];
            match kinds.into_iter().find(|kind| kind.as_str() == word) {
                Some(kind) => facts.push((name, kind)),
                None => {
                    let help = did_you_mean(&word, kinds.iter().map(|kind| kind.as_str()));
                    self.reader.error(
                        "P009",
                        kind.span(),
                        format!("`{word}` is no type of fact"),
                        "unknown type",
                        &help,
                    );
                }
            }
        }
        facts
    }

    fn tables(&self, root: &Table<'_>) -> Vec<(String, Vec<RawRow>)> {
        let Some(tables) = root.table("table") else { return Vec::new() };
        let mut read = Vec::new();
        for (name, value) in tables.members() {
            let rows = match value.get_ref().as_array() {
                Some(array) => {
                    array.iter().filter_map(|row| tables.as_table(row, "row")).map(|row| self.row(&row)).collect()
                }
                None => {
                    let message = format!("the table `{}` has no rows", name.value);
                    self.reader.error(
                        CODES.wrong_type,
                        value.span(),
                        message,
                        "expected rows",
                        &format!("write each row as `[[table.{}]]`", name.value),
                    );
                    Vec::new()
                }
            };
            read.push((name.value, rows));
        }
        read
    }

    fn row(&self, row: &Table<'_>) -> RawRow {
        RawRow { members: row.members().filter_map(|(name, value)| Some((name, self.scalar(value)?))).collect() }
    }

    fn scalar(&self, value: &Spanned<DeValue<'_>>) -> Option<RawValue> {
        let scalar = match value.get_ref() {
            DeValue::String(text) => Some(Scalar::String(text.to_string())),
            DeValue::Boolean(flag) => Some(Scalar::Bool(*flag)),
            DeValue::Float(float) => float.as_str().replace('_', "").parse().ok().map(Scalar::Float),
            other => as_i64(other).map(Scalar::Int),
        };
        if scalar.is_none() {
            let message = "a string, number, true or false is wanted here";
            self.reader.error(
                CODES.wrong_type,
                value.span(),
                message,
                "expected one value",
                "dates, arrays and tables do not fit here",
            );
        }
        Some(RawValue { scalar: scalar?, span: value.span() })
    }

    /// `{ fact = value }` or `{ fact = [values] }`.
    fn fact_values(&self, table: &Table<'_>) -> Vec<(Placed<String>, Vec<RawValue>)> {
        table
            .members()
            .map(|(name, value)| {
                let values = match value.get_ref().as_array() {
                    Some(array) => array.iter().filter_map(|value| self.scalar(value)).collect(),
                    None => self.scalar(value).into_iter().collect(),
                };
                (name, values)
            })
            .collect()
    }

    fn conditions(&self, table: &Table<'_>) -> Conditions {
        let found_before = self.reader.found();
        let [all, any, none] = ["all", "any", "none"].map(|key| self.condition_list(table, key));
        Conditions { sound: self.reader.found() == found_before, all, any, none }
    }

    fn condition_list(&self, table: &Table<'_>, key: &'static str) -> Vec<Condition> {
        let values = table.values(key);
        let mut conditions = Vec::with_capacity(values.len());
        conditions.extend(values.into_iter().filter_map(|value| self.condition(table, key, value)));
        conditions
    }

    fn condition<'a>(&self, table: &Table<'a>, key: &str, value: &'a Spanned<DeValue<'a>>) -> Option<Condition> {
        if let Some(phrase) = value.get_ref().as_str() {
            return self.phrase(Placed { value: phrase.to_owned(), span: value.span() }).map(Condition::Phrase);
        }
        if !value.get_ref().is_table() {
            let help = "write a phrase in quotes, or one of the other conditions as { words = [\"…\"] }";
            let message = format!("`{key}` wants phrases, found {}", value.get_ref().type_str());
            self.reader.error(CODES.wrong_type, value.span(), message, "expected a phrase", help);
            return None;
        }
        let table = table.as_table(value, key)?;
        let phrase = table.string("phrase");
        let then = table.strings("then");
        let words = table.strings("words");
        let re = table.string("re");
        let level = table.string("level");
        let span = table.span.clone();
        table.finish(&[]);
        let texts =
            |placed: Vec<Placed<String>>| placed.into_iter().filter_map(|text| self.phrase(text)).collect::<Vec<_>>();
        match (phrase, then, words, re, level) {
            (Some(phrase), Some(then), None, None, None) if !then.is_empty() => Some(Condition::PhraseThen {
                phrase: self.phrase(phrase)?,
                then: then.into_iter().map(|text| text.value).collect(),
            }),
            (Some(phrase), None, None, None, None) => self.phrase(phrase).map(Condition::Phrase),
            (None, None, Some(words), None, None) if !words.is_empty() => Some(Condition::Words(texts(words))),
            (None, None, None, Some(re), None) => self.regex(re).map(Condition::Regex),
            (None, None, None, None, Some(level)) => self.level(&level).then_some(Condition::LevelError),
            _ => {
                let help = "write a phrase, { phrase = \"…\", then = [\"…\"] }, { words = [\"…\"] }, { re = '…' } or { level = \"error\" }";
                self.reader.error("P018", span, "this is no condition", "not understood", help);
                None
            }
        }
    }

    fn phrase(&self, phrase: Placed<String>) -> Option<String> {
        let longest = atom(&phrase.value);
        if longest.len() < ATOM_MIN {
            let message = format!("the phrase `{}` is too short to look for", phrase.value);
            let help = format!(
                "it needs {ATOM_MIN} characters in a row that no encoder escapes (printable ASCII without \" \\ / ' < > & =); the longest run here is `{longest}`"
            );
            self.reader.error("P013", phrase.span, message, "too short", &help);
            return None;
        }
        Some(phrase.value)
    }

    fn level(&self, level: &Placed<String>) -> bool {
        let known = level.value == "error";
        if !known {
            let message = format!("`{}` is no level that a rule can ask for", level.value);
            self.reader.error(
                "P016",
                level.span.clone(),
                message,
                "unknown level",
                "only `error` (error, err, fatal, critical, panic, alert, emerg) can be asked for",
            );
        }
        known
    }

    fn regex(&self, text: Placed<String>) -> Option<Arc<Regex>> {
        if let Some(known) = self.expressions.borrow().get(&text.value) {
            return Some(Arc::clone(known));
        }
        let built = RegexBuilder::new(&text.value).size_limit(REGEX_SIZE_MAX).build();
        match built {
            Ok(regex) if regex.is_match("") => {
                self.reader.error(
                    "P011",
                    text.span,
                    "this expression matches the empty text",
                    "matches everywhere",
                    "ask for at least one character",
                );
                None
            }
            Ok(regex) => {
                let regex = Arc::new(regex);
                self.expressions.borrow_mut().insert(text.value, Arc::clone(&regex));
                Some(regex)
            }
            Err(error) => {
                let message = error.to_string();
                let reason = message.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                let help = "the syntax is the regex crate's: linear time, without look-around and back-references";
                self.reader.error(
                    "P011",
                    text.span,
                    format!("the expression cannot be used: {reason}"),
                    "this expression",
                    help,
                );
                None
            }
        }
    }

    fn captures(&self, table: &Table<'_>) -> RawCaptures {
        RawCaptures {
            get: table.tables("get").into_iter().filter_map(|get| self.get(get)).collect(),
            inherit: table.strings("inherit").unwrap_or_default(),
            lookup: table.table("lookup").and_then(|lookup| self.lookup(lookup)),
        }
    }

    fn get(&self, table: Table<'_>) -> Option<RawGet> {
        let name = table.required_string("name", "name the fact that is captured, as declared in `[capture]`");
        let path = table.string("path").map(|path| path.value);
        let written_re = table.has("re");
        let re = table.string("re").and_then(|re| self.regex(re));
        let from = table.string("from");
        let required = table.boolean("required").is_some_and(|flag| flag.value);
        let upper = table.boolean("upper").is_some_and(|flag| flag.value);
        let every = table.boolean("every").is_some_and(|flag| flag.value);
        let except = table.string("except");
        let span = table.span.clone();
        table.finish(&[]);
        let help = if path.is_some() == written_re {
            "write either `path = \"a.b\"` or `re = '…'`"
        } else if from.is_some() && !written_re {
            "`from` needs `re = '…'`: the expression runs on that fact"
        } else if every != except.is_some() || (every && !written_re) {
            "`every = true` and `except = \"fact\"` go together, with `re = '…'`"
        } else {
            // An expression that did not compile has been reported; there is nothing left to run.
            return (path.is_some() || re.is_some()).then_some(RawGet {
                name: name?,
                path,
                re,
                from,
                except,
                required,
                upper,
            });
        };
        self.reader.error("P018", span, "this capture cannot be understood", "capture", help);
        None
    }

    fn lookup(&self, table: Table<'_>) -> Option<RawLookup> {
        let name = table.required_string("table", "name the `[[table.NAME]]` to look in");
        let by = table.required_string("by", "name the key that the rows compare");
        let re = table.string("re").and_then(|re| self.regex(re));
        table.finish(&[]);
        Some(RawLookup { table: name?, by: by?, re })
    }

    fn context(&self, table: Table<'_>) -> Option<RawContext> {
        let id = table.required_string("id", "cases name a context by its id in `earlier`");
        let conditions = self.conditions(&table);
        let set = table.table("set").map(|set| self.fact_values(&set)).unwrap_or_default();
        let captures = self.captures(&table);
        let waivers = self.waivers(&table);
        table.finish(&[]);
        let id = id?;
        self.needs_trigger(&conditions, &id, "context");
        Some(RawContext { id, conditions, set, captures, waivers })
    }

    fn shared(&self, table: Table<'_>) -> RawShared {
        let shared = RawShared { rules: table.strings("rules").unwrap_or_default(), captures: self.captures(&table) };
        if shared.rules.is_empty() {
            let span = table.span.clone();
            self.reader.error(
                CODES.missing_key,
                span,
                "these facts belong to no rule",
                "`rules` is missing",
                "write `rules = [\"family.*\"]`, or [\"*\"] for every rule",
            );
        }
        table.finish(&[]);
        shared
    }

    fn needs_trigger(&self, conditions: &Conditions, id: &Placed<String>, what: &str) {
        if conditions.sound && trigger_places(&conditions.all, &conditions.any).is_empty() {
            let message = format!("the {what} `{}` has no phrase that every matching line contains", id.value);
            let help =
                "give it a phrase in `all`, or phrases for every alternative of `any`: that is what the scan looks for";
            self.reader.error("P012", id.span.clone(), message, "nothing to scan for", help);
        }
    }

    fn rule(&self, table: Table<'_>) -> RawRule {
        let report = self.report(&table);
        let at = report.id.as_ref().map_or_else(|| table.span.clone(), |id| id.span.clone());
        if report.id.is_none() {
            let _ = table.required_string("id", "an id is `family.name`, as in `kms.key-deleted`");
        }
        for (key, missing) in [
            ("title", report.title.is_none()),
            ("severity", report.severity.is_none()),
            ("section", report.section.is_none()),
        ] {
            if missing && !table.has(key) {
                let help = match key {
                    "severity" => "one of critical, error, warning, info",
                    "section" => "an anchor that stands in `[sections]`",
                    _ => "one short sentence",
                };
                self.reader.error(
                    CODES.missing_key,
                    at.clone(),
                    format!("this rule has no `{key}`"),
                    &format!("`{key}` is missing"),
                    help,
                );
            }
        }
        let conditions = self.conditions(&table);
        if let Some(id) = &report.id {
            self.needs_trigger(&conditions, id, "rule");
        }
        let rule = RawRule {
            app: table.strings("app").unwrap_or_default().into_iter().map(|app| app.value).collect(),
            app_required: table.boolean("app_required").is_some_and(|flag| flag.value),
            level_error: table.string("level").is_some_and(|level| self.level(&level)),
            conditions,
            captures: self.captures(&table),
            unless: table.strings("unless").unwrap_or_default(),
            cases: table.tables("case").into_iter().map(|case| self.case(case)).collect(),
            examples: self.examples(&table),
            waivers: self.waivers(&table),
            span: at,
            report,
        };
        self.with_reasons(&table, "not_in_runbook", "the phrase that is ours");
        let _ = table.strings("todo");
        table.finish(&[]);
        rule
    }

    /// `[{ phrase = "…", reason = "…" }]`, which only the lints read.
    fn with_reasons(&self, table: &Table<'_>, key: &'static str, phrase: &str) {
        for entry in table.tables(key) {
            let _ = entry.required_string("phrase", phrase);
            let _ = entry.required_string("reason", "why, for whoever reads it next year");
            entry.finish(&[]);
        }
    }

    fn case(&self, table: Table<'_>) -> RawCase {
        let when = table.table("when").map(|when| self.fact_values(&when)).unwrap_or_default();
        let case = RawCase {
            when,
            also: self.condition_list(&table, "also"),
            earlier: table.strings("earlier").unwrap_or_default(),
            report: self.report(&table),
            examples: self.examples(&table),
            span: table.span.clone(),
        };
        if case.when.is_empty() && case.also.is_empty() && case.earlier.is_empty() {
            let help =
                "name what must hold: `when = { fact = value }`, `also = [\"phrase\"]` or `earlier = [\"context\"]`";
            self.reader.error("P018", table.span.clone(), "this case holds always", "no condition", help);
        }
        table.finish(&[
            "app",
            "app_required",
            "level",
            "all",
            "any",
            "none",
            "get",
            "inherit",
            "lookup",
            "unless",
            "not_in_runbook",
            "waive",
        ]);
        case
    }

    fn report(&self, table: &Table<'_>) -> RawReport {
        let id = table.string("id");
        if let Some(id) = id.as_ref().filter(|id| !is_rule_id(&id.value)) {
            let message = format!("`{}` is no rule id", id.value);
            self.reader.error(
                "P005",
                id.span.clone(),
                message,
                "not `family.name`",
                "an id is `family.name`: lower-case letters, digits and `-`, as in `kms.key-deleted`",
            );
        }
        RawReport {
            id,
            title: table.string("title").map(|text| text.value),
            severity: table.string("severity").and_then(|severity| self.severity(&severity)),
            priority: table.integer("priority").map(|priority| priority.value),
            section: table.string("section"),
            action: table.string("action").map(|text| text.value),
            contact: table.string("contact").map(|text| text.value),
            see: table.string("see").map(|text| text.value),
            snooze: table.string("snooze").and_then(|snooze| self.snooze(snooze)),
        }
    }

    fn severity(&self, word: &Placed<String>) -> Option<Severity> {
        let found = Severity::ALL.into_iter().find(|severity| severity.as_str() == word.value);
        if found.is_none() {
            let help = did_you_mean(&word.value, Severity::ALL.iter().map(|severity| severity.as_str()));
            self.reader.error(
                "P016",
                word.span.clone(),
                format!("`{}` is no severity", word.value),
                "unknown severity",
                &help,
            );
        }
        found
    }

    fn snooze(&self, text: Placed<String>) -> Option<String> {
        let positive = text.value.parse::<jiff::SignedDuration>().is_ok_and(|duration| duration.is_positive());
        if !positive {
            let message = format!("`{}` is no duration", text.value);
            self.reader.error("P023", text.span, message, "not a duration", "write it as `30m`, `2h` or `12h`");
            return None;
        }
        Some(text.value)
    }

    fn examples(&self, table: &Table<'_>) -> Examples {
        Examples { yes: self.example_list(table, "match"), no: self.example_list(table, "no_match") }
    }

    fn example_list(&self, table: &Table<'_>, key: &'static str) -> Vec<Example> {
        let mut examples = Vec::new();
        for value in table.values(key) {
            let lines = match value.get_ref().as_array() {
                Some(sequence) => sequence.iter().filter_map(|line| self.text(line)).collect(),
                None => self.text(value).into_iter().collect::<Vec<_>>(),
            };
            if lines.is_empty() {
                self.reader.error(
                    "P018",
                    value.span(),
                    "this example has no line",
                    "empty",
                    "write a log line in '''…'''",
                );
            } else {
                examples.push(Example { lines, span: value.span() });
            }
        }
        examples
    }
}

fn is_rule_id(id: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    id.split_once('.').is_some_and(|(family, name)| part(family) && part(name))
}

fn is_fact_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}
