//! What a runbook may have quoted from a log: code spans, lines of blocks, texts in quotation marks, emphasised texts before
//! the word error, and heads of list items (`* Failed to read - do this`). Most code in a runbook is no log line but a
//! command or a name, so a mention also knows whether it reads like one.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::liquid::pattern;
use super::{Excerpt, Runbook};

/// How it is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// In code marks, or `<code>`.
    Code,
    /// A line of a fenced or indented block.
    Line,
    /// In quotation marks.
    Quote,
    /// Emphasised, and followed by the word error or message.
    Emphasis,
    /// What stands before the dash in an item of a list.
    Item,
}

/// A text that may be quoted from a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// How it is marked.
    pub kind: Kind,
    /// Without the marks.
    pub text: String,
    /// Where it stands, marks included.
    pub span: Range<usize>,
    /// Index of the paragraph that it is in; of the first one behind it, for a line of a block.
    pub prose: usize,
    /// Where it ends in that paragraph; 0 for a line of a block.
    pub end: usize,
    /// Index of the block that it is a line of.
    pub block: Option<usize>,
}

/// Words by which programs say that something went wrong, and codes of errors.
static TROUBLE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)
        (?i-u:\b(?:fail(?:s|ed|ing|ure|ures)?|err|errors?|unable|cannot|can't|could\ not|couldn't|not\ (?:found|have|valid|be|ready|allowed|exist|available|running)
          |no\ such|denied|refused|invalid|unauthori[sz]ed|forbidden|time(?:d)?\ ?out|exceed(?:s|ed|ing)?|missing|panic|fatal
          |exhausted|conflict|unavailable|expired|reject(?:s|ed)|abort(?:s|ed)|crash(?:es|ed)?|corrupt(?:ed)?|unknown|unexpected|broken
          |too\ many|limit|degraded|unreachable|unhealthy|deleted|evicted|killed)\b)
        | \b[A-Z0-9_]*ERR(?:OR)?(?:_[A-Z0-9_]*|\b)
        | \b[A-Z]{3,}[0-9]{3,}[A-Z]?\b
        | \b[A-Za-z]*[a-z](?:Error|Failure|Failed|Exception|Timeout)[A-Za-z]*\b
        | \b(?:Error|Failed|Failure|Exception)[A-Z][A-Za-z]*\b",
    )
});

/// What is typed into a shell, a path, a link, a flag, a channel or a person; never a log line.
static COMMAND: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)^(?:[$\#>@~/]|https?://|\./|-{1,2}[a-zA-Z])
        | ^(?:sudo|kubectl|oc|helm|docker|podman|crictl|curl|wget|ssh|scp|cat|grep|egrep|tail|head|less|ls|cd|cp|mv|rm|df|du|ps|vi|vim|nano|journalctl
             |systemctl|service|git|make|gcloud|aws|az|ansible|ansible-playbook|knife|chef-client|consul|vault|terraform|psql|redis-cli|etcdctl|promtool|amtool
             |export|echo|for|while|if|SELECT|select|sum|rate|max|min|count|histogram_quantile)\b(?:\s|\(|$)
        | \s-{1,2}[a-zA-Z][\w-]*(?:[=\s]|$) | \s\|\s",
    )
});

/// Languages of blocks that show what is typed, configured or asked, not what is logged.
const SHELLS: [&str; 22] = [
    "bash",
    "sh",
    "shell",
    "zsh",
    "console",
    "shell-session",
    "shellsession",
    "powershell",
    "yaml",
    "yml",
    "toml",
    "sql",
    "promql",
    "go",
    "python",
    "ruby",
    "hcl",
    "dockerfile",
    "diff",
    "html",
    "mermaid",
    "ini",
];

/// Headings under which error messages stand.
static ABOUT_ERRORS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)\b(?:errors?|failures?|failed|messages?|symptoms?|actions? to take|diagnos\w*|debug\w*)\b")
});

