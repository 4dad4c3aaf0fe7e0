"""Operators that are previewed."""

from pipekit_experiment.operators import Operator


class Heads(Operator):
    """Gives several outputs; its weight is a factor."""

    def __init__(self, factor=1.0):
        self.factor = factor

    def get_weights(self):
        return str(self.factor).encode()

    def with_weights(self, weights):
        return Heads(float(weights))

    def __call__(self, x, scale=1):
        x *= self.factor  # an unkind operator changes its input
        return {"mean": x.mean(axis=0), "parts": (x.astype("float16"), ["text", 3, float(x[0, 0])])}


class Fixed(Operator):
    """Gives what the test has put here, whatever comes in."""

    output = None

    def __call__(self, x):
        return Fixed.output


class Silent(Operator):
    """Cannot be called."""


class Dtypes(Operator):
    """Gives its inputs, having looked at what they are."""

    seen = ()

    def __call__(self, *given):
        Dtypes.seen = given
        return list(given)
