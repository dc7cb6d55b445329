//! From what was typed to what is true: every part that the rooms are told, checked against the others.
//!
//! Each function takes its part of the raw configuration, adds what is wrong to the list, and goes on, so that one run
//! shows all there is to mend.

use std::time::Duration;

use super::layers::{Given, Origin, RawConfig};
use super::value::{Item, Value};
use super::{Config, Judging, Log, LogFormat, alerts, codes, connection, escalation, http, keys, options, topics};
use crate::diagnostic::{Diagnostic, any_error};
use crate::engine::{Fields, Limits, Settings, Shape};
use crate::flow::{self, PacksFrom};
use crate::level::Extra;
use crate::sanitize::secrets::open_part;

/// The raw configuration, and what was found wrong with it so far.
pub(super) struct Resolver<'a> {
    pub(super) raw: &'a RawConfig,
    pub(super) problems: Vec<Diagnostic>,
    /// What is worth knowing and no mistake.
    pub(super) notes: Vec<String>,
}

impl Resolver<'_> {
    pub(super) fn given(&self, name: &str) -> Option<&Given> {
        self.raw.get(name)
    }

    /// The value of a text key, and who decided it.
    pub(super) fn text(&self, name: &str) -> Option<(&str, &Origin)> {
        match self.given(name)? {
            Given { value: Value::Text(text), origin } => Some((text, origin)),
            _ => None,
        }
    }

    /// True when somebody set the key.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.given(name).is_some_and(|given| given.origin != Origin::Default)
    }

    /// Reports a key that must be set and is not, nor tried to be.
    pub(super) fn demand(&mut self, name: &'static str) {
        if self.raw.is_missing(name) {
            self.problems.push(self.raw.missing(name, format!("`{name}` is not set")));
        }
    }

    pub(super) fn items(&self, name: &str) -> Vec<Item> {
        match self.given(name) {
            Some(Given { value: Value::List(items), .. }) => items.clone(),
            _ => Vec::new(),
        }
    }

    fn strings(&self, name: &str) -> Vec<String> {
        self.items(name).into_iter().map(|item| item.text).collect()
    }

    fn word(&self, name: &str) -> &str {
        self.text(name).map_or("", |(word, _)| word)
    }

    // Keys of the following kinds all have a default, so there always is a value.

    fn number(&self, name: &str) -> u64 {
        match self.given(name).map(|given| &given.value) {
            Some(Value::Count(number) | Value::Bytes(number)) => *number,
            _ => unreachable!("{name} is a number with a default"),
        }
    }

    pub(super) fn size(&self, name: &str) -> usize {
        usize::try_from(self.number(name)).unwrap_or(usize::MAX)
    }

    pub(super) fn duration(&self, name: &str) -> Duration {
        match self.given(name).map(|given| &given.value) {
            Some(Value::Duration(time)) => *time,
            _ => unreachable!("{name} is a length of time with a default"),
        }
    }

    pub(super) fn boolean(&self, name: &str) -> bool {
        match self.given(name).map(|given| &given.value) {
            Some(Value::Boolean(yes)) => *yes,
            _ => unreachable!("{name} is true or false with a default"),
        }
    }

    /// What judging a line needs.
    pub(super) fn judging(&mut self) -> Judging {
        let engine = Settings {
            fields: self.fields(),
            shape: self.word("input.shape").parse::<Shape>().unwrap_or_default(),
            levels: self.levels(),
            limits: self.limits(),
            base_url: self.base_url(),
        };
        Judging { engine, packs: self.packs(), escalation: escalation::resolve(self), log: self.log() }
    }

    /// Everything, when nothing is wrong.
    pub(super) fn config(&mut self) -> Option<Config> {
        let Judging { engine, packs, escalation, log } = self.judging();
        let connection::Security { options: mut common, secret_options, secret_files } = connection::resolve(self);
        let options = options::resolve(self);
        common.extend(options.both);
        let flow = flow::Settings {
            kafka: flow::Kafka {
                bootstrap_servers: connection::bootstrap_servers(self),
                group_id: self.group_id(),
                create_topics: self.boolean("kafka.create_topics"),
                options: common,
                secret_options,
                secret_files,
                credentials: flow::Credentials::default(),
            },
            input: flow::Input {
                topics: topics::input(self),
                options: options.consumer,
                unjudged: topics::unjudged(self),
            },
            output: self.output(engine.limits.header, options.producer),
            delivery: self.delivery(),
            state: topics::written(self, "state.topic"),
            dead_letter: topics::written(self, "dead_letter.topic"),
            alerts: alerts::resolve(self, &escalation),
            roles: alerts::roles(self),
            memory_limit: self.memory_limit(),
            looked_at: u32::try_from(self.number("coverage.lines_per_second")).unwrap_or(u32::MAX),
        };
        topics::check_against_each_other(self);
        let reload = flow::reload::Settings {
            poll_interval: self.duration("packs.poll_interval"),
            watch: self.boolean("packs.watch"),
            load_timeout: self.duration("packs.load_timeout"),
        };
        let http = http::listen(self);
        let (token, token_parts, hosts) = (http::token(self), http::token_parts(self), http::hosts(self));
        (!any_error(&self.problems)).then_some(Config {
            engine,
            flow,
            packs,
            reload,
            http,
            hosts,
            escalation,
            token,
            token_parts,
            log,
        })
    }

    fn fields(&self) -> Fields {
        Fields {
            app: self.strings("fields.app"),
            source: self.strings("fields.source"),
            region: self.strings("fields.region"),
            time: self.strings("fields.time"),
            level: self.strings("fields.level"),
        }
    }

    /// Words of the house for levels.
    fn levels(&self) -> Extra {
        let mut words = Extra::default();
        for meaning in ["trace", "debug", "info", "warn", "error", "fatal", "none"] {
            for word in self.strings(&format!("levels.{meaning}")) {
                // Each of these is a meaning.
                let _ = words.add(&word, meaning);
            }
        }
        words
    }

    fn limits(&self) -> Limits {
        Limits {
            payload: self.size("limits.payload"),
            nesting: self.size("limits.nesting"),
            hits: self.size("limits.hits"),
            capture: self.size("limits.capture"),
            work: self.size("limits.work"),
            sources: self.size("limits.sources"),
            header: self.size("limits.header"),
        }
    }

    fn memory_limit(&self) -> Option<usize> {
        match self.given("limits.memory").map(|given| &given.value) {
            Some(Value::Bytes(bytes)) => Some(usize::try_from(*bytes).unwrap_or(usize::MAX)),
            _ => None,
        }
    }

    fn base_url(&mut self) -> String {
        let Some((url, origin)) = self.text("runbooks.base_url") else { return String::new() };
        let is_one = ["http://", "https://"].iter().any(|scheme| url.starts_with(scheme));
        let problem = match () {
            () if url.contains('@') => {
                let message = "`runbooks.base_url` has a user name in it, and goes out with every line";
                let help = "leave what stands before the @ away, and change the secret: it has been seen";
                Some(origin.error(codes::INLINE_SECRET, message, "a secret is never written here").help(help))
            }
            () if !is_one || open_part(url) == 0 => {
                let message = "`runbooks.base_url` must be an address that a browser opens";
                Some(
                    origin
                        .error(codes::BAD_VALUE, message, "no such address")
                        .help("write it as in \"https://runbooks.example\""),
                )
            }
            () if url.contains(['?', '#']) => {
                let message = "`runbooks.base_url` has a query or a fragment, and pages are added behind it";
                Some(origin.error(codes::BAD_VALUE, message, "no such address").help("end it with the path"))
            }
            () => None,
        };
        let url = url.trim_end_matches('/').to_owned();
        self.problems.extend(problem);
        url
    }

    fn packs(&mut self) -> PacksFrom {
        let Some(Given { value: Value::Path(path), origin }) = self.given("packs.dir") else {
            return PacksFrom::Builtin;
        };
        let (path, origin) = (path.clone(), origin.clone());
        if !path.is_dir() {
            let what = if path.exists() { "is not a directory" } else { "does not exist" };
            let message = format!("`packs.dir`: {} {what}", path.display());
            let help = "name the directory that holds the packs (*.toml); without the key the built-in packs are used";
            self.problems.push(origin.error(codes::BAD_FILE, message, "this directory").help(help));
        }
        PacksFrom::Directory(path)
    }

    fn log(&mut self) -> Log {
        const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
        let format = match self.word("log.format") {
            "text" => LogFormat::Text,
            "json" => LogFormat::Json,
            _ => LogFormat::Auto,
        };
        let Some((level, origin)) = self.text("log.level") else { return Log { level: String::new(), format } };
        let is_level = |word: &str| LEVELS.contains(&word.trim().to_ascii_lowercase().as_str());
        let fits = |part: &str| part.split_once('=').map_or(is_level(part), |(_, level)| is_level(level));
        let problem = (!level.split(',').all(fits)).then(|| {
            let message = format!("`log.level` is `{level}`, and must be a level, or `part=level` with commas between");
            origin.error(codes::BAD_VALUE, message, "no such level").help(format!("levels: {}", LEVELS.join(", ")))
        });
        let level = level.to_owned();
        self.problems.extend(problem);
        Log { level, format }
    }

    fn group_id(&mut self) -> String {
        let Some((group, origin)) = self.text("kafka.group_id") else { return String::new() };
        let problem = group.trim().is_empty().then(|| {
            origin
                .error(codes::BAD_VALUE, "`kafka.group_id` is empty", "empty")
                .help("name the group; daemons of one group share the partitions between them")
        });
        let group = group.to_owned();
        self.problems.extend(problem);
        group
    }

    fn output(&mut self, header_limit: usize, options: Vec<(String, String)>) -> flow::Output {
        flow::Output {
            topic: topics::output(self),
            lines: if self.word("output.lines") == "matched" { flow::Lines::Matched } else { flow::Lines::All },
            place: if self.word("output.where") == "headers" { flow::Place::Headers } else { flow::Place::Value },
            refused_time: match self.word("output.refused_time") {
                "now" => flow::RefusedTime::Now,
                _ => flow::RefusedTime::DeadLetter,
            },
            source_header_on_all: self.word("output.source_header") == "all",
            header_limit,
            record_limit: None,
            options,
        }
    }

    fn delivery(&mut self) -> flow::Delivery {
        let mode = match self.word("delivery.mode") {
            "exactly_once" => flow::Mode::ExactlyOnce,
            _ => flow::Mode::AtLeastOnce,
        };
        let commit_interval = match (self.given("delivery.commit_interval").map(|given| &given.value), mode) {
            (Some(Value::Duration(time)), _) => *time,
            (_, flow::Mode::AtLeastOnce) => Duration::from_secs(1),
            (_, flow::Mode::ExactlyOnce) => Duration::from_millis(100),
        };
        let in_flight = match (self.given("delivery.in_flight").map(|given| &given.value), mode) {
            (Some(Value::Count(lines)), _) => usize::try_from(*lines).unwrap_or(usize::MAX),
            (_, flow::Mode::AtLeastOnce) => 30_000,
            // A crash repeats nothing, and the fewer transactions, the less they cost.
            (_, flow::Mode::ExactlyOnce) => 300_000,
        };
        flow::Delivery {
            mode,
            instance: self.instance(),
            in_flight,
            commit_interval,
            shutdown_timeout: self.duration("delivery.shutdown_timeout"),
            workers: self.size("delivery.workers"),
        }
    }

    /// Where nobody names it, a name that no other process has: the group's own fencing needs no more.
    fn instance(&mut self) -> String {
        match self.text("delivery.instance") {
            Some((name, _)) if !name.trim().is_empty() => name.trim().to_owned(),
            _ => format!("{:016x}", fastrand::u64(..)),
        }
    }
}

/// The flag of `run` that stands for a key, or `--set`.
pub(super) fn flag_for(key: &str) -> String {
    keys::FLAGS
        .iter()
        .find(|(_, name)| *name == key)
        .map_or_else(|| format!("--set {key}=…"), |(flag, _)| (*flag).to_owned())
}
