//! What the person asked for.

pub mod run;
