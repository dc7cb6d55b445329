//! One pass over the events of the Markdown parser, in which a page is taken apart.

use std::ops::Range;
use std::sync::{Arc, LazyLock};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use regex::Regex;

use super::anchors::{self, Ids};
use super::liquid::{self, Page, pattern};
use super::mentions::Pending;
use super::{Anchor, Block, Excerpt, Heading, Kind, Mention, Runbook};
use crate::diagnostic::Source;

/// The id in a tag: any element's `id`, or the `name` of an `a`.
static TAG_ID: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r#"(?i)<(?:a\b[^>]*?\s(?:id|name)|[a-z][a-z0-9]*\b[^>]*?\sid)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+))"#)
});

/// A tag.
static TAG: LazyLock<Regex> = LazyLock::new(|| pattern(r"</?[A-Za-z][^>]*>"));

pub(super) fn read(source: &Arc<Source>) -> Runbook {
    let page = liquid::page(&source.text);
    let runbook = Runbook {
        source: Arc::clone(source),
        front: page.front.clone(),
        headings: Vec::new(),
        anchors: Vec::new(),
        mentions: Vec::new(),
        prose: Vec::new(),
        blocks: Vec::new(),
        text: Excerpt::default(),
    };
    let mut reader = Reading {
        runbook,
        page: &page,
        ids: Ids::default(),
        heading: None,
        block: None,
        html: None,
        pending: Pending::default(),
    };
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    for (event, range) in Parser::new_ext(&page.text, options).into_offset_iter() {
        reader.event(event, range);
    }
    reader.flush();
    let mut runbook = reader.runbook;
    runbook.mentions.sort_by_key(|mention| (mention.span.start, mention.span.end));
    runbook
}

/// A heading that is being read.
struct Open {
    level: u8,
    /// What ids are made of, and behind it the text in which symbols are still to be found: the parser cuts it anywhere.
    words: String,
    run: String,
    span: Range<usize>,
}

impl Open {
    fn end_run(&mut self) {
        let run = std::mem::take(&mut self.run);
        self.words.push_str(&anchors::untypographic(&run));
    }
}

struct Reading<'p> {
    runbook: Runbook,
    page: &'p Page,
    ids: Ids,
    heading: Option<Open>,
    block: Option<Block>,
    html: Option<Excerpt>,
    /// The paragraph that is being read.
    pending: Pending,
}

