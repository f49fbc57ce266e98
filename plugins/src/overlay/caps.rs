//! Which frames are taken, and whether overlays may be handed on beside them.
//!
//! Frames in a format of the core, in system memory or that of CUDA, can be drawn on. Any other frame can carry a composition, which
//! asks for the caps feature downstream.

use gst_video::CAPS_FEATURE_META_GST_VIDEO_OVERLAY_COMPOSITION as FEATURE;

use super::RenderMode;
use crate::frame;

/// Templates of both pads: what can be drawn on, the same with compositions beside it, and everything else to attach to.
pub(super) fn pad_templates() -> Vec<gst::PadTemplate> {
    let mut caps = frame::caps();
    caps.merge(with_feature(&frame::caps()));
    caps.merge(gst_video::VideoCapsBuilder::new().any_features().build());
    frame::both_pads(&caps)
}

/// Whether a composition may travel beside frames of these caps.
pub(super) fn may_attach(caps: &gst::Caps) -> bool {
    caps.features(0).is_some_and(|features| features.contains(FEATURE))
}

/// Whether frames of these caps can be drawn on.
pub(super) fn can_blend(caps: &gst::Caps) -> bool {
    let mut plain = caps.clone();
    without_feature(&mut plain);
    plain.can_intersect(&frame::caps())
}

/// What the element makes of caps that come in at a pad, seen from the other. `blend_only` says that downstream was asked
/// and knows no compositions.
pub(super) fn transform(
    direction: gst::PadDirection,
    caps: &gst::Caps,
    mode: RenderMode,
    blend_only: bool,
) -> gst::Caps {
    let mut plain = caps.clone();
    without_feature(&mut plain);
    if direction == gst::PadDirection::Src {
        // Upstream may come with or without compositions of its own, where downstream takes them.
        let mut all = plain;
        all.merge(caps.clone());
        return all;
    }
    let drawable = |caps: &gst::Caps| caps.intersect_with_mode(&drawable(), gst::CapsIntersectMode::First);
    let attached = with_feature(caps);
    match mode {
        // What others attached upstream travels on.
        RenderMode::Blend => drawable(caps),
        RenderMode::Attach => attached,
        RenderMode::Auto if blend_only => {
            let mut all = drawable(caps);
            all.merge(attached);
            all
        }
        RenderMode::Auto => {
            let mut all = attached;
            all.merge(drawable(caps));
            all
        }
    }
}

/// What can be drawn on, with and without compositions of others.
fn drawable() -> gst::Caps {
    let mut caps = frame::caps();
    caps.merge(with_feature(&frame::caps()));
    caps
}

/// The same caps with the feature beside each memory.
fn with_feature(caps: &gst::Caps) -> gst::Caps {
    edit(caps, |features| {
        if !features.contains(FEATURE) {
            features.add(FEATURE);
        }
    })
}

/// Takes the feature away.
pub(super) fn without_feature(caps: &mut gst::Caps) {
    *caps = edit(caps, |features| features.remove(FEATURE));
}

fn edit(caps: &gst::Caps, change: impl Fn(&mut gst::CapsFeatures)) -> gst::Caps {
    if caps.is_any() {
        return caps.clone();
    }
    let mut edited = gst::Caps::new_empty();
    for (structure, features) in caps.iter_with_features() {
        let mut features = features.to_owned();
        if !features.is_any() {
            change(&mut features);
        }
        edited.make_mut().append_structure_full(structure.to_owned(), Some(features));
    }
    edited
}
