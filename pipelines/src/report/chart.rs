//! ROC, precision-recall and per-region-overlap curves as SVG.
//!
//! The script finds the points of a chart in the JSON beside it, for hover values.

use std::fmt::Write;

use serde_json::{Value, json};
use snarm_core::metrics::{Curve, CurvePoint};

use super::html::{attribute, decimal, json, text};
use super::tables::aupro;
use crate::evaluation::Category;

/// Size of a chart, and the box of its axes, in units of the picture.
const SIZE: [f64; 2] = [360.0, 270.0];
const LEFT: f64 = 46.0;
const TOP: f64 = 10.0;
const PLOT: [f64; 2] = [300.0, 214.0];

/// One line of a chart.
struct Series {
    /// `image` or `pixel`: the name, and the class of its line.
    name: &'static str,
    /// What the legend says of it.
    figure: String,
    /// Horizontal, vertical, threshold.
    points: Vec<[f64; 3]>,
}

/// A chart.
struct Chart {
    title: &'static str,
    axes: [&'static str; 2],
    /// Where the horizontal axis ends.
    end: f64,
    /// Whether a value holds back to the point before, as average precision is summed, instead of a straight line.
    steps: bool,
    /// Whether chance is the diagonal.
    diagonal: bool,
    series: Vec<Series>,
}

/// The curves of a category: those of pixels only where there are masks.
pub(super) fn curves(category: &Category, limit: f64) -> String {
    let [image_auroc, image_ap, _, pixel_auroc, pixel_ap, _, overlap] = category.figures.values;
    let both = |figures: [Option<f64>; 2], of: fn(&CurvePoint) -> [f64; 2]| -> Vec<Series> {
        let curves = [("image", &category.image_curve), ("pixel", &category.pixel_curve)];
        let known = curves.into_iter().zip(figures).filter_map(|(curve, figure)| Some((curve, figure?)));
        known.map(|((name, curve), figure)| Series::new(name, Some(figure), curve, of)).collect()
    };
    let mut charts = vec![
        Chart {
            title: "ROC",
            axes: ["false-positive rate", "true-positive rate"],
            end: 1.0,
            steps: false,
            diagonal: true,
            series: both([image_auroc, pixel_auroc], |p| [p.false_positive_rate, p.recall]),
        },
        Chart {
            title: "Precision and recall",
            axes: ["recall", "precision"],
            end: 1.0,
            steps: true,
            diagonal: false,
            series: both([image_ap, pixel_ap], |p| [p.recall, p.precision]),
        },
    ];
    if overlap.is_some() {
        let of = |p: &CurvePoint| [p.false_positive_rate, p.overlap.unwrap_or_default()];
        charts.push(Chart {
            title: "Per-region overlap",
            axes: ["false-positive rate", "mean overlap"],
            end: limit,
            steps: false,
            diagonal: false,
            series: vec![Series::new("pixel", overlap, &category.pixel_curve, of)],
        });
    }
    let label = |chart: &Chart| match (chart.title, &chart.series) {
        ("ROC", _) => "AUROC".to_owned(),
        ("Per-region overlap", _) => aupro(limit),
        _ => "AP".to_owned(),
    };
    charts.iter().filter(|c| !c.series.is_empty()).map(|c| c.html(&category.name, &label(c))).collect()
}

impl Series {
    fn new(name: &'static str, figure: Option<f64>, curve: &Curve, of: fn(&CurvePoint) -> [f64; 2]) -> Self {
        let point = |p: &CurvePoint| {
            let [x, y] = of(p);
            [x, y, f64::from(p.threshold)]
        };
        Self { name, figure: decimal(figure, 4), points: curve.points.iter().map(point).collect() }
    }

    fn json(&self) -> Value {
        let short = |v: f64| (v * 1e4).round() / 1e4;
        json!({ "name": self.name, "points": self.points.iter().map(|p| p.map(short)).collect::<Vec<_>>() })
    }
}

impl Chart {
    fn html(&self, category: &str, figure: &str) -> String {
        let said: Vec<String> =
            self.series.iter().map(|s| format!("{} {figure} {}", s.name, s.figure)).collect();
        let legend: String = self
            .series
            .iter()
            .map(|s| format!("<span class=\"key {0}\">{0} {figure} <b>{1}</b></span>", s.name, s.figure))
            .collect();
        let data = json!({
            "axes": self.axes,
            "end": self.end,
            "box": [LEFT, TOP, PLOT[0], PLOT[1]],
            "series": self.series.iter().map(Series::json).collect::<Vec<_>>(),
        });
        let lines: String = self.series.iter().map(|series| self.line(series)).collect();
        let [width, height] = SIZE;
        format!(
            "<figure class=\"chart\"><figcaption>{}</figcaption>\n<svg viewBox=\"0 0 {width} {height}\" role=\"img\" \
             tabindex=\"0\" aria-label=\"{}: {} of {}\">{}{lines}</svg>\n<p class=\"legend\">{legend}</p>\n\
             <script type=\"application/json\">{}</script></figure>\n",
            self.title,
            self.title,
            attribute(&said.join(", ")),
            attribute(category),
            self.frame(),
            json(&data),
        )
    }

