//! The cases that are worth a look: good images with the highest scores, defective ones with the lowest and the highest.

use std::fmt::Write;
use std::rc::Rc;

use anyhow::Result;
use snarm_core::dataset::{Mask, Picture};
use snarm_core::detect::{Detection, Limits};
use snarm_core::overlay::{Position, Style};

use super::html::{attribute, text};
use super::{outline, picture};
use crate::annotate::Annotator;
use crate::evaluation::ImageResult;

/// Where the heat map of a case begins: half the score that good images are not expected to pass, so that a defect that
/// was missed is seen too, if there is anything of it.
const HEAT_FROM: f64 = 0.2;

/// One image with its pictures.
pub(crate) struct Case {
    image: ImageResult,
    width: usize,
    height: usize,
    /// As it is, and under its heat map, as data URIs.
    pictures: [String; 2],
    /// Where the defect is, as an SVG path.
    truth: Option<String>,
}

/// Makes the pictures of cases.
pub(crate) struct CaseMaker {
    annotator: Annotator,
}

impl CaseMaker {
    pub(crate) fn new() -> Self {
        let style =
            Style { heatmap_min: HEAT_FROM, score: false, position: Position::Off, ..Style::default() };
        Self { annotator: Annotator::with_style(style) }
    }

    pub(crate) fn case(
        &mut self,
        image: &ImageResult,
        picture: &Picture,
        found: &Detection,
        mask: Option<&Mask>,
        limits: &Limits,
    ) -> Result<Case> {
        let small = picture::shrink(picture)?;
        let overlay = self.annotator.draw(&small.frame()?, found, limits)?;
        Ok(Case {
            image: image.clone(),
            width: small.width,
            height: small.height,
            pictures: [picture::data_uri(&small)?, picture::data_uri(&overlay)?],
            truth: mask.and_then(|mask| outline::path(mask, small.width, small.height)),
        })
    }
}

/// The cases of a category, each list in its own order.
#[derive(Default)]
pub(crate) struct Gallery {
    /// Cases in a list.
    most: usize,
    alarms: Vec<Rc<Case>>,
    misses: Vec<Rc<Case>>,
    hits: Vec<Rc<Case>>,
}

impl Gallery {
    /// Lists of at most so many cases.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, ..Self::default() }
    }

    /// Whether the image comes into a list, if it is added now.
    pub(crate) fn wants(&self, image: &ImageResult) -> bool {
        let score = image.raw_score;
        let enters = |list: &[Rc<Case>], beats: fn(f64, f64) -> bool| {
            self.most > list.len() || list.last().is_some_and(|last| beats(score, last.image.raw_score))
        };
        if self.most == 0 {
            return false;
        }
        match image.anomalous {
            false => enters(&self.alarms, |a, b| a > b),
            true => enters(&self.hits, |a, b| a > b) || enters(&self.misses, |a, b| a < b),
        }
    }

    pub(crate) fn add(&mut self, case: Case) {
        let (case, most) = (Rc::new(case), self.most);
        let falling = |list: &mut Vec<Rc<Case>>| {
            list.push(Rc::clone(&case));
            // Stable: of equals the first ones stay.
            list.sort_by(|a, b| b.image.raw_score.total_cmp(&a.image.raw_score));
            list.truncate(most);
        };
        if !case.image.anomalous {
            falling(&mut self.alarms);
            return;
        }
        falling(&mut self.hits);
        self.misses.push(Rc::clone(&case));
        self.misses.sort_by(|a, b| a.image.raw_score.total_cmp(&b.image.raw_score));
        self.misses.truncate(most);
    }

    /// Defects with the highest scores that are not among those with the lowest.
    fn best(&self) -> Vec<&Rc<Case>> {
        self.hits.iter().filter(|hit| !self.misses.iter().any(|miss| Rc::ptr_eq(hit, miss))).collect()
    }
}

/// The lists with their headings.
pub(super) fn cases(gallery: &Gallery, threshold: f64) -> String {
    let lists = [
        ("Good images with the highest scores", gallery.alarms.iter().collect::<Vec<_>>()),
        ("Defects with the lowest scores", gallery.misses.iter().collect()),
        ("Defects with the highest scores", gallery.best()),
    ];
    let mut out =
        if gallery.alarms.is_empty() && gallery.misses.is_empty() { String::new() } else { scale() };
    for (title, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        let wrong = list.iter().filter(|case| case.image.anomalous != case.image.called()).count();
        let kind = if list.iter().all(|case| case.image.anomalous) { "missed" } else { "false alarms" };
        let note = if wrong > 0 { format!(" <small>{wrong} {kind}</small>") } else { String::new() };
        let _ = write!(out, "<h3>{title}{note}</h3>\n<div class=\"gallery\">\n");
        list.iter().for_each(|case| out.push_str(&card(case, threshold)));
        out.push_str("</div>\n");
    }
    out
}

