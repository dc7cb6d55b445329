//! Where in a get-master-info text a line stands: in the log of which container, or among the cluster's webhooks.
//!
//! ```text
//! MASTER CONTROL PLANE CONTAINER LOGS: kubectl logs -n kubx-masters master-9850e2 -c kms
//! {"level":"error","msg":"…"}                      ← the container kms says this
//! CLUSTER WEBHOOKS:
//! VALIDATING WEBHOOK CONFIGURATIONS                ← a part of that section
//! Name:         image-admission-config
//! NODES:                                           ← ends it
//! ```
//!
//! A text that has no such headings has no sections, and nothing here concerns it.

use std::collections::HashSet;

use memchr::memmem::Finder;

use crate::cli::reading::origin::Origin;
use crate::engine::{Engine, Writer};

const LOGS: &[u8] = b"MASTER CONTROL PLANE CONTAINER LOGS";
const WEBHOOKS: &[u8] = b"CLUSTER WEBHOOKS:";
/// Headings are no longer.
const HEADING_MAX: usize = 120;
/// Names in Kubernetes are no longer.
const NAME_MAX: usize = 63;

/// What a line stands under.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Section {
    /// Nothing that matters.
    #[default]
    None,
    /// The logs of a container, when its name is known.
    Logs(Option<String>),
    /// The cluster's webhooks.
    Webhooks,
}

impl Section {
    /// The container that wrote the line.
    #[must_use]
    pub fn container(&self) -> Option<&str> {
        match self {
            Self::Logs(container) => container.as_deref(),
            Self::None | Self::Webhooks => None,
        }
    }
}

/// Who writes the lines of a file: whoever its origin names, until a section says that a container does.
#[derive(Debug)]
pub struct Speaker<'e> {
    file: String,
    origin: Origin,
    /// Apps that rules ask for: other containers are only sources.
    apps: HashSet<&'e str>,
    sections: Sections,
    source: String,
    app: Option<String>,
}

impl<'e> Speaker<'e> {
    /// At the start of this file.
    #[must_use]
    pub fn new(file: &str, origin: Origin, engine: &'e Engine) -> Self {
        let apps = engine.packs().rules.iter().flat_map(|rule| &rule.app).map(String::as_str).collect();
        let (source, app) = (origin.source.clone(), origin.app.clone());
        Self { file: file.to_owned(), origin, apps, sections: Sections::default(), source, app }
    }

    /// Looks at the next line; from here on the other calls are about it.
    pub fn look(&mut self, line: &[u8]) {
        if !self.sections.look(line) {
            return;
        }
        let container = self.sections.section().container();
        let Origin { source, app, .. } = &self.origin;
        self.source = container.map_or_else(|| source.clone(), |name| format!("{source}:{name}"));
        let container = container.filter(|name| self.apps.contains(name)).map(str::to_owned);
        self.app = container.or_else(|| app.clone());
    }

    /// The file, as it was named.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// What the line stands under.
    #[must_use]
    pub fn section(&self) -> &Section {
        self.sections.section()
    }

    /// Who wrote the line.
    #[must_use]
    pub fn writer(&self) -> Writer<'_> {
        Writer { source: Some(&self.source), app: self.app.as_deref(), region: self.origin.region.as_deref() }
    }
}

/// Follows a text line by line.
#[derive(Debug)]
pub struct Sections {
    section: Section,
    /// The container of the latest command outside a log.
    command: Option<String>,
    /// Lines of the log have begun: what looks like an option now is somebody's message.
    begun: bool,
    option: Finder<'static>,
}

impl Default for Sections {
    fn default() -> Self {
        Self { section: Section::None, command: None, begun: false, option: Finder::new("-c ") }
    }
}

impl Sections {
    /// Where the line just looked at stands.
    #[must_use]
    pub fn section(&self) -> &Section {
        &self.section
    }

    /// Looks at the next line; true when another section began.
    pub fn look(&mut self, line: &[u8]) -> bool {
        if line.first().is_some_and(u8::is_ascii_uppercase)
            && let Some(section) = self.heading(line)
        {
            self.begun = section.container().is_some();
            if let Section::Logs(None) = section {
                self.section = Section::Logs(self.command.clone());
            } else {
                self.section = section;
            }
            return true;
        }
        let named = self.option.find(line).and_then(|_| container(line));
        match (&mut self.section, named) {
            (Section::Logs(container), Some(name)) if !self.begun || is_command(line) => {
                *container = Some(name);
                self.begun = true;
                true
            }
            (Section::Logs(_), _) => {
                self.begun |= line.iter().any(u8::is_ascii_alphanumeric);
                false
            }
            (_, Some(name)) => {
                self.command = Some(name);
                false
            }
            (_, None) => false,
        }
    }

