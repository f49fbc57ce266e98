//! Text into HTML.

/// Text between tags.
pub(super) fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // No place in a document, but in a file name.
            c if c.is_control() && c != '\n' && c != '\t' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Text in a quoted attribute.
pub(super) fn attribute(value: &str) -> String {
    text(value).replace(['\n', '\t'], " ")
}

/// JSON inside a script element: no tag may end in it.
pub(super) fn json(value: &serde_json::Value) -> String {
    value.to_string().replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

/// A number, or a dash.
pub(super) fn decimal(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.decimals$}"))
}

/// A template with each `{{name}}` replaced; what was put in is not looked at again.
pub(super) fn fill(template: &str, parts: &[(&str, &str)]) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        let part = parts.iter().find(|(known, _)| *known == name.trim());
        out.push_str(part.map_or("", |(_, text)| text));
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_user_writes_becomes_a_tag() {
        assert_eq!(text("<b>\"a\" & 'b'</b>"), "&lt;b&gt;&quot;a&quot; &amp; &#39;b&#39;&lt;/b&gt;");
        assert_eq!(attribute("a\n\u{7}b"), "a \u{fffd}b");
        let script = json(&serde_json::json!("</script><!--"));
        assert_eq!(script, "\"\\u003c/script>\\u003c!--\"");
        assert_eq!(serde_json::from_str::<String>(&script).unwrap(), "</script><!--");
    }

    #[test]
    fn a_template_is_filled_once() {
        assert_eq!(fill("a {{ x }} b {{y}}{{z}}.", &[("x", "{{y}}"), ("y", "2")]), "a {{y}} b 2.");
    }

    #[test]
    fn every_place_of_the_page_is_known() {
        let page = include_str!("page.html");
        let used: Vec<&str> = page.split("{{").skip(1).filter_map(|p| p.split("}}").next()).collect();
        assert!(used.len() >= 11, "{used:?}");
        let source = include_str!("mod.rs");
        for name in used {
            assert!(source.contains(&format!("(\"{name}\", ")), "{name}");
        }
    }
}
