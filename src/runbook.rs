//! What does the runbook say? A page of Markdown, as GitHub Pages renders it (Jekyll with kramdown and its GFM parser),
//! taken apart into headings with their anchors, what it mentions of log lines, and its text without any markup.
//!
//! Everything keeps its place in the file, so that a diagnostic can show it. This room knows nothing of packs: which
//! mention is a phrase that a rule should claim is for `pack` to say. The syntax of Markdown is the `pulldown-cmark`
//! crate's; the rules by which kramdown makes ids of headings are in [`anchors`].

pub mod alerts;
pub mod anchors;
mod excerpt;
mod liquid;
mod mentions;
mod reading;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::diagnostic::Source;
pub use excerpt::Excerpt;
pub(crate) use excerpt::fold;
pub use mentions::{Kind, Mention};

/// One runbook.
#[derive(Debug, Clone)]
pub struct Runbook {
    /// The file.
    pub source: Arc<Source>,
    /// The front matter: its `key: text` lines, quotes taken off.
    pub front: BTreeMap<String, String>,
    /// The headings, in order.
    pub headings: Vec<Heading>,
    /// Anchors that stand in tags, `<a name="…">` or any `id="…"`, in order.
    pub anchors: Vec<Anchor>,
    /// Whatever may be quoted from a log, in order.
    pub mentions: Vec<Mention>,
    /// Paragraphs, items of lists, cells of tables, in order.
    pub prose: Vec<Excerpt>,
    /// Fenced and indented blocks, in order.
    pub blocks: Vec<Block>,
    text: Excerpt,
}

/// A heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// 1 to 6.
    pub level: u8,
    /// What a reader sees.
    pub text: String,
    /// The anchor; empty when it has none.
    pub id: String,
    /// Where its line stands.
    pub span: Range<usize>,
}

/// An anchor in a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// What links name.
    pub id: String,
    /// Where the tag stands.
    pub span: Range<usize>,
}

/// A fenced or indented block.
#[derive(Debug, Clone)]
pub struct Block {
    /// The word behind the fence; empty when there is none.
    pub language: String,
    /// Its lines.
    pub text: Excerpt,
    /// How many paragraphs stand before it.
    pub after: usize,
}

impl Runbook {
    /// Reads a page. Whatever the file holds, something comes out: Markdown has no errors.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// let text = "## 1) Disk full\n\nThe log says `no space left`.\n";
    /// let source = fingerpost::diagnostic::Source { name: "disk.md".into(), text: text.into() };
    /// let runbook = fingerpost::runbook::Runbook::read(&Arc::new(source));
    /// assert_eq!(runbook.headings[0].id, "1-disk-full");
    /// assert!(runbook.find("log says NO SPACE left").is_some());
    /// ```
    #[must_use]
    pub fn read(source: &Arc<Source>) -> Self {
        reading::read(source)
    }

