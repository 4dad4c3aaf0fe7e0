"""A Hydra app that prints its config, resolved, as one line of JSON."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

import hydra


@dataclass
class Data:
    root: Path = Path("/data/digits")
    batch: int = 32
    steps: int = "${oc.decode:${oc.env:APP_STEPS}}"
    names: list[str] = field(default_factory=lambda: ["a: b", "${oc.env:APP_PLACE}"])


ConfigStore.instance().store(group="data", name="digits", node=Data)
OmegaConf.register_new_resolver("times", lambda a, b: a * b)


@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(cfg: DictConfig) -> None:
    print(json.dumps(OmegaConf.to_container(cfg, resolve=True), default=str))


main()
