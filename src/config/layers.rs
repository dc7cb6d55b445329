//! What was typed, layer over layer: default < file < environment < flags.
//!
//! Each value keeps its origin, so that a complaint can name the place and `config show` can say who decided. Nothing
//! is known here of what values mean together; that is `resolve`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use toml::Spanned;
use toml::de::DeValue;

use super::codes;
use super::keys::{self, KEYS, Key, Kind, OPTION_TABLES, PREFIX};
use super::mask::mask;
use super::resolve::flag_for;
use super::secret;
use super::value::{Complaint, Value};
use crate::diagnostic::{Diagnostic, Source};
use crate::document::{self, Placed, Reader, Table, did_you_mean};
use crate::files::{self, TEXT_MAX};
use crate::flow::known::is_known;

/// Bytes of a setting's name; librdkafka's have at most half of it.
const OPTION_MAX: usize = 128;

/// Everything that settings may come from.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// The configuration file.
    pub file: Option<PathBuf>,
    /// The environment; variables without our prefix are skipped.
    pub environment: Vec<(OsString, OsString)>,
    /// Flags, in the order in which they count: a later one wins.
    pub flags: Vec<Setting>,
}

impl Layers {
    /// This file, these flags, and the environment of this process.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>, flags: Vec<Setting>) -> Self {
        Self { file, environment: std::env::vars_os().collect(), flags }
    }
}

/// A setting made by a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The flag, as it should be named in a complaint.
    pub flag: String,
    /// The key.
    pub key: String,
    /// The texts given; more than one only for a list.
    pub texts: Vec<String>,
}

impl Setting {
    /// A flag of its own that stands for a key.
    #[must_use]
    pub fn flag(flag: &str, key: &str, texts: Vec<String>) -> Self {
        Self { flag: flag.to_owned(), key: key.to_owned(), texts }
    }
}

/// `KEY=VALUE`, as `--set` takes it.
impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, as in kafka.group_id=logs")?;
        let key = key.trim().replace('"', "");
        Ok(Self { flag: format!("--set {key}"), key, texts: vec![value.to_owned()] })
    }
}

/// Who decided a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody.
    Default,
    /// The file: where the key stands, and its value.
    File(Arc<Source>, Range<usize>, Range<usize>),
    /// The environment variable of this name.
    Variable(String),
    /// This flag.
    Flag(String),
}

impl Origin {
    /// An error about the value.
    pub(super) fn error(&self, code: &'static str, message: impl Into<String>, label: &str) -> Diagnostic {
        self.locate(Diagnostic::error(code, message), label, None)
    }

    /// A warning about the value.
    pub(super) fn warning(&self, code: &'static str, message: impl Into<String>, label: &str) -> Diagnostic {
        self.locate(Diagnostic::warning(code, message), label, None)
    }

    /// An error about the key, not the value.
    pub(super) fn error_at_key(&self, code: &'static str, message: impl Into<String>, label: &str) -> Diagnostic {
        let span = if let Self::File(_, key, _) = self { Some(key.clone()) } else { None };
        self.locate(Diagnostic::error(code, message), label, span)
    }

    /// Points at the place: a spot in the file, or the name of the variable or flag at the end of the sentence.
    pub(super) fn locate(&self, mut diagnostic: Diagnostic, label: &str, span: Option<Range<usize>>) -> Diagnostic {
        match self {
            Self::Default => diagnostic,
            Self::File(source, _, value) => diagnostic.at(source, span.unwrap_or_else(|| value.clone()), label),
            Self::Variable(name) => {
                diagnostic.message.push_str(&format!(" (environment variable {name})"));
                diagnostic
            }
            Self::Flag(flag) => {
                diagnostic.message.push_str(&format!(" (flag {flag})"));
                diagnostic
            }
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => out.write_str("default"),
            Self::File(source, key, _) => write!(out, "{}:{}", source.name, source.line_column(key.start).0),
            Self::Variable(name) | Self::Flag(name) => out.write_str(name),
        }
    }
}

/// A value and who decided it.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// A setting for librdkafka; its text is checked by librdkafka itself.
#[derive(Debug, Clone)]
pub(super) struct GivenOption {
    pub(super) text: String,
    pub(super) origin: Origin,
}

