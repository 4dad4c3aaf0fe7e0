"""What the programs of docs/weights.md have beside what they show."""

import pipekit_experiment as pe
import torch
from my_models import build

module = build(128)
registry = pe.LocalModelRegistry("models")
batch = torch.ones(2, 3)
