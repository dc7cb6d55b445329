//! Which error lines has no rule claimed? Lines in, templates out: lines that differ only in numbers and names are one
//! template, and each template can become the draft of a rule.
//!
//! ```text
//! dial tcp 10.0.3.4:443: connection refused ─┐
//! dial tcp 10.9.1.2:8443: connection refused ┴→ dial tcp <n>: connection refused   2 lines → [[rule]] all = [ … ]
//! ```
//!
//! What varies is found in two steps: `reading` takes out what looks like a number, an id, an address or a path (`mask`) and
//! makes lists one word each (`lists`); `grouping` puts together what is left, but never what `events` tells apart.
//! No clock, no files, and no order of hashing: the same lines in the same order give the same templates, and memory is
//! bounded whatever the lines are like.

mod census;
mod draft;
mod events;
mod grouping;
mod lists;
mod mask;
mod reading;
mod template;
mod words;

use sha2::{Digest, Sha256};

use crate::engine::Gist;
use crate::pack::hex;
pub use census::Census;
pub use draft::{Drafts, draft};
use grouping::{Group, Groups};
pub use template::{ANYTHING, Limits, NUMBER, PATH, Template, WHY};
use words::Words;

/// Error lines that no rule claimed, grouped.
#[derive(Debug)]
pub struct Gaps {
    limits: Limits,
    groups: Groups,
    lines: u64,
    /// Of the line at hand.
    words: Words,
}

impl Gaps {
    /// Nothing yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, groups: Groups::new(limits.templates), lines: 0, words: Words::default() }
    }

    /// Takes in a line that no rule claimed, and that stands for so many; `place` is called only when the place is kept.
    /// The number of the group that it is in, for [`Gaps::text_of`]; none of a line that says nothing.
    pub fn see(&mut self, gist: &Gist, lines: u64, place: impl FnOnce() -> String) -> Option<u64> {
        reading::read(&mut self.words, &gist.says, self.limits);
        if self.words.len() == 0 {
            return None;
        }
        self.lines += lines;
        Some(self.groups.see(&mut self.words, gist, lines, place))
    }

    /// The text of the template that this group has become; none of one that was forgotten.
    #[must_use]
    pub fn text_of(&self, group: u64) -> Option<String> {
        self.groups.get(group).map(Group::text)
    }

    /// Lines taken in.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Templates forgotten because of the bound, and the lines that they stood for.
    #[must_use]
    pub fn forgotten(&self) -> (u64, u64) {
        self.groups.forgotten
    }

    /// All templates, those of most lines first; of the same number, by text.
    #[must_use]
    pub fn templates(&self) -> Vec<Template> {
        let mut templates: Vec<Template> = Vec::new();
        let mut by_text = std::collections::BTreeMap::<String, usize>::new();
        for group in self.groups.all() {
            let text = group.text();
            // Two groups may have become the same when more was learned.
            match by_text.get(&text) {
                Some(known) => group.add_to(&mut templates[*known]),
                None => {
                    by_text.insert(text.clone(), templates.len());
                    templates.push(group.template(id(&text), text));
                }
            }
        }
        templates.sort_by(|a, b| b.lines.cmp(&a.lines).then_with(|| a.text.cmp(&b.text)));
        templates
    }
}

