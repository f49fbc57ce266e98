//! The text of the label: fields of a scene with the format specifications of Python and Rust.

use std::fmt::Write;

use super::Scene;
use crate::error::{Error, Result};

/// Most columns and decimals that a field may ask for.
const MOST: usize = 40;

/// Names that may stand between braces.
pub const FIELDS: [&str; 9] =
    ["verdict", "score", "score_max", "threshold", "area", "regions", "frame", "latency", "source"];

/// What follows the colon of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spec {
    fill: char,
    align: Option<char>,
    width: usize,
    decimals: Option<usize>,
    percent: bool,
}

/// Checks a format before anything is drawn.
///
/// # Errors
/// When a brace is left open, a name is not one of [`FIELDS`], or a specification is not understood.
pub fn check_label(format: &str) -> Result<()> {
    write(&mut String::new(), format, &Scene::default())
}

/// Appends the format with its fields filled in; `{{` and `}}` are braces.
pub(super) fn write(text: &mut String, format: &str, scene: &Scene) -> Result<()> {
    let wrong = |expected: &str, found: &str| {
        let found = format!("'{found}' in '{format}'");
        Err(Error::Setting { name: "label format", expected: expected.to_owned(), found })
    };
    let mut rest = format;
    while let Some(at) = rest.find(['{', '}']) {
        text.push_str(&rest[..at]);
        let (brace, after) = rest[at..].split_at(1);
        if after.starts_with(brace) {
            text.push_str(brace);
            rest = &after[1..];
            continue;
        }
        let Some((field, next)) = after.split_once('}').filter(|_| brace == "{") else {
            return wrong("pairs of braces ({{ and }} for braces that are shown)", &rest[at..]);
        };
        let (name, spec) = field.split_once(':').unwrap_or((field, ""));
        let Some(spec) = Spec::read(spec) else {
            return wrong("a format such as .2, 6.1, >8 or .1%", field);
        };
        if !spec.write(text, name, scene) {
            let names = FIELDS.map(|name| format!("{{{name}}}")).join(", ");
            return wrong(&format!("one of {names}; decimals and % for numbers alone"), field);
        }
        rest = next;
    }
    text.push_str(rest);
    Ok(())
}

impl Spec {
    /// `[[fill]align][0][width][.decimals][%]`
    fn read(text: &str) -> Option<Self> {
        let mut spec = Self { fill: ' ', align: None, width: 0, decimals: None, percent: false };
        let mut rest = text;
        let is_align = |c: char| matches!(c, '<' | '>' | '^');
        let mut first = rest.chars();
        match (first.next(), first.next()) {
            (Some(fill), Some(align)) if is_align(align) => {
                (spec.fill, spec.align) = (fill, Some(align));
                rest = first.as_str();
            }
            (Some(align), _) if is_align(align) => {
                spec.align = Some(align);
                rest = &rest[1..];
            }
            _ => {}
        }
        if let Some(after) = rest.strip_suffix('%') {
            (spec.percent, rest) = (true, after);
        }
        let number = |text: &str| text.parse::<usize>().ok().filter(|n| *n <= MOST);
        if let Some((before, decimals)) = rest.split_once('.') {
            spec.decimals = Some(number(decimals)?);
            rest = before;
        }
        if rest.starts_with('0') && spec.align.is_none() {
            spec.fill = '0';
        }
        if !rest.is_empty() {
            spec.width = number(rest)?;
        }
        Some(spec)
    }

    /// Appends a field; whether there is one of that name that takes this specification.
    fn write(self, text: &mut String, name: &str, scene: &Scene) -> bool {
        let start = text.len();
        let number = match name {
            "score" => Some(scene.score),
            "score_max" => Some(scene.score_max),
            "threshold" => Some(scene.threshold),
            "area" => Some(scene.area),
            "latency" => Some(scene.latency),
            _ => None,
        };
        // Writing to a string does not fail.
        let _ = match (name, number) {
            (_, Some(number)) => {
                let decimals = self.decimals.unwrap_or(if self.percent { 1 } else { 3 });
                let (number, unit) = if self.percent { (100.0 * number, "%") } else { (number, "") };
                write!(text, "{number:.decimals$}{unit}")
            }
            _ if self.percent || self.decimals.is_some() => return false,
            ("verdict", _) => text.write_str(scene.verdict),
            ("source", _) => text.write_str(scene.source),
            ("regions", _) => write!(text, "{}", scene.regions.len()),
            ("frame", _) => write!(text, "{}", scene.frame),
            _ => return false,
        };
        let is_text = matches!(name, "verdict" | "source");
        self.pad(text, start, is_text);
        true
    }

    /// Fills up what was written from `start` on to the width: words to the left, numbers to the right.
    fn pad(self, text: &mut String, start: usize, is_text: bool) {
        let missing = self.width.saturating_sub(text[start..].chars().count());
        let before = match self.align.unwrap_or(if is_text { '<' } else { '>' }) {
            '<' => 0,
            '^' => missing / 2,
            _ => missing,
        };
        for _ in 0..before {
            text.insert(start, self.fill);
        }
        text.extend(std::iter::repeat_n(self.fill, missing - before));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(format: &str) -> Result<String> {
        let scene = Scene {
            score: 0.874,
            score_max: 0.951,
            threshold: 0.5,
            area: 0.0125,
            frame: 42,
            latency: 17.26,
            source: "cam1",
            verdict: "anomalous",
            ..Scene::default()
        };
        let mut text = String::new();
        write(&mut text, format, &scene).map(|()| text)
    }

    #[test]
    fn fields_are_filled_in_with_their_specification() {
        for (format, expected) in [
            ("{verdict} {score:.2}", "anomalous 0.87"),
            ("{threshold:.1}/{area:.4} in {regions}", "0.5/0.0125 in 0"),
            ("{area:.1%} {area:%}", "1.2% 1.2%"),
            (
                "{score:7.2}|{score:<7.2}|{score:^7.2}|{score:07.2}|{score:*>7.2}",
                "   0.87|0.87   | 0.87  |0000.87|***0.87",
            ),
            ("{frame:06} {frame}", "000042 42"),
            ("{verdict:12}|{source:>6}|", "anomalous   |  cam1|"),
            ("{latency:.0} ms {score_max:.3}", "17 ms 0.951"),
            ("{{{regions}}} \u{fc}", "{0} \u{fc}"),
            ("", ""),
        ] {
            assert_eq!(filled(format).unwrap(), expected, "{format}");
        }
    }

    #[test]
    fn what_is_no_field_is_refused_with_the_names_that_are() {
        for (format, found) in [
            ("{other}", "'other'"),
            ("{}", "''"),
            ("{score:x}", "'score:x'"),
            ("{score:.99}", "'score:.99'"),
            ("{verdict:.2}", "'verdict:.2'"),
            ("{regions:%}", "'regions:%'"),
            ("{score", "'{score'"),
            ("a } b", "'} b'"),
        ] {
            let error = filled(format).unwrap_err().to_string();
            assert!(
                error.starts_with("label format: expected ") && error.contains(found),
                "{format}: {error}"
            );
        }
        assert!(
            check_label("{unknown}").unwrap_err().to_string().contains("{verdict}, {score}, {score_max}")
        );
    }
}
