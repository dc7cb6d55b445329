//! Every code that `check` can show, in one table: what it says, whether it fails the check, and what to do about it.
//!
//! `P…` are mistakes by which packs cannot be used. `L…` are lints: the packs load and do what they say, and it is most
//! likely not what was meant. A code never changes its meaning; one that is given up is not used again.

use crate::diagnostic::Grade;

/// One code.
#[derive(Debug, Clone, Copy)]
pub struct Code {
    /// As it is shown, as in `L05`.
    pub code: &'static str,
    /// Whether it fails the check by itself, or only with `--deny`.
    pub grade: Grade,
    /// What it is about, in a few words.
    pub title: &'static str,
    /// Why it matters and what to do, for `check --explain`.
    pub text: &'static str,
}

impl Code {
    /// A lint: about packs that can be used. Only these can be waived.
    #[must_use]
    pub fn is_lint(&self) -> bool {
        self.code.starts_with('L')
    }
}

/// The row of a code, in any ASCII case.
///
/// ```
/// assert_eq!(fingerpost::pack::codes::find("l05").unwrap().title, "a short phrase is all that the scan can look for");
/// ```
#[must_use]
pub fn find(code: &str) -> Option<&'static Code> {
    TABLE.iter().find(|row| row.code.eq_ignore_ascii_case(code))
}

const fn error(code: &'static str, title: &'static str, text: &'static str) -> Code {
    Code { code, grade: Grade::Error, title, text }
}

const fn warning(code: &'static str, title: &'static str, text: &'static str) -> Code {
    Code { code, grade: Grade::Warning, title, text }
}

