//! What alerts depend on beside the lines: `[escalation]`, and how late a line may come.

use super::codes;
use super::resolve::Resolver;
use crate::alert::{Hours, Lengths, Settings, Wrong};

/// The three keys of business hours make sense together or not at all; what is wrong is told at the key it stands in.
pub(super) fn resolve(resolver: &mut Resolver<'_>) -> Settings {
    let cie = resolver.boolean("escalation.cie");
    let [zone, days, hours] = ["escalation.zone", "escalation.days", "escalation.hours"]
        .map(|key| resolver.text(key).map_or("", |(text, _)| text));
    let hours = Hours::new(zone, days, hours).unwrap_or_else(|wrong| {
        let (key, label) = match &wrong {
            Wrong::Zone(_) => ("escalation.zone", "no such zone"),
            Wrong::Days(_) => ("escalation.days", "no days"),
            Wrong::Hours(_) => ("escalation.hours", "no hours"),
        };
        let help = match &wrong {
            Wrong::Zone(_) => "write a name of the time zone database, as in \"Europe/London\" or \"UTC\"",
            Wrong::Days(_) => "write \"Mon-Fri\", or days with commas between as in \"Mon,Wed,Fri\"",
            Wrong::Hours(_) => "write \"09:00-17:00\"; hours that end before they begin go over midnight",
        };
        let problem = resolver
            .text(key)
            .map(|(_, origin)| origin.error(codes::BAD_VALUE, format!("`{key}`: {wrong}"), label).help(help));
        resolver.problems.extend(problem);
        Hours::default()
    });
    let lengths = Lengths { label: resolver.size("limits.label"), annotation: resolver.size("limits.annotation") };
    // Its range is a part of all numbers.
    let lateness_ms = i64::try_from(resolver.duration("alerts.lateness").as_millis()).unwrap_or(i64::MAX);
    Settings { cie, hours, lengths, lateness_ms }
}
