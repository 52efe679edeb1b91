//! Command lines that cannot be understood, in the form of every other error.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use driftless_core::code::{self, Exit};

use crate::failure::Failure;
use crate::terminal::{Terminal, Wishes};

/// Commands that the documentation speaks of and a later release brings.
const LATER: [&str; 10] = [
    "init",
    "sync",
    "stream",
    "cutover",
    "run",
    "conflicts",
    "schema",
    "coverage",
    "undo",
    "audit",
];

/// Answers a command line that is none to be run: with help, the version, or what is wrong with it.
pub(super) fn answer(error: &clap::Error, arguments: &[OsString]) -> Exit {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A reader that has gone away wants no more.
            let _ = error.print();
            Exit::Done
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            Exit::Usage
        }
        _ => {
            // What was asked of the output holds although the rest is not understood.
            let no_color = arguments.iter().any(|argument| argument == "--no-color");
            let terminal = Terminal::detect(Wishes {
                no_color,
                ..Wishes::default()
            });
            terminal.warn(&failure(error).text(terminal.color()));
            Exit::Usage
        }
    }
}

fn failure(error: &clap::Error) -> Failure {
    if let Some(name) = later(error) {
        return Failure::new(
            code::USAGE,
            "command line",
            format!("`{name}` is not in this release"),
        )
        .remedy("driftless --help lists the commands there are");
    }
    if error.kind() == ErrorKind::MissingSubcommand {
        return Failure::new(code::USAGE, "command line", "a command is missing")
            .remedy("driftless --help lists the commands there are");
    }
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let mut paragraphs = text.split("\n\n").map(one_line).filter(|text| !text.is_empty());
    let message = paragraphs.next().unwrap_or_default();
    let hints: Vec<String> = paragraphs
        .filter(|text| !text.starts_with("For more information"))
        .map(|text| text.replacen("tip: ", "", 1).replacen("Usage: ", "usage: ", 1))
        .collect();
    let remedy = match hints.is_empty() {
        true => "driftless --help shows commands and options".to_owned(),
        false => hints.join("; "),
    };
    Failure::new(code::USAGE, "command line", message).remedy(&remedy)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn later(error: &clap::Error) -> Option<&str> {
    if error.kind() != ErrorKind::InvalidSubcommand {
        return None;
    }
    match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(name)) if LATER.contains(&name.as_str()) => Some(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Cli;
    use super::*;
    use clap::Parser as _;

    fn text(arguments: &[&str]) -> String {
        let error = Cli::try_parse_from([&["driftless"], arguments].concat()).unwrap_err();
        failure(&error).text(false)
    }

    #[test]
    fn mistakes_are_told_in_our_form() {
        let mistakes: [&[&str]; 9] = [
            &["--quiet"],
            &["chek"],
            &["sync"],
            &["migrate", "--restrat"],
            &["migrate", "--restart", "--abandon"],
            &["ids", "get", "patients"],
            &["ids", "find", "17"],
            &["rejects", "list", "--category", "odd"],
            &["rejects", "list", "--code", "404"],
        ];
        insta::assert_snapshot!(mistakes.map(text).join("\n"));
    }
}