/// See [`Template::id`].
fn id(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()), 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gist(text: &str) -> Gist {
        Gist { app: Some("a".into()), says: vec![text.to_owned()], is_error: true, is_object: true }
    }

    fn mined(lines: impl IntoIterator<Item = String>, limits: Limits) -> Gaps {
        let mut gaps = Gaps::new(limits);
        for (number, line) in lines.into_iter().enumerate() {
            gaps.see(&gist(&line), 1, || format!("file:{}", number + 1));
        }
        gaps
    }

    #[test]
    fn lines_that_differ_in_numbers_and_names_are_one_template() {
        let lines = ["no room on alpha, 3 bytes left", "no room on beta, 17 bytes left", "cannot reach 10.0.0.1:80"];
        let gaps = mined(lines.map(str::to_owned), Limits::default());
        let found: Vec<(String, u64)> = gaps.templates().into_iter().map(|it| (it.text, it.lines)).collect();
        let expected = [("no room on <*> <n> left", 2), ("cannot reach <n>", 1)];
        assert_eq!(found, expected.map(|(text, lines)| (text.to_owned(), lines)));
    }

    /// The texts of the templates, with how many lines each has.
    fn texts(lines: &[&str]) -> Vec<(String, u64)> {
        let gaps = mined(lines.iter().map(|line| (*line).to_owned()), Limits::default());
        gaps.templates().into_iter().map(|it| (it.text, it.lines)).collect()
    }

    #[test]
    fn what_happened_is_told_apart() {
        let lines = [("Started", "alpha"), ("Stopped", "beta"), ("Started", "beta"), ("Stopped", "alpha")];
        let lines = lines.map(|(event, host)| format!("this VM of the shop was {event} by somebody else on {host}"));
        let expected =
            ["Started", "Stopped"].map(|event| format!("this VM of the shop was {event} by somebody else on <*>"));
        assert_eq!(texts(&lines.each_ref().map(String::as_str)), expected.map(|text| (text, 2)));
        let many = ["ed", "ing", "ion", "ned", "ming", "tion", "sed", "ring", "sion"]
            .map(|end| format!("the plan{end} is gone"));
        let gaps = mined(many.iter().chain(&many).cloned(), Limits::default());
        let templates = gaps.templates();
        // So many different ones are no events, but names.
        assert!(templates.iter().any(|it| it.text == "the <*> is gone"), "{templates:?}");
    }

    #[test]
    fn a_name_of_an_error_never_varies() {
        let reasons =
            ["ImagePullBackOff", "ErrImagePull", "CrashLoopBackOff", "OOMKilled", "CreateContainerConfigError"];
        let codes =
            ["ORA-00942", "ORA-01017", "ECONNREFUSED", "ECONNRESET", "KEY_DELETED_ERR", "0x80070005", "0x80070002"];
        let all: Vec<String> =
            reasons.iter().chain(&codes).map(|name| format!("cannot go on with pod a-1 of it: {name}")).collect();
        let gaps = mined(all.iter().chain(&all).cloned(), Limits::default());
        assert!(gaps.templates().iter().all(|it| it.lines == 2), "{:?}", gaps.templates());
        assert_eq!(gaps.templates().len(), all.len());
        // Nor does it where a name varied before.
        let lines = [
            "waiting for pod x of y in alpha",
            "waiting for pod x of y in beta",
            "waiting for pod x of y in ErrImagePull",
        ];
        assert_eq!(texts(&lines).len(), 2);
    }

    #[test]
    fn lists_and_places_in_the_source_do_not_divide_an_event() {
        let lines = [
            "0/7 nodes are available: 3 Insufficient cpu, 4 node(s) had untolerated taint {a: b}.",
            "0/9 nodes are available: 9 Insufficient memory.",
            "0/3 nodes are available: 1 gone, 1 Insufficient cpu, 1 node(s) didn't match Pod's node affinity/selector.",
        ];
        assert_eq!(texts(&lines), [("<n>/<n> nodes are available: <*>".to_owned(), 3)]);
        assert_eq!(texts(&["x.go:12] no such pod", "x.go:345] no such pod"]).len(), 1);
    }

    #[test]
    fn a_long_word_is_the_same_however_long_its_numbers_are() {
        let line = |n: usize| format!("a|step|{}|{}setAllOf{}", "7".repeat(n), "9:".repeat(20 + n), "x".repeat(200));
        let gaps = mined((1..30).map(line), Limits::default());
        assert_eq!(gaps.templates().iter().map(|it| it.lines).collect::<Vec<_>>(), [29]);
    }

    #[test]
    fn the_same_lines_give_the_same_templates_and_ids() {
        let lines =
            || (0..3000).map(|n| format!("job {} of queue {} failed: code {n}", n * 7 % 31, ["red", "blue"][n % 2]));
        let (one, other) = (mined(lines(), Limits::default()), mined(lines(), Limits::default()));
        assert_eq!(one.templates(), other.templates());
        let backwards = mined(lines().collect::<Vec<_>>().into_iter().rev(), Limits::default());
        let ids = |gaps: &Gaps| gaps.templates().into_iter().map(|it| (it.id, it.lines)).collect::<Vec<_>>();
        assert_eq!(ids(&one), ids(&backwards));
        assert_eq!(one.templates()[0].text, "job <n> of queue <*> failed: code <n>");
    }

    #[test]
    fn memory_is_bounded_and_what_is_forgotten_is_counted() {
        let word = |mut n: usize| {
            let mut word = String::new();
            while n > 0 || word.is_empty() {
                word.push(char::from(b'g' + (n % 16) as u8));
                n /= 16;
            }
            word
        };
        let unlike =
            (0..50_000).map(|n| (0..n % 40 + 1).map(|at| word(n * 41 + at * 7919)).collect::<Vec<_>>().join(" "));
        let limits = Limits { templates: 50, words: 20, word: 8 };
        let gaps = mined(unlike, limits);
        assert_eq!(gaps.lines(), 50_000);
        let kept: u64 = gaps.templates().iter().map(|template| template.lines).sum();
        let (templates, lines) = gaps.forgotten();
        assert!(gaps.templates().len() <= 50 && templates > 100, "{templates}");
        assert_eq!(kept + lines, 50_000);
        assert!(gaps.groups.held() <= 50 * 9, "{} are held", gaps.groups.held());
    }
}