impl Reading<'_> {
    fn event(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => self.start(&tag, range),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => self.text(&text, range.start),
            Event::Code(text) => self.code(&text, range),
            Event::Html(text) => {
                if let Some(html) = &mut self.html {
                    html.push(&text, range.start);
                }
            }
            Event::InlineHtml(tag) => self.tag(&tag, range),
            Event::SoftBreak | Event::HardBreak => self.text(" ", range.start),
            Event::InlineMath(text) | Event::DisplayMath(text) => self.text(&text, range.start),
            Event::FootnoteReference(_) | Event::Rule | Event::TaskListMarker(_) => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>, range: Range<usize>) {
        match tag {
            Tag::Emphasis | Tag::Strong => self.pending.open_emphasis(range),
            Tag::Strikethrough | Tag::Link { .. } | Tag::Image { .. } => {}
            Tag::Heading { level, .. } => {
                self.flush();
                self.heading =
                    Some(Open { level: *level as u8, words: String::new(), run: String::new(), span: range });
            }
            Tag::CodeBlock(kind) => {
                self.flush();
                let language = match kind {
                    CodeBlockKind::Fenced(info) => info.split_whitespace().next().unwrap_or_default().to_owned(),
                    CodeBlockKind::Indented => String::new(),
                };
                let after = self.runbook.prose.len();
                self.block = Some(Block { language, text: Excerpt::default(), after });
            }
            Tag::HtmlBlock => {
                self.flush();
                self.html = Some(Excerpt::default());
            }
            Tag::Item => {
                self.flush();
                self.pending.starts_item = true;
            }
            _ => self.flush(),
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Emphasis | TagEnd::Strong => self.pending.close_emphasis(),
            TagEnd::Strikethrough | TagEnd::Link | TagEnd::Image => {}
            TagEnd::Heading(_) => self.end_heading(),
            TagEnd::CodeBlock => self.end_block(),
            TagEnd::HtmlBlock => self.end_html(),
            _ => self.flush(),
        }
    }

    fn text(&mut self, text: &str, at: usize) {
        if let Some(block) = &mut self.block {
            block.text.push(text, at);
            return;
        }
        if let Some(heading) = &mut self.heading {
            heading.run.push_str(text);
        }
        self.pending.text.push(text, at);
    }

    fn code(&mut self, text: &str, range: Range<usize>) {
        let ticks = self.page.text[range.clone()].bytes().take_while(|byte| *byte == b'`').count();
        if let Some(heading) = &mut self.heading {
            heading.end_run();
            heading.words.push_str(text);
        }
        self.pending.code(text, range.start + ticks, range);
    }

    fn tag(&mut self, tag: &str, range: Range<usize>) {
        self.tag_ids(tag, range.start);
        match tag.to_ascii_lowercase().as_str() {
            "<code>" => self.pending.open_code(range.end),
            "</code>" => self.pending.close_code(range.start),
            "<br>" | "<br/>" | "<br />" => self.pending.text.push(" ", range.start),
            _ => {}
        }
    }

    fn tag_ids(&mut self, html: &str, at: usize) {
        for found in TAG_ID.captures_iter(html) {
            let id = found.iter().skip(1).flatten().next().map_or("", |id| id.as_str());
            let Some(all) = found.get(0) else { continue };
            let end = html[all.end()..].find('>').map_or(all.end(), |more| all.end() + more + 1);
            self.runbook.anchors.push(Anchor { id: id.to_owned(), span: at + all.start()..at + end });
        }
    }

    /// Ends the paragraph, if one is being read.
    fn flush(&mut self) {
        let index = self.runbook.prose.len();
        let pending = std::mem::take(&mut self.pending);
        let starts_item = pending.starts_item;
        let Some((text, mentions)) = pending.finish(index) else {
            // In a list with blank lines between its items, a paragraph begins within the item.
            self.pending.starts_item = starts_item;
            return;
        };
        self.runbook.text.push_folded(&text);
        self.runbook.prose.push(text);
        self.runbook.mentions.extend(mentions);
    }

    fn end_heading(&mut self) {
        let Some(mut open) = self.heading.take() else { return };
        open.end_run();
        let seen = self.pending.text.text().to_owned();
        self.pending.is_heading = true;
        self.flush();
        let (seen, _) = anchors::written(&seen);
        let (words, written) = anchors::written(&open.words);
        let line = &self.runbook.source.text[open.span.clone()];
        let listed = self.page.ids.iter().find(|(place, _)| {
            place.start >= open.span.end
                && self.page.text[open.span.end..place.start].trim_matches([' ', '\r', '\n']).is_empty()
                && self.runbook.source.text[open.span.end..place.start].matches('\n').count() <= 1
        });
        let id = match (written, listed) {
            (Some(id), _) => id.to_owned(),
            (None, Some((_, id))) => id.clone(),
            // What Liquid puts there is not known before the page is built.
            (None, None) if line.contains("{{") || line.contains("{%") => String::new(),
            (None, None) => self.ids.of(words.trim()),
        };
        let text = seen.split_whitespace().collect::<Vec<_>>().join(" ");
        let end = open.span.start + line.trim_end().len();
        self.runbook.headings.push(Heading { level: open.level, text, id, span: open.span.start..end });
    }

    fn end_block(&mut self) {
        let Some(block) = self.block.take() else { return };
        self.runbook.text.push_folded(&block.text);
        for (line, span) in block.text.lines() {
            // What a program logged as JSON is looked for as the text that it is.
            let mut decoded = Excerpt::default();
            texts_of_json(line).iter().for_each(|text| decoded.push(text, span.start));
            self.runbook.text.push_folded(&decoded);
        }
        let index = self.runbook.blocks.len();
        for (line, span) in block.text.lines() {
            let (text, prose) = (line.to_owned(), block.after);
            self.runbook.mentions.push(Mention { kind: Kind::Line, text, span, prose, end: 0, block: Some(index) });
        }
        self.runbook.blocks.push(block);
    }

    /// Of a block of HTML the ids of its tags and what stands between them.
    fn end_html(&mut self) {
        let Some(html) = self.html.take() else { return };
        let start = html.place(0..1).start;
        self.tag_ids(html.text(), start);
        let mut last = 0;
        for tag in TAG.find_iter(html.text()) {
            self.between_tags(&html, last..tag.start());
            last = tag.end();
        }
        self.between_tags(&html, last..html.text().len());
        self.flush();
    }

    fn between_tags(&mut self, html: &Excerpt, range: Range<usize>) {
        let text = &html.text()[range.clone()];
        if !text.contains('&') {
            self.pending.text.push(text, html.place(range).start);
            return;
        }
        // Entities are decoded by the parser of Markdown, which knows them all.
        let mut decoded = String::new();
        for event in Parser::new(text) {
            match event {
                Event::Text(text) | Event::Code(text) => decoded.push_str(&text),
                Event::SoftBreak | Event::HardBreak => decoded.push(' '),
                _ => {}
            }
        }
        self.pending.text.push(&decoded, html.place(range).start);
    }
}

/// The texts of a line that is a JSON object, in order; none of another line.
pub(super) fn texts_of_json(line: &str) -> Vec<String> {
    fn collect(value: &serde_json::Value, texts: &mut Vec<String>) {
        match value {
            serde_json::Value::String(text) => texts.push(format!("{text}\n")),
            serde_json::Value::Array(values) => values.iter().for_each(|value| collect(value, texts)),
            serde_json::Value::Object(members) => members.values().for_each(|value| collect(value, texts)),
            _ => {}
        }
    }
    let mut texts = Vec::new();
    match line.starts_with('{').then(|| serde_json::from_str(line)) {
        Some(Ok(value)) => collect(&value, &mut texts),
        _ => return texts,
    }
    texts
}
