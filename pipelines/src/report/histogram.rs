//! Scores of good and defective images as a histogram with two sides, so that neither hides the other.

use std::fmt::Write;

use super::html::attribute;
use crate::evaluation::Category;

const BINS: usize = 40;

const SIZE: [f64; 2] = [500.0, 246.0];
const LEFT: f64 = 46.0;
const WIDTH: f64 = 436.0;
/// Line between good images above it and defective ones below, and the room of each side.
const MIDDLE: f64 = 110.0;
const ROOM: f64 = 88.0;

/// The histogram of a category.
pub(super) fn scores(category: &Category) -> String {
    let mut counts = [[0usize; BINS]; 2];
    for image in &category.images {
        let bin = ((image.score * BINS as f64) as usize).min(BINS - 1);
        counts[usize::from(image.anomalous)][bin] += 1;
    }
    let most = counts.iter().flatten().copied().max().unwrap_or(0).max(1);
    let mut svg = String::new();
    for part in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let x = LEFT + part * WIDTH;
        let _ = write!(svg, "<path class=\"grid\" d=\"M{x} {}V{}\"/>", MIDDLE - ROOM, MIDDLE + ROOM);
        let _ = write!(svg, "<text class=\"x\" x=\"{x}\" y=\"{}\">{part}</text>", MIDDLE + ROOM + 16.0);
    }
    let step = WIDTH / BINS as f64;
    let [good, defective] = &counts;
    for (i, (good, defective)) in good.iter().zip(defective).enumerate() {
        let x = LEFT + i as f64 * step;
        let height = |n: usize| n as f64 / most as f64 * ROOM;
        let (up, down) = (height(*good), height(*defective));
        let bar = |class: &str, y: f64, height: f64| {
            format!(
                "<rect class=\"{class}\" x=\"{:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{height:.1}\"/>",
                x + 0.75,
                step - 1.5
            )
        };
        if *good > 0 {
            svg.push_str(&bar("good", MIDDLE - up, up));
        }
        if *defective > 0 {
            svg.push_str(&bar("bad", MIDDLE, down));
        }
        if good + defective > 0 {
            let (from, to) = (i as f64 / BINS as f64, (i + 1) as f64 / BINS as f64);
            let _ = write!(
                svg,
                "<rect class=\"hit\" x=\"{x:.1}\" y=\"{}\" width=\"{step:.1}\" height=\"{}\" \
                 data-tip=\"score {from:.3} to {to:.3}: {good} good, {defective} defective\"/>",
                MIDDLE - ROOM,
                2.0 * ROOM
            );
        }
    }
    let _ = write!(svg, "<path class=\"axis\" d=\"M{LEFT} {MIDDLE}h{WIDTH}\"/>");
    mark(&mut svg, "threshold", "threshold", category.bank.threshold, MIDDLE - ROOM - 8.0);
    if let Some(best) = category.best_thresholds[0] {
        mark(&mut svg, "best", "best F1", best, MIDDLE + ROOM + 32.0);
    }
    for (name, y) in [("good", MIDDLE - ROOM / 2.0), ("defective", MIDDLE + ROOM / 2.0)] {
        let _ = write!(
            svg,
            "<text class=\"label\" text-anchor=\"middle\" transform=\"translate(14 {y}) rotate(-90)\">{name}</text>"
        );
        let _ = write!(svg, "<text class=\"y\" x=\"{}\" y=\"{}\">{most}</text>", LEFT - 6.0, {
            if name == "good" { MIDDLE - ROOM + 8.0 } else { MIDDLE + ROOM }
        });
    }
    let [width, height] = SIZE;
    format!(
        "<figure class=\"chart wide\"><figcaption>Image scores</figcaption>\n<svg viewBox=\"0 0 {width} {height}\" \
         role=\"img\" aria-label=\"Histogram of the image scores of {}: good images above the line, defective ones \
         below; the threshold lies at {:.3}\">{svg}</svg>\n<p class=\"legend\"><span class=\"key good\">good images</span>\
         <span class=\"key bad\">defective images</span></p></figure>\n",
        attribute(&category.name),
        category.bank.threshold
    )
}

/// A vertical line at a score, with its name at height `y`.
fn mark(svg: &mut String, class: &str, name: &str, score: f64, y: f64) {
    let x = LEFT + score.clamp(0.0, 1.0) * WIDTH;
    let anchor = if score > 0.85 { "end" } else { "middle" };
    let _ = write!(
        svg,
        "<path class=\"{class}\" d=\"M{x:.1} {}V{}\"/><text class=\"mark\" text-anchor=\"{anchor}\" x=\"{x:.1}\" \
         y=\"{y}\">{name} {score:.3}</text>",
        MIDDLE - ROOM - 4.0,
        MIDDLE + ROOM + 4.0
    );
}
