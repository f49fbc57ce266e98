"""Writes the first seeds of the search for hostile bytes (tests/src/fuzzing): a small whole file of each kind, and some
that once failed. Run: python3 make.py, which needs nothing but Python."""

import json
import os
import random
import struct
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))


def write(kind, name, data):
    folder = os.path.join(HERE, kind)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)


def safetensors(entry, tensors):
    """A file with one entry of ours and tensors: name -> (dtype, shape, bytes)."""
    header, at, data = {}, 0, b""
    if entry is not None:
        header["__metadata__"] = {"snarm": json.dumps(entry)}
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(content)]}
        at += len(content)
        data += content
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def floats(shape, start=0.1, step=0.07):
    n = 1
    for side in shape:
        n *= side
    return "F32", shape, b"".join(struct.pack("<f", (start + step * i) % 1.5 - 0.5) for i in range(n))


def calibration(scorer):
    scores = [0.1, 0.2, 0.3, 0.4]
    return {
        "scorer": scorer, "reference": 0.5, "threshold": 0.5, "pixel_threshold": 0.6, "frames": 4, "held_out": True,
        "mean": 0.25, "std": 0.1, "max": 0.4, "scores": scores,
    }


def bank(**more):
    about = {
        "format": "snarm-bank", "version": 1,
        "bank": {
            "encoder": "seeded:tiny", "encoder_digest": "0" * 64, "side": 16, "grid": 2,
            "layers": [{"start": 0, "end": 1}, {"start": 1, "end": 2}], "crop": "full", "frames": 4,
            "reduction": "greedy", "seed": 7, "made_by": "snarm 0.1.0", **more,
        },
        "calibration": calibration("training-free"), "trained": [],
    }
    tensors = {"features": floats([4, 4]), "images": ("U32", [4], struct.pack("<4I", 0, 1, 2, 3))}
    if "ignore_mask" in more:
        tensors["ignore_mask"] = ("U8", [2, 2], bytes([0x80, 0, 0, 0x40]))
    return about, tensors


def write_banks():
    write("bank", "plain", safetensors(*bank()))
    view = {"roi": {"x": 0.25, "y": 0.0, "w": 0.5, "h": 1.0}, "ignore_mask": [10, 2]}
    about, tensors = bank(**view)
    about["trained"] = [calibration("head:" + "1" * 64)]
    write("bank", "view", safetensors(about, tensors))
    # Once accepted by a reader that added or multiplied without looking.
    write("bank", "large-mask", safetensors(*bank(ignore_mask=[2**64 - 1, 2])))
    about, tensors = bank(frames=2**64 - 1, side=2**64 - 1, grid=2**64 - 1, seed=2**64 - 1)
    about["bank"]["layers"][1]["end"] = 2**64 - 1
    write("bank", "large-numbers", safetensors(about, tensors))
    # A grid whose tokens are more than there are numbers, in a file that is otherwise whole.
    about, tensors = bank(grid=2**31)
    tensors["images"] = ("U32", [4], struct.pack("<4I", 1, 2, 2**32 - 1, 7))
    write("bank", "large-grid", safetensors(about, tensors))
    about, tensors = bank()
    about["calibration"].update(reference=1e308, std=1e308, scores=[0.0, 1.0])
    write("bank", "large-scale", safetensors(about, tensors))


def head(width=2, channels=1, orders=4):
    inner, rank, states, taps = 2 * channels, 1, 4, 4
    c = channels
    names = {
        "simple_predictor.weight": [1, width, 1, 1], "simple_predictor.bias": [1],
        "conv_list.0.weight": [c, 2 * width, 1, 1], "conv_list.0.bias": [c],
    }
    for block in range(2):
        name = f"mamba_list.0.{block}"
        names.update({
            f"{name}.mixer.A_log": [inner, states], f"{name}.mixer.D": [inner],
            f"{name}.mixer.in_proj.weight": [2 * inner, c], f"{name}.mixer.conv1d.weight": [inner, 1, taps],
            f"{name}.mixer.conv1d.bias": [inner], f"{name}.mixer.x_proj.weight": [rank + 2 * states, inner],
            f"{name}.mixer.dt_proj.weight": [inner, rank], f"{name}.mixer.dt_proj.bias": [inner],
            f"{name}.mixer.out_proj.weight": [c, inner], f"{name}.norm.weight": [c],
            f"{name}.conv.weight": [c, c, 3, 3], f"{name}.conv.bias": [c],
        })
    names.update({"norm_list.0.weight": [c], "norm_list.0.bias": [c]})
    for view in range(orders):
        name = f"head_list.{view}"
        names[f"{name}.0.conv.weight"] = [c, c, 3, 3]
        names.update({f"{name}.0.norm.{part}": [c] for part in ["weight", "bias", "running_mean", "running_var"]})
        names.update({f"{name}.1.weight": [1, c, 1, 1], f"{name}.1.bias": [1]})
    return {name: floats(shape) for name, shape in names.items()}


