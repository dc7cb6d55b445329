//! demo
pub mod lines;
pub mod mock;
pub mod screen;
