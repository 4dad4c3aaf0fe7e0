"""The data of a training: arrays, and the batches of an epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, cast

from pipekit_experiment._src.errors import InvalidArgumentError


class TrainingData:
    """Arrays by name, as many examples in each."""

    def __init__(self, dataset: Any, field: str) -> None:
        import numpy as np

        given = dataset.arrays() if callable(getattr(dataset, "arrays", None)) else dataset
        if not isinstance(given, Mapping) or "x" not in given:
            raise InvalidArgumentError(
                f"`{field}`, a {type(dataset).__name__}, gives no arrays with one named x.",
                field=field,
                mend="Give a data set of pipekit_experiment.datasets, or one whose `arrays()` gives x and y.",
            )
        named = cast("Mapping[str, Any]", given)
        self.arrays: dict[str, Any] = {name: np.asarray(named[name]) for name in named}
        self.count = len(self.arrays["x"]) if self.arrays["x"].ndim else 0
        for name, array in self.arrays.items():
            if array.shape[:1] != (self.count,):
                raise InvalidArgumentError(
                    f"The array {name!r} of `{field}` has shape {array.shape}; x has {self.count} examples.",
                    field=f"{field}.{name}",
                    mend="Let the first axis be that of the examples.",
                )
        if self.count == 0:
            raise InvalidArgumentError(f"`{field}` is empty.", field=field, mend="Give it examples.")

    @property
    def x(self) -> Any:
        """What goes into the model."""
        return self.arrays["x"]

    @property
    def y(self) -> Any:
        """What shall come out. Raises InvalidArgumentError."""
        if "y" not in self.arrays:
            raise InvalidArgumentError(
                "The data set has no array y.", field="dataset.y", mend="Name what shall come out y."
            )
        return self.arrays["y"]

    @cached_property
    def single(self) -> tuple[Any, Any]:
        """x and y with real numbers as float32, which is what models compute in."""
        import numpy as np

        pair = (self.x, self.y)
        return tuple(array.astype(np.float32) if array.dtype == np.float64 else array for array in pair)

    def steps(self, batch_size: int) -> int:
        """Batches in an epoch; the last may be smaller."""
        return -(-self.count // batch_size)

    def batches(self, batch_size: int, shuffle: tuple[int, int] | None = None) -> Iterator[Any]:
        """Indices of the examples of each batch. `shuffle`: seed and epoch, which say the order."""
        import numpy as np

        order = np.arange(self.count)
        if shuffle is not None:
            # The order of an epoch depends on nothing before, so that a resumed training has the same.
            order = np.random.default_rng(shuffle).permutation(self.count)
        for start in range(0, self.count, batch_size):
            yield order[start : start + batch_size]
