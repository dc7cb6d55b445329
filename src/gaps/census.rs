//! Lines counted by whether they are errors and whether a rule claims them, and what no rule claims, grouped.

use serde_json::{Value as Json, json};

use super::{Drafts, Gaps, Limits, Template, draft};
use crate::engine::Gist;

/// See the top of the file.
#[derive(Debug)]
pub struct Census {
    gaps: Gaps,
    of_all: bool,
    lines: u64,
    errors: u64,
    claimed: u64,
}

impl Census {
    /// Of error lines; or, with `of_all`, of any lines: they then count as errors are counted.
    #[must_use]
    pub fn new(limits: Limits, of_all: bool) -> Self {
        Self { gaps: Gaps::new(limits), of_all, lines: 0, errors: 0, claimed: 0 }
    }

    /// Takes in a line that stands for so many, with its gist if it has one; true when it is one of those that are
    /// looked at. `place` is called only when the place is kept.
    pub fn take(&mut self, gist: Option<&Gist>, claimed: bool, lines: u64, place: impl FnOnce() -> String) -> bool {
        self.lines += lines;
        let Some(gist) = gist.filter(|gist| gist.is_error || self.of_all) else { return false };
        self.errors += lines;
        if claimed {
            self.claimed += lines;
        } else {
            self.gaps.see(gist, lines, place);
        }
        true
    }

    /// All lines.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Of these, the ones that were looked at: errors, or all.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.errors
    }

    /// Of these, the ones that a rule claims.
    #[must_use]
    pub fn claimed(&self) -> u64 {
        self.claimed
    }

    /// Templates forgotten because of the bound, and the lines that they stood for.
    #[must_use]
    pub fn forgotten(&self) -> (u64, u64) {
        self.gaps.forgotten()
    }

    /// What no rule claims: the templates of most lines first, so many of them; all with 0.
    #[must_use]
    pub fn templates(&self, top: usize) -> Vec<Template> {
        let mut templates = self.gaps.templates();
        templates.truncate(if top == 0 { usize::MAX } else { top });
        templates
    }

    /// Draft rules for these templates.
    #[must_use]
    pub fn drafts(&self, top: usize) -> String {
        let Drafts { mut text, left_out, .. } = draft(&self.templates(top));
        if !left_out.is_empty() {
            text.push_str(&format!(
                "\n# No rule for the templates {}: too little in them is fixed, or a rule above has their phrases.\n",
                left_out.join(", ")
            ));
        }
        text
    }

    /// For programs. A sample is what a line said, with everything that varied in it.
    #[must_use]
    pub fn json(&self, top: usize, samples: bool) -> Json {
        let template = |template: &Template| {
            let mut object = json!({
                "id": template.id,
                "text": template.text,
                "lines": template.lines,
                "apps": template.apps,
                "first": template.first,
                "last": template.last,
            });
            if samples {
                object["sample"] = template.sample.as_str().into();
            }
            object
        };
        let (templates, lines) = self.forgotten();
        json!({
            "v": 1,
            "lines": self.lines,
            "error_lines": self.errors,
            "claimed": self.claimed,
            "unclaimed": self.errors - self.claimed,
            "forgotten": { "templates": templates, "lines": lines },
            "templates": self.templates(top).iter().map(template).collect::<Vec<_>>(),
        })
    }
}
