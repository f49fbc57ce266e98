#!/usr/bin/env python3
"""Reads what snarmdetect attaches to each frame: score, regions and map.

Usage: read_meta.py 'v4l2src ! videoconvert ! snarmdetect bank-location=part.bank ! appsink name=sink'
Prints one line of JSON a frame. Exits with 77 when the GStreamer bindings are not installed.
"""

import json
import sys

try:
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstVideo", "1.0")
    from gi.repository import Gst, GstVideo
except (ImportError, ValueError) as reason:
    print(f"no GStreamer bindings for Python: {reason}", file=sys.stderr)
    sys.exit(77)


def read(buffer):
    """The result of a frame; None when no snarmdetect has seen it."""
    meta = buffer.get_custom_meta("SnarmAnomalyMeta")
    if meta is None:
        return None
    fields = meta.get_structure()
    result = {name: fields[name] for name in ("frame-number", "analysed", "score", "threshold", "verdict", "area")}
    names = ("id", "x", "y", "w", "h", "score")
    result["regions"] = [{name: region[name] for name in names} for region in fields["regions"]]
    scores = fields.get_value("map") if fields.has_field("map") else None
    if scores is not None:  # 8 bits a pixel, in rows of `stride` bytes; 255 is a score of 1
        layout = GstVideo.buffer_get_video_meta(scores)
        _, pixels = scores.map(Gst.MapFlags.READ)
        result["map"] = {"width": layout.width, "height": layout.height, "peak": max(pixels.data)}
        scores.unmap(pixels)
    return result


def main():
    Gst.init(None)
    pipeline = Gst.parse_launch(sys.argv[1])
    sink = pipeline.get_by_name("sink")
    pipeline.set_state(Gst.State.PLAYING)
    while (sample := sink.emit("pull-sample")) is not None:
        print(json.dumps(read(sample.get_buffer())), flush=True)
    message = pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    if message is not None:
        sys.exit(message.parse_error()[0].message)


if __name__ == "__main__":
    main()
