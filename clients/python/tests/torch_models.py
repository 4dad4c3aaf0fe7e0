"""Factories of torch modules that the tests store by name."""

import torch
from torch import nn
from torch.nn import Linear

__all__ = ["Linear", "net", "tied", "views"]


def net(width=4, dropout=0.5):
    return nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.Dropout(dropout), nn.Linear(width, 2))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(5, 4)
        self.head = nn.Linear(4, 5, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, x):
        return self.head(self.embed(x))


def tied():
    return Tied()


class Views(nn.Module):
    """Buffers that share one memory in several ways, and one that is not contiguous."""

    def __init__(self):
        super().__init__()
        base = torch.arange(12.0).reshape(3, 4)
        self.register_buffer("base", base)
        self.register_buffer("flat", base.reshape(12))
        self.register_buffer("part", base[1:])
        self.register_buffer("turned", base.t())
        self.register_buffer("empty", torch.empty(0, 3))
        self.register_buffer("bfloat", torch.ones(2, dtype=torch.bfloat16))


def views():
    return Views()


class Held(nn.Module):
    """One layer, to be cast."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3, 2)


def held():
    return Held()


def not_a_module():
    return 1


class Extra(nn.Linear):
    def get_extra_state(self):
        return {"a": 1}

    def set_extra_state(self, state):
        pass


def extra():
    return Extra(2, 2)
