# ruff: noqa: F401 - names that the page uses
"""What the programs of docs/weights.md have beside what they show."""

import json

import pipekit_experiment as pe
import torch
from my_models import build
from pipekit_experiment.torch import TorchModelOp

module = build(128)
registry = pe.LocalModelRegistry("models")
batch = torch.ones(2, 3)
