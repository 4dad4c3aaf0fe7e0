"""The operators of the team whose programs the pages show."""

from __future__ import annotations

from typing import Any

from pipekit_experiment.operators import Operator


class Scale(Operator):
    """x by a factor."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor}

    def __call__(self, x: Any) -> Any:
        return x * self.factor


class Normalize(Operator):
    """x less its mean."""

    def __init__(self, mean: float) -> None:
        self.mean = mean

    def get_config(self) -> dict[str, Any]:
        return {"mean": self.mean}

    def __call__(self, x: Any) -> Any:
        return x - self.mean


class Join(Operator):
    """The sum of two."""

    def get_config(self) -> dict[str, Any]:
        return {}

    def __call__(self, a: Any, b: Any) -> Any:
        return a + b
