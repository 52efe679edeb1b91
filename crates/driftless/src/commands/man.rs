use std::fs;
use std::path::PathBuf;

use clap::{Args, Command};
use clap_mangen::Man;
use driftless_core::code::{self, Exit};

use crate::failure::Failure;
use crate::terminal::Terminal;

/// Write the manual pages
///
/// One page per command, as `man driftless` and `man driftless-rejects-retry` find them. Without a directory the page of the
/// program itself is printed.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  driftless man | man -l -                  read the first page here and now
  driftless man ~/.local/share/man/man1     install all of them")]
pub(crate) struct Arguments {
    /// Where the pages are written; made if it is not there.
    #[arg(value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// Writes the pages of a program with these definitions.
///
/// # Errors
/// They cannot be written.
pub(crate) fn run(arguments: &Arguments, definitions: Command, terminal: &Terminal) -> Result<Exit, Failure> {
    let pages = pages(definitions);
    let Some(dir) = &arguments.dir else {
        let first = pages.into_iter().next().map(|(_, text)| text);
        terminal.print(&first.unwrap_or_default())?;
        return Ok(Exit::Done);
    };
    let refuse = |error: std::io::Error| {
        let message = format!("the pages cannot be written: {error}");
        Failure::new(code::NOT_WRITTEN, dir.display().to_string(), message)
            .remedy("name a directory that can be written to")
    };
    fs::create_dir_all(dir).map_err(refuse)?;
    for (name, text) in &pages {
        fs::write(dir.join(name), text).map_err(refuse)?;
    }
    terminal.tell(&format!("{} pages in {}", pages.len(), dir.display()));
    Ok(Exit::Done)
}

/// Every command that is shown: the name of its page's file, and the page.
pub(crate) fn pages(definitions: Command) -> Vec<(String, String)> {
    let mut root = definitions.disable_help_subcommand(true);
    root.build();
    let mut found = Vec::new();
    collect(&root, &mut found);
    found
}

fn collect(command: &Command, found: &mut Vec<(String, String)>) {
    let man = Man::new(command.clone()).manual("Driftless");
    let mut text = Vec::new();
    man.render(&mut text).expect("a vector takes every byte");
    found.push((man.get_filename(), String::from_utf8_lossy(&text).into_owned()));
    for part in command.get_subcommands().filter(|part| !part.is_hide_set()) {
        collect(part, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_has_a_page_and_hidden_ones_have_none() {
        let definitions = Command::new("tool").version("1.2").subcommands([
            Command::new("one").about("First").subcommand(Command::new("two")),
            Command::new("inner").hide(true),
        ]);
        let pages = pages(definitions);
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["tool.1", "tool-one.1", "tool-one-two.1"]);
        assert!(pages[1].1.contains("tool one"), "{}", pages[1].1);
    }
}
