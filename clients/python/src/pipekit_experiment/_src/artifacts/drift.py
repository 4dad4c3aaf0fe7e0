"""Drift: in what the present environment differs from the recorded one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from pipekit_experiment._src.artifacts.environment import BACKEND_MODULES, machine_now, versions_of
from pipekit_experiment._src.artifacts.lock_file import pinned_versions
from pipekit_experiment._src.errors import EnvironmentDriftError

Verdict = Literal["same", "differs", "absent", "unknown"]
_MAX_NAMED = 5


@dataclass(frozen=True)
class DriftEntry:
    """One thing that was compared."""

    what: str
    """`python`, `system`, `backend`, `gpu`, `lock`, `data set`, or a package's name."""
    recorded: str
    present: str
    verdict: Verdict
    """`absent`: it is not here. `unknown`: it could not be compared, which is no drift."""


@dataclass(frozen=True)
class DriftReport:
    """What was compared; `print(report)` shows a table."""

    entries: tuple[DriftEntry, ...]

    @property
    def changed(self) -> tuple[DriftEntry, ...]:
        """Entries that differ or are absent."""
        return tuple(entry for entry in self.entries if entry.verdict in ("differs", "absent"))

    @property
    def drifted(self) -> bool:
        """Whether anything differs or is absent."""
        return bool(self.changed)

    def to_dict(self) -> dict[str, Any]:
        """{"drifted", "entries": [{"what", "recorded", "present", "verdict"}]}."""
        return {"drifted": self.drifted, "entries": [vars(entry).copy() for entry in self.entries]}

    def __str__(self) -> str:
        shown = [entry for entry in self.entries if entry.verdict != "same"]
        same = len(self.entries) - len(shown)
        summary = f"{same} of {len(self.entries)} the same."
        if not shown:
            return summary
        rows = [("", "RECORDED", "PRESENT", "")] + [
            (entry.what, entry.recorded, entry.present, entry.verdict) for entry in shown
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        lines = ("  ".join((*map(str.ljust, row[:3], widths), row[3])).rstrip() for row in rows)
        return "\n".join((*lines, summary))

    def refuse(self) -> None:
        """Raises EnvironmentDriftError that names what differs, if anything does."""
        if not self.changed:
            return
        named = ", ".join(f"{one.what} {one.recorded} -> {one.present}" for one in self.changed[:_MAX_NAMED])
        more = f" and {len(self.changed) - _MAX_NAMED} more" if len(self.changed) > _MAX_NAMED else ""
        raise EnvironmentDriftError(
            f"The environment is not the recorded one: {named}{more}.",
            field=", ".join(entry.what for entry in self.changed),
            mend="Install what the artifact's deps_lock says, or run without `strict`.",
        )


def environment_drift(
    backend_info: Mapping[str, Any], deps_lock: str, data: DriftEntry | None = None
) -> DriftReport:
    """Compares the environment recorded in an artifact with the present one."""
    now = machine_now()
    entries = [
        *_plain(backend_info, now),
        *_backend(backend_info),
        *_gpu(backend_info, now),
        *_packages(recorded_packages(backend_info)),
        *_lock(deps_lock),
        *([] if data is None else [data]),
    ]
    return DriftReport(tuple(entries))


def recorded_packages(backend_info: Mapping[str, Any]) -> dict[str, str]:
    """The versions in a `backend_info`: its `packages`, and entries such as `lightning_version`."""
    packages = backend_info.get("packages")
    found = dict(cast("Mapping[str, Any]", packages) if isinstance(packages, Mapping) else {})
    for key, value in backend_info.items():
        name = key.removesuffix("_version")
        if key != name and name not in ("python", "platform"):
            found.setdefault(name, value)
    return {name: str(version) for name, version in found.items()}


def _plain(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[DriftEntry]:
    for key in ("python", "implementation", "system", "pipekit_experiment"):
        value = recorded.get(key, recorded.get("python_version") if key == "python" else None)
        if value is not None:
            yield _compared(key, str(value), str(now[key]))


def _backend(recorded: Mapping[str, Any]) -> Iterator[DriftEntry]:
    backend = recorded.get("backend")
    if not isinstance(backend, str):
        return
    from importlib.util import find_spec

    modules = BACKEND_MODULES.get(backend, ())
    there = not modules or any(find_spec(module) is not None for module in modules)
    yield _compared("backend", backend, backend if there else None)


def _gpu(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[DriftEntry]:
    if isinstance(recorded.get("gpus"), list):
        before, after = (_names(cast("list[Any]", info["gpus"])) for info in (recorded, now))
        yield _compared("gpu", before, after if after != "none" or before == "none" else None)


def _names(gpus: Iterable[Any]) -> str:
    names = [str(cast("dict[str, Any]", gpu).get("name") if isinstance(gpu, dict) else gpu) for gpu in gpus]
    counted = {name: names.count(name) for name in names}
    return ", ".join(name if count == 1 else f"{count} x {name}" for name, count in counted.items()) or "none"


def _packages(recorded: Mapping[str, str]) -> Iterator[DriftEntry]:
    now = versions_of(recorded)
    for name, version in recorded.items():
        yield _compared(name, version, now.get(name))


def _lock(text: str) -> Iterator[DriftEntry]:
    """One entry for the whole lock: it holds packages of all platforms and extras, so that what is not
    installed is no drift."""
    pins = pinned_versions(text)
    if not pins:
        return
    now = versions_of(pins)
    other = [f"{name} {version}" for name, version in now.items() if not _is_one_of(version, pins[name])]
    named = ", ".join(other[:_MAX_NAMED]) + (", ..." if len(other) > _MAX_NAMED else "")
    present = f"{len(other)} of {len(now)} installed differ: {named}" if other else f"{len(now)} installed"
    yield DriftEntry("lock", f"{len(pins)} pinned", present, "differs" if other else "same")


def _is_one_of(version: str, pinned: Iterable[str]) -> bool:
    # A local part such as `+cpu` says how it was built; a lock need not tell it.
    return any(version in (pin, pin.partition("+")[0]) or version.partition("+")[0] == pin for pin in pinned)


def _compared(what: str, recorded: str, present: str | None) -> DriftEntry:
    if present is None:
        return DriftEntry(what, recorded, "absent", "absent")
    return DriftEntry(what, recorded, present, "same" if recorded == present else "differs")
