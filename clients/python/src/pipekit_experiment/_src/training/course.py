"""One run of a loop: what is told to its callbacks, and what is kept."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipekit_experiment._src.run import RunMetrics


@dataclass
class TrainingState:
    """How far a training is, as callbacks see it."""

    loop: Any
    """The TrainingLoop."""
    step: int = 0
    """Batches trained so far, also those before a resumption."""
    epoch: int = 0
    """Epochs that are complete."""
    stop: bool = False
    """Set by a callback: the training ends with the epoch."""
    metrics: dict[str, float] = field(default_factory=dict[str, float])
    """The latest of `loss`, `epoch/loss`, `eval/loss` and so on, as of the last complete epoch."""
    give_operator: Callable[[], Any] = field(default=lambda: None, repr=False)
    """Set by the backend."""

    @property
    def operator(self) -> Any:
        """The operator as it is trained now. It may go on changing: store it, or copy it."""
        return self.give_operator()


@dataclass
class TrainingResult:
    """What came of a run of a loop."""

    metrics: RunMetrics
    """Series by step: `loss` for each batch, `epoch/...` and `eval/...` for each epoch."""
    epochs: int
    """Epochs that are complete, also those before a resumption."""
    steps: int
    stopped_early: bool
    """Whether a callback ended the training before the last epoch."""


class Course:
    """Tells the callbacks of a loop how its training goes. Backends call it."""

    def __init__(self, loop: Any, first_epoch: int, steps_per_epoch: int) -> None:
        self.loop = loop
        self.first_epoch = first_epoch
        self.state = TrainingState(loop, step=first_epoch * steps_per_epoch, epoch=first_epoch)
        self.metrics = RunMetrics()
        self._rows: list[tuple[int, int, dict[str, Any]]] = []
        # Once for all: a callback added in the middle has not seen the beginning.
        self._callbacks = list(loop.callbacks)

    @property
    def shuffle(self) -> tuple[int, int] | None:
        """Seed and epoch, which say the order of the epoch's batches; None for that of the data."""
        return (self.loop.seed, self.state.epoch) if self.loop.shuffle else None

    def begin(self, operator: Callable[[], Any]) -> None:
        """The training begins; `operator` gives what is trained, as it is then."""
        self.state.give_operator = operator
        self._tell("on_train_begin")

    def step(self, metrics: Mapping[str, Any], size: int) -> None:
        """A batch of `size` examples was trained. Values may be on a device; nothing waits for them here."""
        self.state.step += 1
        self._rows.append((self.state.step, size, dict(metrics)))
        self._tell("on_step_end", metrics)

    def epoch(
        self, metrics: Mapping[str, Any] | None = None, evaluated: Mapping[str, Any] | None = None
    ) -> bool:
        """An epoch is complete: tells its metrics, by default the means over its examples, and those of its
        evaluation. Whether the training ends."""
        state = self.state
        means = self._means()
        state.epoch += 1
        for prefix, hook, found in (
            ("epoch/", "on_epoch_end", means if metrics is None else metrics),
            ("eval/", "on_eval_end", evaluated),
        ):
            if found is None:
                continue
            numbers = {key: float(value) for key, value in found.items()}
            for key, value in numbers.items():
                self.metrics.log(f"{prefix}{key}", value, state.step)
                state.metrics[f"{prefix}{key}"] = value
            self._tell(hook, numbers)
        return state.stop or state.epoch >= self.loop.n_epochs

    def end(self) -> TrainingResult:
        """The training is complete."""
        self._tell("on_train_end")
        return self.result()

    def failed(self, error: BaseException) -> None:
        """The training broke off."""
        for callback in self._callbacks:
            hook = getattr(callback, "on_exception", None)
            if hook is not None:
                # What broke it off is raised; another fault must not hide it, nor keep others from hearing.
                with contextlib.suppress(Exception):
                    hook(self.loop, self.state, error)

    def result(self) -> TrainingResult:
        """What has come of it so far."""
        state = self.state
        early = state.stop and state.epoch < self.loop.n_epochs
        return TrainingResult(self.metrics, state.epoch, state.step, early)

    def _means(self) -> dict[str, float]:
        """Reads the values of the epoch's batches, which may wait for a device."""
        sums: dict[str, list[float]] = {}
        sizes: dict[str, int] = {}
        for step, size, row in self._rows:
            for key, value in row.items():
                number = float(value)
                self.metrics.log(key, number, step)
                self.state.metrics[key] = number
                sums.setdefault(key, []).append(number * size)
                sizes[key] = sizes.get(key, 0) + size
        self._rows.clear()
        return {key: math.fsum(values) / sizes[key] for key, values in sums.items()}

    def _tell(self, hook: str, *arguments: Any) -> None:
        for callback in self._callbacks:
            method = getattr(callback, hook, None)
            if method is not None:
                method(self.loop, self.state, *arguments)