def write_decoders():
    about = {
        "format": "snarm-decoder", "version": 1,
        "decoder": {
            "encoder": "seeded:tiny", "encoder_digest": "0" * 64, "side": 16, "grid": 2,
            "shape": {"width": 2, "channels": 1, "branches": 1}, "relative": True,
            "provenance": {"categories": ["bottle"], "steps": 7, "seed": 7, "data": "none"}, "licence": "none",
            "calibration": None,
        },
    }
    write("decoder", "published", safetensors(None, head()))
    write("decoder", "own", safetensors(about, head()))
    # Twice its width, as a number, is more than there are numbers.
    wide = head()
    wide["simple_predictor.weight"] = ("F32", [1, 0, 1, 1], b"")
    write("decoder", "no-width", safetensors(None, wide))


def reconstruction():
    """The tensors of the narrowest decoder that reconstructs: one channel everywhere, one block a module, two directions."""
    names = {}

    def convolution(at, conv, norm, side, bias=False):
        names[f"{at}.{conv}.weight"] = [1, 1, side, side]
        if bias:
            names[f"{at}.{conv}.bias"] = [1]
        names.update({f"{at}.{norm}.{part}": [1] for part in ["weight", "bias", "running_mean", "running_var"]})

    for number, side in [("1", 3), ("2", 3), ("21", 1), ("31", 1), ("f", 1)]:
        convolution("mff_oce", f"conv{number}", f"bn{number}", side, side == 1)
    for number, side in [(1, 1), (2, 3), (3, 1)]:
        convolution("mff_oce.bn_layer.0", f"conv{number}", f"bn{number}", side)
    convolution("mff_oce.bn_layer.0", "downsample.0", "downsample.1", 1)
    directions, inner, rank, states = 2, 2, 1, 1
    for stage in range(4):
        at = f"net_s.layers_up.{stage}"
        if stage > 0:
            names.update({f"{at}.upsample.expand.weight": [4, 1], f"{at}.upsample.norm.weight": [1]})
            names[f"{at}.upsample.norm.bias"] = [1]
        at += ".blocks.0"
        names.update({f"{at}.finalconv11.weight": [1, 3, 1, 1], f"{at}.finalconv11.bias": [1]})
        for side in [5, 7]:
            names[f"{at}.conv{side}{side}.0.weight"] = [1, 1, side, side]
            for place in "ab":
                name = f"{at}.conv1{place}{side}.0"
                names.update({f"{name}.weight": [1, 1, 1, 1], f"{name}.bias": [1]})
        at += ".smm_blocks.0"
        names.update({f"{at}.ln_1.{part}": [1] for part in ["weight", "bias"]})
        at += ".self_attention"
        names.update({
            f"{at}.in_proj.weight": [2 * inner, 1], f"{at}.conv2d.weight": [inner, 1, 3, 3], f"{at}.conv2d.bias": [inner],
            f"{at}.x_proj_weight": [directions, rank + 2 * states, inner],
            f"{at}.dt_projs_weight": [directions, inner, rank], f"{at}.dt_projs_bias": [directions, inner],
            f"{at}.A_logs": [directions * inner, states], f"{at}.Ds": [directions * inner],
            f"{at}.out_norm.weight": [inner], f"{at}.out_norm.bias": [inner], f"{at}.out_proj.weight": [1, inner],
        })
    # Variances must not be negative.
    return {name: floats(shape, 0.7 if "running_var" in name else 0.1) for name, shape in names.items()}


def write_reconstructions():
    shape = {
        "levels": [1, 1, 1], "fused": 1, "planes": 1, "bottlenecks": 1, "stages": [[1], [1], [1], [1]], "states": 1,
        "directions": 2, "curve": "sweep",
    }
    about = {
        "format": "snarm-decoder", "version": 1, "family": "mambaad",
        "decoder": {
            "encoder": "seeded:lite@levels", "encoder_digest": "0" * 64, "shape": shape,
            "provenance": {"categories": ["bottle"], "steps": 7, "seed": 7, "data": "none"}, "licence": "none",
            "calibration": None,
        },
    }
    write("decoder", "reconstruction", safetensors(about, reconstruction()))
    # A published checkpoint, whose last stage lacks its tables, which are the largest.
    tensors = {"net_t.conv1.weight": floats([1, 3, 7, 7]), **reconstruction()}
    for stage in range(3):
        cells = (8 << stage) ** 2
        table = ("I64", [1, cells], struct.pack(f"<{cells}q", *range(cells)))
        at = f"net_s.layers_up.{stage}.blocks.0.smm_blocks.0.self_attention.scans.index_flat"
        tensors.update({at: table, f"{at}_inv": table})
    write("decoder", "reconstruction-published", safetensors(None, tensors))


