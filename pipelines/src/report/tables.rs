//! The tables of the page. Cells carry their value in full, for sorting and for whoever reads the page by program.

use super::figure;
use super::html::{attribute, decimal, text};
use crate::evaluation::figures::{Figures, NAMES};
use crate::evaluation::json::kind_auroc;
use crate::evaluation::{Category, Evaluation, ImageResult, Verdicts};

/// What a figure is called on the page.
fn titles(limit: f64) -> [String; NAMES.len()] {
    let names = ["image AUROC", "image AP", "image F1-max", "pixel AUROC", "pixel AP", "pixel F1-max"];
    let [a, b, c, d, e, f] = names.map(str::to_owned);
    [a, b, c, d, e, f, aupro(limit)]
}

pub(super) fn aupro(limit: f64) -> String {
    format!("AUPRO@{limit}")
}

/// The means that a reader looks for first.
pub(super) fn tiles(all: &Evaluation) -> String {
    let (titles, mean) = (titles(all.limit), all.mean());
    let tile = |i: usize| {
        let (title, value) = (&titles[i], mean.values[i]);
        format!("<div class=\"tile\"><dt>{title}</dt><dd>{}</dd></div>\n", decimal(value, 3))
    };
    let tiles: String = [0, 3, 4, 6].map(tile).concat();
    let of = match all.categories.len() {
        1 => String::new(),
        n => format!(
            "<p class=\"note\">Means over {n} categories; a category without masks has no pixel figures.</p>"
        ),
    };
    format!("<dl class=\"tiles\">\n{tiles}</dl>\n{of}\n")
}

/// All figures of all categories.
pub(super) fn figures(all: &Evaluation) -> String {
    let lowest: [Option<f64>; NAMES.len()] = std::array::from_fn(|i| {
        let values = all.categories.iter().filter_map(|category| category.figures.values[i]);
        values.min_by(f64::total_cmp).filter(|_| all.categories.len() > 2)
    });
    let row = |name: &str, figures: &Figures, link: Option<usize>| {
        let cells: String = figures
            .values
            .iter()
            .enumerate()
            .map(|(i, value)| {
                let class = if link.is_some() && value.is_some() && *value == lowest[i] {
                    " class=\"low\""
                } else {
                    ""
                };
                number_cell(*value, &figure(*value), class)
            })
            .collect();
        let name = match link {
            Some(i) => format!("<a href=\"#category-{i}\">{}</a>", text(name)),
            None => text(name),
        };
        format!("<tr><th scope=\"row\">{name}</th>{cells}</tr>\n")
    };
    let rows: String =
        all.categories.iter().enumerate().map(|(i, c)| row(&c.name, &c.figures, Some(i))).collect();
    let mean = row("mean", &all.mean(), None);
    let heads = titles(all.limit);
    let lowest = if all.categories.len() > 2 { " The lowest of each column is underlined." } else { "" };
    let caption = match all.option("binning").and_then(|binning| binning.as_str()) {
        Some("exact") | None => format!("Every distinct score is a threshold.{lowest}"),
        Some(binning) => format!("Pixel areas by binning: {binning}; all else is exact.{lowest}"),
    };
    table("figures", &caption, "category", &heads.each_ref().map(String::as_str), &rows, Some(&mean))
}

/// Verdicts of all categories.
pub(super) fn verdicts(all: &Evaluation) -> String {
    let low = all.option("threshold_low").and_then(|low| low.as_f64());
    let mut heads = vec!["defects found", "defects missed", "false alarms", "good passed"];
    heads.extend(low.map(|_| "uncertain"));
    heads.extend(["precision", "recall", "false-alarm rate", "F1", "best F1 at"]);
    let row = |name: &str, v: Verdicts, best: Option<f64>| {
        let counts = [v.hits, v.misses, v.false_alarms, v.passes].into_iter().chain(low.map(|_| v.uncertain));
        let counts: String = counts.map(|n| number_cell(Some(n as f64), &n.to_string(), "")).collect();
        let rates = [v.precision(), v.recall(), v.false_alarm_rate(), v.f1(), best];
        let rates: String = rates.map(|rate| number_cell(rate, &decimal(rate, 3), "")).concat();
        format!("<tr><th scope=\"row\">{}</th>{counts}{rates}</tr>\n", text(name))
    };
    let each = all.categories.iter();
    let rows: String = each.map(|c| row(&c.name, Verdicts::of(&c.images), c.best_thresholds[0])).collect();
    let sum = row("all", all.verdicts(), None);
    let uncertain = low.map_or_else(String::new, |low| {
        format!(" Of the missed and the passed, those from {low} on are uncertain.")
    });
    let unknown = match all.verdicts().unknown {
        0 => String::new(),
        n => format!(
            " Of the missed and the passed, {n} could not be judged: too dark, too bright, blurred or covered."
        ),
    };
    let caption = format!(
        "The threshold was found from good images alone; on the bank’s scale it is 0.5.{uncertain}{unknown} The last column is the \
         threshold that would have given the best F1."
    );
    table("verdicts", &caption, "category", &heads, &rows, Some(&sum))
}

