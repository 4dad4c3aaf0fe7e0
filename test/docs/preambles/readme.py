# ruff: noqa: F401 - names that the page uses
"""What the programs of README.md have beside what they show."""

import os
import subprocess

import jax.numpy as jnp
import keras
import numpy as np
import pipekit_experiment as pe
import pytorch_lightning as pl
import torch
from pipekit_experiment.torch import TorchModelOp

cfg = {"lr": 1e-3}
loss, step = 0.5, 0
os.makedirs("plots", exist_ok=True)
open("plots/confusion.png", "wb").close()

tracker = pe.Tracker()
model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
model.compile("adam", "mse")
x, y = torch.ones(8, 3), torch.ones(8, 1)
op, fresh_op = (TorchModelOp(factory="my_models:unet") for _ in range(2))

subprocess.run(["git", "init", "--quiet"], check=True)
subprocess.run(["dvc", "init", "--quiet"], check=True)
subprocess.run(["dvc", "remote", "add", "--default", "storage", os.getcwd() + "/storage"], check=True)
np.savez("train.npz", x=x.numpy(), y=y.numpy())
