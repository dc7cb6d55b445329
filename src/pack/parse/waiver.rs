//! Waivers: which lint is let pass, why, and until when. Whether anything is let pass by one is `lint`'s to find out.

use super::File;
use crate::document::{Table, did_you_mean};
use crate::pack::{Waiver, codes};

impl File<'_> {
    /// `waive = [{ code = "L05", reason = "…", until = "2027-01-31" }]`
    pub(super) fn waivers(&self, table: &Table<'_>) -> Vec<Waiver> {
        table.tables("waive").into_iter().filter_map(|waiver| self.waiver(waiver)).collect()
    }

    fn waiver(&self, table: Table<'_>) -> Option<Waiver> {
        let code = table.required_string("code", "the code that `check` shows, as in `L05`");
        let reason = table.required_string("reason", "why it is right as it is, for whoever reads it next year");
        let until = table.string("until");
        let span = table.span.clone();
        table.finish(&[]);
        let code = code?;
        if !codes::TABLE.iter().any(|row| row.code == code.value && row.is_lint()) {
            let help = did_you_mean(&code.value, codes::TABLE.iter().filter(|row| row.is_lint()).map(|row| row.code));
            let message = format!("`{}` is no code that can be waived", code.value);
            self.reader.error("P050", code.span, message, "unknown code", &help);
            return None;
        }
        let reason = reason?;
        if reason.value.trim().is_empty() {
            let help = "say why it is right as it is, for whoever reads it next year";
            self.reader.error("P050", reason.span, "this waiver gives no reason", "empty", help);
            return None;
        }
        let date = until.as_ref().map(|until| until.value.parse::<jiff::civil::Date>());
        if let (Some(until), Some(Err(_))) = (&until, &date) {
            let message = format!("`{}` is no date", until.value);
            self.reader.error("P050", until.span.clone(), message, "not a date", "write it as `2027-01-31`");
            return None;
        }
        Some(Waiver { code: code.value, reason: reason.value, until: date.and_then(Result::ok), span })
    }
}
