//! `fingerpost schema`: JSON Schemas, for editors and for whoever reads what Fingerpost writes.

use anyhow::Result;

use super::arguments::{Described, SchemaArguments};
use super::{Exit, packs, print_json, show};
use crate::config;
use crate::flow::PacksFrom;
use crate::pack;

/// The verb.
///
/// # Errors
/// When stdout cannot be written.
pub fn run(arguments: &SchemaArguments) -> Result<Exit> {
    let schema = match arguments.what {
        Described::Pack => pack::schema::pack(),
        Described::Config => config::schema::config(),
        Described::Output => {
            let from = arguments.packs.clone().map_or(PacksFrom::Builtin, PacksFrom::Directory);
            let parsed = packs::sources(&from).map(|sources| pack::parse(&sources));
            match parsed {
                Ok((Some(packs), _)) => pack::schema::output(&packs),
                Ok((None, problems)) | Err(problems) => {
                    show(&problems);
                    return Ok(Exit::Config);
                }
            }
        }
    };
    print_json(&format!("{schema:#}\n"))?;
    Ok(Exit::Fine)
}