    /// Where a text stands first: markup, entities and Liquid taken off, white space folded, ASCII case ignored. It does
    /// not go from one block to the next.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<Range<usize>> {
        let wanted = excerpt::fold(text);
        let wanted = wanted.trim();
        let at = if wanted.is_empty() { None } else { self.text.text().find(wanted) }?;
        Some(self.text.place(at..at + wanted.len()))
    }

    /// Index of the heading under which a place stands.
    #[must_use]
    pub fn section_at(&self, place: usize) -> Option<usize> {
        self.headings.partition_point(|heading| heading.span.start <= place).checked_sub(1)
    }

    /// A heading and those that it stands under, the nearest first.
    pub fn ancestry(&self, heading: usize) -> impl Iterator<Item = &Heading> {
        let mut level = u8::MAX;
        self.headings[..=heading].iter().rev().filter(move |heading| {
            let above = heading.level < level;
            level = level.min(heading.level);
            above
        })
    }

    /// The texts that someone who follows the link `#id` may take for the heading, and where they stand: of a heading
    /// its own; of an anchor in a tag that of the heading around or right behind it, and that of the section it is in.
    #[must_use]
    pub fn readings(&self, id: &str) -> Vec<(String, Range<usize>)> {
        let own = self.headings.iter().find(|heading| heading.id == id);
        if let Some(heading) = own {
            return vec![(heading.text.clone(), heading.span.clone())];
        }
        let Some(anchor) = self.anchors.iter().find(|anchor| anchor.id == id) else { return Vec::new() };
        let section = self.section_at(anchor.span.start).map(|index| &self.headings[index]);
        let next = self.headings.iter().find(|heading| heading.span.start >= anchor.span.end);
        let behind = next.filter(|next| {
            let between = &self.source.text[anchor.span.end..next.span.start];
            let tags = between.replace("</a>", "").replace("<p>", "").replace("</p>", "");
            tags.trim().is_empty()
        });
        section.into_iter().chain(behind).map(|heading| (heading.text.clone(), heading.span.clone())).collect()
    }

    /// Every anchor that a link may name.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        let headings = self.headings.iter().map(|heading| heading.id.as_str());
        headings.chain(self.anchors.iter().map(|anchor| anchor.id.as_str())).filter(|id| !id.is_empty())
    }
}

/// What a reader sees of a heading that is written so.
///
/// ```
/// assert_eq!(fingerpost::runbook::heading_text("2) When `etcd` is *down*"), "2) When etcd is down");
/// ```
#[must_use]
pub fn heading_text(written: &str) -> String {
    let source = Source { name: String::new(), text: format!("# {}\n", written.replace('\n', " ")) };
    let runbook = Runbook::read(&Arc::new(source));
    runbook.headings.first().map_or_else(|| written.trim().to_owned(), |heading| heading.text.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runbook(text: &str) -> Runbook {
        Runbook::read(&Arc::new(Source { name: "a.md".into(), text: text.into() }))
    }

    #[test]
    fn text_is_found_whatever_marks_it_up() {
        let page = runbook(
            "---\ntitle: 'Front'\n---\nThe **bold**  `a  b`\nand {{ site.name }}it &lt;goes&gt; on.\n\n- one\n- two\n\n~~~\nfenced &lt;\n  line\n~~~\n",
        );
        for there in ["the bold a b and it <goes> on", "FENCED &lt; line", "one", "it <goes"] {
            assert!(page.find(there).is_some(), "{there}");
        }
        for absent in ["one two", "on. one", "front", "site.name", "two fenced", ""] {
            assert!(page.find(absent).is_none(), "{absent}");
        }
        let place = page.find("a b").unwrap();
        assert_eq!(&page.source.text[place], "a  b");
        assert_eq!(page.front["title"], "Front");
    }

    #[test]
    fn a_link_to_a_tag_is_read_by_the_headings_beside_it() {
        let page = runbook("# One\n\ntext\n\n<a name=\"two\"></a>\n## Two\n\nsee <a name='three'>this</a>\n");
        let texts = |id| page.readings(id).into_iter().map(|(text, _)| text).collect::<Vec<_>>();
        assert_eq!(texts("two"), ["Two"], "the heading's own id is the first");
        assert_eq!(texts("three"), ["Two"]);
        assert!(texts("four").is_empty());
        let page = runbook("# One\n\n<a id=\"here\"></a>\n\n## Two\n");
        let texts = page.readings("here").into_iter().map(|(text, _)| text).collect::<Vec<_>>();
        assert_eq!(texts, ["One", "Two"]);
    }

    #[test]
    fn a_heading_stands_under_those_of_higher_level() {
        let page = runbook("# A\n## B\n### C\n## D\n#### E\n");
        let above = |index| page.ancestry(index).map(|heading| heading.text.as_str()).collect::<Vec<_>>();
        assert_eq!(above(2), ["C", "B", "A"]);
        assert_eq!(above(4), ["E", "D", "A"]);
    }
}
