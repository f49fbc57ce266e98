#!/usr/bin/env python3
"""Steers snarmdetect's thresholds and its switch by GstController, as an editor does, and prints what each frame got.

Usage: control_limits.py BANK
Prints one line of JSON per frame. Exits with 77 when the GStreamer bindings are not installed.
"""

import json
import sys

try:
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstController", "1.0")
    from gi.repository import Gst, GstController
except (ImportError, ValueError) as reason:
    print(f"no GStreamer bindings for Python: {reason}", file=sys.stderr)
    sys.exit(77)

FRAMES = 5
FRAME = Gst.SECOND // 25


def control(element, name, mode, values):
    """Values of a property by frame."""
    source = GstController.InterpolationControlSource()
    source.set_property("mode", mode)
    element.add_control_binding(GstController.DirectControlBinding.new_absolute(element, name, source))
    for frame, value in values.items():
        source.set(frame * FRAME, value)


def main():
    Gst.init(None)
    pipeline = Gst.parse_launch(
        f"videotestsrc num-buffers={FRAMES} ! video/x-raw,format=RGB,width=64,height=48,framerate=25/1 "
        f"! snarmdetect name=detect bank-location={sys.argv[1]} ! appsink name=sink sync=false"
    )
    detect, sink = pipeline.get_by_name("detect"), pipeline.get_by_name("sink")
    linear, step = GstController.InterpolationMode.LINEAR, GstController.InterpolationMode.NONE
    control(detect, "threshold", linear, {0: 0.0, FRAMES: 0.2 * FRAMES})
    control(detect, "threshold-low", linear, {0: 0.0, FRAMES: 0.1 * FRAMES})
    control(detect, "enabled", step, {0: 1.0, 3: 0.0, 4: 1.0})
    pipeline.set_state(Gst.State.PLAYING)
    while (sample := sink.emit("pull-sample")) is not None:
        meta = sample.get_buffer().get_custom_meta("SnarmAnomalyMeta").get_structure()
        print(json.dumps({name: meta[name] for name in ("threshold", "threshold-low", "analysed")}))
    message = pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    if message is not None:
        sys.exit(message.parse_error()[0].message)


if __name__ == "__main__":
    main()
