#!/usr/bin/env python3
"""Serves the annotated picture over RTSP, to any number of viewers of one inspection.

Usage: rtsp_server.py BANK [--source 'v4l2src'] [--port 8554] [--path /line] [--results run.jsonl]
Watch with: gst-play-1.0 rtsp://localhost:8554/line, ffplay or VLC.
Exits with 77 when GStreamer's RTSP server or its bindings are not installed.
"""

import argparse
import signal
import sys

try:
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer
except (ImportError, ValueError) as reason:
    print(f"no GStreamer RTSP server for Python: {reason}", file=sys.stderr)
    sys.exit(77)

ENCODER = "x264enc tune=zerolatency speed-preset=veryfast key-int-max=50"


def main():
    parser = argparse.ArgumentParser(description="Serves the annotated picture over RTSP.")
    parser.add_argument("bank")
    parser.add_argument("--source", default="v4l2src")
    parser.add_argument("--port", default="8554", help="0 takes any free one")
    parser.add_argument("--path", default="/line")
    parser.add_argument("--results", help="file for the results, JSON lines")
    args = parser.parse_args()
    Gst.init(None)

    results = f"results-location={args.results}" if args.results else ""
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_shared(True)  # one inspection for all viewers
    factory.set_launch(
        f"( {args.source} ! queue max-size-buffers=1 leaky=downstream ! videoconvert "
        f"! snarmdetect bank-location={args.bank} {results} ! snarmoverlay "
        # 4:2:0, as few players read anything else.
        f"! videoconvert ! video/x-raw,format=I420 ! {ENCODER} ! rtph264pay name=pay0 pt=96 )"
    )
    server = GstRtspServer.RTSPServer()
    server.set_service(args.port)
    server.get_mount_points().add_factory(args.path, factory)
    if server.attach(None) == 0:
        sys.exit(f"port {args.port} is taken")
    print(f"rtsp://localhost:{server.get_bound_port()}{args.path}", flush=True)
    loop = GLib.MainLoop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, loop.quit)
    loop.run()


if __name__ == "__main__":
    main()
