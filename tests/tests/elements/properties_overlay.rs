//! Every property of `snarmoverlay` is set and its effect is seen. A property without an arm here fails the test.

use gst::prelude::*;
use gst_video::VideoRegionOfInterestMeta as Roi;
use gstsnarm::meta::AnomalyMeta;

use crate::common::{HEIGHT, Line, WIDTH, buffer, bytes, caps};
use crate::overlay::{GREY, anomalous, changed, drawn, normal, overlay, unknown, with};
use crate::properties::check_effects;

/// Whether another value of the property gives other pixels.
fn shows(name: &str, value: &str) -> bool {
    let draw = ("draw", "heatmap+contours+boxes+score");
    let with = |properties: &[(&str, &str)]| drawn(properties, &caps(), &anomalous());
    with(&[draw, (name, value)]) != with(&[draw])
}

/// Whether nothing is drawn on a frame with this result.
fn untouched(name: &str, value: &str, meta: &AnomalyMeta) -> bool {
    changed(&drawn(&[(name, value)], &caps(), meta)) == [0; 4]
}

/// Whether a frame with a region of interest and no result of ours is drawn on.
fn draws_regions(source: &str) -> bool {
    let mut line = Line::new(overlay(&[("draw", "boxes"), ("source", source)]), caps());
    let mut frame = buffer(0, vec![GREY; 3 * WIDTH * HEIGHT]);
    Roi::add(frame.get_mut().unwrap(), "part", (8, 8, 24, 24));
    changed(&bytes(&line.harness.push_and_pull(frame).unwrap())) != [0; 4]
}

/// Whether a frame that was not analysed is drawn on after one that was.
fn is_held(hold_time: &str) -> bool {
    let mut line = Line::new(overlay(&[("hold-time", hold_time)]), caps());
    let mut outs = [anomalous(), unknown()].into_iter().zip(0..).map(|(meta, n)| {
        let mut frame = buffer(n, vec![GREY; 3 * WIDTH * HEIGHT]);
        gstsnarm::meta::attach(frame.get_mut().unwrap(), &meta).unwrap();
        changed(&bytes(&line.harness.push_and_pull(frame).unwrap())) != [0; 4]
    });
    assert_eq!(outs.next(), Some(true));
    outs.next().unwrap()
}

/// Whether the property does what its blurb says.
fn has_effect(name: &str) -> bool {
    match name {
        "draw" => untouched("draw", "", &anomalous()) && !untouched("draw", "bar", &anomalous()),
        "heatmap-alpha" => shows(name, "0.9"),
        "colormap" => shows(name, "gray"),
        "heatmap-range" => {
            // From the lowest score of the frame instead of from the threshold.
            let warm = with(|meta| meta.pixel_threshold = 0.9);
            let with = |range| drawn(&[("draw", "heatmap"), (name, range)], &caps(), &warm);
            with("auto") != with("fixed")
        }
        "heatmap-min" => shows(name, "0.05"),
        "heatmap-max" => shows(name, "0.95"),
        "contour-color" => shows(name, "0xff00ff00"),
        "box-color" => shows(name, "0xff0000ff"),
        "text-color" => shows(name, "0xffff00ff"),
        "background-color" => shows(name, "0xff112233"),
        "contour-width" => shows(name, "3"),
        "font-scale" => shows(name, "2"),
        "label-format" => shows(name, "{regions}"),
        "position" => shows(name, "bottom-left"),
        "only-anomalous" => {
            untouched(name, "true", &normal())
                && !untouched(name, "false", &normal())
                && !untouched(name, "true", &anomalous())
        }
        "hold-time" => is_held("1000000000") && !is_held("0"),
        "render-mode" => untouched(name, "attach", &anomalous()) && !untouched(name, "blend", &anomalous()),
        "source" => {
            untouched(name, "roi", &anomalous())
                && !untouched(name, "snarm", &anomalous())
                && ["roi", "auto"].map(draws_regions) == [true; 2]
                && !draws_regions("snarm")
        }
        "stats" => {
            let mut line = Line::new(overlay(&[]), caps());
            line.harness.push_and_pull(buffer(0, vec![GREY; 3 * WIDTH * HEIGHT])).unwrap();
            let stats = line.element.property::<gst::Structure>("stats");
            ["frames", "drawn", "without-meta"].map(|field| stats.get::<u64>(field).unwrap()) == [1, 0, 1]
        }
        other => panic!("the property {other} has no test of its effect"),
    }
}

#[test]
fn every_property_of_snarmoverlay_has_its_effect() {
    check_effects("snarmoverlay", has_effect);
}