/// What came of each kind of defect.
pub(super) fn kinds(category: &Category) -> String {
    let good: Vec<&ImageResult> = category.images.iter().filter(|image| !image.anomalous).collect();
    let row = |(kind, images): (&str, Vec<&ImageResult>)| {
        let called = images.iter().filter(|image| image.called()).count();
        let mut scores: Vec<f64> = images.iter().map(|image| image.score).collect();
        scores.sort_by(f64::total_cmp);
        let quantile = |q: f64| scores.get(((scores.len() - 1) as f64 * q).round() as usize).copied();
        let area = kind_auroc(&good, &images);
        let counts = [images.len(), called].map(|n| number_cell(Some(n as f64), &n.to_string(), "")).concat();
        let numbers = [area, quantile(0.0), quantile(0.5), quantile(1.0)];
        let numbers = numbers.map(|n| number_cell(n, &decimal(n, 3), "")).concat();
        format!("<tr><th scope=\"row\">{}</th>{counts}{numbers}</tr>\n", text(kind))
    };
    let rows: String = category.kinds().into_iter().map(row).collect();
    let heads =
        ["images", "called anomalous", "image AUROC", "lowest score", "median score", "highest score"];
    table("kinds", "Scores by kind of image", "kind", &heads, &rows, None)
}

/// Mean times of a test image.
pub(super) fn times(all: &Evaluation) -> String {
    let Some(first) = all.categories.first() else { return String::new() };
    let names: Vec<&str> = first.times.stages.iter().map(|(name, _)| *name).collect();
    let mut heads = names.clone();
    heads.extend(["whole image", "learning"]);
    let row = |category: &Category| {
        let stages: Vec<f64> = category.times.milliseconds().map(|(_, ms)| ms).collect();
        let total = stages.iter().sum::<f64>();
        let cells: String = stages.iter().chain([&total]).map(|ms| time_cell(*ms, "ms")).collect();
        let learn = time_cell(category.times.learn.as_secs_f64(), "s");
        format!("<tr><th scope=\"row\">{}</th>{cells}{learn}</tr>\n", text(&category.name))
    };
    let rows: String = all.categories.iter().map(row).collect();
    let caption = "Mean of the test images, without reading their files, on the machine that made this page.";
    table("times", caption, "category", &heads, &rows, None)
}

fn time_cell(value: f64, unit: &str) -> String {
    let decimals = if value < 10.0 { 2 } else { 1 };
    number_cell(Some(value), &format!("{value:.decimals$}&nbsp;{unit}"), "")
}

fn number_cell(value: Option<f64>, shown: &str, class: &str) -> String {
    match value {
        Some(value) => format!("<td data-value=\"{value}\"{class}>{shown}</td>"),
        None => "<td data-value=\"\"><span aria-label=\"none\">–</span></td>".to_owned(),
    }
}

fn table(class: &str, caption: &str, first: &str, heads: &[&str], rows: &str, foot: Option<&str>) -> String {
    let heads: String =
        heads.iter().map(|head| format!("<th scope=\"col\">{}</th>", attribute(head))).collect();
    let foot = foot.map_or_else(String::new, |foot| format!("<tfoot>\n{foot}</tfoot>\n"));
    format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\">\n<table class=\"{class}\">\n\
         <caption><span>{caption}</span></caption>\n<thead><tr><th scope=\"col\">{first}</th>{heads}</tr></thead>\n\
         <tbody>\n{rows}</tbody>\n{foot}</table>\n</div>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_limit_is_named_as_usual() {
        assert_eq!(titles(snarm_core::metrics::AUPRO_LIMIT)[6], "AUPRO@0.3");
    }
}
