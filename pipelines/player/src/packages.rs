//! Debian packages in which elements come.

/// Elements that launch lines of this trade use, and their packages.
const PACKAGES: [(&str, &[&str]); 6] = [
    (
        "gstreamer1.0-plugins-base",
        &[
            "decodebin",
            "decodebin3",
            "uridecodebin",
            "videoconvert",
            "videoscale",
            "videoconvertscale",
            "videorate",
            "videotestsrc",
            "appsrc",
            "appsink",
            "playbin",
            "textoverlay",
            "compositor",
            "ximagesink",
            "xvimagesink",
        ],
    ),
    (
        "gstreamer1.0-plugins-good",
        &[
            "v4l2src",
            "matroskamux",
            "matroskademux",
            "qtdemux",
            "mp4mux",
            "qtmux",
            "avimux",
            "avidemux",
            "splitmuxsink",
            "multifilesink",
            "multifilesrc",
            "jpegenc",
            "jpegdec",
            "pngenc",
            "pngdec",
            "rtspsrc",
            "udpsrc",
            "udpsink",
            "rtph264pay",
            "rtph264depay",
            "videoflip",
            "videocrop",
            "autovideosink",
            "vp8enc",
            "vp9enc",
            "souphttpsrc",
        ],
    ),
    (
        "gstreamer1.0-plugins-bad",
        &[
            "bayer2rgb",
            "h264parse",
            "h265parse",
            "shmsrc",
            "shmsink",
            "hlssink2",
            "openh264enc",
            "openh264dec",
            "waylandsink",
            "fakevideosink",
            "rtmpsink",
            "srtsink",
            "srtsrc",
        ],
    ),
    ("gstreamer1.0-plugins-ugly", &["x264enc"]),
    ("gstreamer1.0-libav", &["avdec_h264", "avdec_h265", "avdec_mpeg4", "avdec_mjpeg", "avenc_mpeg4"]),
    ("gstreamer1.0-rtsp", &["rtspclientsink"]),
];

/// Says that there is no such element, and what brings it.
pub(crate) fn missing(element: &str) -> String {
    let from = PACKAGES.iter().find(|(_, elements)| elements.contains(&element));
    match from {
        Some((package, _)) => {
            format!("expected the element {element} (Debian package {package}), found none of that name")
        }
        None if element.starts_with("snarm") => {
            format!("expected the element {element}, found none of that name: `snarm doctor` says why")
        }
        None => format!("expected the element {element}, found none of that name"),
    }
}

/// A hint for formats that cannot be decoded.
pub(crate) fn for_decoding(what: &str) -> &'static str {
    if what.contains("decoder") { " (Debian package gstreamer1.0-libav has most decoders)" } else { "" }
}
