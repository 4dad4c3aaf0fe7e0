"""Operators and factories that Hydra configs of the tests name. A module of its own, because Hydra imports by
name."""

import functools
import os  # noqa: F401  (a name in this module that leads out of it)

from pipekit_experiment.operators import Operator, Sequential  # noqa: F401  (as os)
from pipekit_experiment.torch import TorchModelOp  # noqa: F401  (as os)

calls = []
"""What was called, in order; a config that is refused must leave it empty."""


class Leaf(Operator):
    """Any JSON values, by name."""

    def __init__(self, **values):
        calls.append("Leaf")
        self.values = values

    def get_config(self):
        return self.values


class Fixed(Operator):
    """Named arguments with defaults."""

    def __init__(self, rate=0.1, layers=(), options=None):
        calls.append("Fixed")
        self.rate, self.layers, self.options = rate, layers, options

    def get_config(self):
        return {"rate": self.rate, "layers": list(self.layers), "options": self.options}


class Nested(Operator):
    """Operators wherever they stand in its argument, and data."""

    def __init__(self, inside):
        calls.append("Nested")
        self.inside = inside

    def get_config(self):
        return {"inside": _states_in(self.inside)}

    @classmethod
    def from_state(cls, state):
        return cls(_operators_in(state["config"]["inside"]))


class Positional:
    """Not derived from anything; its constructor takes no keywords of its config, and its state says more."""

    def __init__(self, config, /):
        calls.append("Positional")
        self.config = config

    @property
    def state(self):
        return {"module": __name__, "class": "Positional", "config": self.config, "version": 3}

    @classmethod
    def from_state(cls, state):
        return cls(state["config"])

    def with_weights(self, weights):
        return self


class TakesState(Operator):
    """Wants the state of another operator, not the operator."""

    def __init__(self, other):
        if not isinstance(other, dict):
            raise TypeError("not a state")
        self.other = other

    def get_config(self):
        return {"other": self.other}


class Drifting(Operator):
    """Comes back as another."""

    def __init__(self, count=0):
        self.count = count + 1

    def get_config(self):
        return {"count": self.count}


class NoOperator:
    def __init__(self, **values):
        calls.append("NoOperator")
        self.values = values


def make(*parts, **values):
    """A factory: an operator of all that it was given."""
    calls.append("make")
    return Nested([*parts, values])


def make_nothing():
    calls.append("make_nothing")
    return 7


def call(made, x):
    """Calls what a `_partial_` gave."""
    return made(x=x)


class Kept(Operator):
    def __init__(self, value):
        self.value = value


def keep(value):
    """An operator that has it; it is in no config."""
    return Kept(value)


def with_rate(kind):
    """A wrapper for hydra-zen."""
    return functools.partial(kind, options="wrapped")


def _states_in(value):
    if hasattr(value, "from_state"):
        return value.state
    if isinstance(value, dict):
        return {key: _states_in(item) for key, item in value.items()}
    return [_states_in(item) for item in value] if isinstance(value, list) else value


def _operators_in(value):
    if isinstance(value, dict) and value.keys() >= {"module", "class", "config"}:
        kind = globals().get(value["class"])
        return kind.from_state(value) if value["module"] == __name__ and kind else value
    if isinstance(value, dict):
        return {key: _operators_in(item) for key, item in value.items()}
    return [_operators_in(item) for item in value] if isinstance(value, list) else value
