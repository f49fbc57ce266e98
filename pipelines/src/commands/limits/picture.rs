//! The picture of `snarm limits`: a histogram with two sides, and a line for each rule.

use std::fmt::Write as _;

use snarm_core::bank::Rule;
use snarm_core::dataset::Picture;
use snarm_core::overlay::Sheet;

use crate::commands::outputs::PLOT;

const BINS: usize = 50;
const SIZE: [f64; 2] = [760.0, 330.0];
const LEFT: f64 = 20.0;
const WIDTH: f64 = 720.0;
const MIDDLE: f64 = 190.0;
const ROOM: f64 = 100.0;

/// Pixels of a picture for each unit of the drawing.
const PIXELS: f64 = 2.0;

/// Pixels of a point of the typeface.
const POINT: usize = 2;

const INK: [u8; 3] = [0x22, 0x22, 0x22];
const RULE: [u8; 3] = [0xb3, 0x26, 0x1e];
const GOOD: [u8; 3] = [0x2a, 0x7f, 0x62];
const JUDGED: [u8; 3] = [0x4a, 0x5a, 0x8a];
const RECENT: [u8; 3] = [0xc7, 0x7f, 0x1a];

/// The scores that are drawn.
pub(super) struct Scores<'a> {
    /// Of good frames that the bank knows.
    pub(super) good: &'a [f64],
    pub(super) judged: &'a [f64],
    /// Of frames that were judged of late, where they are shown beside the others.
    pub(super) recent: &'a [f64],
}

/// Where a text begins, lies in the middle, or ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Anchor {
    Start,
    Middle,
    End,
}

/// A thing that is drawn. Texts stand on `y`.
enum Shape {
    Bar { x: f64, y: f64, width: f64, height: f64, colour: [u8; 3], count: usize },
    Axis,
    Limit { x: f64, top: f64, dash: usize },
    Text { x: f64, y: f64, anchor: Anchor, colour: [u8; 3], text: String },
}

/// All that is drawn.
fn drawing(rules: &[Rule], scores: &Scores<'_>) -> Vec<Shape> {
    let mut shapes = Vec::new();
    let step = WIDTH / BINS as f64;
    // The bars of judged and recent frames lie side by side.
    let beside = if scores.recent.is_empty() { 1.0 } else { 0.5 };
    let sides = [
        (scores.good, true, GOOD, 0.0, 1.0),
        (scores.judged, false, JUDGED, 0.0, beside),
        (scores.recent, false, RECENT, 1.0 - beside, beside),
    ];
    for (scores, up, colour, from, part) in sides {
        let mut counts = [0_usize; BINS];
        scores.iter().for_each(|score| counts[((score * BINS as f64) as usize).min(BINS - 1)] += 1);
        let most = counts.iter().max().copied().unwrap_or_default().max(1) as f64;
        for (bin, count) in counts.into_iter().enumerate().filter(|(_, count)| *count > 0) {
            let height = count as f64 / most * ROOM;
            let x = LEFT + (bin as f64 + from) * step;
            let y = if up { MIDDLE - height } else { MIDDLE };
            shapes.push(Shape::Bar { x, y, width: part * step - 1.0, height, colour, count });
        }
    }
    shapes.push(Shape::Axis);
    for (i, Rule { name, threshold }) in rules.iter().enumerate() {
        let (x, y) = (LEFT + threshold * WIDTH, 16.0 + 14.0 * i as f64);
        shapes.push(Shape::Limit { x, top: y - 10.0, dash: 3 + 2 * i });
        let (anchor, x) = if *threshold > 0.8 { (Anchor::End, x - 4.0) } else { (Anchor::Start, x + 4.0) };
        shapes.push(Shape::Text { x, y, anchor, colour: RULE, text: format!("{name}: {threshold:.3}") });
    }
    let mut write = |x: f64, below: f64, anchor: Anchor, colour: [u8; 3], text: String| {
        shapes.push(Shape::Text { x, y: MIDDLE + ROOM + below, anchor, colour, text });
    };
    for part in [0.0, 0.25, 0.5, 0.75, 1.0] {
        write(LEFT + part * WIDTH, 18.0, Anchor::Middle, INK, part.to_string());
    }
    let n = scores.good.len();
    write(LEFT, 34.0, Anchor::Start, GOOD, format!("above: {n} good frames of the bank"));
    let n = scores.recent.len();
    if n > 0 {
        write(LEFT + WIDTH / 2.0, 34.0, Anchor::Middle, RECENT, format!("below: {n} recent frames"));
    }
    let n = scores.judged.len();
    write(LEFT + WIDTH, 34.0, Anchor::End, JUDGED, format!("below: {n} judged frames"));
    shapes
}

