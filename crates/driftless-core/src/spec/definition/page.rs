//! The tables of the reference, between marks in a page whose other words are written by hand.

use super::{
    BESIDE, DEFAULTS, ENTITY, FORMS, FormSetting, IDENTITY, PIPELINE, RULE, SERVER, SHARED, Setting,
};

/// The page with its tables made anew. A mark is a line `<!-- settings: NAME -->`; the table ends at `<!-- end -->`.
///
/// # Errors
/// The name of a mark that is not known, or that has no end.
pub fn filled(page: &str) -> Result<String, String> {
    let mut filled = String::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        filled.push_str(line);
        filled.push('\n');
        let Some(name) = line
            .strip_prefix("<!-- settings: ")
            .and_then(|rest| rest.strip_suffix(" -->"))
        else {
            continue;
        };
        filled.push_str(&table(name).ok_or_else(|| format!("there are no settings `{name}`"))?);
        if !lines.any(|line| line == "<!-- end -->") {
            return Err(format!("the table of `{name}` has no end"));
        }
        filled.push_str("<!-- end -->\n");
    }
    Ok(filled)
}

fn table(name: &str) -> Option<String> {
    Some(match name {
        "pipeline" => settings(PIPELINE),
        "server" => settings(SERVER),
        "defaults" => settings(&[SHARED, DEFAULTS].concat()),
        "entity" => settings(ENTITY),
        "identity" => settings(IDENTITY),
        "rules" => settings(RULE),
        "forms" => forms(),
        "beside" => settings(BESIDE),
        _ => return None,
    })
}

fn settings(settings: &[Setting]) -> String {
    let rows = settings.iter().map(|setting| {
        format!(
            "| `{}` | {} | {} |\n",
            setting.key, setting.default, setting.meaning
        )
    });
    format!(
        "| key | default | meaning |\n|---|---|---|\n{}",
        rows.collect::<String>()
    )
}

fn forms() -> String {
    let rows = FORMS.iter().map(|form: &FormSetting| {
        let beside: Vec<String> = form.beside.iter().map(|key| format!("`{key}`")).collect();
        format!("| {} | {} | {} |\n", form.written, beside.join(" "), form.meaning)
    });
    format!(
        "| form | beside it | value |\n|---|---|---|\n{}",
        rows.collect::<String>()
    )
}
