//! Which recipe of a line is in use.

use anyhow::Result;
use rusqlite::OptionalExtension;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Store, audit};
use crate::clock;

/// A recipe that was taken into use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Choice {
    /// Time in milliseconds since 1970.
    pub(crate) at: i64,
    /// Name of the recipe.
    pub(crate) recipe: String,
    /// Who chose it: a person, a token, or what reads codes.
    pub(crate) who: String,
}

impl Store {
    /// Takes a recipe of a line into use.
    pub(crate) fn choose(&self, line: &str, recipe: &str, who: &str) -> Result<()> {
        self.change(|change| {
            let text = "INSERT INTO choices (line, recipe, who, at) VALUES (?, ?, ?, ?)";
            change.execute(text, (line, recipe, who, clock::now()))?;
            audit::add(change, who, "recipe", &format!("{line}: {recipe}"))
        })
    }

    /// The recipe of a line that was chosen last.
    pub(crate) fn chosen(&self, line: &str) -> Result<Option<String>> {
        self.read(|store| {
            let text = "SELECT recipe FROM choices WHERE line = ? ORDER BY id DESC LIMIT 1";
            store.query_row(text, [line], |row| row.get(0)).optional()
        })
    }

    /// Recipes of a line that were chosen, the last one first.
    pub(crate) fn choices(&self, line: &str, most: u32) -> Result<Vec<Choice>> {
        self.read(|store| {
            let text = "SELECT at, recipe, who FROM choices WHERE line = ? ORDER BY id DESC LIMIT ?";
            let mut ask = store.prepare(text)?;
            let rows = ask.query_map((line, most), |row| {
                Ok(Choice { at: row.get(0)?, recipe: row.get(1)?, who: row.get(2)? })
            })?;
            rows.collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::new_store;

    #[test]
    fn the_last_choice_of_a_line_holds_and_is_in_the_audit_list() {
        let (_dir, store) = new_store();
        assert_eq!(store.chosen("caps").unwrap(), None);
        for (line, recipe) in [("caps", "red"), ("labels", "big"), ("caps", "blue")] {
            store.choose(line, recipe, "ann").unwrap();
        }
        assert_eq!(store.chosen("caps").unwrap().as_deref(), Some("blue"));
        let choices = store.choices("caps", 9).unwrap();
        let recipes: Vec<&str> = choices.iter().map(|choice| choice.recipe.as_str()).collect();
        assert_eq!((recipes, choices[0].who.as_str()), (vec!["blue", "red"], "ann"));
        assert_eq!(store.choices("caps", 1).unwrap().len(), 1);
        let last = store.audit(1).unwrap().remove(0);
        assert_eq!((last.what.as_str(), last.detail.as_str()), ("recipe", "caps: blue"));
    }
}
