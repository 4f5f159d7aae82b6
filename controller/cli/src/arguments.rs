//! Values of arguments: what a person types, checked before the controller is asked. Each file holds one kind of
//! value, and the error that says what would be right.

pub(crate) mod document;
pub(crate) mod duration;
pub(crate) mod moment;
pub(crate) mod parameters;
pub(crate) mod rate;
pub(crate) mod script;
pub(crate) mod tag;
pub(crate) mod target;

/// An argument, or a combination of arguments, that clap alone cannot find wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArgumentError {
    #[error(
        "no --target: say where to run, with --target NODE, --target tag:KEY=VALUE, --target platform:Linux \
         or --target all"
    )]
    NoTarget,
    #[error("nothing to run: give a command after --, as in: fleetwright run --target all -- uptime")]
    NoCommand,
    #[error("a command after -- and --document exclude each other: a document gets its input by --parameter")]
    CommandAndDocument,
    #[error("--timeout and --parameter executionTimeout say the same: leave one out")]
    TwoTimeouts,
    #[error("deregistering wants a yes, and nobody is at the terminal: add --yes")]
    DeregisterWantsYes,
    #[error("deleting wants a yes, and nobody is at the terminal: add --yes")]
    DocumentDeleteWantsYes,
    #[error("deleting wants a yes, and nobody is at the terminal: add --yes")]
    DeleteWantsYes,
    #[error(
        "a secret is never an argument, which others on this host could read: leave it out to be asked for it, or give \
         --value-file FILE, or --value-file - for standard input; think about whether it is to be changed now"
    )]
    SecretInArguments,
    #[error(
        "no value, and nobody is at the terminal: give --value-file FILE, or --value-file - for standard input"
    )]
    NoValue,
    #[error("{0} is a secret: --decrypt opens it")]
    Secret(String),
    #[error("no labels, or not on this version: {0}")]
    BadLabels(String),
    #[error("cannot read {}", .path.display())]
    ValueFile { path: std::path::PathBuf, source: std::io::Error },
    #[error("the value is too long: a parameter takes 8192 bytes at most")]
    ValueTooLong,
    #[error("the value is not UTF-8 text")]
    ValueNotText,
    #[error("cannot write {}", .path.display())]
    ExportFile { path: std::path::PathBuf, source: std::io::Error },
    #[error("{}:{line}:{column}: this is not what `parameter export` writes", .path.display())]
    NoExport { path: std::path::PathBuf, line: usize, column: usize },
    #[error("a passphrase wants somebody at the terminal: give --passphrase-file FILE")]
    NoPassphrase,
    #[error("the two passphrases are not the same, or empty: nothing was done")]
    PassphrasesDiffer,
    #[error("cannot read the attachment {}", .path.display())]
    Attachment { path: std::path::PathBuf, source: std::io::Error },
    #[error("{} is no inventory file: {why}", .path.display())]
    InventoryFile { path: std::path::PathBuf, why: String },
    #[error("command {command} ran on {nodes} nodes: say which one, or leave -o to table")]
    ManyNodes { command: String, nodes: usize },
    #[error("the document is neither JSON nor YAML, so it has no other notation: leave --as out")]
    NoOtherNotation,
    #[error(transparent)]
    Document(#[from] document::DocumentError),
    #[error(transparent)]
    Parameters(#[from] parameters::ParametersError),
    #[error(transparent)]
    Script(#[from] script::ScriptError),
}
