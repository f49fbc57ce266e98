//! How the frames of a stream are turned, as its tags say: cameras and phones store pictures as the sensor saw them and
//! write beside them how they were held.

use gst_video::VideoOrientationMethod as Method;
use snarm_core::frame::Orientation;

/// What was heard of `image-orientation` so far. A tag of the stream counts before one of the whole medium.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turning {
    stream: Option<Orientation>,
    medium: Option<Orientation>,
    group: Option<gst::GroupId>,
}

impl Turning {
    /// Takes what an event says. Whether frames after it are turned in another way than those before.
    pub(crate) fn hear(&mut self, event: &gst::Event) -> bool {
        let before = self.orientation();
        match event.view() {
            gst::EventView::Tag(tag) => {
                let Some(orientation) = Method::from_tag(tag.tag()).and_then(orientation) else {
                    return false;
                };
                match tag.tag().scope() {
                    gst::TagScope::Global => self.medium = Some(orientation),
                    _ => self.stream = Some(orientation),
                }
            }
            gst::EventView::StreamStart(start) => {
                self.stream = None;
                // Streams of one group are parts of one medium.
                let group = start.group_id();
                if group.is_none() || group != self.group {
                    self.medium = None;
                }
                self.group = group;
            }
            _ => return false,
        }
        before != self.orientation()
    }

    /// How the next frame is turned to be upright.
    pub(crate) fn orientation(&self) -> Orientation {
        self.stream.or(self.medium).unwrap_or_default()
    }
}

/// The core's word for what has to be done to a frame.
fn orientation(method: Method) -> Option<Orientation> {
    let turned = |transposed, mirrored_x, mirrored_y| Orientation { transposed, mirrored_x, mirrored_y };
    Some(match method {
        Method::Identity => Orientation::UPRIGHT,
        Method::_90r => Orientation::ROTATE_90,
        Method::_180 => Orientation::ROTATE_180,
        Method::_90l => Orientation::ROTATE_270,
        Method::Horiz => turned(false, true, false),
        Method::Vert => turned(false, false, true),
        Method::UlLr => turned(true, false, false),
        Method::UrLl => turned(true, true, true),
        _ => return None,
    })
}
