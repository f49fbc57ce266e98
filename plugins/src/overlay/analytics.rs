//! What any element wrote in `GstAnalyticsRelationMeta`: boxes with their labels, a mask, the class of the frame.

use gst::glib;
use gst::glib::translate::from_glib_full;
use gst_analytics::prelude::*;
use gst_analytics::{
    AnalyticsAnyMtd, AnalyticsClassificationMtd, AnalyticsMtdRef, AnalyticsODMtd, AnalyticsRelationMeta,
    RelTypes, ffi,
};
use gst_video::{VideoFormat, VideoMeta};
use snarm_core::overlay::RegionBox;
use snarm_core::view::Rect;

use super::others::{Mask, Others};
use crate::meta;

type Relations<'a> = gst::MetaRef<'a, AnalyticsRelationMeta>;
type Class<'a> = AnalyticsMtdRef<'a, AnalyticsClassificationMtd>;

/// Reads the relation meta of a buffer of `width` x `height` pixels; `None` when there is none.
pub(super) fn read(buffer: &gst::BufferRef, width: u32, height: u32) -> Option<Others> {
    let relations = buffer.meta::<AnalyticsRelationMeta>()?;
    let part = |[x, y, w, h]: [f64; 4]| {
        let (width, height) = (f64::from(width.max(1)), f64::from(height.max(1)));
        Rect { x: x / width, y: y / height, w: w / width, h: h / height }
    };
    let mut found = Others::default();
    for object in relations.iter::<AnalyticsODMtd>() {
        let Ok(at) = object.location() else { continue };
        let Rect { x, y, w, h } = part([at.x, at.y, at.w, at.h].map(f64::from));
        let score = f64::from(at.loc_conf_lvl);
        let class = relations.iter_direct_related::<AnalyticsClassificationMtd>(object.id(), RelTypes::ANY);
        let class = class.filter_map(|class| best(&class)).next().map(|(name, _)| name);
        let kind = class.or_else(|| Some(object.obj_type()?.as_str().to_string()));
        found.boxes.push(RegionBox { x, y, w, h, score });
        found.labels.push(format!("{} {score:.2}", kind.as_deref().unwrap_or("object")));
    }
    let classes = relations.iter::<AnalyticsClassificationMtd>();
    found.class = classes.filter(|class| stands_alone(&relations, class)).find_map(|class| best(&class));
    found.mask = (0..relations.len() as u32).find_map(|id| {
        let (mask, place) = segmentation(&relations, id)?;
        foreground(&mask, part(place))
    });
    Some(found)
}

/// The likeliest class, and how likely it is.
fn best(class: &Class<'_>) -> Option<(String, f64)> {
    let (name, level) = class.iterate().max_by(|a, b| a.1.total_cmp(&b.1))?;
    Some((name.as_str().to_string(), f64::from(level)))
}

/// Whether a class is that of the frame: it belongs to no object, mask or other entry.
fn stands_alone(relations: &Relations<'_>, class: &Class<'_>) -> bool {
    relations.iter::<AnalyticsAnyMtd>().filter(|other| other.id() != class.id()).all(|other| {
        relations.relation(class.id(), other.id()).is_empty()
            && relations.relation(other.id(), class.id()).is_empty()
    })
}

/// The mask of entry `id` and its place in pixels; `None` for entries that are no segmentation.
fn segmentation(relations: &Relations<'_>, id: u32) -> Option<(gst::Buffer, [f64; 4])> {
    let mut entry = ffi::GstAnalyticsSegmentationMtd { id: 0, meta: std::ptr::null_mut() };
    let (mut x, mut y, mut w, mut h) = (0, 0, 0, 0);
    #[expect(unsafe_code, reason = "the binding has no segmentation; these are its C functions")]
    // SAFETY: the meta is borrowed, the functions only read it, `entry` and the four numbers are plain values that they
    // fill, and the mask is a reference of our own.
    let mask = unsafe {
        let found =
            ffi::gst_analytics_relation_meta_get_segmentation_mtd(relations.as_mut_ptr(), id, &mut entry);
        if found == glib::ffi::GFALSE {
            return None;
        }
        let mask = ffi::gst_analytics_segmentation_mtd_get_mask(&entry, &mut x, &mut y, &mut w, &mut h);
        from_glib_full::<_, Option<gst::Buffer>>(mask)?
    };
    Some((mask, [f64::from(x), f64::from(y), f64::from(w), f64::from(h)]))
}

