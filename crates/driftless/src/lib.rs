//! The command line: tells the engine what to do and the operator what came of it. Decides nothing about data.
//!
//! The modules stand in the order in which data flows; a module uses only modules declared before it.

/// How memory goes back to the system.
mod memory;
/// What stopped a command, ready to be shown.
mod failure;
/// The standard streams: what they are, and what may be written to them.
mod terminal;
/// Signals: the first asks the work to stop, the second ends it.
mod interrupt;
/// Finds and reads the mapping with its files and variables.
mod config;
/// Log lines in a file that rotates.
mod telemetry;
/// Reports as tables and as JSON documents.
mod render;
/// Progress of long work on standard error.
mod progress;
/// One file per command: its arguments and what it does with them.
mod commands;
/// The demonstration: two throw-away servers and the whole story.
mod demo;
/// The command line as typed: definitions, help, usage errors, dispatch.
mod cli;

pub use cli::main;
