//! The page of each element in docs/elements: the text of its documentation block, and of its properties what
//! gst-inspect-1.0 says. `make docs` writes them.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use gst::glib;
use gst::prelude::*;

use crate::common::init;
use crate::outside::UPDATE;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The page of the element whose sources are in `folder`.
fn page(name: &str, folder: &str) -> String {
    let element = gst::ElementFactory::make(name).build().unwrap();
    let factory = element.factory().unwrap();
    let about = |key| factory.metadata(key).unwrap();
    let mut page = String::new();
    writeln!(page, "# {name}\n").unwrap();
    writeln!(page, "{} (`{}`): {}.\n", about("long-name"), about("klass"), about("description")).unwrap();
    page += &block(&fs::read_to_string(root().join(format!("plugins/src/{folder}/mod.rs"))).unwrap());
    writeln!(page, "\n## Frames\n\n{}", formats(&factory)).unwrap();
    page +=
        "\n## Properties\n\n| property | type | default | may change | meaning |\n|---|---|---|---|---|\n";
    let mut properties: Vec<_> = element.list_properties().iter().cloned().collect();
    properties.sort_by(|a, b| a.name().cmp(b.name()));
    let mut choices = String::new();
    for property in properties.iter().filter(|p| p.owner_type().name().starts_with("GstSnarm")) {
        let blurb = property.blurb().unwrap().replace('|', "\\|");
        let (kind, default) = (kind(property), default(property));
        writeln!(page, "| `{}` | {kind} | {default} | {} | {blurb} |", property.name(), when(property))
            .unwrap();
        choices += &values(property);
    }
    page += &choices;
    page += &signals(name);
    page += "\nThis page is written by `make docs` from the sources of the element.\n";
    page
}

/// The text of a documentation block, as Markdown.
fn block(source: &str) -> String {
    let (_, text) = source.split_once("/**").unwrap();
    let (text, _) = text.split_once("*/").unwrap();
    let mut out = String::new();
    let lines = text.lines().map(|line| line.trim().trim_start_matches('*').trim_start_matches(' '));
    for line in lines.skip_while(|line| line.is_empty()) {
        match line {
            line if line.starts_with("SECTION:") || line.starts_with("@title") => {}
            line if line.starts_with("@short_description") || line.starts_with("Since:") => {}
            line if line.starts_with("@see_also:") => {
                let others = line.trim_start_matches("@see_also:").split(',').map(str::trim);
                let links: Vec<_> = others.map(|other| format!("[{other}]({other}.md)")).collect();
                writeln!(out, "See also: {}.", links.join(", ")).unwrap();
            }
            "|[" => out += "```\n",
            "]|" => out += "```\n\n",
            line => writeln!(out, "{}", references(line)).unwrap(),
        }
    }
    out.replace("```\n\n\n", "```\n\n").trim_end().to_owned() + "\n"
}

/// `#GstSnarmBank:max-frames` is the property of that name.
fn references(line: &str) -> String {
    let mut parts = line.split("#GstSnarm");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let name = part.trim_start_matches(char::is_alphanumeric).trim_start_matches([':', '-']);
        let end = name.find(|c: char| !c.is_alphanumeric() && c != '-').unwrap_or(name.len());
        write!(out, "`{}`{}", &name[..end], &name[end..]).unwrap();
    }
    out
}

fn formats(factory: &gst::ElementFactory) -> String {
    let templates = factory.static_pad_templates();
    let caps = templates.iter().find(|pad| pad.direction() == gst::PadDirection::Sink).unwrap().caps();
    let list = caps.structure(0).unwrap().get::<gst::List>("format").unwrap();
    let names: Vec<_> = list.iter().map(|name| format!("`{}`", name.get::<String>().unwrap())).collect();
    format!(
        "`video/x-raw` in system memory and in that of CUDA (`memory:CUDAMemory`), of 16 x 16 pixels or more, any rate (0/1 \
         for stills), any stride, in {}.",
        names.join(", ")
    )
}

