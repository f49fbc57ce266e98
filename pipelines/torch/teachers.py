"""The two teachers of snarm-tiny as PyTorch modules: ViT-Tiny/16 (timm names) and EfficientNet-Lite2 (lukemelas names).

Each gives one descriptor of unit length a cell. Inputs are RGB in 0..1, (batch, 3, side, side).
"""

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


class VitTiny(nn.Module):
    """ViT-Tiny/16 at 384 px: the means of blocks 1-4 and 5-8 side by side, 384 channels, 24 x 24 cells."""

    SIDE, GRID, WIDTH = 384, 24, 384

    def __init__(self, path):
        super().__init__()
        weights = load_file(path)
        for name, value in weights.items():
            self.register_buffer(name.replace(".", "_"), value.float())
        # Bicubic with a = -0.75 and the scale (grid + 0.1) / table, as `snarm` resizes the table of positions.
        table = weights["pos_embed"].float()[:, 1:]
        side = int(table.shape[1] ** 0.5)
        table = table.reshape(1, side, side, -1).permute(0, 3, 1, 2)
        scale = (self.GRID + 0.1) / side
        table = F.interpolate(table, scale_factor=(scale, scale), mode="bicubic", antialias=False)
        self.register_buffer("positions", table.permute(0, 2, 3, 1).reshape(1, self.GRID**2, -1))

    def _get(self, name):
        return getattr(self, name.replace(".", "_"))

    def forward(self, image):
        x = F.conv2d((image - 0.5) / 0.5, self._get("patch_embed.proj.weight"), self._get("patch_embed.proj.bias"), stride=16)
        x = x.flatten(2).transpose(1, 2) + self.positions
        first = (self._get("cls_token") + self._get("pos_embed")[:, :1]).expand(x.shape[0], -1, -1)
        x = torch.cat([first, x], 1)
        sums = [0.0, 0.0]
        for block in range(9):
            p = f"blocks.{block}."
            x = x + self._attention(p, self._norm(p + "norm1", x))
            y = F.linear(self._norm(p + "norm2", x), self._get(p + "mlp.fc1.weight"), self._get(p + "mlp.fc1.bias"))
            x = x + F.linear(F.gelu(y), self._get(p + "mlp.fc2.weight"), self._get(p + "mlp.fc2.bias"))
            if block >= 1:
                sums[block > 4] = sums[block > 4] + x[:, 1:].float() / 4
        return F.normalize(torch.cat(sums, 2), dim=2)

    def _norm(self, name, x):
        weight, bias = self._get(name + ".weight"), self._get(name + ".bias")
        return F.layer_norm(x.float(), x.shape[-1:], weight, bias, 1e-6)

    def _attention(self, p, x):
        b, n, d = x.shape
        qkv = F.linear(x, self._get(p + "attn.qkv.weight"), self._get(p + "attn.qkv.bias"))
        q, k, v = qkv.reshape(b, n, 3, d // 64, 64).permute(2, 0, 3, 1, 4)
        x = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, d)
        return F.linear(x, self._get(p + "attn.proj.weight"), self._get(p + "attn.proj.bias"))


class EfficientNetLite2(nn.Module):
    """EfficientNet-Lite2 at 320 px: the ends of stages 3, 5 and 7, averaged over 3 x 3, each of unit length, side by side:
    520 channels, 40 x 40 cells."""

    SIDE, GRID, WIDTH = 320, 40, 520
    # Blocks, kernel, stride, expansion of each stage.
    STAGES = [(1, 3, 1, 1), (3, 3, 2, 6), (3, 5, 2, 6), (4, 3, 2, 6), (4, 5, 1, 6), (5, 5, 2, 6), (1, 3, 1, 6)]

    def __init__(self, path):
        super().__init__()
        weights = {name: value.float() for name, value in load_file(path).items()}

        def conv(conv, norm, stride, groups, active):
            # The batch norm folded into the convolution.
            scale = weights[norm + ".weight"] / (weights[norm + ".running_var"] + 1e-3).sqrt()
            weight = weights[conv + ".weight"] * scale[:, None, None, None]
            bias = weights[norm + ".bias"] - weights[norm + ".running_mean"] * scale
            return Same(weight, bias, stride, weight.shape[0] if groups else 1, active)

        self.stem = conv("_conv_stem", "_bn0", 2, False, True)
        self.stages, number = nn.ModuleList(), 0
        for blocks, _, stride, expansion in self.STAGES:
            stage = nn.ModuleList()
            for block in range(blocks):
                p = f"_blocks.{number}."
                parts = [conv(p + "_expand_conv", p + "_bn0", 1, False, True)] if expansion > 1 else []
                parts.append(conv(p + "_depthwise_conv", p + "_bn1", stride if block == 0 else 1, True, True))
                parts.append(conv(p + "_project_conv", p + "_bn2", 1, False, False))
                stage.append(nn.Sequential(*parts))
                number += 1
            self.stages.append(stage)

    def forward(self, image):
        x = self.stem((image * 255 - 127) / 128)
        levels = []
        for number, stage in enumerate(self.stages, 1):
            for block in stage:
                y = block(x)
                x = x + y if y.shape == x.shape else y
            if number in (3, 5, 7):
                y = F.avg_pool2d(x.float(), 3, 1, 1, count_include_pad=False)
                levels.append(F.normalize(y, dim=1))
        grid = levels[0].shape[-2:]
        levels = [F.interpolate(y, size=grid, mode="bilinear", align_corners=False) for y in levels]
        return torch.cat(levels, 1).flatten(2).transpose(1, 2) / 3**0.5


class Same(nn.Module):
    """A convolution with TensorFlow's "SAME" padding (more at the lower right), and ReLU6 where it is active."""

    def __init__(self, weight, bias, stride, groups, active):
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)
        self.stride, self.groups, self.active = stride, groups, active

    def forward(self, x):
        k, s = self.weight.shape[-1], self.stride
        pad = [max((-(-n // s) - 1) * s + k - n, 0) for n in (x.shape[-1], x.shape[-2])]
        if any(pad):
            x = F.pad(x, [pad[0] // 2, pad[0] - pad[0] // 2, pad[1] // 2, pad[1] - pad[1] // 2])
        x = F.conv2d(x, self.weight, self.bias, s, groups=self.groups)
        return F.relu6(x) if self.active else x