/// Every code, in order.
#[rustfmt::skip]
pub static TABLE: &[Code] = &[
    error("P001", "not valid TOML", "The file cannot be read as TOML; what could be read is checked all the same. Most often a quote or a bracket is missing. Log lines paste unescaped into '''…'''."),
    error("P002", "unknown key", "Nobody reads this key, so what it says would be ignored. In TOML a key belongs to the table header above it: what is meant for `[[rule]]` must stand before its first `[[rule.case]]`."),
    error("P003", "a value of the wrong type", "Texts stand in quotes; numbers, true and false do not; lists stand in [ ] and tables in { }."),
    error("P004", "a key that must be there is missing", "Add it; the help says what it holds."),
    error("P005", "an id or a link is not well formed", "An id is `family.name`: lower-case letters, digits and `-`, one point. Families are searched by prefix and named as `family.*`. A link is the path of a page and starts with `/`."),
    error("P006", "an id is used twice", "Ids are what people search, alert and count by, so each is one rule's over all packs. A case may share its rule's id."),
    error("P007", "a section that is not in `[sections]`", "A rule links to `#anchor` of the runbook's page; `[sections]` lists the anchors with their headings."),
    error("P008", "a fact that is not declared", "Every fact is declared with its type under `[capture]` of the pack, so that a search for it finds one type on all lines."),
    error("P009", "a name or type that no fact can have", "Names are a-z, 0-9 and `_` and none of the fixed members; types are string, int, float, bool."),
    error("P010", "a fact has two types", "One name has one type over all packs, or a log store refuses or hides a part of the lines."),
    error("P011", "an expression that cannot be used", "The syntax is the regex crate's: linear time, so no look-around and no back-references. It must not match the empty text, and may not compile to more than 1 MiB."),
    error("P012", "nothing to scan for", "The scan looks at raw bytes for phrases. Each rule and context needs one that every matching line contains: a phrase in `all`, or a phrase for every alternative of `any`. Expressions and levels give it nothing."),
    error("P013", "a phrase is too short to look for", "It needs three characters in a row that no encoder escapes (printable ASCII but \" \\ / ' < > & =), or the scan would stop at nearly every line."),
    error("P014", "a table that is not there", "`lookup` names a `[[table.NAME]]` of the same pack."),
    error("P015", "a context that is not there", "A case names in `earlier` a `[[context]]` of any pack. Without one, the case can never hold."),
    error("P016", "an unknown severity or level", "Severities are critical, error, warning, info. The only level that a rule can ask for is `error`, which stands for error, err, fatal, critical, panic, alert and emerg."),
    error("P017", "a name that names no rule", "`unless` and `[[facts]] rules` take ids, `family.*`, or `*`, of rules that some pack has."),
    error("P018", "not understood", "A condition, capture, case or example that is none; the help says what can stand there."),
    error("P020", "a rule does not claim its own example", "A `match` line must be claimed by its rule (or case) with all packs loaded. Phrases are compared on decoded text, each inside one string value; then come `app`, `level`, `required` captures and `unless`. Such packs are not loaded."),
    error("P021", "a rule claims a line that it must not", "A `no_match` line is a near miss that somebody thought of. Make a phrase longer, or add a condition. Such packs are not loaded."),
    error("P022", "two rules push each other aside", "`unless` goes both ways between them, so neither is ever reported where both match."),
    error("P023", "not a duration", "Write it as 30m, 2h or 12h."),
    error("P024", "two packs of one name", "A pack is called as its file; lines carry that name, and it must tell which pack it was."),
    error("P025", "a value that does not fit its fact", "`when`, `set` and table rows give values of the type that `[capture]` declares."),
    error("P026", "too many phrases", "They do not fit one automaton; split the packs over several daemons."),
    error("P027", "no packs", "The directory cannot be read, holds no `*.toml` file, or more than 64 MiB of them."),
    error("P028", "a file that cannot be read", "It must be a regular file of UTF-8, of at most 16 MiB, not empty, and readable by this user. A link in the directory must not lead out of it."),
    error("P029", "the packs make the compiler fail", "A mistake in Fingerpost, not in the packs: please report it. The packs in use stay in use."),
    error("P030", "files that change while they are read", "Write new packs elsewhere and rename the directory when they are complete."),
    // P031 to P039 are those of alerts.
    error("P031", "a count without an operator", "Whether five are enough or six are needed must stand there: `count = \">= 5\"` or `count = \"> 50\"`. An alert fires on many lines, so there is no `<`."),
    error("P032", "not the length of a window", "Write a duration from 1ms to 168h, as in 15m or 1h. What a window holds is read again after a restart, so it cannot be endless."),
    error("P033", "a group key that is no label", "Alertmanager takes alerts with equal labels for one, so whatever tells groups apart must stand in a label."),
    error("P034", "a label or an annotation that cannot be named so", "Labels are letters, digits and `_`. `alertname` and `severity` are set by the alert's own keys, and some annotations are told of every alert."),
    error("P035", "a template that cannot be filled in", "`{name}` stands for a fact, a group key, `count` or a name of `members`; `{crn:5}` for a part of it between colons; `{{` for a brace."),
    error("P036", "an alert that never fires", "No rule has an id that `from` names and `except` leaves, so nothing is ever counted."),
    error("P037", "a test of an alert that cannot be read", "A step is a time and a line: `14m59s {\"msg\":\"…\"}`, with `x4` between them for four such lines and `+6m` for one that is read late. It ends in `fires` or in `silent = true`."),
    error("P038", "a test of an alert does not hold", "With all packs loaded, the alert fires or ends at other times than the test says. Such packs are not loaded."),
    warning("P039", "an alert without a test", "A `[[test]]` shows when it fires and when it must not; nothing else notices when a rule that it counts is renamed or a threshold is mistyped."),
    error("P040", "a load that takes too long", "Reading, compiling and proving the packs took longer than `packs.load_timeout`: a file system that does not answer, or packs too large for this machine. The packs in use stay in use."),
    error("P050", "a waiver that cannot be understood", "A waiver names a lint's code, gives a reason, and may have a last day: waive = [{ code = \"L05\", reason = \"…\", until = \"2027-01-31\" }]"),
    error("P051", "a file that `fmt` would change", "What the formatter makes of it would not read the same, or would lose a comment, so it is left as it is."),

    error("L03", "two rules claim a line for the same phrases", "Every line with these phrases gets both ids, and which one is primary was nobody's decision. Make one rule of them (with cases, where they differ), give one a further phrase, or let one push the other aside with `unless`."),
    warning("L04", "a phrase contains another rule's, and nobody says who wins", "Every line with the longer phrase is claimed by both rules. With equal severity the longer phrase is primary, which may be just right; say so by a `match` line of the longer rule that shows it, or by `priority`, or by `unless`."),
    warning("L05", "a short phrase is all that the scan can look for", "What the scan looks for is the phrase's longest run of characters that no encoder escapes. With fewer than six it stops at many lines in vain; `fingerpost bench` says at how many. Put a longer phrase into `all`."),
    warning("L06", "phrases that any service may log", "All words of the phrases are everyday words of logs (error, failed, connection, timeout…), and any app can be claimed. Add a phrase of this failure alone, or `app` with `app_required = true`."),
    error("L07", "a rule that is never primary", "Whatever it claims, another rule claims as well and wins by severity or priority, or pushes it aside; its action is never read. Give it the higher priority, make it a case of the other, or drop it."),
    error("L08", "a case that is never reached", "The first case that holds is taken. An earlier case holds whenever this one does, or what this one asks for can never be: a fact that the rule does not capture, a value that no table row and no context gives, a phrase that the rule excludes."),
    error("L09", "conditions that contradict each other", "A phrase that is asked for contains one that `none` excludes, so the rule (or this alternative of it) can never match."),
    warning("L10", "no action when no case holds", "The cases say what to do and the rule itself does not: a line on which no case holds, because a fact is missing or has a new value, tells nobody what to do."),
    warning("L11", "a capture that can never succeed", "`from` runs the expression on another fact, which must have been captured by an earlier entry of the same list. Here it is captured by none."),
    warning("L12", "an alternative without a phrase hides the others from the scan", "One alternative of `any` is an expression or a level, so the phrases of the others are of no use to the scan, which is left with a shorter phrase of `all`. Make two rules of it, or give `all` a longer phrase."),
    warning("L13", "a context that nobody uses", "No case names it in `earlier`, and no rule inherits a fact that it gives. It costs memory for every source and does nothing."),
    warning("L15", "a fact is inherited that no context gives", "`inherit` takes what a `[[context]]` of the same source has set or captured. None gives this fact."),
    error("L16", "a runbook or an anchor that is not there", "`[pack] runbook` names a file of the directory given by `--runbooks`, and `[sections]` anchors of its page: ids of headings as kramdown makes them (its GFM parser: lower case, punctuation dropped, spaces become `-`, the second of equal ids gets `-1`), `{#id}`, or an `<a name=…>`. A link to another anchor opens the page at its top."),
    error("L17", "a phrase that is not in the runbook", "The runbook is where phrases come from; this one stands nowhere in it (markup, entities and Liquid taken off, white space folded, case ignored). If the runbook was changed, change the phrase; if the phrase is ours, say so: not_in_runbook = [{ phrase = \"…\", reason = \"…\" }]"),
    warning("L18", "a phrase of the runbook that no rule claims", "The runbook shows what reads like a log line (in code marks, in a block or in quotation marks where errors are spoken of), and no rule or context of its packs finds it. Write the rule; or, where it is no log line, name it under `[pack]`: ignore = [{ phrase = \"…\", reason = \"…\" }], where `*` stands for any run of characters."),
    error("L19", "a heading reads otherwise than the pack says", "`[sections]` gives each anchor with the text of its heading, which is shown beside the link. The runbook has another text there, so the section may be about something else now: read it, then mend the pack."),
    warning("L20", "a phrase that reads like prose", "Programs do not log quotation commas, typographic quotes, Markdown, template braces, entities or placeholders (YOUR_…, ACCOUNT_ID, <region>, ***, …); runbooks do. End the phrase before it, or use two phrases."),
    warning("L21", "a phrase across two JSON members", "A phrase must stand inside one text value. What looks like `\",\"` or `\":\"` in a raw line stands between values; make two phrases of it."),
    warning("L27", "the example of a rule goes to another one", "All that match are reported, but what people read is the primary, and on this rule's own example it is another rule. Let it win by severity or `priority`, or take the other rule off this line."),
    warning("L28", "a rule that is not proven", "Each rule needs a line that it must claim (`match`) and a near miss that it must not (`no_match`): the first says that it works, the second that it is not too broad."),
    error("L29", "an example that seems to hold a secret", "Packs are committed, shipped and shown. A password, token, key or real account number has no place in them; write `example` where it stood. If it was real, have it replaced: it has been seen."),
    warning("L30", "a rule that tells nobody what to do", "It has no `action`, `contact` or `see`, nor has its table row: whoever finds the line gets a link and nothing else."),
    warning("L31", "a condition that adds nothing", "The list holds a phrase that contains another one of it: in `any` the longer never decides, in `all` the shorter. Drop it; the other one says the same."),
    warning("L32", "an expression that folds more than ASCII", "A bare (?i) also folds beyond ASCII (the Kelvin sign is a `k` to it), as phrases never do, and is slower for it. Write (?i-u:…)."),
    error("L33", "the verdict depends on how the line is written", "The same line, written with other escapes, in another wrapper or with other white space around it, gets another verdict. Most often an expression ends in `$` or counts on a character that some collector escapes or appends."),
    warning("L34", "the verdict depends on upper and lower case", "With the rule's own phrases in capitals the example gets other ids. Phrases fold ASCII case; an expression does so only where it says (?i-u:…)."),
    warning("L35", "no example depends on a phrase", "With one character of the phrase dropped, every example still comes out the same: none of them proves that the phrase is right. Add a `match` line that has this phrase and no other alternative; for `none`, a `no_match` line that has it; for `also`, one for the case."),
    warning("L36", "an expression that begins or ends with anything", "It is looked for anywhere in the text, so a leading or trailing `.*` changes nothing but the time it takes."),
    warning("L37", "a fact that nothing gives", "It is declared under `[capture]`, and no capture, context or table row produces it."),
    warning("L38", "a section that no rule names", "It stands in `[sections]` and no rule of the pack links to it: it has no rule yet, or has lost it."),
    warning("L39", "a table that nobody looks into", "No `lookup` of the pack names it."),
    warning("L40", "a waiver that waives nothing", "What it let pass is not found any more. Take it out, so that it hides nothing later."),
    error("L41", "a waiver that has expired", "Its last day has passed, so what it let pass is shown again. Mend that, or think again and give it a new day."),
    warning("L42", "a case that no example reaches", "Nothing proves that the case ever holds. Give it a `match` line of its own."),
    warning("L43", "no case can see what a context's phrase does", "With one character of the context's phrase dropped, every example of the cases that name it comes out the same. Add a sequence: match = [['''what was said earlier''', '''the line''']]"),
    warning("L44", "what is said of the runbook does not hold", "`not_in_runbook` names a phrase that does stand in the runbook, or that the rule does not have; or `ignore` names what the runbook does not mention, or what a rule claims. Take it out, so that it hides nothing later."),
    warning("L45", "left for a person to decide", "`extract` writes `todo` into a draft where a runbook cannot tell: how bad it is, whose lines they are, what a near miss is. Decide, then drop the `todo`."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_say_something() {
        let lints = |row: &&Code| row.is_lint();
        for family in
            [TABLE.iter().filter(lints).collect::<Vec<_>>(), TABLE.iter().filter(|row| !row.is_lint()).collect()]
        {
            assert!(family.windows(2).all(|pair| pair[0].code < pair[1].code), "each once, in order");
        }
        for row in TABLE {
            assert!(row.text.len() > 20 && row.text.ends_with(['.', ']', ')']), "{}", row.code);
            assert!(row.title.len() < 80 && !row.title.ends_with('.'), "{}", row.code);
        }
    }
}
