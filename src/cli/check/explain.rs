//! `check --explain CODE` and `check --list`: the table of codes for people.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use crate::diagnostic::Grade;
use crate::pack::codes::{Code, TABLE};

const BOLD: Style = Style::new().bold();

fn style(code: &Code) -> Style {
    let color = match code.grade {
        Grade::Error => AnsiColor::BrightRed,
        Grade::Warning => AnsiColor::Yellow,
    };
    color.on_default().bold()
}

fn grade(code: &Code) -> &'static str {
    match code.grade {
        Grade::Error => "error",
        Grade::Warning => "warning",
    }
}

/// Everything there is to say about one code.
pub(super) fn explain(code: &Code) -> String {
    let colour = style(code);
    let Code { code: name, title, text, .. } = code;
    let mut out = format!("{colour}{}[{name}]{colour:#}{BOLD}: {title}{BOLD:#}\n\n{text}\n", grade(code));
    if code.is_lint() {
        let _ = write!(
            out,
            "\nWhere it is right as it is, say so in the rule, the context, or under `[pack]` for the whole file:\n\n    \
             waive = [{{ code = \"{name}\", reason = \"…\" }}]    # and, if it is to be thought of again, until = \"2027-01-31\"\n"
        );
    }
    out
}

/// All codes, one on a line.
pub(super) fn list() -> String {
    let mut out = String::new();
    for code in TABLE {
        let colour = style(code);
        let _ = writeln!(out, "{colour}{}{colour:#}  {:7}  {}", code.code, grade(code), code.title);
    }
    out
}
