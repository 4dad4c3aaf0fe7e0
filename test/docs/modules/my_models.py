"""The models of the team whose programs the pages show."""

from __future__ import annotations

import numpy as np
import torch
from pipekit_experiment.operators import Operator


def build(width: int = 64) -> torch.nn.Module:
    """The network of docs/weights.md."""
    return torch.nn.Sequential(torch.nn.Linear(3, width), torch.nn.ReLU(), torch.nn.Linear(width, 2))


def unet(width: int = 32) -> torch.nn.Module:
    """No U-Net, but as quick to train as a page must be."""
    return torch.nn.Linear(3, 1) if width < 64 else build(width)


class Halved(Operator):
    """Its input times a half."""

    def get_config(self) -> dict[str, object]:
        return {}

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return x * 0.5


class Doubled(Operator):
    """Its input times a weight, 2 at first."""

    def __init__(self, weight: float = 2.0) -> None:
        self.weight = weight

    def get_config(self) -> dict[str, object]:
        return {}

    def get_weights(self) -> bytes:
        return np.float64(self.weight).tobytes()

    def with_weights(self, weights: bytes) -> Doubled:
        return Doubled(float(np.frombuffer(weights, "<f8")[0]))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return x * self.weight
