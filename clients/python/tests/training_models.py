"""Models and operators that the tests train. Loops name them, and import them anew."""

import numpy as np

from pipekit_experiment.operators import Operator


def torch_digits():
    from torch import nn

    return nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))


def jax_digits(seed=0):
    import jax

    first, second = jax.random.split(jax.random.key(seed))
    layers = [jax.random.normal(first, (64, 16)) * 0.1, jax.random.normal(second, (16, 10)) * 0.1]
    return {"layers": layers, "classes": 10}


def jax_apply(tree, x):
    import jax

    first, second = tree["layers"]
    return jax.nn.relu(x @ first) @ second


def equinox_digits():
    import equinox as eqx
    import jax

    first, second = jax.random.split(jax.random.PRNGKey(0))
    layers = [
        eqx.nn.Linear(64, 16, key=first),
        eqx.nn.Lambda(jax.nn.relu),
        eqx.nn.Dropout(0.1),
        eqx.nn.Linear(16, 10, key=second),
    ]
    return eqx.nn.Sequential(layers)


def keras_digits():
    import keras

    relu = keras.layers.Dense(16, activation="relu")
    return keras.Sequential([keras.Input((64,)), relu, keras.layers.Dense(10)])


def half_squares(prediction, target):
    """A loss of a user's own; for torch, JAX and NumPy."""
    return ((prediction - target.reshape(prediction.shape)) ** 2).mean() / 2


def scaled(x):
    """For a FunctionTransformer."""
    return x / 16


class Line(Operator):
    """Fits `y = w x` by gradient descent; it draws from NumPy's random numbers, as user code does."""

    def __init__(self, rate=0.1, w=None, noise=0.0):
        self.rate, self.noise = rate, noise
        self.w = w

    def get_config(self):
        return {"rate": self.rate, "noise": self.noise}

    def get_weights(self):
        return None if self.w is None else np.asarray(self.w, "<f8").tobytes()

    def with_weights(self, weights):
        return Line(self.rate, np.frombuffer(weights, "<f8").copy(), self.noise)

    def train_step(self, batch, state):
        x, y = batch["x"], batch["y"]
        if self.w is None:
            self.w = np.random.normal(size=x.shape[1])
        fault = x @ self.w - y
        self.w = self.w - self.rate * (2 * fault @ x / len(x) + self.noise * np.random.normal())
        return {"loss": np.mean(fault**2)}

    def __call__(self, x):
        return x @ self.w


class Judge(Line):
    """Evaluates itself."""

    def eval_step(self, batch, state):
        return {"mean_x": batch["x"].mean()}


class Keeping:
    """A callback with a state."""

    def __init__(self, note):
        self.note = note

    @property
    def state(self):
        return {"module": __name__, "class": "Keeping", "config": {"note": self.note}}

    @classmethod
    def from_state(cls, state):
        return cls(**state["config"])


class Spy:
    """A callback without a state; keeps what it is told, and raises at a step if wanted."""

    def __init__(self, at_step=None, error=None):
        self.calls = []
        self.at_step, self.error = at_step, error

    def on_train_begin(self, loop, state):
        self.calls.append(("begin", state.step, state.epoch))

    def on_step_end(self, loop, state, metrics):
        self.calls.append(("step", state.step, state.epoch))
        if state.step == self.at_step:
            raise self.error

    def on_epoch_end(self, loop, state, metrics):
        self.calls.append(("epoch", state.step, state.epoch))

    def on_eval_end(self, loop, state, metrics):
        self.calls.append(("eval", state.step, state.epoch))

    def on_train_end(self, loop, state):
        self.calls.append(("end", state.step, state.epoch))

    def on_exception(self, loop, state, error):
        self.calls.append(("exception", state.step, type(error).__name__))