    fn frame(&self) -> String {
        let ticks = [0.0, 0.25, 0.5, 0.75, 1.0].map(|part| (part, tick(part * self.end)));
        let mut out = axes(&ticks, self.axes);
        for part in [0.0, 0.25, 0.5, 0.75, 1.0] {
            let y = TOP + PLOT[1] * (1.0 - part);
            let right = LEFT + PLOT[0];
            let _ = write!(out, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/>");
            let _ = write!(
                out,
                "<text class=\"y\" x=\"{}\" y=\"{:.1}\">{}</text>",
                LEFT - 6.0,
                y + 3.5,
                tick(part)
            );
        }
        if self.diagonal {
            let (right, bottom) = (LEFT + PLOT[0], TOP + PLOT[1]);
            let _ = write!(out, "<path class=\"chance\" d=\"M{LEFT} {bottom}L{right} {TOP}\"/>");
        }
        out
    }

    /// The line of a series, cut where the axis ends.
    fn line(&self, series: &Series) -> String {
        let mut path = String::new();
        let mut last: Option<[f64; 2]> = (!self.steps).then_some([0.0, 0.0]);
        let mut to = |command: char, [x, y]: [f64; 2]| {
            let (x, y) = (LEFT + x / self.end * PLOT[0], TOP + (1.0 - y) * PLOT[1]);
            let _ = write!(path, "{command}{x:.1} {y:.1}");
        };
        if let Some(start) = last {
            to('M', start);
        }
        for [x, y, _] in &series.points {
            let ([mut x, mut y], [x0, y0]) = ([*x, *y], last.unwrap_or([0.0, *y]));
            if self.steps {
                to(if last.is_none() { 'M' } else { 'L' }, [x0, y]);
            }
            let done = x > self.end;
            if done {
                y = y0 + (y - y0) * (self.end - x0) / (x - x0);
                x = self.end;
            }
            to('L', [x, y]);
            last = Some([x, y]);
            if done {
                break;
            }
        }
        format!("<path class=\"line {}\" d=\"{path}\"/>", series.name)
    }
}

/// The horizontal axis with its ticks, at parts of its length, and both labels.
pub(super) fn axes(ticks: &[(f64, String)], labels: [&str; 2]) -> String {
    let (bottom, middle) = (TOP + PLOT[1], TOP + PLOT[1] / 2.0);
    let mut out = String::new();
    for (part, name) in ticks {
        let x = LEFT + part * PLOT[0];
        let _ = write!(out, "<path class=\"grid\" d=\"M{x:.1} {TOP}V{bottom}\"/>");
        let _ = write!(out, "<text class=\"x\" x=\"{x:.1}\" y=\"{}\">{name}</text>", bottom + 16.0);
    }
    let _ = write!(
        out,
        "<text class=\"label x\" x=\"{}\" y=\"{}\">{}</text><text class=\"label\" text-anchor=\"middle\" \
         transform=\"translate(12 {middle}) rotate(-90)\">{}</text>",
        LEFT + PLOT[0] / 2.0,
        bottom + 34.0,
        text(labels[0]),
        text(labels[1])
    );
    out
}

/// A number in as few digits as it needs.
fn tick(value: f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(steps: bool, end: f64, points: Vec<[f64; 3]>) -> String {
        let series = Series { name: "image", figure: String::new(), points };
        let chart = Chart { title: "", axes: ["", ""], end, steps, diagonal: false, series: Vec::new() };
        chart.line(&series)
    }

    #[test]
    fn lines_are_straight_from_the_origin_and_end_with_the_axis() {
        let line = chart(false, 0.5, vec![[0.25, 0.5, 0.9], [0.75, 1.0, 0.1]]);
        assert!(line.contains("d=\"M46.0 224.0L196.0 117.0L346.0 63.5\""), "{line}");
    }

    #[test]
    fn steps_hold_the_precision_of_what_was_gained() {
        let line = chart(true, 1.0, vec![[0.5, 1.0, 0.9], [1.0, 0.5, 0.1]]);
        assert!(line.contains("d=\"M46.0 10.0L196.0 10.0L196.0 117.0L346.0 117.0\""), "{line}");
    }

    #[test]
    fn ticks_are_short() {
        assert_eq!([0.0, 0.25, 0.075, 1.0].map(tick), ["0", "0.25", "0.075", "1"]);
    }
}
