#!/usr/bin/env python3
"""Saves a clip of each defect, with the seconds before it.

Usage: event_clips.py BANK [--source 'v4l2src'] [--out clips] [--before 3] [--after 2]

Every frame is encoded once, and the packets of the last seconds wait in memory. When snarmdetect posts
snarm-defect-begin, the clip begins with the packets that wait; it ends some seconds after snarm-defect-end. A defect
that begins before that lengthens the clip. Nothing is written while there is no defect.
Ctrl-C, SIGTERM and SIGHUP end the stream, and complete the clip that is being written.

OUT gets clip-0000.mkv with clip-0000.json beside it: its running time, and the defects in it.
Exits with 77 when the GStreamer bindings are not installed.
"""

import argparse
import collections
import json
import pathlib
import signal
import sys
import threading

try:
    import gi

    gi.require_version("Gst", "1.0")
    from gi.repository import Gst
except (ImportError, ValueError) as reason:
    print(f"no GStreamer bindings for Python: {reason}", file=sys.stderr)
    sys.exit(77)

ENCODER = "x264enc tune=zerolatency speed-preset=veryfast key-int-max=25 ! h264parse"
HOLD = 0.5  # seconds of good frames that end a defect; fewer where the clip ends sooner
SLACK = 2 * Gst.SECOND  # a defect is told of after its first frame: confirm-frames, and the encoder's own delay

Packet = collections.namedtuple("Packet", "time buffer caps")


def is_keyframe(packet):
    return not packet.buffer.has_flags(Gst.BufferFlags.DELTA_UNIT)


class Clip:
    """A file being written, from its first keyframe on."""

    def __init__(self, path, packet):
        self.path, self.first, self.last = path, packet.time, packet.time
        self.pipeline = Gst.parse_launch("appsrc name=src format=time ! matroskamux ! filesink name=file")
        self.pipeline.get_by_name("file").set_property("location", str(path))
        self.source = self.pipeline.get_by_name("src")
        self.source.set_property("caps", packet.caps)
        self.pipeline.set_state(Gst.State.PLAYING)

    def write(self, packet):
        buffer = packet.buffer.copy()
        buffer.pts = buffer.dts = packet.time - self.first
        self.source.emit("push-buffer", buffer)
        self.last = packet.time

    def close(self, defects):
        self.source.emit("end-of-stream")
        kinds = Gst.MessageType.EOS | Gst.MessageType.ERROR
        message = self.pipeline.get_bus().timed_pop_filtered(10 * Gst.SECOND, kinds)
        self.pipeline.set_state(Gst.State.NULL)
        if message is None or message.type == Gst.MessageType.ERROR:
            print(f"{self.path} is not complete: {message and message.parse_error()}", file=sys.stderr)
        summary = {"clip": self.path.name, "begin": self.first, "end": self.last, "defects": defects}
        self.path.with_suffix(".json").write_text(json.dumps(summary, indent=1) + "\n")
        print(self.path, flush=True)


class Recorder:
    """The packets of the last seconds, and the clip that takes from them."""

    def __init__(self, out, before, after):
        self.out, self.before, self.after = out, before, after
        self.packets = collections.deque()
        self.start, self.stop, self.defects = None, None, []
        self.clip, self.count = None, 0
        self.lock = threading.Lock()

    def on_message(self, _bus, message):
        fields = message.get_structure()
        with self.lock:
            if fields.get_name() == "snarm-defect-begin":
                self.stop = None
                if self.start is None:
                    self.start = max(0, fields["begin"] - self.before)
            elif fields.get_name() == "snarm-defect-end":
                self.stop = fields["end"] + self.after
                names = ("event-id", "begin", "end", "peak-score", "peak-time", "frames")
                self.defects.append({name: fields[name] for name in names})

    def on_sample(self, sink):
        sample = sink.emit("pull-sample")
        buffer = sample.get_buffer()
        time = sample.get_segment().to_running_time(Gst.Format.TIME, buffer.pts)
        with self.lock:
            self.take(Packet(time, buffer, sample.get_caps()))
        return Gst.FlowReturn.OK

    def take(self, packet):
        self.packets.append(packet)
        if self.clip is not None and self.stop is not None and packet.time >= self.stop:
            self.close()
        elif self.clip is not None:
            self.clip.write(packet)
        elif self.start is not None:
            self.open()
        # What is older than the seconds before a defect goes, in whole groups of pictures.
        for _ in range(self.last_keyframe(packet.time - self.before - SLACK)):
            self.packets.popleft()

    def last_keyframe(self, time):
        """Place of the last keyframe that is not later than this, or else of the first packet."""
        places = [n for n, p in enumerate(self.packets) if is_keyframe(p) and p.time <= time]
        return places[-1] if places else 0

    def open(self):
        packets = list(self.packets)[self.last_keyframe(self.start) :]
        self.clip = Clip(self.out / f"clip-{self.count:04}.mkv", packets[0])
        self.count += 1
        for packet in packets:
            self.clip.write(packet)

    def close(self):
        self.clip.close(self.defects)
        self.clip, self.start, self.stop, self.defects = None, None, None, []

    def finish(self):
        with self.lock:
            if self.clip is not None:
                self.close()


def main():
    parser = argparse.ArgumentParser(description="Saves a clip of each defect, with the seconds before it.")
    parser.add_argument("bank")
    parser.add_argument("--source", default="v4l2src")
    parser.add_argument("--out", default="clips", type=pathlib.Path)
    parser.add_argument("--before", default=3.0, type=float, help="seconds before a defect")
    parser.add_argument("--after", default=2.0, type=float, help="seconds after it")
    parser.add_argument("--confirm-frames", default=1, type=int, help="anomalous frames in a row that make a defect")
    parser.add_argument("--encoder", default=ENCODER, help="without B-frames")
    args = parser.parse_args()
    # A service manager and a closing terminal end the stream as Ctrl-C does.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    Gst.init(None)
    args.out.mkdir(parents=True, exist_ok=True)
    recorder = Recorder(args.out, int(args.before * Gst.SECOND), int(args.after * Gst.SECOND))
    pipeline = Gst.parse_launch(
        f"{args.source} ! videoconvert ! snarmdetect bank-location={args.bank} "
        f"confirm-frames={args.confirm_frames} hold-time={int(min(HOLD, args.after) * Gst.SECOND)} "
        "message-mode=events ! snarmoverlay "
        f"! videoconvert ! video/x-raw,format=I420 ! {args.encoder} ! appsink name=packets emit-signals=true sync=false"
    )
    pipeline.get_by_name("packets").connect("new-sample", recorder.on_sample)
    bus = pipeline.get_bus()
    bus.enable_sync_message_emission()  # heard before the frame itself reaches the encoder
    bus.connect("sync-message::element", recorder.on_message)
    pipeline.set_state(Gst.State.PLAYING)
    message, kinds = None, Gst.MessageType.EOS | Gst.MessageType.ERROR
    while message is None:
        try:
            message = bus.timed_pop_filtered(Gst.SECOND // 5, kinds)
        except KeyboardInterrupt:
            pipeline.send_event(Gst.Event.new_eos())
    pipeline.set_state(Gst.State.NULL)
    recorder.finish()
    if message.type == Gst.MessageType.ERROR:
        sys.exit(message.parse_error()[0].message)


if __name__ == "__main__":
    main()