static QUOTED: LazyLock<Regex> = LazyLock::new(|| pattern(r#"["“]([^"“”]{3,300})["”]"#));
static DASH: LazyLock<Regex> = LazyLock::new(|| pattern(r" [-–—] "));
static NAMED_ERROR: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*(?i:error|message|failure)"));

impl Mention {
    /// What it says: of a logged JSON object its texts, else the text as it stands.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        match super::reading::texts_of_json(&self.text) {
            texts if texts.is_empty() => vec![self.text.clone()],
            texts => texts.into_iter().map(|text| text.trim().to_owned()).collect(),
        }
    }

    /// Whether it reads like something that a program logs. `attentive`: it stands where error messages are to be
    /// expected, so that any text of two words counts; elsewhere it must speak of trouble.
    #[must_use]
    pub fn reads_like_a_log(&self, runbook: &Runbook, attentive: bool) -> bool {
        let words = words(&self.text);
        let trouble = TROUBLE.is_match(&self.text);
        match self.kind {
            Kind::Code => !COMMAND.is_match(&self.text) && (trouble || attentive && words >= 2),
            Kind::Line => {
                let language = self.block.map_or("", |block| runbook.blocks[block].language.as_str());
                attentive
                    && !SHELLS.contains(&language.to_ascii_lowercase().as_str())
                    && !COMMAND.is_match(&self.text)
                    && (trouble || words >= 2)
            }
            Kind::Quote => words >= 3 && (trouble || attentive) && !self.names_heading(runbook),
            Kind::Emphasis => words >= 2,
            // A longer one is a sentence.
            Kind::Item => attentive && trouble && (2..=8).contains(&words),
        }
    }

    fn names_heading(&self, runbook: &Runbook) -> bool {
        runbook.headings.iter().any(|heading| heading.text.eq_ignore_ascii_case(&self.text))
    }

    /// Whether a heading above it announces error messages.
    #[must_use]
    pub fn is_under_errors(&self, runbook: &Runbook) -> bool {
        let section = runbook.section_at(self.span.start);
        section.is_some_and(|section| {
            runbook.ancestry(section).any(|heading| heading.level > 1 && ABOUT_ERRORS.is_match(&heading.text))
        })
    }

    /// Whether it speaks of something that went wrong.
    #[must_use]
    pub fn speaks_of_trouble(&self) -> bool {
        TROUBLE.is_match(&self.text)
    }
}

/// How many words of at least two letters.
fn words(text: &str) -> usize {
    text.split_whitespace().filter(|word| word.chars().filter(|c| c.is_alphabetic()).count() >= 2).count()
}

/// The paragraph that is being read, and what was mentioned in it.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) text: Excerpt,
    pub(super) starts_item: bool,
    pub(super) is_heading: bool,
    /// Ranges of the paragraph, with their places.
    codes: Vec<(Range<usize>, Range<usize>)>,
    emphases: Vec<(Range<usize>, Range<usize>)>,
    open_emphasis: Option<(usize, Range<usize>)>,
    open_code: Option<(usize, usize)>,
}

impl Pending {
    pub(super) fn code(&mut self, text: &str, at: usize, span: Range<usize>) {
        let start = self.text.text().len();
        self.text.push(text, at);
        self.codes.push((start..self.text.text().len(), span));
    }

    pub(super) fn open_code(&mut self, at: usize) {
        self.open_code = Some((self.text.text().len(), at));
    }

    pub(super) fn close_code(&mut self, at: usize) {
        if let Some((start, begin)) = self.open_code.take() {
            self.codes.push((start..self.text.text().len(), begin..at));
        }
    }

    pub(super) fn open_emphasis(&mut self, span: Range<usize>) {
        self.open_emphasis = Some((self.text.text().len(), span));
    }

    pub(super) fn close_emphasis(&mut self) {
        if let Some((start, span)) = self.open_emphasis.take() {
            self.emphases.push((start..self.text.text().len(), span));
        }
    }

    /// The paragraph, and what it mentions; nothing when there is none.
    pub(super) fn finish(self, prose: usize) -> Option<(Excerpt, Vec<Mention>)> {
        let text = self.text.text();
        if text.trim().is_empty() {
            return None;
        }
        let mut mentions = Vec::new();
        let mut add = |kind, range: Range<usize>, span: Range<usize>| {
            let text = text[range.clone()].split_whitespace().collect::<Vec<_>>().join(" ");
            mentions.push(Mention { kind, text, span, prose, end: range.end, block: None });
        };
        let in_code =
            |range: &Range<usize>| self.codes.iter().any(|(code, _)| code.start < range.end && range.start < code.end);
        for (range, span) in &self.codes {
            add(Kind::Code, range.clone(), span.clone());
        }
        if !self.is_heading {
            for quoted in QUOTED.captures_iter(text).filter_map(|found| found.get(1)) {
                // The punctuation of the sentence stands inside the marks.
                let inside = quoted.as_str().trim_end_matches([',', '.', ';', ':', ' ']);
                let range = quoted.start()..quoted.start() + inside.len();
                if !in_code(&range) && !inside.is_empty() {
                    add(Kind::Quote, range.clone(), self.text.place(range));
                }
            }
            for (range, span) in self.emphases.iter().filter(|(range, _)| !in_code(range)) {
                if NAMED_ERROR.is_match(&text[range.end..]) {
                    add(Kind::Emphasis, range.clone(), span.clone());
                }
            }
            let dash = DASH.find(text).filter(|_| self.starts_item);
            let head = dash.map(|dash| text.len() - text.trim_start().len()..dash.start());
            if let Some(head) = head.filter(|head| head.start < head.end && !in_code(head)) {
                add(Kind::Item, head.clone(), self.text.place(head));
            }
        }
        Some((self.text, mentions))
    }
}