def network(network, side, grid, width, tensors):
    about = {
        "format": "snarm-encoder", "version": 1, "network": network, "side": side, "grid": grid, "width": width,
        "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "provenance": "a seed",
    }
    return safetensors(about, tensors)


def write_encoders():
    c0, c1, k, p, grid, width = 1, 2, 3, 2, 2, 2
    shapes = {"stem.weight": [c0, 3, p, p], "stem.bias": [c0]}
    shapes.update({f"stem.norm.{part}": [c0] for part in ["weight", "bias"]})
    for stage, c in enumerate([c0, c1]):
        name = f"stages.{stage}.0"
        shapes.update({f"{name}.depthwise.weight": [c, k, k], f"{name}.depthwise.bias": [c]})
        shapes.update({f"{name}.norm.weight": [c], f"{name}.norm.bias": [c]})
        shapes.update({f"{name}.fc1.weight": [4 * c, c], f"{name}.fc1.bias": [4 * c]})
        shapes.update({f"{name}.fc2.weight": [c, 4 * c], f"{name}.fc2.bias": [c]})
    shapes.update({"merge.norm.weight": [c0], "merge.norm.bias": [c0], "merge.weight": [c1, 4 * c0]})
    shapes.update({"merge.bias": [c1], "position": [grid * grid, c1]})
    shapes.update({"head.norm.weight": [c1], "head.norm.bias": [c1]})
    shapes.update({"head.weight": [width, c1], "head.bias": [width]})
    tensors = {name: floats(shape) for name, shape in shapes.items()}
    sizes = {"patch": p, "kernel": k, "dims": [c0, c1], "blocks": [1, 1]}
    write("encoder", "conv", network({"conv": sizes}, 8, grid, width, tensors))
    for name, changed in {
        "conv-large-patch": {"patch": 2**63}, "conv-large-channels": {"dims": [2**62, 2**62]},
        "conv-large-kernel": {"kernel": 2**63 + 1}, "conv-many-blocks": {"blocks": [2**63, 2**63]},
    }.items():
        write("encoder", name, network({"conv": {**sizes, **changed}}, 8, grid, width, tensors))
    pyramid = {"kernel": 3, "dims": [2, 2, 64, 64], "blocks": [1, 1, 1, 1], "attending": [0, 0, 0, 1], "fused": 2}
    for name, changed in {
        "pyramid-without-tensors": {}, "pyramid-large-channels": {"fused": 2**63, "dims": [2**62, 2, 64, 64]},
        "pyramid-many-blocks": {"blocks": [2**63, 2**63, 1, 1]},
    }.items():
        write("encoder", name, network({"pyramid": {**pyramid, **changed}}, 32, 4, width, tensors))
    vit = {"patch": 4, "dim": 64, "depth": 2, "registers": 0}
    for name, changed in {
        "vit-without-tensors": {}, "vit-large-width": {"dim": 2**63}, "vit-many-registers": {"registers": 2**64 - 1},
        "vit-deep": {"depth": 2**64 - 1},
    }.items():
        write("encoder", name, network({"vit": {**vit, **changed}}, 8, grid, width, tensors))
    published = {"patch_embed.proj.weight": floats([64, 3, 1, 1]), "pos_embed": ("F32", [1, 0, 64], b"")}
    write("encoder", "published", safetensors(None, published))


def write_pickles():
    text = lambda text: b"X" + struct.pack("<I", len(text)) + text.encode()
    state = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
    dtype = b"cnumpy\ndtype\n" + text("f4") + b"K\x00K\x01\x87R"
    array = state + b"(K\x01K\x02\x85" + dtype + b"\x89B\x08\x00\x00\x00" + bytes(8) + b"tb"
    write("pickle", "array", b"\x80\x02}" + text("a") + array + b"s.")
    frombuffer = b"cnumpy.core.numeric\n_frombuffer\n(C\x08" + bytes(8) + dtype + b"K\x02\x85" + text("C") + b"tR"
    write("pickle", "frombuffer", b"\x80\x04}" + text("a") + frombuffer + b"s.")