/// What was typed.
#[derive(Debug, Default)]
pub(super) struct RawConfig {
    given: BTreeMap<&'static str, Given>,
    /// Keys that were given a value which does not fit: they are not missing, too.
    broken: BTreeSet<&'static str>,
    /// The file, or a part of it, could not be read: what it would have said is not known to be missing.
    unread: bool,
    /// The file, and where its sections stand, to point at what is missing there.
    file: Option<Arc<Source>>,
    sections: BTreeMap<&'static str, Range<usize>>,
    /// By table and name.
    pub(super) options: BTreeMap<(&'static str, String), GivenOption>,
}

impl RawConfig {
    /// Reads all layers; what is wrong goes to `problems`.
    pub(super) fn gather(layers: &Layers, problems: &mut Vec<Diagnostic>) -> Self {
        let mut raw = Self::default();
        if let Some(path) = &layers.file {
            raw.read_file(path, problems);
        }
        for (name, value) in &layers.environment {
            raw.read_variable(name, value, problems);
        }
        for setting in &layers.flags {
            raw.read_flag(setting, problems);
        }
        raw.fill();
        raw
    }

    pub(super) fn get(&self, name: &str) -> Option<&Given> {
        debug_assert!(keys::find(name).is_some(), "{name} is not in the table of keys");
        self.given.get(name)
    }

    /// True when nobody gave the key a value, nor tried to.
    pub(super) fn is_missing(&self, name: &str) -> bool {
        !self.given.contains_key(name) && !self.broken.contains(name) && !self.unread
    }

    /// The complaint that nobody says what must be said; points at the section where it would stand.
    pub(super) fn missing(&self, name: &str, message: String) -> Diagnostic {
        let (section, leaf) = name.split_once('.').unwrap_or(("", name));
        let help = format!("set `{leaf}` in `[{section}]`, or {}, or {}", keys::variable(name), flag_for(name));
        let diagnostic = Diagnostic::error(codes::MISSING, message).help(help);
        match (&self.file, self.sections.get(section)) {
            (Some(file), Some(span)) => diagnostic.at(file, span.clone(), format!("`{leaf}` is missing")),
            (Some(file), None) => {
                let end = file.text.trim_end().len();
                diagnostic.at(file, end..end, format!("`[{section}]` is missing"))
            }
            (None, _) => diagnostic,
        }
    }

    fn fill(&mut self) {
        for key in KEYS {
            if let Some(value) = key.standard() {
                self.given.entry(key.name).or_insert(Given { value, origin: Origin::Default });
            }
        }
    }

    fn insert(&mut self, key: &'static Key, result: Result<Value, Complaint>, origin: Origin) -> Option<Diagnostic> {
        match result {
            Ok(value) => {
                self.broken.remove(key.name);
                self.given.insert(key.name, Given { value, origin });
                None
            }
            Err(complaint) => {
                self.broken.insert(key.name);
                Some(complain(key, complaint, &origin))
            }
        }
    }

    // The file.

    fn read_file(&mut self, path: &Path, problems: &mut Vec<Diagnostic>) {
        let name = path.display().to_string();
        self.unread = true;
        let text = match files::read(path, TEXT_MAX).map(String::from_utf8) {
            Ok(Ok(text)) => text,
            Ok(Err(_)) => return problems.push(unreadable(&name, "it is not UTF-8 text")),
            Err(error) => return problems.push(unreadable(&name, &error.to_string())),
        };
        // Complaints show the line they are about, and a secret may stand on it: what they show is a copy without.
        let folder = path.parent().unwrap_or(Path::new(""));
        let parsed = document::parse(&text);
        let source = Arc::new(Source { name, text: mask(&text, &parsed, folder) });
        self.file = Some(Arc::clone(&source));
        let reader = Reader::new(source, codes::FILE);
        reader.read_parsed(&parsed, |root| {
            for (key, value) in root.members() {
                match keys::sections().find(|section| *section == key.value) {
                    Some(section) => self.read_section(&reader, &root, section, value, folder),
                    None if reader.wants(codes::UNKNOWN_KEY) => reader.add(unknown_section(&reader, &key)),
                    None => {}
                }
            }
        });
        let found = reader.into_problems();
        self.unread = found.iter().any(|problem| problem.code == codes::SYNTAX);
        problems.extend(found);
    }