/// The mask as a map of 0 and 1: region 0 is the background. `None` for a layout that masks do not have.
fn foreground(mask: &gst::Buffer, rect: Rect) -> Option<Mask> {
    let layout = mask.meta::<VideoMeta>()?;
    let (width, height) = (layout.width() as usize, layout.height() as usize);
    let (offset, stride) = (*layout.offset().first()?, usize::try_from(*layout.stride().first()?).ok()?);
    let sample = match layout.format() {
        VideoFormat::Gray8 => 1,
        VideoFormat::Gray16Le | VideoFormat::Gray16Be => 2,
        _ => return None,
    };
    let samples = mask.map_readable().ok()?;
    // What the layout says may be more than there is.
    let mut map = Vec::with_capacity(width.saturating_mul(height).min(samples.len()));
    for y in 0..height {
        let start = offset.checked_add(y.checked_mul(stride)?)?;
        let row = samples.get(start..)?.get(..width * sample)?;
        map.extend(row.chunks_exact(sample).map(|id| if id.iter().any(|&byte| byte > 0) { 255 } else { 0 }));
    }
    let covered = map.iter().filter(|&&value| value > 0).count() as f64 / map.len().max(1) as f64;
    let map = meta::picture(map, VideoFormat::Gray8, [width, height])?;
    Some(Mask { map, rect, area: covered * rect.w * rect.h })
}

#[cfg(test)]
mod tests {
    use gst_video::VideoFrameFlags;

    use super::*;
    use crate::analytics::add_segmentation;

    const WIDTH: u32 = 200;
    const HEIGHT: u32 = 100;

    /// Reads a buffer after `write` has written.
    fn found(
        write: impl FnOnce(&mut gst::MetaRefMut<'_, AnalyticsRelationMeta, gst::meta::Standalone>),
    ) -> Others {
        gst::init().unwrap();
        let mut buffer = gst::Buffer::new();
        write(&mut AnalyticsRelationMeta::add(buffer.make_mut()));
        read(&buffer, WIDTH, HEIGHT).unwrap()
    }

    fn quark(name: &str) -> glib::Quark {
        glib::Quark::from_str(name)
    }

    #[test]
    fn a_buffer_without_the_meta_has_nothing_and_one_with_an_empty_meta_is_good() {
        gst::init().unwrap();
        assert!(read(&gst::Buffer::new(), WIDTH, HEIGHT).is_none());
        let others = found(|_| ());
        assert!(others.boxes.is_empty() && others.mask.is_none() && others.class.is_none());
    }

    #[test]
    fn objects_are_boxes_that_bear_the_name_of_their_likeliest_class() {
        let others = found(|relations| {
            relations.add_od_mtd(quark("thing"), 20, 10, 40, 50, 0.5).unwrap();
            let object = relations.add_od_mtd(quark("animal"), 100, 50, 100, 50, 0.25).unwrap().id();
            let levels = [0.2, 0.7];
            let class = relations.add_cls_mtd(&levels, &[quark("cat"), quark("dog")]).unwrap().id();
            relations.set_relation(RelTypes::RELATE_TO, object, class).unwrap();
        });
        let at = others.boxes.iter().map(|b| [b.x, b.y, b.w, b.h, b.score]).collect::<Vec<_>>();
        assert_eq!(at, [[0.1, 0.1, 0.2, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5, 0.25]]);
        assert_eq!(others.labels, ["thing 0.50", "dog 0.25"]);
        assert_eq!(others.class, None, "the class of an object is not that of the frame");
    }

    #[test]
    fn the_class_of_the_frame_stands_alone() {
        let others = found(|relations| {
            let object = relations.add_od_mtd(quark("animal"), 0, 0, 10, 10, 0.9).unwrap().id();
            let class = relations.add_one_cls_mtd(0.9, quark("dog")).unwrap().id();
            relations.set_relation(RelTypes::IS_PART_OF, class, object).unwrap();
            relations.add_one_cls_mtd(0.75, quark("scratched")).unwrap();
        });
        assert_eq!(others.class, Some(("scratched".to_owned(), 0.75)));
    }

    #[test]
    fn masks_of_either_depth_are_read_whatever_their_padding() {
        for (format, sample, stride) in
            [(VideoFormat::Gray8, 1, 5), (VideoFormat::Gray16Le, 2, 12), (VideoFormat::Gray16Be, 2, 8)]
        {
            // Three columns, two rows; region ids 1 and 256 are not background, padding is none of either.
            let mut bytes = vec![0xff; stride * 2];
            bytes[..3 * sample].fill(0);
            bytes[stride..stride + 3 * sample].fill(0);
            bytes[sample] = 1;
            bytes[stride + 3 * sample - 1] = 1;
            let mut mask = gst::Buffer::from_mut_slice(bytes);
            let layout = (VideoFrameFlags::empty(), &[0], &[stride as i32]);
            let inside = mask.get_mut().unwrap();
            VideoMeta::add_full(inside, layout.0, format, 3, 2, layout.1, layout.2).unwrap();
            let others = found(|relations| {
                add_segmentation(relations, mask, [50, 25, 100, 50]).unwrap();
            });
            let mask = others.mask.unwrap();
            assert_eq!(mask.map.map_readable().unwrap().as_slice(), [0, 255, 0, 0, 0, 255], "{format}");
            assert_eq!(mask.rect, Rect { x: 0.25, y: 0.25, w: 0.5, h: 0.5 });
            assert!((mask.area - 0.25 / 3.0).abs() < 1e-9, "{format}: {}", mask.area);
        }
    }
}
