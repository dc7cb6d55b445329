//! Fingerpost finds the error phrases of runbooks in log lines on Kafka and puts the runbook section on each line.
//!
//! Follow one line through the rooms. A container `kms` logs, a collector puts it on the topic `logs`:
//!
//! ```json
//! {"pod":"kms-7f9c","msg":"unwrap failed","reasons":"[KEY_DELETED_ERR: Key has already been deleted.]"}
//! ```
//!
//! - At start [`config`] told everybody what to do, [`pack`] read the rules and [`engine`] compiled them, once, after
//!   every rule had proven itself on its own examples. [`flow::reload`] is how others come in their place meanwhile.
//! - [`flow`] consumes a batch. For each record it opens a ticket in its ledger and hands the bytes to
//!   [`engine::Engine::classify`], together with the memory of that partition.
//! - The engine scans the raw bytes. Nearly always nothing is there and the same bytes go on. Here `KEY_DELETED_ERR` is:
//!   the line is taken apart into texts and fields, the phrases are searched in the decoded text, the rules that could
//!   hold are judged, and one verdict comes out: `kms.key-deleted`, critical, section "Error messages".
//! - The added object is spliced in before the closing brace; no other byte is touched. The record goes to
//!   `logs.enriched` with its key, headers, timestamp and partition.
//! - [`alert`] makes a match of it for each alert that counts it, and counts matches: were they too many in their own time,
//!   in one cluster, app or request, it says what fires since when, and when it is over.
//! - The brokers acknowledge. The ticket is settled, and when everything before it is, the offset is committed.
//! - [`http`] tells whoever asks how that goes; [`telemetry`] counts it; [`cli`] is how a person asks for any of it.
//!
//! The rooms import only from rooms above them; ARCHITECTURE.md has the map.

pub mod alert;
pub mod cli;
pub mod config;
pub mod diagnostic;
pub mod document;
pub mod engine;
pub mod files;
pub mod flow;
pub mod gaps;
pub mod http;
pub mod level;
pub mod moment;
pub mod pack;
pub mod runbook;
pub mod sanitize;
pub mod telemetry;

/// The one name: binary, crate, added member, header prefix, metric prefix and environment prefix come from here.
pub const NAME: &str = env!("CARGO_PKG_NAME");
