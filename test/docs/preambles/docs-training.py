# ruff: noqa: F401 - names that the page uses
"""What the programs of docs/training.md have beside what they show."""

import os

import numpy as np
import pipekit_experiment as pe
from my_operators import Join, Scale

os.makedirs("data")
for name in ("train", "held"):
    np.savez(f"data/{name}.npz", x=np.ones((8, 3), np.float32), y=np.ones((8, 1), np.float32))
os.makedirs(".dvc")
tracker = pe.Tracker()
registry = pe.LocalModelRegistry("models", trust=["my_models"])
