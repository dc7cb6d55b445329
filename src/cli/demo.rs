//! demo
pub mod lines;
pub mod screen;