fn kind(property: &glib::ParamSpec) -> String {
    let range = |low: String, high: String| format!(" {low} to {high}");
    let limit = |value: u64, max: u64| if value == max { "2^n - 1".to_owned() } else { value.to_string() };
    if let Some(p) = property.downcast_ref::<glib::ParamSpecDouble>() {
        return format!("double{}", range(p.minimum().to_string(), p.maximum().to_string()));
    }
    if let Some(p) = property.downcast_ref::<glib::ParamSpecUInt>() {
        let high = limit(p.maximum().into(), u32::MAX.into()).replace('n', "32");
        return format!("uint{}", range(p.minimum().to_string(), high));
    }
    if let Some(p) = property.downcast_ref::<glib::ParamSpecInt>() {
        let high = limit(p.maximum() as u64, i32::MAX as u64).replace('n', "31");
        return format!("int{}", range(p.minimum().to_string(), high));
    }
    if let Some(p) = property.downcast_ref::<glib::ParamSpecUInt64>() {
        let high = limit(p.maximum(), u64::MAX).replace('n', "64");
        return format!("uint64{}", range(p.minimum().to_string(), high));
    }
    match property.value_type() {
        kind if kind == glib::Type::STRING => "string".to_owned(),
        kind if kind == glib::Type::BOOL => "boolean".to_owned(),
        kind if kind.is_a(glib::Type::ENUM) => "enum".to_owned(),
        kind if kind.is_a(glib::Type::FLAGS) => "flags".to_owned(),
        kind => kind.name().to_owned(),
    }
}

fn default(property: &glib::ParamSpec) -> String {
    if !property.flags().contains(glib::ParamFlags::WRITABLE) {
        return "read only".to_owned();
    }
    let value = property.default_value();
    if let Some((_, value)) = glib::EnumValue::from_value(value) {
        return format!("`{}`", value.nick());
    }
    if let Some((_, values)) = glib::FlagsValue::from_value(value) {
        let nicks: Vec<_> = values.iter().map(|value| value.nick()).collect();
        return format!("`{}`", nicks.join("+"));
    }
    if let Ok(value) = value.get::<Option<String>>() {
        return value.map_or_else(|| "unset".to_owned(), |value| format!("`{value}`"));
    }
    if let Ok(value) = value.get::<f64>() {
        return value.to_string();
    }
    value.transform::<String>().ok().and_then(|value| value.get().ok()).unwrap_or_default()
}

fn when(property: &glib::ParamSpec) -> &'static str {
    let flags = property.flags();
    match () {
        () if !flags.contains(glib::ParamFlags::WRITABLE) => "",
        () if flags.contains(gst::PARAM_FLAG_CONTROLLABLE) => "while playing, by a controller too",
        () if flags.contains(gst::PARAM_FLAG_MUTABLE_PLAYING) => "while playing",
        () => "up to READY",
    }
}

/// What an enum or flags property may be set to.
fn values(property: &glib::ParamSpec) -> String {
    let kind = property.value_type();
    let list: Vec<(String, String)> = if let Some(class) = glib::EnumClass::with_type(kind) {
        class.values().iter().map(|v| (v.nick().to_owned(), v.name().to_owned())).collect()
    } else if let Some(class) = glib::FlagsClass::with_type(kind) {
        class.values().iter().map(|v| (v.nick().to_owned(), v.name().to_owned())).collect()
    } else {
        return String::new();
    };
    let mut out = format!("\n### {}\n\n", property.name());
    for (nick, name) in list {
        let meaning = name.split_once(": ").map_or(name.as_str(), |(_, meaning)| meaning);
        writeln!(out, "* `{nick}`: {meaning}").unwrap();
    }
    out
}

/// Signals and actions, as in the snapshot of gst-inspect-1.0.
fn signals(name: &str) -> String {
    let path = root().join(format!("tests/snapshots/{name}.txt"));
    let text = fs::read_to_string(path).unwrap();
    let mut out = String::new();
    for title in ["Element Signals:", "Element Actions:"] {
        let Some((_, rest)) = text.split_once(title) else { continue };
        let lines = rest.lines().skip(1).take_while(|line| line.is_empty() || line.starts_with(' '));
        let body: Vec<_> = lines.map(|line| line.strip_prefix("  ").unwrap_or(line)).collect();
        let body = body.join("\n");
        write!(
            out,
            "\n## {}\n\n```\n{}\n```\n",
            title.trim_start_matches("Element ").trim_end_matches(':'),
            body.trim()
        )
        .unwrap();
    }
    out
}

#[test]
fn pages_of_elements_are_what_the_elements_say() {
    init();
    for (name, folder) in [("snarmbank", "bank"), ("snarmdetect", "detect"), ("snarmoverlay", "overlay")] {
        let found = page(name, folder);
        let path = root().join(format!("docs/elements/{name}.md"));
        if std::env::var_os(UPDATE).is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &found).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        let first = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
        assert!(found == expected, "{}: run make docs. First difference: {first:?}", path.display());
    }
}
