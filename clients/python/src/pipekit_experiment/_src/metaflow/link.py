"""Tags of the Metaflow run, by which it leads to runs and models of ours."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Generator
from contextlib import contextmanager

from pipekit_experiment._src.errors import PipekitError
from pipekit_experiment._src.folders import check_runtime_folder, runtime_folder
from pipekit_experiment._src.loud import Loud
from pipekit_experiment._src.metaflow.task import MetaflowTask, import_metaflow

_TURN_WAIT_S = 10.0
_TURN_POLL_S = 0.01
_loud = Loud(interval_s=float("inf"))


def link(task: MetaflowTask, *tags: str) -> None:
    """Adds tags to the Metaflow run. Tags that it has already are no fault. A failure is told once a process,
    and not raised; Metaflow allows a run 50 tags."""
    try:
        with _turn(task):
            # Metaflow's `current.run` looks at no namespace, so that the user's stays as it is.
            import_metaflow().current.run.add_tags(list(tags))
    except Exception as error:
        _loud.say(
            "metaflow tags",
            f"The Metaflow run {task.flow}/{task.run} could not be tagged with {', '.join(tags)} "
            f"({type(error).__name__}: {error}). The step goes on.",
        )


@contextmanager
def _turn(task: MetaflowTask) -> Generator[None]:
    """Lets the tasks of this host tag one after the other.

    Metaflow's local metadata provider reads a run's tags, adds to them and writes them all: of two tasks that
    do so at the same moment one can lose its tags without a word. A metadata service does this by itself.
    """
    if not task.location.startswith("local@"):
        yield
        return
    try:
        check_runtime_folder(runtime_folder())
        file = open(runtime_folder() / "metaflow-tags.lock", "ab")  # noqa: SIM115 - closed below
    except (OSError, PipekitError):
        # Better a tag that may get lost than none.
        yield
        return
    with file:
        deadline = time.monotonic() + _TURN_WAIT_S
        while time.monotonic() < deadline:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                time.sleep(_TURN_POLL_S)
        yield