    /// The section that this line opens, or ends the one before with.
    fn heading(&self, line: &[u8]) -> Option<Section> {
        if line.starts_with(LOGS) {
            return Some(Section::Logs(container(line)));
        }
        if line.starts_with(WEBHOOKS) {
            return Some(Section::Webhooks);
        }
        if !is_heading(line) {
            return None;
        }
        // What the webhooks section is divided by.
        let divides = self.section == Section::Webhooks && line.windows(7).any(|word| word == b"WEBHOOK");
        Some(if divides { Section::Webhooks } else { Section::None })
    }
}

/// All capitals, and two words or a colon at the end: one word alone may be anything.
fn is_heading(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    let fits = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b" -_/(),&.:'".contains(byte);
    let words = line.split(|byte| *byte == b' ').filter(|word| word.iter().any(u8::is_ascii_uppercase)).count();
    line.len() <= HEADING_MAX && line.iter().all(fits) && (words > 1 || line.ends_with(b":"))
}

/// The name behind a `-c` that stands by itself.
fn container(line: &[u8]) -> Option<String> {
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    words.find(|word| {
        word.trim_ascii_start().ends_with(b"-c") && (word.len() == 2 || !word[0].is_ascii_alphanumeric())
    })?;
    let name = words.next()?;
    let end = name.iter().position(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'-')).unwrap_or(name.len());
    let is_name = (1..=NAME_MAX).contains(&end) && name[0].is_ascii_alphanumeric();
    is_name.then(|| String::from_utf8_lossy(&name[..end]).into_owned())
}

/// A command that shows a container's log: within a log, only that opens another one.
fn is_command(line: &[u8]) -> bool {
    let mut words = line.split(u8::is_ascii_whitespace);
    words.any(|word| word.ends_with(b"kubectl")) && words.any(|word| word == b"logs")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The section of each line, in short.
    fn read(text: &str) -> Vec<String> {
        let mut sections = Sections::default();
        let look = |line: &str| {
            sections.look(line.as_bytes());
            match sections.section() {
                Section::None => "-".to_owned(),
                Section::Logs(container) => container.clone().unwrap_or_else(|| "?".to_owned()),
                Section::Webhooks => "webhooks".to_owned(),
            }
        };
        text.lines().map(look).collect()
    }

    #[test]
    fn the_container_stands_on_the_heading() {
        let text = "MASTER CONTROL PLANE CONTAINER LOGS: kubectl logs -n masters m1 -c kms\n\
                    sh -c ls\nERROR: it failed\nFATAL\n\nPODS:\nx";
        assert_eq!(read(text), ["kms", "kms", "kms", "kms", "kms", "-", "-"]);
    }

    #[test]
    fn the_container_stands_on_a_line_before_the_log() {
        let before = "kubectl logs m1 -c kms\nMASTER CONTROL PLANE CONTAINER LOGS\n=====\nx";
        assert_eq!(read(before), ["-", "kms", "kms", "kms"]);
        let behind = "MASTER CONTROL PLANE CONTAINER LOGS\n\n$ kubx-kubectl 98 logs m1 -c kms --tail=5\nx -c y\n\
                      $ kubectl logs m1 -c etcd\nx\nMASTER CONTROL PLANE CONTAINER LOGS (-c api-server)\nx";
        assert_eq!(read(behind), ["?", "?", "kms", "kms", "etcd", "etcd", "api-server", "api-server"]);
        assert_eq!(read("MASTER CONTROL PLANE CONTAINER LOGS\nx\nmy -c option"), ["?", "?", "?"]);
    }

    #[test]
    fn headings_are_capitals() {
        let text = "CLUSTER WEBHOOKS:\n\nVALIDATING WEBHOOK CONFIGURATIONS\nName:  image-admission-config\nMUTATING WEBHOOKS\n\
                    x\nMASTER POD STATUS\nx";
        let webhooks = "webhooks";
        assert_eq!(read(text), [webhooks, webhooks, webhooks, webhooks, webhooks, webhooks, "-", "-"]);
        assert_eq!(read("CLUSTER WEBHOOKS:\nEOF\nNot A Heading:\nÄ B"), [webhooks; 4]);
        assert_eq!(read("a log\nwith -c x\nlines"), ["-", "-", "-"]);
    }
}
