"""What the programs of docs/artifacts.md have beside what they show."""

import os

import numpy as np
import pipekit_experiment as pe
from my_models import Halved
from pipekit_experiment.datasets import FileDataset
from pipekit_experiment.torch import TorchModelOp
from pipekit_experiment.training import TrainingLoop

os.makedirs("regulatory", exist_ok=True)
np.savez("train.npz", x=np.ones((8, 3), np.float32), y=np.ones((8, 1), np.float32))
registry = pe.LocalModelRegistry("models", trust=["my_models"])
op = TorchModelOp(factory="my_models:unet", kwargs={"width": 32})
loop = TrainingLoop(op, FileDataset("train.npz"), backend="lightning", loss="mse", n_epochs=1)
run = pe.start_run("training")
preprocess = Halved()
registry.store(loop.run(), name="production")
pe.TrainingArtifact.capture(loop, registry=registry).save("FILE")
