use clap::{Args, Command};
use clap_complete::Shell;
use driftless_core::code::Exit;

use crate::failure::Failure;
use crate::terminal::Terminal;

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  driftless completions bash > ~/.local/share/bash-completion/completions/driftless
  driftless completions zsh  > ~/.zfunc/_driftless
  driftless completions fish > ~/.config/fish/completions/driftless.fish")]
pub(crate) struct Arguments {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// Prints the script for a program with these definitions.
///
/// # Errors
/// It cannot be written.
pub(crate) fn run(
    arguments: &Arguments,
    mut definitions: Command,
    terminal: &Terminal,
) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut definitions, "driftless", &mut script);
    terminal.print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
