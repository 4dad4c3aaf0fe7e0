"""What a file from elsewhere may have called: the addresses that it names.

The daemon shows its credentials to a server that it calls. So an address is named by whoever calls, as a
module is: trust=["my_models", "mlflow+https://mlflow.example.com/emulators"]."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import parse_qsl

from pipekit_experiment._src.errors import InvalidArgumentError

_HERE = re.compile(r"mlflow\+https?://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?/[^\\?#]*(\?[^#]*)?\Z")


def require_known_place(spec: str, trust: Sequence[str]) -> None:
    """For the spec of a registry that stands in a file. Raises InvalidArgumentError for a server that would
    be sent credentials, other than one of this host or of $MLFLOW_TRACKING_URI, unless it is trusted.

    Folders need none, and S3 gets signatures only."""
    if spec in trust or (_is_known(spec) and not _names_secret(spec)):
        return
    raise InvalidArgumentError(
        f"The file names the registry {_shown(spec)}, which would be sent credentials of the daemon.",
        field="model_registry_uri",
        mend="If you know that place, give it as `registry`, or add its spec to `trust`.",
    )


def hold_back(loop: Any, trust: Sequence[str]) -> list[str]:
    """Takes from the loop's callbacks what would write to where the file says: LogToExperiment keeps the
    trackers that are trusted, Checkpoint stays if its registry is. Gives the addresses that were taken out.

    Other classes of callbacks are code of modules that are trusted."""
    from pipekit_experiment._src.training.checkpoint import Checkpoint
    from pipekit_experiment.callbacks import LogToExperiment

    given: Any = getattr(loop, "callbacks", None)
    if not isinstance(given, list):
        return []
    kept: list[Any] = []
    out: list[str] = []
    for callback in cast("list[Any]", given):
        if isinstance(callback, LogToExperiment):
            callback, taken = _quiet(callback, trust)
            out.extend(taken)
        elif isinstance(callback, Checkpoint):
            spec = str(callback.state["config"]["registry"])
            if spec not in trust:
                out.append(spec or "the default registry")
                continue
        kept.append(callback)
    loop.callbacks = kept
    return out


def _quiet(callback: Any, trust: Sequence[str]) -> tuple[Any, list[str]]:
    from pipekit_experiment._src.tracking import HasSpecs, Tracker
    from pipekit_experiment.callbacks import LogToExperiment

    tracker = callback.tracker
    if not isinstance(tracker, HasSpecs):
        return callback, []
    named = [*tracker.specs, *([tracker.tracker] if tracker.tracker else [])]
    out = [place for place in named if place not in trust]
    if not out:
        return callback, []
    name = tracker.tracker if tracker.tracker in trust else None
    journal = Tracker(*(spec for spec in tracker.specs if spec in trust), tracker=name)
    return LogToExperiment(journal, callback.run_name, callback.config), out


def _is_known(spec: str) -> bool:
    if not spec.strip().lower().startswith("mlflow") or _HERE.match(spec):
        return True
    own = os.environ.get("MLFLOW_TRACKING_URI", "").rstrip("/")
    return own.startswith(("http://", "https://")) and spec.startswith(f"mlflow+{own}/")


def _names_secret(spec: str) -> bool:
    """Whether the daemon is told to read a variable or a file, and to send what it holds."""
    query = spec.partition("?")[2].partition("#")[0]
    return any(value.startswith(("env:", "file:")) for _, value in parse_qsl(query))


def _shown(spec: str) -> str:
    from pipekit_experiment._src.artifacts.environment_secrets import without_credentials

    return without_credentials(spec)[:200]
