//! What a line has that alerts need and the added object does not tell: its time, app and region, and the members that
//! labels are made of. Taken only from lines that some alert looks at, and only when somebody counts.

use super::Reported;
use super::decide::{Match, without_controls};
use super::line::Line;
use super::settings::Settings;
use super::verdict;
use crate::pack::{Name, Packs, Piece, Template, Value};

/// What alerts need of a line.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Countable {
    /// The captured facts, by index into [`Packs::facts`].
    pub facts: Vec<(usize, Value)>,
    /// The app that wrote it.
    pub app: Option<String>,
    /// Its region, as the line says it, else its writer's.
    pub region: Option<String>,
    /// Its time as it writes it.
    pub time: Option<String>,
    /// Members that alerts name, by path.
    pub members: Vec<(String, String)>,
    /// The rules that matched and that some alert looks at, the primary first.
    pub rules: Vec<CountableRule>,
}

/// A rule that matched, in the words in which the added object would tell of it alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountableRule {
    /// Index into [`super::Engine::reported`].
    pub id: usize,
    /// Link to its section; empty when its pack has no page.
    pub runbook: String,
    /// What to do.
    pub action: Option<String>,
    /// Whom to ask.
    pub contact: Option<String>,
    /// How long snoozing is fine.
    pub snooze: Option<String>,
}

/// Which lines alerts look at, and which members they want. Made once.
#[derive(Debug)]
pub(super) struct Counted {
    /// For each id that lines can be tagged with.
    ids: Vec<bool>,
    members: Vec<String>,
}

impl Counted {
    pub(super) fn new(packs: &Packs, reported: &[Reported]) -> Self {
        let patterns = || packs.alerts.iter().flat_map(|alert| alert.from.iter().chain(&alert.unless));
        let ids = reported.iter().map(|known| patterns().any(|pattern| pattern.names(&known.id))).collect();
        let mut members: Vec<String> = packs.alerts.iter().flat_map(names).filter_map(member).collect();
        members.sort();
        members.dedup();
        Self { ids, members }
    }

    /// What alerts need of a line with these matches; nothing when none looks at it. What it names becomes keys of records
    /// and labels, so it is bounded as captured facts are.
    pub(super) fn of(
        &self,
        matches: &[Match<'_>],
        ids: &[usize],
        line: &Line<'_>,
        packs: &Packs,
        settings: &Settings,
    ) -> Option<Countable> {
        let looked_at = matches.iter().zip(ids).filter(|(_, id)| self.ids[**id]);
        let rules: Vec<CountableRule> = looked_at
            .map(|(found, id)| CountableRule {
                id: *id,
                runbook: verdict::link(found, packs, &settings.base_url),
                action: found.action().map(str::to_owned),
                contact: found.contact().map(str::to_owned),
                snooze: found.report.snooze.clone(),
            })
            .collect();
        if rules.is_empty() {
            return None;
        }
        let fit = |text: String| fit(text, settings.limits.capture);
        let member = |path: &String| Some((path.clone(), fit(line.member(path)?)));
        Some(Countable {
            facts: verdict::unite(matches).into_iter().map(|(fact, value)| (fact, value.clone())).collect(),
            app: line.app().map(str::to_owned).map(fit),
            region: line.region.as_ref().map(|fact| fit(fact.value.clone())),
            time: line.time.as_ref().map(|fact| fact.value.clone()),
            members: self.members.iter().filter_map(member).collect(),
            rules,
        })
    }
}

/// Without control characters, and so many bytes at most.
fn fit(text: String, limit: usize) -> String {
    let mut text = without_controls(text);
    text.truncate(text.floor_char_boundary(limit));
    text
}

/// Every value that an alert uses.
fn names(alert: &crate::pack::Alert) -> impl Iterator<Item = &Name> {
    let templates = alert.labels.iter().chain(&alert.annotations).flat_map(|(_, Template(pieces))| pieces);
    let in_templates = templates.filter_map(|piece| match piece {
        Piece::Value(name, _) => Some(name),
        Piece::Text(_) | Piece::Count => None,
    });
    alert.group_by.iter().chain(&alert.distinct).chain(in_templates)
}

fn member(name: &Name) -> Option<String> {
    match name {
        Name::Member(path) => Some(path.clone()),
        Name::Fact(_) | Name::App | Name::Region(_) => None,
    }
}