def png(width, height, depth, colour, rows, more=b""):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + more + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def write_pictures():
    noise = random.Random(7)
    rows = lambda length, count: b"".join(b"\0" + noise.randbytes(length) for _ in range(count))
    files = {
        "grey.png": png(5, 3, 8, 0, rows(5, 3)), "rgb.png": png(3, 2, 8, 2, rows(9, 2)),
        "grey16.png": png(3, 2, 16, 0, rows(6, 2)), "rgba.png": png(2, 2, 8, 6, rows(8, 2)),
        "bits.png": png(9, 2, 1, 0, rows(2, 2)), "huge.png": png(2**31 - 1, 2**31 - 1, 8, 2, rows(9, 2)),
        "grey.pgm": b"P5\n3 2\n255\n" + bytes(6), "text.pgm": b"P2\n2 2\n9\n1 2 3 9\n",
        "rgb.ppm": b"P6\n2 1\n65535\n" + bytes(12), "bits.pbm": b"P1\n3 2\n1 0 1 0 1 0\n",
        # A picture without a pixel, which is no frame.
        "empty.pgm": b"P2\n1 0 1\n0 1 0\n",
        "huge.pgm": b"P5\n4294967295 4294967295\n255\n",
    }
    head = struct.pack("<2sIHHI", b"BM", 54 + 16, 0, 0, 54)
    files["rgb.bmp"] = head + struct.pack("<IiiHHIIiiII", 40, 2, 2, 1, 24, 0, 16, 0, 0, 0, 0) + bytes(16)
    tags = [(256, 3, 1, 2), (257, 3, 1, 2), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8)]
    tags += [(277, 3, 1, 1), (278, 3, 1, 2), (279, 4, 1, 4)]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    files["grey.tiff"] = b"II*\0" + struct.pack("<I", 12) + bytes(4) + struct.pack("<H", len(tags)) + entries + bytes(4)
    files["lossless.webp"] = bytes.fromhex("524946461a000000574542505650384c0d0000002f00000010071011118888fe0700")
    # 8 x 8, grey, all of one value.
    files["grey.jpg"] = bytes.fromhex(
        "ffd8ffe000104a46494600010100000100010000ffdb004300" + "01" * 64 + "ffc0000b080008000801011100"
        "ffc4001f0000010501010101010100000000000000000102030405060708090a0b"
        "ffc400b5100002010303020403050504040000017d01020300041105122131410613516107227114328191a1082342b1c11552d1f0"
        "24336272820" "90a161718191a25262728292a3435363738393a434445464748494a535455565758595a636465666768696a7374757677"
        "78797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7"
        "d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9faffda0008010100003f00" "f5ffd9")
    for name, data in files.items():
        write("picture", name, data)


def write_video():
    header = b"YUV4MPEG2 C420 W4 H2 Ip F30000:1001 A1:1\n"
    frame = b"FRAME\n" + bytes(range(12))
    write("y4m", "two-frames", header + frame + frame)
    write("y4m", "odd", b"YUV4MPEG2 W3 H3 F25:1\nFRAME\n" + bytes(17) + b"FRAME\n" + bytes(17))
    times = b"FRAME XTIME=18446744073709551615 XDURATION=40000000\n" + frame[6:]
    write("y4m", "times", header[:-1] + b" XLENGTH=70\n" + times + b"YUV4MPEG2 W2 H2\nFRAME XTIME=7\n123456" + frame)
    write("y4m", "cut", header + frame[:9])
    # Sides whose product is no number, and such a frame rate.
    write("y4m", "huge-sides", b"YUV4MPEG2 W18446744073709551615 H18446744073709551615\nFRAME\n")
    write("y4m", "huge-frame", b"YUV4MPEG2 W65535 H65535\nFRAME\n123")
    write("y4m", "huge-rate", header.replace(b"30000:1001", b"1:18446744073709551615") + frame)


def write_lists():
    columns = "object,split,label,image,mask\n"
    row = "candle,{},{},candle/Data/Images/{}/{}.JPG,{}\n"
    table = columns + row.format("train", "normal", "Normal", "0000", "") + row.format("test", "normal", "Normal", "1", "")
    table += row.format("test", "anomaly", "Anomaly", "000", "candle/Data/Masks/Anomaly/000.png")
    write("visa", "table", table.encode())
    write("visa", "marked", ("\ufeff" + table.replace("\n", "\r\n")).encode())
    write("visa", "outside", (table + row.format("test", "normal", "..", "../../../etc/passwd", "")).encode())
    line = {
        "frame-number": 3, "timestamp": 120000000, "analysed": True, "score": 0.25, "threshold": 0.5,
        "anomalous": False, "regions": [{"id": 0, "x": 0.1}], "verdict": "normal",
    }
    write("results", "lines", (json.dumps(line) + "\n").encode() * 2)
    write("results", "least", b'{"score":1e-3,"threshold":0,"anomalous":true,"timestamp":null}')
    write("results", "steering", json.dumps({**line, "source": "\x1b]0;x\x07"}).encode() + b"\n")


write_banks()
write_decoders()
write_reconstructions()
write_encoders()
write_pickles()
write_pictures()
write_video()
write_lists()
