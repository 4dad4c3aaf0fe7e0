"""Factories of Keras models that the tests store by name."""

import keras


def net(width=3):
    return keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(width, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(2),
        ]
    )


def graph(compiled=False):
    """Branches, an operation between tensors, a model in the model, a layer of bfloat16, given names."""
    entry = keras.Input((4,))
    left = keras.layers.Dense(3)(entry)
    right = keras.layers.Dense(3, name="dense_77")(entry)
    joined = keras.layers.Add(name="dense_1")([left + right, left])
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, dtype="bfloat16")])
    made = keras.Model(entry, inner(keras.layers.ReLU()(joined)))
    if compiled:
        made.compile("adam", "mse", metrics=["mae"])
    return made


@keras.saving.register_keras_serializable("tests")
class Own(keras.Model):
    """A subclass whose layers Keras finds as attributes."""

    def __init__(self, width=3, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.blocks = [keras.layers.Dense(width), keras.layers.Dense(2)]

    def call(self, x, training=False):
        for block in self.blocks:
            x = block(x)
        return x

    def get_config(self):
        return {**super().get_config(), "width": self.width}


def own():
    made = Own()
    made(keras.ops.zeros((1, 4)))
    return made


def unbuilt():
    return keras.Sequential([keras.layers.Dense(1)])


def with_lambda():
    return keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x * 2)])


def not_a_model():
    return keras.layers.Dense(1)
