#!/usr/bin/env python3
"""Runs a launch line, as `snarm launch --print` writes it, with Aravis' fake GenICam camera switched on.

Usage: fake_camera.py LINE
Plain gst-launch-1.0 cannot: the fake camera is off until a program asks for it. Exits with 77 when Aravis is missing.
"""

import shlex
import sys

try:
    import gi

    gi.require_version("Aravis", "0.8")
    gi.require_version("Gst", "1.0")
    from gi.repository import Aravis, Gst
except (ImportError, ValueError) as reason:
    print(f"no Aravis for Python: {reason}", file=sys.stderr)
    sys.exit(77)

Gst.init(None)
if Gst.ElementFactory.find("aravissrc") is None:
    print("no element aravissrc", file=sys.stderr)
    sys.exit(77)
Aravis.enable_interface("Fake")
Aravis.update_device_list()
words = shlex.split(sys.argv[1])
assert words[:2] == ["gst-launch-1.0", "-e"], words
pipeline = Gst.parse_launch(" ".join(words[2:]))
pipeline.set_state(Gst.State.PLAYING)
kinds = Gst.MessageType.EOS | Gst.MessageType.ERROR
message = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, kinds)
source = next(e for e in pipeline.iterate_sources())
caps = source.get_static_pad("src").get_current_caps()
pipeline.set_state(Gst.State.NULL)
if message is None or message.type == Gst.MessageType.ERROR:
    sys.exit(str(message and message.parse_error()))
print(caps.to_string())