/// The drawing in SVG.
pub(super) fn svg(rules: &[Rule], scores: &Scores<'_>) -> String {
    let [width, height] = SIZE;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-label=\"Image scores of good frames above the line and of judged frames below, with the threshold of each \
         rule\" font-family=\"sans-serif\" font-size=\"12\"><rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    let hex = |[r, g, b]: [u8; 3]| format!("#{r:02x}{g:02x}{b:02x}");
    for shape in drawing(rules, scores) {
        let _ = match shape {
            Shape::Bar { x, y, width, height, colour, count } => writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{}\"><title>{count} \
                 frames</title></rect>",
                hex(colour)
            ),
            Shape::Axis => {
                writeln!(svg, "<path d=\"M{LEFT} {MIDDLE}h{WIDTH}\" stroke=\"{}\"/>", hex(INK))
            }
            Shape::Limit { x, top, dash } => writeln!(
                svg,
                "<path d=\"M{x:.1} {top}V{}\" stroke=\"{}\" stroke-dasharray=\"{dash} 3\"/>",
                MIDDLE + ROOM,
                hex(RULE)
            ),
            Shape::Text { x, y, anchor, colour, text } => {
                let anchor = match anchor {
                    Anchor::Start => "start",
                    Anchor::Middle => "middle",
                    Anchor::End => "end",
                };
                writeln!(
                    svg,
                    "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"{anchor}\" fill=\"{}\">{text}</text>",
                    hex(colour)
                )
            }
        };
    }
    svg.push_str("</svg>\n");
    svg
}

/// The drawing in pixels.
pub(super) fn pixels(rules: &[Rule], scores: &Scores<'_>) -> Picture {
    let at = |v: f64| (v * PIXELS).round().max(0.0) as usize;
    let [width, height] = PLOT.map(|side| side as usize);
    let mut sheet = Sheet::new(width, height, POINT);
    for shape in drawing(rules, scores) {
        match shape {
            Shape::Bar { x, y, width, height, colour, .. } => {
                sheet.fill(at(x), at(y), at(width), at(y + height) - at(y), colour);
            }
            Shape::Axis => sheet.fill(at(LEFT), at(MIDDLE), at(WIDTH), 2, INK),
            Shape::Limit { x, top, dash } => {
                let (end, dash) = (at(MIDDLE + ROOM), at(dash as f64));
                for y in (at(top)..end).step_by(dash + at(3.0)) {
                    sheet.fill(at(x), y, 2, dash.min(end - y), RULE);
                }
            }
            Shape::Text { x, y, anchor, colour, text } => {
                let room = sheet.width_of(&text);
                let back = match anchor {
                    Anchor::Start => 0,
                    Anchor::Middle => room / 2,
                    Anchor::End => room,
                };
                sheet.write(&text, at(x).saturating_sub(back), at(y), colour);
            }
        }
    }
    Picture { data: sheet.into_rgb(), width, height }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drawing_is_the_same_in_both_formats() {
        let rules =
            [Rule { name: "bank".into(), threshold: 0.5 }, Rule { name: "fpr 0.001".into(), threshold: 0.9 }];
        let scores = Scores { good: &[0.1, 0.11, 0.3], judged: &[0.1, 0.95], recent: &[0.6] };
        let svg = svg(&rules, &scores);
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
        for text in [
            "bank: 0.500",
            "fpr 0.001: 0.900",
            "above: 3 good frames of the bank",
            "below: 1 recent frames",
            "below: 2 judged frames",
        ] {
            assert!(svg.contains(text), "{text}");
        }
        let picture = pixels(&rules, &scores);
        assert_eq!([picture.width, picture.height], SIZE.map(|side| (side * PIXELS) as usize));
        let at = |x: f64, y: f64| {
            let [x, y] = [x, y].map(|v| (v * PIXELS) as usize);
            &picture.data[3 * (y * picture.width + x)..][..3]
        };
        let bin = |score: f64| LEFT + (score * BINS as f64).floor() * WIDTH / BINS as f64;
        assert_eq!(at(bin(0.1) + 3.0, MIDDLE - 10.0), GOOD);
        assert_eq!(at(bin(0.95) + 3.0, MIDDLE + 10.0), JUDGED);
        assert_eq!(at(bin(0.6) + 0.75 * WIDTH / BINS as f64, MIDDLE + 10.0), RECENT);
        assert_eq!(at(bin(0.6) + 1.0, MIDDLE + 10.0), [255; 3], "the place of judged frames is empty");
        assert_eq!(at(bin(0.3) - 40.0, MIDDLE - 10.0), [255; 3]);
        // The dashes of a rule, and what is written beside it.
        let column = |x: f64| (0..290).filter(|y| at(x, f64::from(*y)) == RULE).count();
        assert!(
            column(LEFT + 0.5 * WIDTH) > 100
                && (1..20).any(|x| column(LEFT + 0.5 * WIDTH + f64::from(x)) > 2)
        );
    }

    #[test]
    fn without_recent_frames_bars_are_as_wide_as_their_bin() {
        let scores = Scores { good: &[], judged: &[0.25], recent: &[] };
        let shapes = drawing(&[], &scores);
        let wide = |shape: &&Shape| matches!(shape, Shape::Bar { width, .. } if *width > 13.0);
        assert_eq!(shapes.iter().filter(wide).count(), 1);
        assert!(!svg(&[], &scores).contains("recent"));
    }
}
