//! temporary
use fingerpost::{cli, engine::Settings, flow::PacksFrom};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let from = args.get(2).map_or(PacksFrom::Builtin, |d| PacksFrom::Directory(d.into()));
    match args[1].as_str() {
        "check" => {
            let ok = cli::check::check(&from, Settings::default(), true, &mut std::io::stdout()).expect("x");
            std::process::exit(i32::from(!ok))
        }
        _ => {
            let e = cli::packs::load(&PacksFrom::Builtin, Settings::default()).expect("x").engine;
            cli::classify::classify(
                &e,
                &args[2..].iter().map(Into::into).collect::<Vec<_>>(),
                &mut std::io::stdout().lock(),
            )
            .expect("x")
        }
    }
}
