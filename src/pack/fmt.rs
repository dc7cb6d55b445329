//! Packs laid out in one way: spacing, indents, blank lines. Comments stay, and nothing that is said changes.
//!
//! The layout itself is the `taplo` crate's. It is held here to its word each time: the text that comes out must read as
//! the same TOML, with the same comments in the same order, and must be laid out already; else the file is refused and
//! stays as it is.

use std::sync::Arc;

use taplo::formatter::{self, Options};
use taplo::syntax::SyntaxKind;
use toml::de::DeTable;

use crate::diagnostic::{Diagnostic, Source};
use crate::document;

/// Beyond this many columns an array gets a line for each element.
const COLUMNS: usize = 120;

/// The text, laid out.
///
/// ```
/// # use std::sync::Arc;
/// let source = fingerpost::diagnostic::Source { name: "a.toml".into(), text: "[pack] # ours\nlink='/a.html'".into() };
/// assert_eq!(fingerpost::pack::fmt::format(&Arc::new(source)).unwrap(), "[pack] # ours\nlink = '/a.html'\n");
/// ```
///
/// # Errors
/// A file that is not valid TOML, and one that the layout would change (a mistake in the formatter).
pub fn format(source: &Arc<Source>) -> Result<String, Vec<Diagnostic>> {
    if !document::parse(&source.text).mistakes.is_empty() {
        // The reader of packs says it better, and says all of it.
        return Err(super::read(&[Arc::clone(source)])
            .1
            .into_iter()
            .filter(|problem| problem.code == "P001")
            .collect());
    }
    let text = laid_out(&source.text);
    if meaning(&text) != meaning(&source.text) || comments(&text) != comments(&source.text) || laid_out(&text) != text {
        let message = format!("`{}` cannot be laid out without changing it", source.name);
        return Err(vec![
            Diagnostic::error("P051", message).help("it stays as it is; lay out by hand what is unusual in it"),
        ]);
    }
    Ok(text)
}

fn laid_out(text: &str) -> String {
    let options = Options {
        align_comments: false,
        array_auto_collapse: false,
        inline_table_expand: false,
        column_width: COLUMNS,
        indent_tables: true,
        allowed_blank_lines: 1,
        ..Options::default()
    };
    formatter::format(text, options)
}

/// What the text says, without how.
fn meaning(text: &str) -> Option<serde_json::Value> {
    DeTable::parse(text).ok().map(|table| document::json(table.get_ref()))
}

/// The comments, in order.
fn comments(text: &str) -> Vec<String> {
    let tokens = taplo::parser::parse(text).into_syntax();
    let tokens = tokens.descendants_with_tokens().filter_map(|element| element.into_token());
    tokens.filter(|token| token.kind() == SyntaxKind::COMMENT).map(|token| token.text().trim_end().to_owned()).collect()
}
