"""Compares what a model gives with what its preview says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pipekit_experiment._src.errors import InvalidArgumentError, PreviewMismatchError
from pipekit_experiment._src.preview_values import Tensor, np, tensor


class Comparison:
    """Compares values; of numbers that are not whole it allows `atol + rtol x |expected|`."""

    def __init__(self, rtol: float, atol: float, model: str) -> None:
        self._rtol, self._atol, self._model = rtol, atol, model

    def compare(self, expected: Any, found: Any, path: str) -> None:
        """Raises PreviewMismatchError that names the first output which differs."""
        if isinstance(expected, dict):
            wanted = cast("dict[str, Any]", expected)
            entries = dict(cast("Mapping[str, Any]", found)) if isinstance(found, Mapping) else None
            if entries is None or entries.keys() != wanted.keys():
                names = "something else" if entries is None else f"entries {sorted(entries, key=str)}"
                raise self._differs(path, f"has {names} instead of entries {sorted(wanted)}")
            for key, inner in wanted.items():
                self.compare(inner, entries[key], f"{path}[{key!r}]")
        elif isinstance(expected, (list, tuple)):
            items = cast("list[Any]", expected)
            given = cast("list[Any]", found) if isinstance(found, (list, tuple)) else None
            if given is None or len(given) != len(items):
                raise self._differs(
                    path, f"is a {type(cast(object, found)).__name__} that has not {len(items)} values"
                )
            for index, inner in enumerate(items):
                self.compare(inner, given[index], f"{path}[{index}]")
        elif isinstance(expected, Tensor):
            self._compare_arrays(expected, self._tensor(found, path), path)
        elif isinstance(expected, float) and type(found) is float:
            self._compare_numbers(np.asarray(expected), np.asarray(found), path)
        elif type(expected) is not type(found) or expected != found:
            raise self._differs(path, f"is {found!r:.200} instead of {expected!r:.200}")

    def _tensor(self, found: Any, path: str) -> Tensor:
        try:
            return tensor(found, path)
        except InvalidArgumentError:
            raise self._differs(path, f"is a {type(found).__name__} instead of an array") from None

    def _compare_arrays(self, expected: Tensor, found: Tensor, path: str) -> None:
        was, now = expected.values, found.values
        if (found.dtype, now.shape) != (expected.dtype, was.shape):
            raise self._differs(
                path,
                f"is an array of {found.dtype} and shape {now.shape} "
                f"instead of {expected.dtype} and shape {was.shape}",
            )
        if was.dtype.kind in "fc":
            self._compare_numbers(was, now, path)
            return
        wrong = np.asarray(was != now)
        if wrong.any():
            at = _index(wrong)
            raise self._differs(
                path,
                f"differs in {int(wrong.sum())} of {wrong.size} values; "
                f"at {list(at)} it is {now[at]!s} instead of {was[at]!s}",
            )

    def _compare_numbers(self, was: Any, now: Any, path: str) -> None:
        wide = "complex128" if was.dtype.kind == "c" else "float64"
        was, now = was.astype(wide), now.astype(wide)
        # Equal infinities and two nan are the same; one of them alone is as far off as can be.
        with np.errstate(invalid="ignore"):
            gap = np.where((was == now) | (np.isnan(was) & np.isnan(now)), 0.0, abs(now - was))
        gap = np.where(np.isnan(gap), np.inf, gap)
        excess = gap - (self._atol + self._rtol * abs(np.where(np.isfinite(was), was, 0)))
        if not (excess > 0).any():
            return
        at = _index(excess)
        raise self._differs(
            path,
            f"differs by {gap[at]:.6g} at {list(at)} ({now[at]:.6g} instead of {was[at]:.6g}), "
            f"in {int((excess > 0).sum())} of {gap.size} values; "
            f"allowed are {self._atol:g} + {self._rtol:g} x |{was[at]:.6g}|",
        )

    def _differs(self, path: str, fault: str) -> PreviewMismatchError:
        return PreviewMismatchError(
            f"The model {self._model} does not give what its preview says: `{path}` {fault}.",
            field=path,
            mend="Look at the versions of what it was stored with, or give a wider `rtol` and `atol`.",
        )


def _index(values: Any) -> tuple[int, ...]:
    """Where the greatest is."""
    return tuple(int(i) for i in np.unravel_index(int(values.argmax()), values.shape))
