"""Small operators for graphs. A module of its own, because YAML imports by name and asks for trust."""

from pipekit_experiment.operators import Operator


class Sum(Operator):
    """Adds up its arguments and a constant; its weight, if it has any, is a factor as text."""

    def __init__(self, plus=0, note=None, factor=None):
        self.plus, self.note, self.factor = plus, note, factor

    def get_config(self):
        return {"plus": self.plus, "note": self.note}

    def get_weights(self):
        return None if self.factor is None else str(self.factor).encode()

    def with_weights(self, weights):
        return Sum(self.plus, self.note, int(weights))

    def __call__(self, *values):
        return (sum(values) + self.plus) * (self.factor or 1)


class Wrapper:
    """As one of pipekit's: derived from nothing, operators as states in its config."""

    def __init__(self, model, others=()):
        self.model, self._others = model, list(others)

    @property
    def state(self):
        config = {"model": self.model.state, "by_name": {"others": [one.state for one in self._others]}}
        return {"module": __name__, "class": "Wrapper", "config": config}

    @classmethod
    def from_state(cls, state):
        return cls(Sum(**state["config"]["model"]["config"]))


def no_class():
    """Nothing that is an operator."""


class NoOperator:
    pass
