"""Operators that the tests store. A module of its own, because loading imports by name and asks for trust."""

from collections import OrderedDict

from pipekit_experiment.operators import Operator


class Scale(Operator):
    """Multiplies; its weight is the factor as text."""

    def __init__(self, unit="m", factor=None):
        self.unit, self.factor = unit, factor

    def get_config(self):
        return {"unit": self.unit}

    def get_weights(self):
        return None if self.factor is None else str(self.factor).encode()

    def with_weights(self, weights):
        return Scale(self.unit, float(weights))

    def __call__(self, x):
        return x * self.factor


class Pair(Operator):
    """Holds the states of two operators in its config."""

    def __init__(self, parts):
        self.parts = parts

    def get_config(self):
        return {"parts": self.parts}


class DuckTyped:
    """Not derived from anything; `state` is a method."""

    def __init__(self, config=None):
        self.config = config or {"a": 1}

    def state(self):
        return {"module": __name__, "class": "DuckTyped", "config": self.config}

    @classmethod
    def from_state(cls, state):
        return cls(state["config"])


class Forgetful(Operator):
    def get_weights(self):
        return b"x"

    def with_weights(self, weights):
        return None


class NoFromState:
    state = {"module": __name__, "class": "NoFromState", "config": {}}  # noqa: RUF012


borrowed = OrderedDict