/// What the colours and lines of the pictures mean.
fn scale() -> String {
    let style = Style::default();
    let stop = |i: usize| {
        let [r, g, b] = style.colormap.color(i as f64 / 16.0);
        format!("rgb({r} {g} {b})")
    };
    let stops: Vec<String> = (0..=16).map(stop).collect();
    format!(
        "<p class=\"scale\">pixel score {HEAT_FROM} <i style=\"background:linear-gradient(90deg,{})\" aria-hidden=\"true\">\
         </i> {} <span>· coloured line: pixel threshold · white line: true defect</span></p>\n",
        stops.join(","),
        style.heatmap_max
    )
}

fn card(case: &Case, threshold: f64) -> String {
    let Case { image, width, height, pictures: [plain, heat], truth } = case;
    let outcome = image.outcome();
    let svg = truth.as_ref().map_or_else(String::new, |path| {
        format!(
            "<svg viewBox=\"0 0 {width} {height}\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
             <path class=\"under\" d=\"{path}\"/><path class=\"over\" d=\"{path}\"/></svg>"
        )
    });
    let layer = |source: &str, what: &str| {
        format!(
            "<span class=\"layer\"><img src=\"{source}\" width=\"{width}\" height=\"{height}\" loading=\"lazy\" \
             alt=\"{} {}\">{svg}</span>",
            attribute(&image.path),
            attribute(what)
        )
    };
    let marked = if truth.is_some() { ", the true defect outlined" } else { "" };
    let heat_says = format!("under its heat map, score {:.3}, {outcome}{marked}", image.score);
    format!(
        "<figure class=\"case {}\"><button type=\"button\" class=\"pair\" aria-label=\"Enlarge {}\">{}{}</button>\n\
         <figcaption><span class=\"badge\">{outcome}</span> <b>{:.3}</b> <span class=\"of\">threshold {threshold:.3}</span> \
         <span class=\"what\">{}</span><span class=\"path\">{}</span></figcaption></figure>\n",
        outcome.replace(' ', "-"),
        attribute(&image.path),
        layer(plain, &format!("as it is{marked}")),
        layer(heat, &heat_says),
        image.score,
        text(&image.kind),
        text(&image.path),
    )
}

#[cfg(test)]
mod tests {
    use snarm_core::detect::Verdict;

    use super::*;

    fn case(anomalous: bool, raw_score: f64) -> Case {
        let image = ImageResult {
            path: "<a>/b.png".into(),
            kind: "scratch & dent".into(),
            anomalous,
            pixels: false,
            score: raw_score,
            raw_score,
            score_max: raw_score,
            verdict: if raw_score >= 0.5 { Verdict::Anomalous } else { Verdict::Normal },
            reason: None,
        };
        Case { image, width: 4, height: 4, pictures: Default::default(), truth: None }
    }

    #[test]
    fn lists_hold_the_extremes_and_no_case_twice() {
        let mut gallery = Gallery::new(2);
        for (anomalous, score) in [
            (true, 0.6),
            (true, 0.9),
            (true, 0.1),
            (false, 0.2),
            (true, 0.7),
            (false, 0.55),
            (false, 0.3),
            (true, 0.8),
        ] {
            let case = case(anomalous, score);
            if gallery.wants(&case.image) {
                gallery.add(case);
            }
        }
        let scores = |list: &[&Rc<Case>]| list.iter().map(|case| case.image.score).collect::<Vec<_>>();
        assert_eq!(scores(&gallery.alarms.iter().collect::<Vec<_>>()), [0.55, 0.3]);
        assert_eq!(scores(&gallery.misses.iter().collect::<Vec<_>>()), [0.1, 0.6]);
        assert_eq!(scores(&gallery.best()), [0.9, 0.8]);
        assert!(!gallery.wants(&case(true, 0.65).image) && !Gallery::new(0).wants(&case(true, 0.5).image));
        let html = cases(&gallery, 0.5);
        assert!(html.contains("1 missed") && html.contains("1 false alarms"), "{html}");
        assert!(html.contains("scratch &amp; dent") && !html.contains("<a>"), "{html}");
    }

    #[test]
    fn few_defects_are_shown_once() {
        let mut gallery = Gallery::new(3);
        gallery.add(case(true, 0.6));
        gallery.add(case(true, 0.7));
        assert!(gallery.best().is_empty() && gallery.misses.len() == 2);
    }
}
