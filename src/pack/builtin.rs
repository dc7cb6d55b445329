//! The shipped packs, compiled into the binary so that it can be tried without any file beside it.

use std::sync::Arc;

use crate::diagnostic::Source;

/// The files of `patterns/`, by name.
#[must_use]
pub fn builtin() -> Vec<Arc<Source>> {
    [
        ("common", include_str!("../../patterns/common.toml")),
        ("compute-identity", include_str!("../../patterns/compute-identity.toml")),
        ("key-rotation", include_str!("../../patterns/key-rotation.toml")),
        ("kp-events", include_str!("../../patterns/kp-events.toml")),
        ("metering", include_str!("../../patterns/metering.toml")),
        ("operation-failures", include_str!("../../patterns/operation-failures.toml")),
    ]
    .into_iter()
    .map(|(name, text)| Arc::new(Source { name: format!("patterns/{name}.toml"), text: text.to_owned() }))
    .collect()
}
