#!/usr/bin/env python3
"""An RTSP server that takes a stream and writes its frames as pictures.

Usage: rtsp_record.py PICTURES   (a pattern, such as frames/%05d.png)
Prints the address to send to. Exits with 77 when GStreamer's RTSP server or its bindings are missing.
"""

import sys

try:
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer
except (ImportError, ValueError) as reason:
    print(f"no GStreamer RTSP server for Python: {reason}", file=sys.stderr)
    sys.exit(77)

Gst.init(None)
if Gst.ElementFactory.find("rtspclientsink") is None:
    print("no element rtspclientsink", file=sys.stderr)
    sys.exit(77)
factory = GstRtspServer.RTSPMediaFactory()
factory.set_transport_mode(GstRtspServer.RTSPTransportMode.RECORD)
factory.set_launch(
    "( rtph264depay name=depay0 ! h264parse ! avdec_h264 ! videoconvert ! video/x-raw,format=RGB ! pngenc "
    f"! multifilesink location={sys.argv[1]} sync=false )"
)
server = GstRtspServer.RTSPServer()
server.set_service("0")
server.get_mount_points().add_factory("/line", factory)
server.attach(None)
print(f"rtsp://localhost:{server.get_bound_port()}/line", flush=True)
GLib.MainLoop().run()
