# ruff: noqa: F401 - names that the page uses
"""What the programs of docs/hydra.md have beside what they show."""

import os

import pipekit_experiment as pe
from omegaconf import OmegaConf

import hydra

SCALE = {"_target_": "my_operators.Scale", "factor": 0.5}
cfg = OmegaConf.create({"model": SCALE})
text = OmegaConf.to_yaml(cfg.model)
os.makedirs("conf")
OmegaConf.save(cfg.model, "conf/model.yaml")
pe.adapters.hydra.HydraConfigLoader.trust = ["my_operators"]
