//! What did the person ask for? One verb, one file.
pub mod check;
pub mod classify;
pub mod demo;
pub mod packs;
pub mod run;
