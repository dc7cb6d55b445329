//! What was measured, as people read it and as programs do.
//!
//! Nanoseconds per line and milliseconds per million lines are the same number, so the tables need no other unit.

use std::fmt::Write as _;
use std::time::Duration;

use anstyle::Style;
use bytesize::ByteSize;
use comfy_table::presets::NOTHING as PLAIN;
use comfy_table::{CellAlignment, Table};
use serde_json::{Value, json};

use super::clock::Figure;
use super::cost::Bill;
use super::why::Reason;
use crate::flow::verify::grouped;

/// Fewer lines than this stay in the processor's caches while they are passed over.
const LINES_FEW: usize = 1000;

/// Lines of one class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Class {
    /// How many.
    pub lines: usize,
    /// What one takes; nothing when there is none.
    pub figure: Option<Figure>,
}

impl Class {
    /// Nanoseconds of all its lines.
    #[must_use]
    pub fn whole_ns(&self) -> f64 {
        self.figure.map_or(0.0, |figure| figure.median_ns * self.lines as f64)
    }
}

/// Somebody's bill and the reason for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Dear {
    /// The rule's id, or who else it is.
    pub name: String,
    /// What it costs, over the whole sample.
    pub bill: Bill,
    /// Why.
    pub reason: Reason,
}

/// Everything that `bench` tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What the sample is called.
    pub sample: String,
    /// The sample was longer than what was read of it.
    pub cut: bool,
    /// Bytes of the lines, without newlines.
    pub bytes: usize,
    /// Lines beyond `limits.payload`.
    pub too_long: usize,
    /// Packs, rules and digest, in words.
    pub packs: String,
    /// Digest of the packs.
    pub digest: String,
    /// Compiling the packs: the median of several times.
    pub build: Duration,
    /// Reading, parsing, compiling and proving them: once.
    pub load: Duration,
    /// Bytes that scan and search take.
    pub memory: usize,
    /// Passes over each class.
    pub passes: usize,
    /// Lines at which the scan does not stop.
    pub passed: Class,
    /// Lines that are judged although no rule matches.
    pub in_vain: Class,
    /// Lines that match.
    pub matched: Class,
    /// All lines, in their order.
    pub all: Class,
    /// The dearest, dearest first.
    pub dearest: Vec<Dear>,
}

impl Report {
    fn ns_per_line(&self) -> f64 {
        self.all.figure.map_or(0.0, |figure| figure.median_ns)
    }

    fn lines_per_second(&self) -> f64 {
        per_second(1.0, self.ns_per_line())
    }

    fn bytes_per_second(&self) -> f64 {
        per_second(self.mean_bytes(), self.ns_per_line())
    }

    fn mean_bytes(&self) -> f64 {
        self.bytes as f64 / self.all.lines.max(1) as f64
    }

    /// For people, with colours that a stream which is no terminal leaves out.
    #[must_use]
    pub fn text(&self) -> String {
        let bold = Style::new().bold();
        let mut out = String::new();
        let (lines, bytes) = (counted(self.all.lines), grouped(self.bytes as u64));
        let _ = writeln!(out, "sample  {}: {lines}, {bytes} bytes, {:.0} a line", self.sample, self.mean_bytes());
        let _ = writeln!(out, "packs   {}", self.packs);
        let (build, load) = (nanoseconds(ns(self.build)), nanoseconds(ns(self.load)));
        let memory = ByteSize::b(self.memory as u64).display().iec();
        let _ = writeln!(
            out,
            "engine  built in {build}, {memory} for scan and search; loaded, every example proven, in {load}"
        );
        let _ = writeln!(out, "\n{}", self.classes());
        let (per_second, megabytes) = (grouped(self.lines_per_second() as u64), self.bytes_per_second() / 1e6);
        let _ = writeln!(
            out,
            "\n{bold}{per_second} lines/s, {megabytes:.1} MB/s on one core{bold:#} (median of {} passes)",
            grouped(self.passes as u64)
        );
        out += &self.notes();
        if !self.dearest.is_empty() {
            let _ = writeln!(
                out,
                "\n{bold}the dearest, in ms per million lines of this sample{bold:#}\n{}\n",
                self.bills()
            );
            for (place, dear) in (1..).zip(&self.dearest) {
                let _ = writeln!(out, "{place:>3}. {bold}{}{bold:#}: {}", dear.name, dear.reason.text);
            }
        }
        out
    }

    fn classes(&self) -> String {
        let rows = [
            ("the scan passes by", self.passed),
            ("judged in vain", self.in_vain),
            ("matched", self.matched),
            ("all", self.all),
        ];
        let mut table = Table::new();
        table.load_style(PLAIN).set_header(["", "lines", "share", "ns per line", "at best"]);
        for (name, class) in rows {
            let ns = |of: fn(&Figure) -> f64| {
                class.figure.as_ref().map_or_else(|| "–".to_owned(), |figure| grouped(of(figure).round() as u64))
            };
            let share = percent(class.lines, self.all.lines);
            table.add_row([
                name.to_owned(),
                grouped(class.lines as u64),
                share,
                ns(|f| f.median_ns),
                ns(|f| f.least_ns),
            ]);
        }
        right(&mut table, 1..5);
        table.trim_fmt()
    }

