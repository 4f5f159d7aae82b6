//! Values of arguments: what a person types, checked before the controller is asked. Each file holds one kind of
//! value, and the error that says what would be right.

pub(crate) mod document;
pub(crate) mod duration;
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
    #[error("cannot read the attachment {}", .path.display())]
    Attachment { path: std::path::PathBuf, source: std::io::Error },
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
