//! What a row of the table of envelopes is made of, and how it is read in an object.

use super::super::json::{Json, Member};
use crate::level::Scale;

/// A kind of envelope.
#[derive(Debug)]
pub(in crate::engine) struct Row {
    /// Its name for programs.
    pub(in crate::engine) id: &'static str,
    /// Its name for people.
    pub(in crate::engine) name: &'static str,
    /// It is this when all signs of one of these hold.
    pub(in crate::engine) known_by: &'static [&'static [Sign]],
    /// What wrote the line, the first that is there.
    pub(in crate::engine) app: &'static [At],
    /// The process: a pod, a container, a host.
    pub(in crate::engine) source: &'static [At],
    /// The region of the cloud.
    pub(in crate::engine) region: &'static [&'static str],
    /// The line's own level, with how it counts.
    pub(in crate::engine) level: &'static [(&'static str, Scale)],
    /// What the level is when the line is silent about it.
    pub(in crate::engine) level_else: Option<&'static str>,
    /// A level that a collector gave it.
    pub(in crate::engine) stamp: &'static [(&'static str, Scale)],
    /// When it was.
    pub(in crate::engine) time: &'static [&'static str],
    /// The message, or the line inside: a text, or an object.
    pub(in crate::engine) says: &'static [&'static str],
    /// Why.
    pub(in crate::engine) why: &'static [&'static str],
    /// The list that holds records of their own, `[]` behind each list on the way.
    pub(in crate::engine) records: Option<&'static str>,
}

impl Row {
    /// A row that knows nothing.
    pub(in crate::engine) const EMPTY: Self = Self {
        id: "",
        name: "",
        known_by: &[],
        app: &[],
        source: &[],
        region: &[],
        level: &[],
        level_else: None,
        stamp: &[],
        time: &[],
        says: &[],
        why: &[],
        records: None,
    };

    /// Every path at which a fact stands: what stands there is a fact and no text.
    pub(in crate::engine) fn is_fact(&self, path: &str) -> bool {
        let named = |list: &[At]| list.iter().any(|at| at.path() == Some(path));
        named(self.app)
            || named(self.source)
            || self.region.contains(&path)
            || self.time.contains(&path)
            || self.level.iter().chain(self.stamp).any(|(level, _)| *level == path)
    }
}

/// Where a fact stands, and what of it is meant.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) enum At {
    /// What stands at this path.
    Path(&'static str),
    /// What is behind its last slash.
    Last(&'static str),
    /// Without a slash at the beginning.
    Bare(&'static str),
    /// A systemd unit, without `.service`.
    Unit(&'static str),
    /// A syslog tag, without its process and colon.
    Tag(&'static str),
    /// Unless it begins with `_`.
    Visible(&'static str),
    /// Always this.
    Is(&'static str),
}

impl At {
    pub(super) fn path(self) -> Option<&'static str> {
        match self {
            Self::Path(path)
            | Self::Last(path)
            | Self::Bare(path)
            | Self::Unit(path)
            | Self::Tag(path)
            | Self::Visible(path) => Some(path),
            Self::Is(_) => None,
        }
    }

    /// What it comes to in an object.
    pub(super) fn read(self, members: &[Member<'_>]) -> Option<String> {
        let Some(path) = self.path() else {
            return match self {
                Self::Is(name) => Some(name.to_owned()),
                _ => None,
            };
        };
        let text = scalar_at(members, path)?;
        let meant = match self {
            Self::Last(_) => text.rsplit('/').find(|part| !part.is_empty())?,
            Self::Bare(_) => text.trim_start_matches('/'),
            Self::Unit(_) => text.strip_suffix(".service").unwrap_or(&text),
            Self::Tag(_) => text.split(['[', ':']).next()?,
            Self::Visible(_) => Some(text.as_str()).filter(|text| !text.starts_with('_'))?,
            Self::Path(_) | Self::Is(_) => &text,
        };
        (!meant.is_empty()).then(|| meant.to_owned())
    }
}

/// By what an envelope is known.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) enum Sign {
    /// There is something at this path, and it is not `null`.
    Has(&'static str),
    /// A number.
    Number(&'static str),
    /// A text.
    Text(&'static str),
    /// An object.
    Object(&'static str),
    /// A list of something.
    List(&'static str),
}

impl Sign {
    pub(in crate::engine) fn path(self) -> &'static str {
        match self {
            Self::Has(path) | Self::Number(path) | Self::Text(path) | Self::Object(path) | Self::List(path) => path,
        }
    }

    pub(super) fn holds(self, members: &[Member<'_>]) -> bool {
        let found = find(members, self.path());
        found.is_some_and(|value| match self {
            Self::Has(_) => *value != Json::Null,
            Self::Number(_) => matches!(value, Json::Number(_)),
            Self::Text(_) => matches!(value, Json::String(_)),
            Self::Object(_) => matches!(value, Json::Object(_)),
            Self::List(_) => matches!(value, Json::Array(values) if !values.is_empty()),
        })
    }
}

/// The value of the last member in document order whose keys, joined by dots, are the path.
pub(in crate::engine) fn find<'m, 'a>(members: &'m [Member<'a>], path: &str) -> Option<&'m Json<'a>> {
    members.iter().rev().find_map(|member| {
        let rest = path.strip_prefix(member.key.as_ref())?;
        match (&member.value, rest.strip_prefix('.')) {
            (Json::Object(inner), Some(rest)) => find(inner, rest),
            (value, None) if rest.is_empty() => Some(value),
            _ => None,
        }
    })
}

/// What stands at a path: of several members the last that says something, as one that is empty is not there.
pub(in crate::engine) fn scalar_at(members: &[Member<'_>], path: &str) -> Option<String> {
    members.iter().rev().find_map(|member| {
        let rest = path.strip_prefix(member.key.as_ref())?;
        match (&member.value, rest.strip_prefix('.')) {
            (Json::Object(inner), Some(rest)) => scalar_at(inner, rest),
            (value, None) if rest.is_empty() => scalar(value),
            _ => None,
        }
    })
}

/// The text of a string that is not empty, of a number, `true` or `false`.
pub(super) fn scalar(value: &Json<'_>) -> Option<String> {
    match value {
        Json::String(text) if !text.is_empty() => Some(text.clone().into_owned()),
        Json::Number(text) => Some(text.clone().into_owned()),
        Json::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}
