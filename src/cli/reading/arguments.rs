//! What somebody says of the files that are to be read.

use clap::Args;
use clap::builder::NonEmptyStringValueParser as NonEmpty;

/// What stdin is called on the command line.
pub const STDIN: &str = "-";
/// What it is called in reports.
pub const STDIN_NAME: &str = "stdin";

/// How files are read, and what they do not say.
#[derive(Debug, Clone, Default, Args)]
pub struct ReadingArguments {
    /// Read the files of directories, and of those below; links in them are not followed, binary files are passed by.
    #[arg(short, long)]
    pub recursive: bool,
    /// App of the lines of files that name none; without it, the container that a file's path names.
    #[arg(long, value_name = "NAME", value_parser = NonEmpty::new())]
    pub app: Option<String>,
    /// Source of the lines of files that name none; without it, the pod that a file's path names, or the file.
    #[arg(long, value_name = "NAME", value_parser = NonEmpty::new())]
    pub source: Option<String>,
    /// Region of the lines of files that name none; alerts may count by it.
    #[arg(long, value_name = "NAME", value_parser = NonEmpty::new())]
    pub region: Option<String>,
}
