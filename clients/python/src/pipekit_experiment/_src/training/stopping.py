"""EarlyStopping: ends a training that no longer gets better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from pipekit_experiment._src.errors import InvalidArgumentError
from pipekit_experiment._src.factory_operator import checked_config


class EarlyStopping:
    """Ends the training when a metric has not got better for `patience` epochs.

    Args:
        monitor: `epoch/loss`, `eval/loss`, `eval/accuracy` or what else the loop tells for an epoch.
        patience: Epochs without a better value after which the training ends.
        mode: Whether better is less (`min`) or more (`max`).
        min_delta: By how much a value must be better to count.

    A value that is not a number is never better. Raises InvalidArgumentError; at the end of the first epoch
    too, when the loop does not tell the metric."""

    __module__ = "pipekit_experiment.training"

    def __init__(
        self,
        monitor: str = "eval/loss",
        patience: int = 3,
        mode: Literal["min", "max"] = "min",
        min_delta: float = 0.0,
    ) -> None:
        check_monitor(monitor, mode)
        if patience < 1 or not min_delta >= 0:
            raise InvalidArgumentError(
                f"`patience` is {patience} and `min_delta` {min_delta}.",
                field="patience",
                mend="Give at least 1 epoch, and a delta that is not negative.",
            )
        self.monitor, self.patience, self.mode, self.min_delta = monitor, patience, mode, min_delta
        self.best: float | None = None
        """The best value of the last training."""
        self._waited = 0

    @property
    def state(self) -> dict[str, Any]:
        """{"module", "class", "config"}."""
        names = ("monitor", "patience", "mode", "min_delta")
        config = {name: getattr(self, name) for name in names}
        return {"module": self.__module__, "class": "EarlyStopping", "config": config}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> EarlyStopping:
        """Makes the callback."""
        needed = {"monitor": str, "patience": int, "mode": str}
        config = {**state["config"], "min_delta": float(state["config"].get("min_delta", 0.0))}
        return cls(**checked_config(cls, config, needed, {"min_delta": float}))

    def on_train_begin(self, loop: Any, state: Any) -> None:
        """Forgets an earlier training."""
        self.best, self._waited = None, 0

    def on_epoch_end(self, loop: Any, state: Any, metrics: Mapping[str, Any]) -> None:
        """Looks at a metric of the training."""
        if not self.monitor.startswith("eval/"):
            self._look(state)
        elif loop.eval_dataset is None:
            raise unknown_metric(self.monitor, state)

    def on_eval_end(self, loop: Any, state: Any, metrics: Mapping[str, Any]) -> None:
        """Looks at a metric of the evaluation."""
        if self.monitor.startswith("eval/"):
            self._look(state)

    def _look(self, state: Any) -> None:
        value = state.metrics.get(self.monitor)
        if value is None:
            raise unknown_metric(self.monitor, state)
        if is_better(value, self.best, self.mode, self.min_delta):
            self.best, self._waited = value, 0
            return
        self._waited += 1
        if self._waited >= self.patience:
            state.stop = True


def check_monitor(monitor: str, mode: str) -> None:
    """Raises InvalidArgumentError for another mode than min and max."""
    if mode not in ("min", "max"):
        raise InvalidArgumentError(f"`mode` is {mode!r}.", field="mode", mend="Choose min or max.")
    if not monitor:
        raise InvalidArgumentError("`monitor` is empty.", field="monitor", mend="Name a metric.")


def is_better(value: float, best: float | None, mode: str, min_delta: float = 0.0) -> bool:
    """Whether `value` is better than the best so far."""
    if math.isnan(value):
        return False
    if best is None:
        return True
    return value < best - min_delta if mode == "min" else value > best + min_delta


def unknown_metric(monitor: str, state: Any) -> InvalidArgumentError:
    """The failure of a callback that waits for what the loop does not tell."""
    return InvalidArgumentError(
        f"The loop does not tell the metric {monitor!r}.",
        field="monitor",
        mend=f"It tells: {', '.join(sorted(state.metrics)) or 'none'}; eval/... needs an `eval_dataset`.",
    )
