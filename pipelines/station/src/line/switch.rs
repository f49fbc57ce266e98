//! Which recipe of a line is in use. Each recipe is a [`Line`] of its own, with bank, limits and finds; one of them runs, and
//! who asks for the line by its own name means that one.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use tokio::sync::watch;

use super::shared::Line;
use super::{learn, prepare, supervise};
use crate::store::Store;

/// Longest code, in characters.
pub(super) const LONGEST_CODE: usize = 100;

/// A line of the configuration: its recipes, or itself alone where it has none.
pub(crate) struct Switch {
    name: String,
    title: String,
    lines: Vec<Arc<Line>>,
    chosen: watch::Sender<usize>,
    /// Held while another one is chosen.
    choosing: tokio::sync::Mutex<()>,
    store: Arc<Store>,
}

impl Switch {
    /// Of the products of a line, the first of which is in use unless the store knows another one.
    ///
    /// # Errors
    /// When the store fails, or there is no product.
    pub(crate) fn new(name: &str, title: &str, lines: Vec<Arc<Line>>, store: Arc<Store>) -> Result<Self> {
        if lines.is_empty() {
            bail!("{name}: expected a product, found none");
        }
        let known = store.chosen(name)?;
        // A recipe that the configuration has no more leaves its place to the first one.
        let at = lines.iter().position(|line| line.recipe().is_some() && line.recipe() == known.as_deref());
        for line in &lines {
            line.load()?;
            // A bank that cannot be read ends the line that needs it, and no other.
            if let Err(error) = prepare::know(line) {
                tracing::warn!("{}: {error:#}", line.name());
            }
        }
        Ok(Self {
            name: name.to_owned(),
            title: title.to_owned(),
            lines,
            chosen: watch::Sender::new(at.unwrap_or_default()),
            choosing: tokio::sync::Mutex::default(),
            store,
        })
    }

    /// Name of the line.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its name on pages.
    pub(crate) fn title(&self) -> &str {
        &self.title
    }

    /// What it can inspect, in the order of the configuration.
    pub(crate) fn lines(&self) -> &[Arc<Line>] {
        &self.lines
    }

    /// Names of its recipes, in the order of the configuration; none where it has none.
    pub(crate) fn recipes(&self) -> Vec<&str> {
        self.lines.iter().filter_map(|line| line.recipe()).collect()
    }

    /// What is in use.
    pub(crate) fn now(&self) -> &Arc<Line> {
        &self.lines[*self.chosen.borrow()]
    }

    /// What is meant by a name: by that of the line what is in use, by that of a recipe this one.
    pub(crate) fn line(&self, name: &str) -> Option<&Arc<Line>> {
        match self.name == name {
            true => Some(self.now()),
            false => self.lines.iter().find(|line| line.name() == name),
        }
    }

    /// Whether that is what is in use.
    pub(crate) fn is_in_use(&self, line: &Arc<Line>) -> bool {
        Arc::ptr_eq(self.now(), line)
    }

    /// Tells when another recipe is chosen.
    pub(crate) fn changes(&self) -> watch::Receiver<usize> {
        self.chosen.subscribe()
    }

    /// Takes a code, of a person or of what reads such: the recipe that it means is chosen, and where messages begin parts, the
    /// part of that name begins. Nothing begins by what is older than we are, `is_old`. Returns whether the recipe is another one
    /// than before.
    ///
    /// # Errors
    /// When it means neither a recipe nor a part, and as [`Self::choose`].
    pub(crate) async fn hear(&self, code: &str, is_old: bool, author: &str) -> Result<bool> {
        let code = code.trim();
        let length = code.chars().count();
        if !(1..=LONGEST_CODE).contains(&length) {
            bail!("expected a code of 1 to {LONGEST_CODE} characters, found {length}");
        }
        let meant = self.lines.iter().position(|line| line.is_meant_by(code));
        let begins = self.now().begins_parts_by_messages();
        let changed = match meant {
            Some(at) => self.turn(at, author).await?,
            None if begins => false,
            None => bail!("expected a code of a recipe of {}, found {code:?}", self.name),
        };
        if begins && !is_old {
            let code = code.to_owned();
            self.now().ask(move |line| line.begin_part(Some(code), None)).await?;
        }
        Ok(changed)
    }

    /// Takes a recipe by its name into use. Returns whether it is another one than before.
    ///
    /// # Errors
    /// When there is none of that name, the line learns at this moment for somebody, or the store fails.
    pub(crate) async fn choose(&self, recipe: &str, author: &str) -> Result<bool> {
        let at = self.lines.iter().position(|line| line.recipe() == Some(recipe));
        let at = at.with_context(|| match &self.recipes()[..] {
            [] => format!("expected a line with recipes, found {}, which has none", self.name),
            all => format!("expected a recipe of {} ({}), found {recipe:?}", self.name, all.join(", ")),
        })?;
        self.turn(at, author).await
    }

    /// Takes a recipe by its number into use. Returns whether it is another one than before.
    ///
    /// # Errors
    /// As [`Self::choose`].
    pub(crate) async fn choose_number(&self, number: u16, author: &str) -> Result<bool> {
        let at = self.lines.iter().position(|line| line.recipe_number() == number && number > 0);
        let at =
            at.with_context(|| format!("expected the number of a recipe of {}, found {number}", self.name))?;
        self.turn(at, author).await
    }

    async fn turn(&self, at: usize, author: &str) -> Result<bool> {
        let _alone = self.choosing.lock().await;
        let Some(recipe) = self.lines.get(at).and_then(|line| line.recipe()) else { return Ok(false) };
        if *self.chosen.borrow() == at {
            return Ok(false);
        }
        if learn::learns_for_somebody(self.now()) {
            bail!("the line learns at this moment: say that it is enough, or give it up, and choose then");
        }
        let (name, recipe, author) = (self.name.clone(), recipe.to_owned(), author.to_owned());
        self.store.ask(move |store| store.choose(&name, &recipe, &author)).await?;
        self.chosen.send_replace(at);
        Ok(true)
    }

    /// Runs what is in use until the station ends.
    pub(crate) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut changes = self.changes();
        while !*stop.borrow() {
            changes.mark_unchanged();
            let line = Arc::clone(self.now());
            let (end, ended) = watch::channel(false);
            let running = tokio::spawn(supervise::run(Arc::clone(&line), ended));
            tokio::select! {
                _ = changes.changed() => tracing::info!("{}: {} is chosen", self.name, self.now().name()),
                _ = stop.changed() => {}
            }
            end.send_replace(true);
            if running.await.is_err() {
                tracing::error!("{}: its task failed", line.name());
            }
            // Its next part is one of another product.
            if !*stop.borrow()
                && let Err(error) = line.ask(Line::end_part).await
            {
                tracing::error!("{}: {error:#}", line.name());
            }
        }
    }
}
