# ruff: noqa: F401 - names that the page uses
"""What the programs of clients/python/README.md have beside what they show."""

import jax
import jax.numpy as jnp
import pipekit_experiment as pe
from my_models import Doubled

trained_op = Doubled()
old_digest = pe.S3ModelRegistry("my-bucket").store(Doubled(3.0), name="production")
digest = pe.S3ModelRegistry("my-bucket").store(Doubled(4.0))
w = jnp.ones(3)
RUN_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def loss_of(w):
    """The loss of the page's loop."""
    return ((w - 3.0) ** 2).sum()
