"""Checkpoint: keeps the operator in a registry while it is trained."""

from __future__ import annotations

import operator as _operators
from collections.abc import Mapping
from typing import Any, Literal

from pipekit_experiment._src.errors import InvalidArgumentError, InvalidConfigError
from pipekit_experiment._src.factory_operator import checked_config
from pipekit_experiment._src.loud import Loud
from pipekit_experiment._src.training.identity import identity_of, store_trained
from pipekit_experiment._src.training.stopping import check_monitor, is_better, unknown_metric
from pipekit_experiment._src.ulid import is_ulid


class Checkpoint:
    """Stores the operator in a registry after every n-th epoch, and after the last.

    Args:
        registry: By default LocalModelRegistry(). YAML holds its spec.
        every_n_epochs: How often.
        name: Tag that moves to the newest checkpoint; the move is logged in the tag's history. With `keep`
            needed.
        keep: How many checkpoints keep a tag of their own, `<name>.epoch-7`; the tags of others are deleted,
            so that a collection of the registry may take them. By default no checkpoint has one.
        monitor: Metric by which the best are kept instead of the last, and `name` moves to the best only.
        mode: Whether better is less (`min`) or more (`max`).

    Metadata of a stored model: `epoch`, `step`, `metrics` and `training`, the run of the loop's
    LogToExperiment if there is one; by them `loop.run(resume_from=name)` goes on. A registry that fails does
    not hurt the training: it is told once, and counted in `failures`."""

    __module__ = "pipekit_experiment.training"

    def __init__(
        self,
        registry: Any = None,
        every_n_epochs: int = 1,
        name: str | None = None,
        keep: int | None = None,
        monitor: str | None = None,
        mode: Literal["min", "max"] = "min",
    ) -> None:
        check_monitor("epoch/loss" if monitor is None else monitor, mode)
        for field, value in (("every_n_epochs", every_n_epochs), ("keep", 1 if keep is None else keep)):
            if _operators.index(value) < 1:
                raise InvalidArgumentError(f"`{field}` is {value}.", field=field, mend="Give at least 1.")
        if name is None and (keep is not None or monitor is not None):
            raise InvalidArgumentError(
                "`keep` and `monitor` need a `name`.", field="name", mend="Name the checkpoints."
            )
        self._registry = registry
        self.every_n_epochs, self.name, self.keep = every_n_epochs, name, keep
        self.monitor, self.mode = monitor, mode
        self.hashes: list[str] = []
        """Models stored by the last training, in order."""
        self.failures = 0
        self._best: float | None = None
        self._kept: list[tuple[float, str]] = []
        self._identity: dict[str, Any] | None = None
        self._loud = Loud(interval_s=float("inf"))

    @property
    def registry(self) -> Any:
        """The registry."""
        if self._registry is None or isinstance(self._registry, str):
            from pipekit_experiment._src.registry import DaemonRegistry

            self._registry = DaemonRegistry(self._registry or "")
        return self._registry

    @property
    def state(self) -> dict[str, Any]:
        """{"module", "class", "config"}. Raises InvalidConfigError for a registry without a spec."""
        spec = self._registry if self._registry is None else getattr(self._registry, "spec", self._registry)
        if spec is not None and not isinstance(spec, str):
            raise InvalidConfigError(
                f"The registry of the Checkpoint, a {type(spec).__name__}, has no spec.",
                field="registry",
                mend="Use a registry of this package.",
            )
        names = ("every_n_epochs", "name", "keep", "monitor", "mode")
        config = {"registry": spec or "", **{name: getattr(self, name) for name in names}}
        filled = {name: value for name, value in config.items() if value is not None}
        return {"module": self.__module__, "class": "Checkpoint", "config": filled}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Checkpoint:
        """Makes the callback."""
        needed = {"registry": str, "every_n_epochs": int, "mode": str}
        optional = {"name": str, "keep": int, "monitor": str}
        return cls(**checked_config(cls, state.get("config"), needed, optional))

    def on_train_begin(self, loop: Any, state: Any) -> None:
        """Forgets an earlier training."""
        self.hashes, self._kept, self._best = [], [], None
        try:
            # Asked for once: it reads all data.
            self._identity = identity_of(loop)
        except Exception:
            # Asked for again, and told, when there is something to store.
            self._identity = None

    def on_epoch_end(self, loop: Any, state: Any, metrics: Mapping[str, Any]) -> None:
        """Stores, unless it waits for the evaluation."""
        if self.monitor is None or not self.monitor.startswith("eval/"):
            self._store(loop, state)
        elif loop.eval_dataset is None:
            raise unknown_metric(self.monitor, state)

    def on_eval_end(self, loop: Any, state: Any, metrics: Mapping[str, Any]) -> None:
        """Stores, if it waited for the evaluation."""
        if self.monitor is not None and self.monitor.startswith("eval/"):
            self._store(loop, state)

    def _store(self, loop: Any, state: Any) -> None:
        if state.epoch % self.every_n_epochs and state.epoch < loop.n_epochs and not state.stop:
            return
        if self.monitor is not None and self.monitor not in state.metrics:
            raise unknown_metric(self.monitor, state)
        try:
            self._keep(state, self._stored(loop, state))
        except Exception as error:
            self.failures += 1
            self._loud.say(
                "checkpoint",
                f"A checkpoint was not stored: {type(error).__name__}: {error}. The training goes on; "
                "further failures are only counted.",
            )

    def _stored(self, loop: Any, state: Any) -> str:
        run = next((found for callback in loop.callbacks if (found := _run_id(callback))), None)
        tags = {"epoch": state.epoch, "step": state.step, "metrics": _finite(state.metrics)}
        tags["training"] = run or ""
        identity = self._identity or identity_of(loop)
        hash = store_trained(self.registry, state.operator, run or "", identity, tags)
        self.hashes.append(hash)
        return hash

    def _keep(self, state: Any, hash: str) -> None:
        if self.name is None:
            return
        value = state.epoch if self.monitor is None else state.metrics[self.monitor]
        mode = "max" if self.monitor is None else self.mode
        if is_better(value, self._best, mode):
            self._best = value
            self.registry.tag(hash, self.name, force=True)
        if self.keep is None:
            return
        own = f"{self.name}.epoch-{state.epoch}"
        self.registry.tag(hash, own, force=True)
        worst = float("inf") if value != value else value if mode == "min" else -value
        self._kept.append((worst, own))
        self._kept.sort(key=lambda kept: kept[0])
        for _, dropped in self._kept[self.keep :]:
            self.registry.delete_tag(dropped)
        del self._kept[self.keep :]


def _run_id(callback: Any) -> str | None:
    """The id of a run of the daemon; trackers of other kinds have ids of their own."""
    found = getattr(getattr(callback, "run", None), "run_id", None)
    return found if isinstance(found, str) and is_ulid(found) else None


def _finite(metrics: Mapping[str, float]) -> dict[str, float | str]:
    return {name: value if abs(value) < float("inf") else str(value) for name, value in metrics.items()}
