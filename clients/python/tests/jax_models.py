"""Factories of pytrees and Equinox modules that the tests store by name."""

import jax
import jax.numpy as jnp
import numpy as np


def mlp(width=4, seed=0):
    first, second = jax.random.split(jax.random.key(seed))
    return {
        "layers": [
            {"w": jax.random.normal(first, (3, width)), "b": jnp.zeros(width)},
            {"w": jax.random.normal(second, (width, 2)), "b": jnp.zeros(2)},
        ],
        "activation": jax.nn.relu,
    }


def apply(tree, x):
    *hidden, last = tree["layers"]
    for layer in hidden:
        x = tree["activation"](x @ layer["w"] + layer["b"])
    return x @ last["w"] + last["b"]


def every_leaf():
    """Each kind of leaf that a tree may hold."""
    return {
        "bfloat": jnp.arange(3, dtype=jnp.bfloat16),
        "float8": jnp.ones(2, jnp.float8_e4m3fn),
        "int4": jnp.array([-8, 7], jnp.int4),
        "complex": jnp.array([1 + 2j], jnp.complex64),
        "numpy": np.array([[1.5, 2.5]], np.float64),
        "turned": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "long": np.array([1 + 2j], np.complex128),
        "scalar": np.float32(0.1),
        "python": [True, 3, 0.1, 2j, None],
        "key": jax.random.key(3),
        "old_key": jax.random.PRNGKey(3),
        "empty": jnp.zeros((0, 2)),
        "nested": ({"a": (jnp.ones(()),)}, [], {}),
        "text": "relu",
    }


@jax.tree_util.register_pytree_with_keys_class
class Line:
    """A class that JAX knows as a pytree, and that can be called."""

    def __init__(self, slope, offset=None):
        self.slope, self.offset = slope, offset

    def tree_flatten_with_keys(self):
        names = ("slope", "offset")
        return [(jax.tree_util.GetAttrKey(name), getattr(self, name)) for name in names], None

    @classmethod
    def tree_unflatten(cls, _, children):
        return cls(*children)

    def __call__(self, x):
        return self.slope * x + (0 if self.offset is None else self.offset)


def line(offset=None):
    return Line(jnp.ones(2), offset)


def network(width=4):
    import equinox as eqx

    first, second = jax.random.split(jax.random.PRNGKey(0))
    return eqx.nn.Sequential(
        [
            eqx.nn.Linear(3, width, key=first),
            eqx.nn.Lambda(jax.nn.relu),
            eqx.nn.Dropout(0.5),
            eqx.nn.Linear(width, 2, key=second, dtype=jnp.bfloat16),
        ]
    )
