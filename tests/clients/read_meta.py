#!/usr/bin/env python3
"""Reads what snarmdetect attaches, as an application in Python does: score, regions and map of every frame.

Usage: read_meta.py BANK
Prints one line of JSON per frame. Exits with 77 when the GStreamer bindings are not installed.
"""

import json
import sys

try:
    import gi

    gi.require_version("Gst", "1.0")
    from gi.repository import Gst
except (ImportError, ValueError) as reason:
    print(f"no GStreamer bindings for Python: {reason}", file=sys.stderr)
    sys.exit(77)


def read(buffer):
    """The result of one frame."""
    meta = buffer.get_custom_meta("SnarmAnomalyMeta").get_structure()
    found, pixels = meta.get_value("map").map(Gst.MapFlags.READ)
    side = int(len(pixels.data) ** 0.5)
    peak = max(pixels.data) / 255
    meta.get_value("map").unmap(pixels)
    regions = meta.get_value("regions")
    return {
        "frame": meta.get_value("frame-number"),
        "score": meta["score"],
        "score-max": meta["score-max"],
        "verdict": meta["verdict"],
        "regions": [{name: region[name] for name in ("x", "y", "w", "h", "score")} for region in regions],
        "map-side": side if found else 0,
        "map-peak": peak,
    }


def main():
    Gst.init(None)
    pipeline = Gst.parse_launch(
        "videotestsrc num-buffers=3 ! video/x-raw,format=RGB,width=64,height=48 "
        f"! snarmdetect bank-location={sys.argv[1]} threshold=0 pixel-threshold=0 "
        "! videoconvert ! video/x-raw,format=NV12 ! appsink name=sink sync=false"
    )
    sink = pipeline.get_by_name("sink")
    pipeline.set_state(Gst.State.PLAYING)
    while (sample := sink.emit("pull-sample")) is not None:
        print(json.dumps(read(sample.get_buffer())))
    message = pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    if message is not None:
        sys.exit(message.parse_error()[0].message)


if __name__ == "__main__":
    main()