    fn read_section(
        &mut self,
        reader: &Reader,
        root: &Table<'_>,
        section: &'static str,
        value: &Spanned<DeValue<'_>>,
        folder: &Path,
    ) {
        let Some(table) = root.as_table(value, section) else { return };
        self.sections.insert(section, table.span.clone());
        for (leaf, value) in table.members() {
            let name = format!("{section}.{}", leaf.value);
            let origin = Origin::File(Arc::clone(reader.source()), leaf.span.clone(), value.span());
            if let Some(key) = keys::find(&name) {
                let result = key.kind.convert(value).map(|value| below(folder, value));
                self.insert(key, result, origin).into_iter().for_each(|problem| reader.report(problem));
            } else if let Some(options) = OPTION_TABLES.into_iter().find(|table| *table == name) {
                if let Some(table) = table.as_table(value, &leaf.value) {
                    self.read_options(reader, options, "", &table);
                }
            } else if secret::twin(&name).is_some() || reader.wants(codes::UNKNOWN_KEY) {
                reader.add(self.unknown_key(&dotted(name, value), &origin));
            }
        }
    }

    /// `linger.ms = 5` without quotes is a table `linger` to TOML, and means the same here.
    fn read_options(&mut self, reader: &Reader, options: &'static str, prefix: &str, table: &Table<'_>) {
        for (leaf, value) in table.members() {
            let origin = Origin::File(Arc::clone(reader.source()), leaf.span, value.span());
            if prefix.len() + leaf.value.len() > OPTION_MAX {
                reader.report(origin.error_at_key(
                    codes::UNKNOWN_KEY,
                    "librdkafka has no setting with so long a name",
                    "too long",
                ));
                continue;
            }
            let name = format!("{prefix}{}", leaf.value);
            if value.get_ref().is_table() {
                if let Some(table) = table.as_table(value, &leaf.value) {
                    self.read_options(reader, options, &format!("{name}."), &table);
                }
            } else if let Some(text) = scalar(value.get_ref()) {
                self.options.insert((options, name), GivenOption { text, origin });
            } else {
                let message = format!("`{name}` in `[{options}]` wants a string, a number, true or false");
                reader.report(origin.error(codes::WRONG_TYPE, message, "none of these").help("put it in quotes"));
            }
        }
    }

    // The environment.

    fn read_variable(&mut self, name: &OsString, value: &OsString, problems: &mut Vec<Diagnostic>) {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX) && !is_reserved(name)) else { return };
        let origin = Origin::Variable(name.to_owned());
        let Some(text) = value.to_str() else {
            return problems
                .push(Diagnostic::error(codes::BAD_VALUE, format!("the environment variable {name} is not UTF-8")));
        };
        // An empty variable is how a compose file or a unit says "not set".
        if text.is_empty() {
            return;
        }
        if let Some(key) = keys::find_variable(name) {
            problems.extend(self.insert(key, key.kind.parse(&[text.to_owned()]), origin));
        } else if let Some((options, option)) = option_variable(name) {
            self.options.insert((options, option), GivenOption { text: text.to_owned(), origin });
        } else {
            problems.push(self.unknown_variable(name));
        }
    }

    // The command line.

    fn read_flag(&mut self, setting: &Setting, problems: &mut Vec<Diagnostic>) {
        let origin = Origin::Flag(setting.flag.clone());
        let option = OPTION_TABLES.into_iter().find_map(|table| {
            setting.key.strip_prefix(table)?.strip_prefix('.').map(|option| (table, option.to_owned()))
        });
        if let Some(key) = keys::find(&setting.key) {
            problems.extend(self.insert(key, key.kind.parse(&setting.texts), origin));
        } else if let Some(option) = option {
            self.options.insert(option, GivenOption { text: setting.texts.join(","), origin });
        } else {
            problems.push(self.unknown_key(&setting.key, &origin));
        }
    }

    // What nobody knows.

    /// Also finds the secrets that stand where only the name of their file may stand.
    fn unknown_key(&mut self, name: &str, origin: &Origin) -> Diagnostic {
        if let Some(twin) = secret::twin(name) {
            self.broken.insert(twin);
            return secret::inline(name, twin, origin);
        }
        let (section, leaf) = name.split_once('.').unwrap_or(("", name));
        let elsewhere = KEYS.iter().find(|key| key.leaf() == leaf && key.section() != section);
        let here = KEYS.iter().filter(|key| key.section() == section).map(|key| key.leaf());
        let help = if is_known(leaf) {
            format!("`{leaf}` is a setting of librdkafka, those stand in `[kafka.options]`")
        } else if let (Some(key), "") = (elsewhere, section) {
            format!("did you mean `{}`?", key.name)
        } else if let Some(key) = elsewhere {
            format!("`{leaf}` is a key of `[{}]`", key.section())
        } else if here.clone().next().is_some() {
            did_you_mean(leaf, here)
        } else {
            did_you_mean(name, KEYS.iter().map(|key| key.name))
        };
        let place = if section.is_empty() { String::new() } else { format!(" in `[{section}]`") };
        let message = format!("unknown key `{leaf}`{place}");
        origin.error_at_key(codes::UNKNOWN_KEY, message, "nobody reads this key").help(help)
    }

    fn unknown_variable(&mut self, name: &str) -> Diagnostic {
        let bare = |key: &&Key| key.variable().strip_suffix("_FILE") == Some(name);
        if let Some(key) = KEYS.iter().filter(|key| key.kind == Kind::SecretFile).find(bare) {
            self.broken.insert(key.name);
            return secret::inline(key.name.trim_end_matches("_file"), key.name, &Origin::Variable(name.to_owned()));
        }
        let variables: Vec<String> = KEYS.iter().map(Key::variable).collect();
        let nearest = did_you_mean(name, variables.iter().map(String::as_str));
        let help = if nearest.starts_with("did you mean") {
            nearest
        } else {
            "`fingerpost config keys` lists them all.".into()
        };
        Diagnostic::error(codes::UNKNOWN_VARIABLE, format!("unknown environment variable {name}"))
            .help(format!("{help} Whatever starts with {PREFIX} must be a setting."))
    }
}

