"""A Hydra app that logs its own runs: `hydra_app.py FOLDER OVERRIDE...` prints a run id for each job."""

import os
import sys

import hydra
from omegaconf import DictConfig, OmegaConf

import pipekit_experiment as pe

OmegaConf.register_new_resolver("app.double", lambda x: 2 * x)
OmegaConf.register_new_resolver("app.mask", lambda text: f"masked {text}")
OmegaConf.register_new_resolver("app.steal", lambda: {"deep": [os.environ["HYDRA_TEST_PASSWORD"]]})
OmegaConf.register_new_resolver("app.fails", lambda: 1 / 0)


@hydra.main(version_base=None, config_path=None, config_name="config")
def main(cfg: DictConfig) -> None:
    loader = pe.adapters.hydra.HydraConfigLoader
    with pe.start_run("app") as run:
        loader.log_run(run)
    print(run.run_id, loader.from_hydra_cfg(cfg, node="model").values["x"])


if __name__ == "__main__":
    sys.argv[1:2] = ["--config-dir", sys.argv[1]]
    main()
