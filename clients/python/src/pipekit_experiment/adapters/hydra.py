"""Hydra: configs to operators and back, and Hydra's runs in ours. hydra-core is imported when needed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pipekit_experiment._src.active_run import ActiveRun

if TYPE_CHECKING:
    from omegaconf import DictConfig

__all__ = ["HydraConfigLoader", "from_json", "from_state"]


class HydraConfigLoader:
    """Converts Hydra configs into operators and operators into Hydra configs, without loss.

    A config says how an operator is made; weights are the registry's. Without hydra-core, every method raises
    an ImportError that names the extra."""

    @staticmethod
    def from_hydra_cfg(cfg: Any, *, node: str = "", trust: Iterable[str] | None = None) -> Any:
        """What `hydra.utils.instantiate` makes of the config, which must be an Operator.

        Args:
            cfg: A DictConfig, a dict, or a class or instance that hydra-zen or Hydra takes for a config.
            node: Where in it the operator's config stands, such as `train.model`; by default it is the whole.
            trust: None for a config of your own: any module that it names is imported, as is Hydra's habit.
                For a config that came from elsewhere, names of modules: no code but theirs is imported or
                called. It may be called with any arguments, so name only modules that are made for that.

        All of the config is looked at before anything in it is called. Raises InvalidConfigError that names
        the path at fault, NotAnOperatorError, UntrustedModuleError.
        """
        from pipekit_experiment._src.hydra.reading import operator_of

        return operator_of(cfg, node, trust)

    @staticmethod
    def to_hydra_cfg(op: Any) -> DictConfig:
        """A config from which Hydra makes an operator of the same state.

        Each operator in it is a node with `_target_`: its class where that takes its config as keywords, else
        `from_state`. Raises NotAnOperatorError, InvalidConfigError with the path of a value that is not JSON.
        """
        from pipekit_experiment._src.hydra.importing import omegaconf
        from pipekit_experiment._src.hydra.writing import config_of

        create: Any = omegaconf().OmegaConf.create
        return create(config_of(op))

    @staticmethod
    def from_yaml(
        text_or_path: str | os.PathLike[str], *, node: str = "", trust: Iterable[str] | None = None
    ) -> Any:
        """As `from_hydra_cfg`, for YAML: a text, or a file: a path, or a str that ends with .yaml or .yml.

        Raises ArtifactUnreadableError, too.
        """
        from pipekit_experiment._src.hydra.reading import operator_of
        from pipekit_experiment._src.hydra.yaml import parsed

        return operator_of(parsed(text_or_path), node, trust)

    @staticmethod
    def to_yaml(op: Any) -> str:
        """`to_hydra_cfg` as YAML."""
        from pipekit_experiment._src.hydra.importing import omegaconf

        text: str = omegaconf().OmegaConf.to_yaml(HydraConfigLoader.to_hydra_cfg(op))
        return text

    @staticmethod
    def log_run(run: ActiveRun, folder: str | os.PathLike[str] | None = None) -> None:
        """Logs what Hydra wrote of its run: the config, resolved, as params; overrides, job and config names
        as tags `hydra/...`; its three files as the artifact `.hydra`.

        Args:
            run: The run that it is logged to.
            folder: `.hydra`, or the folder that holds it; by default that of the Hydra app in this process.

        What cannot be resolved afterwards, such as `${now:...}`, stays as text, and so does what comes from
        an environment variable whose name says that it is secret. Raises InvalidArgumentError outside of an
        app, InvalidConfigError, ArtifactUnreadableError, DaemonUnavailableError, RunEndedError.
        """
        from pipekit_experiment._src.hydra.run import log_hydra_run

        log_hydra_run(run, folder)


def from_state(state: Mapping[str, Any]) -> Any:
    """A target of configs: the operator of a state. As all targets, it runs what the config names."""
    from pipekit_experiment._src.hydra.writing import trusting_names_in
    from pipekit_experiment._src.registry_operator import rebuild
    from pipekit_experiment._src.strict_json import plain_json

    # OmegaConf's containers, if the node does not say `_convert_: all`.
    plain: dict[str, Any] = plain_json(state, "state")
    with trusting_names_in(plain):
        return rebuild(plain, None)


def from_json(text: str) -> Any:
    """A target of configs: a JSON value, for texts and keys that Hydra would take for its own."""
    return json.loads(text)
