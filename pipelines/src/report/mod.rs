//! An evaluation as one HTML page that needs nothing else: no network, no other file.
//!
//! `page.html`, `style.css` and `script.js` are the frame; each module makes the HTML of one part. The page is whole
//! without its script, which adds hover values and sorting.

mod about;
mod chart;
mod gallery;
mod histogram;
mod html;
mod outline;
mod picture;
mod tables;

pub(crate) use gallery::{CaseMaker, Gallery};

use crate::evaluation::{Category, Evaluation, Verdicts};
use html::{attribute, decimal, fill, text};

/// The page; `galleries` are those of the categories.
pub(crate) fn page(all: &Evaluation, galleries: &[Gallery]) -> String {
    let categories = all.categories.iter().zip(galleries).enumerate();
    let sections: String = categories.map(|(i, (c, gallery))| section(i, c, gallery, all.limit)).collect();
    fill(
        include_str!("page.html"),
        &[
            ("title", &text(&format!("{} · {} setting", all.data_name(), all.setting))),
            ("style", include_str!("style.css")),
            ("script", include_str!("script.js")),
            ("heading", &text(&all.data_name())),
            ("summary", &about::summary(all)),
            ("tiles", &tables::tiles(all)),
            ("figures", &tables::figures(all)),
            ("verdicts", &tables::verdicts(all)),
            ("navigation", &navigation(all)),
            ("sections", &sections),
            ("times", &tables::times(all)),
            ("about", &about::details(all)),
        ],
    )
}

fn navigation(all: &Evaluation) -> String {
    let link = |(i, c): (usize, &Category)| format!("<a href=\"#category-{i}\">{}</a>\n", text(&c.name));
    all.categories.iter().enumerate().map(link).collect()
}

/// One category.
fn section(i: usize, category: &Category, gallery: &Gallery, limit: f64) -> String {
    let verdicts = Verdicts::of(&category.images);
    let good = verdicts.passes + verdicts.false_alarms;
    let line = format!(
        "{} good images learned{}, {} good and {} defective tested{}",
        category.bank.frames,
        match category.bank.copies {
            0 => String::new(),
            copies => format!(", {copies} of them copies"),
        },
        good,
        verdicts.hits + verdicts.misses,
        if category.pixels.regions == 0 {
            ", no masks".to_owned()
        } else {
            format!(", {} defect regions in {} maps", category.pixels.regions, category.pixels.maps)
        }
    );
    format!(
        "<section class=\"category\" id=\"category-{i}\" aria-label=\"{}\">\n<h2>{}</h2>\n<p class=\"facts\">{line}</p>\n\
         <div class=\"charts\">{}{}</div>\n{}\n{}\n</section>\n",
        attribute(&category.name),
        text(&category.name),
        chart::curves(category, limit),
        histogram::scores(category),
        tables::kinds(category),
        gallery::cases(gallery, category.bank.threshold),
    )
}

/// A figure as the page shows it.
fn figure(value: Option<f64>) -> String {
    decimal(value, 4)
}
