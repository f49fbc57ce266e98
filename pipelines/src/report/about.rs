//! What was measured, and with what.

use super::html::{decimal, text};
use crate::evaluation::Evaluation;

impl Evaluation {
    /// The last part of the path of the data set.
    pub(super) fn data_name(&self) -> String {
        let name = std::path::Path::new(&self.data).file_name();
        name.map_or_else(|| self.data.clone(), |name| name.to_string_lossy().into_owned())
    }

    /// The value of an option.
    pub(super) fn option(&self, name: &str) -> Option<&serde_json::Value> {
        self.options.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

/// The lines under the heading.
pub(super) fn summary(all: &Evaluation) -> String {
    let (encoder, _, side) = &all.encoder;
    let images: usize = all.categories.iter().map(|category| category.images.len()).sum();
    let scorers: std::collections::BTreeSet<&str> =
        all.categories.iter().map(|category| category.bank.scorer.as_str()).collect();
    let scorers: Vec<String> = scorers.into_iter().map(|scorer| text(&shorten(scorer))).collect();
    let categories = match all.categories.len() {
        1 => "1 category".to_owned(),
        n => format!("{n} categories"),
    };
    format!(
        "<p class=\"summary\"><span>{categories}, {images} test images</span><span>setting <b>{}</b></span>\
         <span>encoder <b>{}</b>, {side} × {side}</span><span>scorer <b>{}</b></span></p>",
        all.setting,
        text(&file_name(encoder)),
        scorers.join(", ")
    )
}

/// Options, digests and definitions.
pub(super) fn details(all: &Evaluation) -> String {
    let (encoder, digest, _) = &all.encoder;
    let mut rows = vec![
        ("program".to_owned(), text(concat!("snarm ", env!("CARGO_PKG_VERSION")))),
        ("data".to_owned(), text(&all.data)),
        ("encoder".to_owned(), format!("{}<br><code>{digest}</code>", text(encoder))),
    ];
    let value = |v: &serde_json::Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    let given = all.options.iter().filter(|(_, v)| !v.is_null());
    rows.extend(given.map(|(name, v)| (name.replace('_', " "), text(&value(v)))));
    let rows: String = rows
        .into_iter()
        .map(|(name, value)| format!("<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>\n"))
        .collect();
    let banks: String = all
        .categories
        .iter()
        .map(|c| {
            format!(
                "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td><code>{}</code></td><td>{}</td><td>{}</td></tr>\n",
                text(&c.name),
                c.bank.vectors,
                text(&shorten(&c.bank.scorer)),
                c.bank.digest.get(..16).unwrap_or(&c.bank.digest),
                decimal(Some(c.bank.threshold), 3),
                decimal(Some(c.bank.pixel_threshold), 3),
            )
        })
        .collect();
    format!(
        "<div class=\"scroll\"><table class=\"plain\"><caption>Options</caption><tbody>\n{rows}</tbody></table></div>\n\
         <div class=\"scroll\"><table class=\"plain\"><caption>Banks</caption><thead><tr><th scope=\"col\">category</th>\
         <th scope=\"col\">descriptors</th><th scope=\"col\">scorer</th><th scope=\"col\">digest</th>\
         <th scope=\"col\">threshold</th><th scope=\"col\">pixel threshold</th></tr></thead><tbody>\n{banks}</tbody></table></div>\n\
         <ul class=\"definitions\">\n\
         <li><b>AUROC, AP, F1-max</b> as in scikit-learn: every distinct score is a threshold, equal scores move together.</li>\n\
         <li><b>{}</b> as in MVTec AD: mean overlap over 8-connected defect regions, up to a false-positive rate of {}, \
         divided by it.</li>\n\
         <li><b>Pixels</b> are those of the score map; each asks the mask pixel under its centre. Good images count in \
         full, defective images without a mask not at all.</li>\n\
         <li><b>Scores</b> are on the bank’s scale: 0.5 is the limit that good images are not expected to pass.</li>\n</ul>\n",
        super::tables::aupro(all.limit),
        all.limit,
    )
}

/// A path without its folders.
fn file_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

/// The first part of a digest.
fn shorten(scorer: &str) -> String {
    match scorer.split_once(':') {
        Some((kind, digest)) if digest.len() > 12 => {
            format!("{kind} {}…", digest.get(..12).unwrap_or(digest))
        }
        _ => scorer.to_owned(),
    }
}
