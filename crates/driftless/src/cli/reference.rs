//! The reference of all commands, from the definitions that parse them.

use clap::Command;

/// Columns of the help texts in the reference.
const WIDTH: usize = 100;

/// Every command with its long help, as Markdown.
pub(super) fn markdown(definitions: Command) -> String {
    let mut text = "# Commands\n\nWritten by `cargo xtask docs` from the program's own help.\n".to_owned();
    let mut root = definitions.term_width(WIDTH).disable_help_subcommand(true);
    root.build();
    section(&mut text, &mut root, "driftless");
    text
}

fn section(text: &mut String, command: &mut Command, name: &str) {
    let help = command.render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    let fence = "```";
    text.push_str(&format!(
        "\n## {name}\n\n{fence}text\n{}\n{fence}\n",
        lines.join("\n").trim_end()
    ));
    for part in command.get_subcommands_mut().filter(|part| !part.is_hide_set()) {
        let name = format!("{name} {}", part.get_name());
        section(text, part, &name);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Cli;
    use super::*;
    use clap::CommandFactory as _;

    /// Every command that is shown, with its full name.
    fn commands(command: &Command, name: &str, found: &mut Vec<(String, Command)>) {
        found.push((name.to_owned(), command.clone()));
        for part in command.get_subcommands().filter(|part| !part.is_hide_set()) {
            commands(part, &format!("{name} {}", part.get_name()), found);
        }
    }

    #[test]
    fn definitions_hold_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_long_help_with_examples() {
        let mut found = Vec::new();
        commands(&Cli::command(), "driftless", &mut found);
        assert!(found.len() >= 16, "{}", found.len());
        for (name, mut command) in found {
            let help = command.render_long_help().to_string();
            assert!(
                help.contains("Examples:\n") && help.contains(&format!("  {name}")),
                "{name}:\n{help}"
            );
        }
    }

    #[test]
    fn every_option_is_explained() {
        let mut found = Vec::new();
        commands(&Cli::command(), "driftless", &mut found);
        for (name, command) in found {
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{name} {}", argument.get_id());
            }
        }
    }

    #[test]
    fn the_manual_pages_are_current() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/man");
        let mut written: Vec<String> = std::fs::read_dir(dir)
            .expect("docs/man")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        written.sort();
        let pages = crate::commands::man::pages(Cli::command());
        let mut names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(written, names, "run `cargo xtask docs`");
        for (name, text) in &pages {
            let written = std::fs::read_to_string(format!("{dir}/{name}")).expect("a page");
            assert!(
                written == *text,
                "docs/man/{name} is not current: run `cargo xtask docs`"
            );
        }
    }

    #[test]
    fn the_reference_is_current() {
        let current = markdown(Cli::command());
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/cli.md");
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == current,
            "docs/reference/cli.md is not current: run `cargo xtask docs`"
        );
    }
}
