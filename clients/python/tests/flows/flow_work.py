"""What the flows of this folder do in their steps."""

from registry_operators import Scale

from pipekit_experiment.operators import Operator


class Rows:
    """A data set that knows its hash."""

    def __init__(self, values):
        self.values = values

    def content_hash(self):
        return "d41d8cd98f00b204e9800998ecf8427e"


class MeanLoop:
    """Learns the mean of its values, in as many steps, and tells its callbacks as pipekit-train does."""

    def __init__(self, values, callbacks=(), unit="m"):
        self.dataset = Rows(values)
        self.callbacks = list(callbacks)
        self.unit = unit
        self.step = 0

    def get_config(self):
        return {"unit": self.unit}

    def run(self):
        for callback in self.callbacks:
            callback.on_train_begin(self, self)
        total = 0.0
        for step, value in enumerate(self.dataset.values):
            self.step = step
            total += value
            for callback in self.callbacks:
                callback.on_step_end(self, self, {"mean": total / (self.step + 1)})
        for callback in self.callbacks:
            callback.on_train_end(self, self)
        return Scale(self.unit, total / len(self.dataset.values))


class Double(Operator):
    """Twice each value."""

    def __call__(self, values):
        return [2 * value for value in values]


class Largest(Operator):
    """The largest of the numbers given by the branches."""

    def __call__(self, numbers):
        return max(numbers)


class Follower(Operator):
    """Trains itself: goes half of the way to the mean of each batch."""

    def __init__(self):
        self.at = 0.0

    def get_weights(self):
        return str(self.at).encode()

    def with_weights(self, weights):
        made = Follower()
        made.at = float(weights)
        return made

    def train_step(self, batch, state):
        away = float(batch["x"].mean()) - self.at
        self.at += away / 2
        return {"loss": away**2}
