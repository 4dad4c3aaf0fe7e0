"""The random numbers of a training."""

from __future__ import annotations

import random
from collections.abc import Generator
from contextlib import contextmanager


def seed_epoch(seed: int, epoch: int) -> int:
    """Lets Python's and NumPy's random numbers begin anew with an epoch, so that a resumed training draws the
    same; gives a seed for others."""
    import numpy as np

    random.seed(f"{seed}/{epoch}")
    np.random.seed([seed, epoch])
    return random.getrandbits(32)


@contextmanager
def seeded(seed: int) -> Generator[None]:
    """Within the block Python's and NumPy's random numbers begin with `seed`; afterwards they go on as if it
    had not been."""
    import numpy as np

    python, numpy = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
