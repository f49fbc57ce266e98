#!/usr/bin/env python3
"""Inspected frames in OpenCV: annotated pictures as arrays, each with its result.

Usage: opencv_capture.py BANK RESULTS [SOURCE]
OpenCV drops metadata. snarmdetect writes the line of a frame to RESULTS before the frame goes on, so that the line is
there when read() returns. Exits with 77 when OpenCV is missing or was built without GStreamer, as wheels from PyPI are.
"""

import json
import sys

try:
    import cv2
except ImportError as reason:
    print(f"no OpenCV for Python: {reason}", file=sys.stderr)
    sys.exit(77)


def frames(bank, results, source):
    """Pairs of an annotated frame, as an array of BGR, and its result."""
    capture = cv2.VideoCapture(
        f"{source} ! videoconvert ! snarmdetect bank-location={bank} results-location={results} "
        "results-mode=overwrite ! snarmoverlay ! videoconvert ! video/x-raw,format=BGR ! appsink sync=false",
        cv2.CAP_GSTREAMER,
    )
    if not capture.isOpened():
        sys.exit("the pipeline does not start; GST_DEBUG=2 says why")
    with open(results) as lines:
        while (read := capture.read())[0]:
            yield read[1], json.loads(lines.readline())
    capture.release()


def main():
    if not any("GStreamer" in line and "YES" in line for line in cv2.getBuildInformation().splitlines()):
        print("this OpenCV was built without GStreamer", file=sys.stderr)
        sys.exit(77)
    bank, results, *source = sys.argv[1:]
    for frame, result in frames(bank, results, source[0] if source else "v4l2src"):
        height, width, _ = frame.shape
        print(f"{result['frame-number']} {width}x{height} {result['verdict']} {result['score']:.3f}", flush=True)


if __name__ == "__main__":
    main()