fn complain(key: &Key, complaint: Complaint, origin: &Origin) -> Diagnostic {
    let diagnostic = Diagnostic::error(complaint.code, format!("`{}` {}", key.name, complaint.says));
    let diagnostic = origin.locate(diagnostic, &complaint.label, complaint.span);
    // Where there is nothing particular to advise, what the key is for is the best advice.
    diagnostic.help(complaint.help.unwrap_or_else(|| match key.default_text() {
        default if default.is_empty() => key.doc.to_owned(),
        default => format!("{} The default is {default}.", key.doc),
    }))
}

fn unreadable(name: &str, why: &str) -> Diagnostic {
    Diagnostic::error(codes::UNREADABLE, format!("cannot read the configuration file {name}: {why}"))
        .help("name another with -c, or leave it out: every value can also come from the environment or a flag")
}

/// A path in the file is meant from the file's own directory, wherever the daemon is started.
fn below(folder: &Path, value: Value) -> Value {
    match value {
        Value::Path(path) => Value::Path(folder.join(path)),
        Value::SecretFile(path) => Value::SecretFile(folder.join(path)),
        other => other,
    }
}

/// `linger.ms = 5` in the wrong table: the name that was meant is the dotted one.
fn dotted(name: String, value: &Spanned<DeValue<'_>>) -> String {
    match value.get_ref().as_table().and_then(|table| table.iter().next()) {
        Some((key, value)) => dotted(format!("{name}.{}", key.get_ref()), value),
        None => name,
    }
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    Some(match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(yes) => yes.to_string(),
        DeValue::Array(elements) => {
            let texts: Option<Vec<String>> = elements.iter().map(|element| scalar(element.get_ref())).collect();
            texts?.join(",")
        }
        DeValue::Datetime(_) | DeValue::Table(_) => return None,
    })
}

/// Variables with our prefix that are no settings: those of the tests and of `-c`, and what Kubernetes puts into every
/// container beside a service named `fingerpost`.
fn is_reserved(name: &str) -> bool {
    const NAMES: [&str; 6] = ["REQUIRE", "SKIPPED", "BIN", "APT", "CONFIG", "PORT"];
    const STARTS: [&str; 4] = ["TEST_", "ORACLE_", "SERVICE_", "PORT_"];
    let rest = &name[PREFIX.len()..];
    NAMES.contains(&rest) || STARTS.iter().any(|start| rest.starts_with(start))
}

/// `FINGERPOST_KAFKA_OPTIONS_LINGER_MS` is `linger.ms` of `[kafka.options]`: librdkafka's names have dots, not underscores.
fn option_variable(name: &str) -> Option<(&'static str, String)> {
    OPTION_TABLES.into_iter().find_map(|table| {
        let option = name.strip_prefix(&keys::variable(table))?.strip_prefix('_')?;
        Some((table, option.to_lowercase().replace('_', ".")))
    })
}

fn unknown_section(reader: &Reader, key: &Placed<String>) -> Diagnostic {
    let name = key.value.as_str();
    let help = match KEYS.iter().find(|known| known.leaf() == name) {
        Some(known) => format!("`{name}` is a key of `[{}]`: put it below that header", known.section()),
        None => did_you_mean(name, keys::sections()),
    };
    Diagnostic::error(codes::UNKNOWN_KEY, format!("unknown key `{name}` in this file"))
        .at(reader.source(), key.span.clone(), "nobody reads this")
        .help(help)
}