    fn bills(&self) -> String {
        let mut table = Table::new();
        table.load_style(PLAIN).set_header(["", "rule", "ms", "share", "in lines", "in vain", "matches"]);
        // The bills add up to a part of this; passes over all lines in their order take more or less than that.
        let whole: f64 = [self.passed, self.in_vain, self.matched].iter().map(Class::whole_ns).sum();
        for (place, Dear { name, bill, .. }) in (1..).zip(&self.dearest) {
            let ms = bill.total_ns() / self.all.lines as f64;
            table.add_row([
                format!("{place}."),
                name.clone(),
                grouped_tenths(ms),
                format!("{:.1} %", 100.0 * bill.total_ns() / whole),
                percent(bill.stops, self.all.lines),
                percent(bill.in_vain, self.all.lines),
                percent(bill.fits, self.all.lines),
            ]);
        }
        right(&mut table, [0].into_iter().chain(2..7));
        table.trim_fmt()
    }

    fn notes(&self) -> String {
        let mut out = String::new();
        if self.cut {
            out += "only the beginning of the sample was read: its bounds are 64 MiB and 2,000,000 lines\n";
        }
        if self.too_long > 0 {
            let _ = writeln!(out, "longer than limits.payload, so not judged: {}", counted(self.too_long));
        }
        if self.all.lines < LINES_FEW {
            out += "so few lines stay in the processor's caches, which flatters the figures: give it some thousands\n";
        }
        out
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let class = |class: &Class| {
            json!({
                "lines": class.lines,
                "median_ns": class.figure.map(|figure| figure.median_ns),
                "least_ns": class.figure.map(|figure| figure.least_ns),
            })
        };
        let dear = |Dear { name, bill, reason }: &Dear| {
            let ms = |ns: f64| ns / self.all.lines as f64;
            json!({
                "name": name, "lines": bill.stops, "in_vain": bill.in_vain, "matches": bill.fits,
                "ms_per_million_lines": ms(bill.total_ns()),
                "reading_ms": ms(bill.reading_ns), "judging_ms": ms(bill.judging_ns), "tagging_ms": ms(bill.tagging_ns),
                "reason": reason.kind, "why": reason.text,
            })
        };
        json!({
            "sample": {
                "name": self.sample, "lines": self.all.lines, "bytes": self.bytes, "mean_bytes": self.mean_bytes(),
                "cut": self.cut, "too_long": self.too_long,
            },
            "packs": self.digest,
            "engine": { "build_ns": ns(self.build), "load_ns": ns(self.load), "memory_bytes": self.memory },
            "passes": self.passes,
            "passed": class(&self.passed), "in_vain": class(&self.in_vain), "matched": class(&self.matched),
            "all": class(&self.all),
            "lines_per_second": self.lines_per_second(), "bytes_per_second": self.bytes_per_second(),
            "dearest": self.dearest.iter().map(dear).collect::<Vec<_>>(),
        })
    }
}

fn right(table: &mut Table, columns: impl IntoIterator<Item = usize>) {
    for index in columns {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

fn ns(time: Duration) -> f64 {
    time.as_nanos() as f64
}

fn per_second(what: f64, ns: f64) -> f64 {
    if ns > 0.0 { what * 1e9 / ns } else { 0.0 }
}

fn counted(lines: usize) -> String {
    format!("{} line{}", grouped(lines as u64), if lines == 1 { "" } else { "s" })
}

fn grouped_tenths(number: f64) -> String {
    if number < 10.0 { format!("{number:.1}") } else { grouped(number.round() as u64) }
}

/// A share in percent; of next to nothing it says so.
#[must_use]
pub fn percent(part: usize, whole: usize) -> String {
    let share = 100.0 * part as f64 / whole.max(1) as f64;
    if part > 0 && share < 0.05 { "<0.1 %".to_owned() } else { format!("{share:.1} %") }
}

/// A length of time in the unit that suits it.
#[must_use]
pub fn nanoseconds(ns: f64) -> String {
    match ns {
        ..1e3 => format!("{ns:.0} ns"),
        ..1e6 => format!("{:.1} µs", ns / 1e3),
        ..1e9 => format!("{:.1} ms", ns / 1e6),
        _ => format!("{:.1} s", ns / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!([percent(0, 9), percent(1, 9), percent(1, 10_000)], ["0.0 %", "11.1 %", "<0.1 %"]);
        assert_eq!([48.2, 2100.0, 3.14e6, 2e9].map(nanoseconds), ["48 ns", "2.1 µs", "3.1 ms", "2.0 s"]);
    }
}
