"""Operators and loops of the artifact tests. A module of its own: a stored file names it."""

import json
import os
import random

from pipekit_experiment.operators import Operator


class Line(Operator):
    """Multiplies; its weight is the factor as text."""

    def __init__(self, factor=None):
        self.factor = factor

    def get_weights(self):
        return None if self.factor is None else repr(self.factor).encode()

    def with_weights(self, weights):
        return Line(float(weights))

    def __call__(self, x):
        return x * self.factor


class Shift(Operator):
    """Adds; has no weights."""

    def __init__(self, by):
        self.by = by

    def get_config(self):
        return {"by": self.by}

    def __call__(self, x):
        return x + self.by


class Wrapper(Operator):
    """Holds an operator as pipekit's own do, and knows nothing of `nested_operators`."""

    def __init__(self, model):
        self.model = model

    def get_config(self):
        return {"model": self.model.state}

    @classmethod
    def from_state(cls, state):
        from pipekit_experiment._src.registry_operator import rebuild

        return cls(rebuild(state["config"]["model"], None))

    def __call__(self, x):
        return self.model(x)


class PlainLoop:
    """A loop of somebody else's: `to_yaml`, `from_yaml` and `run`, whose YAML is no state. Its model depends
    on the global generator alone."""

    backend = "mine"

    def __init__(self, seed=7, noise=True):
        self.seed, self.noise = seed, noise

    def to_yaml(self):
        return json.dumps({"seed": self.seed, "noise": self.noise})

    @classmethod
    def from_yaml(cls, text):
        return cls(**json.loads(text))

    def run(self):
        ran.append(self)
        # As pipekit_train does: the operator, and an artifact of its own.
        return Line(random.random() if self.noise else 2.0), {"artifact": 1}


class NoLoop:
    @classmethod
    def from_yaml(cls, text):
        return cls()


ran = []
"""Loops that have run."""

if os.environ.get("ARTIFACT_MODELS_MARK"):
    # Shows in tests of trust that this module was imported.
    with open(os.environ["ARTIFACT_MODELS_MARK"], "w") as file:
        file.write("imported")
