"""Logging from JAX: out of jitted computations, and what a scan has stacked. Pytrees as operators.

A plain loop needs nothing of this: `run.log({"loss": loss}, step)` takes arrays as they are and waits for no
device. What is logged must not be donated to a later call before the flusher has read it (some 25 ms).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from itertools import repeat
from typing import Any, ClassVar, cast

from pipekit_experiment._src.active_run import ActiveRun
from pipekit_experiment._src.errors import InvalidMetricError
from pipekit_experiment._src.extras import missing_extra
from pipekit_experiment._src.loud import Loud
from pipekit_experiment._src.metrics import accept_values, check_key, check_metrics, check_step

try:
    import jax
    import jax.numpy as jnp
    import numpy as np
    from jax.experimental import io_callback
except ImportError as error:
    raise missing_extra(error, "jax", "pipekit_experiment.jax") from error

# After jax, whose absence names the extra.
from pipekit_experiment._src.jax_operator import EquinoxModelOp, JaxModelOp  # isort: skip

__all__ = ["EquinoxModelOp", "JaxModelOp", "log_from_jit", "log_stacked"]

_loud = Loud()


def log_from_jit(
    run: ActiveRun | Callable[[], ActiveRun],
    metrics: Mapping[str, Any],
    step: Any = None,
    *,
    ordered: bool = False,
) -> None:
    """Logs from inside `jax.jit`, `lax.scan`, `lax.cond`, `jax.vmap`, `jax.grad`; each time it is executed.

    Args:
        run: The run, or a function without arguments that gives it. jit keeps what it has compiled, with the
            run that it was traced with: where later runs come by the same jitted function, pass a function,
            which is asked at each execution.
        metrics: Names to single numbers of any real dtype, traced or not.
        step: An integer, traced or not; None means one after the step of the call before.
        ordered: Whether the rows of several calls come in the order of the program. False lets XLA choose,
            which costs nothing, works under vmap and pmap, and is enough where each row has its step; within
            one scan on one device the order is that of the steps in any case. True is not possible under vmap
            nor on several devices.

    Under vmap each element of the batch is a row, under pmap and shard_map each device logs: put what tells
    them apart, such as `lax.axis_index`, into a metric or into the step. No gradient passes through here.

    Nothing that goes wrong while logging is raised into the computation: it is reported by a RuntimeWarning.
    `run.end()` waits for executions under way; before `run.flush()` or reading back, call
    `jax.effects_barrier()`. An execution costs some 0.2 ms, most of it JAX's: in a loop of many thousand fast
    steps stack the metrics and use `log_stacked`.

    Raises InvalidMetricError while tracing, for a bad key, a value that is no single real number, a step that
    is no integer.
    """
    check_metrics(metrics)
    fixed: dict[str, Any] = {}
    traced: dict[str, Any] = {}
    for key, value in metrics.items():
        check_key(key)
        if isinstance(value, jax.Array):
            _check_array(key, value)
            traced[key] = jax.lax.stop_gradient(value)
        else:
            (fixed[key],) = accept_values((key,), (value,))
    fixed_step: int | None = None
    step_array: Any = None
    if isinstance(step, jax.Array):
        if step.size != 1 or not jnp.issubdtype(step.dtype, jnp.integer):
            raise InvalidMetricError(
                f"The step is an array of shape {step.shape} and dtype {step.dtype}, not an integer.",
                field="step",
                mend="Pass an int or a traced integer, such as the counter of the scan.",
            )
        step_array = step
    elif step is not None:
        fixed_step = check_step(step)
    keys = tuple(metrics)
    if not keys:
        return

    def log(values: Mapping[str, Any], at: Any) -> None:
        try:
            known = {**fixed, **{key: _item(value) for key, value in values.items()}}
            found = run() if callable(run) else run
            _wait_at_end(found)
            found.log({key: known[key] for key in keys}, fixed_step if at is None else _item(at))
        except Exception as error:
            _loud.say("jit", f"Metrics of a jitted computation are not logged: {error}")

    with contextlib.suppress(Exception):
        _wait_at_end(run() if callable(run) else run)
    io_callback(log, None, traced, step_array, ordered=ordered)


def _item(value: Any) -> Any:
    # In the callback, while the memory of its arguments is valid; they are single numbers in host memory.
    return np.asarray(value).item()


def _wait_at_end(run: ActiveRun) -> None:
    """Lets `run.end` wait for executions under way: they log from threads of XLA after the jitted call has
    returned."""
    if "end" in vars(run):
        return
    end = run.end

    def end_after_effects(*arguments: Any, **options: Any) -> None:
        # A computation that failed reports its error where its result is used.
        with contextlib.suppress(Exception):
            jax.effects_barrier()
        end(*arguments, **options)

    run.end = end_after_effects


def log_stacked(run: ActiveRun, metrics: Mapping[str, Any], steps: Any = None) -> None:
    """Logs what a scan has stacked: arrays of shape (n,) as n rows.

    Args:
        run: The run.
        metrics: Names to arrays of shape (n,) and any real dtype, all of one n.
        steps: An int, the step of the first row; or n integers. None goes on after the step of the call
            before.

    Arrays that are still being computed are not waited for: the flusher reads them. (Steps that are an array
    on a device are waited for.) Takes about 2 us a row.

    Raises InvalidMetricError before anything is kept, and RunEndedError.
    """
    check_metrics(metrics)
    if not metrics:
        return
    lengths = {key: _check_column(key, value) for key, value in metrics.items()}
    first, count = next(iter(lengths.items()))
    for key, length in lengths.items():
        if length != count:
            raise InvalidMetricError(
                f'The metric "{key}" has {length} values and "{first}" has {count}.',
                field=key,
                mend="Stack one value a step for each metric.",
            )
    numbers = _steps(steps, count)
    keys = tuple(metrics)
    columns = [_values(value) for value in metrics.values()]
    for step, *row in zip(numbers, *columns, strict=False):
        run.log(dict(zip(keys, row, strict=True)), step)


def _steps(steps: Any, count: int) -> Iterable[int | None]:
    if steps is None:
        return repeat(None, count)
    array = np.asarray(steps)
    if array.dtype.kind not in "iu" or (array.ndim != 0 and array.shape != (count,)):
        raise InvalidMetricError(
            f"The steps are an array of shape {array.shape} and dtype {array.dtype}, not {count} integers.",
            field="steps",
            mend="Pass the first step, or one integer for each row.",
        )
    if array.ndim == 0:
        first = check_step(int(array))
        check_step(first + max(0, count - 1))
        return range(first, first + count)
    for end in (array.min(initial=0), array.max(initial=0)):
        check_step(int(end))
    return cast("list[int]", array.tolist())


def _values(value: Any) -> Iterable[Any]:
    """The values of a column: numbers when they are there, else promises that the flusher keeps."""
    is_ready: Callable[[], bool] | None = getattr(value, "is_ready", None)
    if is_ready is not None and not is_ready():
        column = _Column(value)
        return [_Element(column, i) for i in range(len(value))]
    return np.asarray(value).astype(np.float64).tolist()


class _Column:
    """An array that is still being computed; read once, for all of its elements."""

    def __init__(self, array: Any) -> None:
        self._array = array
        self._values: list[float] | None = None

    def __getitem__(self, index: int) -> float:
        values, array = self._values, self._array
        if values is None:
            # Another thread that has read it meanwhile stored the values before it let the array go.
            values = self._values if array is None else np.asarray(array).astype(np.float64).tolist()
            self._values = values
            self._array = None
        return cast("list[float]", values)[index]


class _Element:
    """One number of a column: an array of no dimension, as far as `log` looks at it."""

    __slots__ = ("_column", "_index")
    dtype: ClassVar[Any] = np.dtype(np.float64)
    shape: ClassVar[tuple[int, ...]] = ()

    def __init__(self, column: _Column, index: int) -> None:
        self._column = column
        self._index = index

    def __float__(self) -> float:
        return self._column[self._index]


def _check_array(key: str, value: Any) -> None:
    if value.size != 1:
        raise InvalidMetricError(
            f'The metric "{key}" is an array of shape {value.shape}, not a single number.',
            field=key,
            mend="Log a single number, such as the array's mean.",
        )
    _check_real(key, value.dtype)


def _check_column(key: str, value: Any) -> int:
    check_key(key)
    array: Any = value if hasattr(value, "dtype") else np.asarray(value)
    shape = tuple(array.shape)
    if len(shape) != 1:
        raise InvalidMetricError(
            f'The metric "{key}" is an array of shape {shape}, not one number a step.',
            field=key,
            mend="Pass an array of shape (n,); log a single number by run.log.",
        )
    _check_real(key, array.dtype)
    return int(shape[0])


def _check_real(key: str, dtype: Any) -> None:
    if not any(jnp.issubdtype(dtype, kind) for kind in (jnp.floating, jnp.integer, jnp.bool_)):
        raise InvalidMetricError(
            f'The metric "{key}" is of dtype {dtype}, which is no real number.',
            field=key,
            mend="Log a real number, such as the absolute value.",
        )
