"""Decoders in PyTorch: a module with the published tensors, and state dictionaries as people have them."""

import collections

import torch
from torch import nn

STATES, TAPS = 4, 4


class Scale(nn.Module):
    """The norm of a block: a weight and nothing else."""

    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))


class Mixer(nn.Module):
    """The tensors of a Mamba mixer, with the marks that training puts on them."""

    def __init__(self, size):
        super().__init__()
        inner, rank = 2 * size, -(-size // 16)
        self.A_log = nn.Parameter(torch.zeros(inner, STATES))
        self.D = nn.Parameter(torch.ones(inner))
        self.in_proj = nn.Linear(size, 2 * inner, bias=False)
        self.conv1d = nn.Conv1d(inner, inner, TAPS, groups=inner)
        self.x_proj = nn.Linear(inner, rank + 2 * STATES, bias=False)
        self.dt_proj = nn.Linear(rank, inner)
        self.out_proj = nn.Linear(inner, size, bias=False)
        self.A_log._no_weight_decay = self.D._no_weight_decay = self.dt_proj.bias._no_reinit = True


def named(**modules):
    """A module of modules."""
    module = nn.Module()
    for name, part in modules.items():
        module.add_module(name, part)
    return module


def decoder(width, size, branches):
    """A module with the published tensors in their order, every value another."""
    block = lambda: named(mixer=Mixer(size), norm=Scale(size), conv=nn.Conv2d(size, size, 3))
    norm = lambda: named(conv=nn.Conv2d(size, size, 3, bias=False), norm=nn.BatchNorm2d(size))
    module = named(
        simple_predictor=nn.Conv2d(width, 1, 1),
        conv_list=nn.ModuleList(nn.Conv2d(2 * width, size, 1) for _ in range(branches)),
        mamba_list=nn.ModuleList(nn.ModuleList(block() for _ in range(2)) for _ in range(branches)),
        norm_list=nn.ModuleList(nn.LayerNorm(size) for _ in range(branches)),
        head_list=nn.ModuleList(nn.Sequential(norm(), nn.Conv2d(size, 1, 1)) for _ in range(4 * branches)),
    )
    for number, value in enumerate(module.state_dict().values()):
        if value.dtype == torch.int64:
            # Beyond 32 bits, where a counter that went through a float would differ.
            value.fill_(2**53 + 1 + number)
        else:
            value.copy_(torch.randn(value.shape))
            # Negative zero, the smallest and the largest that there are.
            extremes = torch.tensor([-0.0, 1e-45, -3.4028234663852886e38])
            value.view(-1)[:3].copy_(extremes[: value.numel()])
    return module


def changed(state, change):
    """A state dictionary with its floating-point tensors changed."""
    return collections.OrderedDict((k, change(v) if v.is_floating_point() else v) for k, v in state.items())


def transposed(tensor):
    """The same values, laid out otherwise."""
    axes = tuple(reversed(range(tensor.dim())))
    return tensor.permute(axes).contiguous().permute(axes)


def in_one_storage(state):
    """All tensors as views of one vector, as optimizers that work on flat parameters leave them."""
    flat = torch.cat([torch.zeros(5)] + [v.reshape(-1) for v in state.values() if v.is_floating_point()])
    at, views = 5, collections.OrderedDict()
    for name, value in state.items():
        views[name] = value
        if value.is_floating_point():
            views[name] = flat[at : at + value.numel()].view(value.shape)
            at += value.numel()
    return views


def sizes_of(state):
    """Width, channels and branches of a decoder."""
    branches = sum(name.startswith("norm_list.") and name.endswith(".bias") for name in state)
    return state["simple_predictor.weight"].shape[1], state["conv_list.0.weight"].shape[0], branches
