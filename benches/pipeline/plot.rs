//! The picture for the README: one bar for each program, as an SVG that follows the reader's light or dark background.
//! A drawing crate would fix the colours, so the few rectangles are written by hand.

use std::fmt::Write as _;

const WIDTH: f64 = 760.0;
const ROW: f64 = 30.0;
const LABELS: f64 = 210.0;
/// Room for the number behind the longest bar.
const NUMBERS: f64 = 70.0;

const STYLE: &str = "text{font:14px system-ui,sans-serif;fill:#1f2328}.ours{fill:#1a7f37}.other{fill:#8c959f}\
    @media(prefers-color-scheme:dark){text{fill:#e6edf3}.ours{fill:#3fb950}.other{fill:#6e7681}}";

/// Draws the bars: names and values. Ours stand out.
pub(crate) fn draw(title: &str, bars: &[(String, f64)]) -> String {
    let most = bars.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
    let mut rows = String::new();
    let mut y = ROW * 1.5;
    for (name, value) in bars {
        let length = value / most * (WIDTH - LABELS - NUMBERS);
        let class = if name.starts_with("run") || name.starts_with("exactly") { "ours" } else { "other" };
        let _ = writeln!(
            rows,
            "<text x=\"{label:.0}\" y=\"{base:.0}\" text-anchor=\"end\">{name}</text>\
             <rect class=\"{class}\" x=\"{LABELS:.0}\" y=\"{y:.0}\" width=\"{length:.1}\" height=\"20\" rx=\"3\"/>\
             <text x=\"{number:.1}\" y=\"{base:.0}\">{value:.2}</text>",
            label = LABELS - 10.0,
            base = y + 15.0,
            number = LABELS + length + 8.0,
        );
        y += ROW;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH:.0} {y:.0}\" role=\"img\" aria-label=\"{title}\">\n\
         <style>{STYLE}</style>\n<text x=\"10\" y=\"22\">{title}</text>\n{rows}</svg>\n"
    )
}
