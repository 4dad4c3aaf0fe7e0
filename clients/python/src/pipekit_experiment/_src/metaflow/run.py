"""A run of ours around the work of a Metaflow step."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pipekit_experiment._src.active_run import ActiveRun
from pipekit_experiment._src.errors import (
    InvalidArgumentError,
    InvalidConfigError,
    InvalidTrackerSpecError,
    RunPrunedError,
)
from pipekit_experiment._src.loud import Loud
from pipekit_experiment._src.metaflow.link import link
from pipekit_experiment._src.metaflow.task import MetaflowTask
from pipekit_experiment._src.protocols import ExperimentTracker
from pipekit_experiment._src.tracking import start_run

_GIVEN_WRONG = (InvalidArgumentError, InvalidConfigError, InvalidTrackerSpecError)
_loud = Loud(interval_s=float("inf"))


@contextmanager
def step_run(
    task: MetaflowTask,
    name: str,
    config: Mapping[str, Any],
    tracker: str | ExperimentTracker | None,
    sinks: Sequence[str | ExperimentTracker],
) -> Generator[ActiveRun | None]:
    """Starts the run, or goes on with it when an earlier attempt has started it, links it with the Metaflow
    run, and ends it: as failed when the block raises.

    Gives None when there can be no run, which a warning tells. Raises only what is wrong with the arguments.
    """
    run = _started(task, name, config, tracker, sinks)
    if run is None:
        yield None
        return
    with run:
        link(task, f"pipekit_run:{run.run_id}")
        yield run


def _started(
    task: MetaflowTask,
    name: str,
    config: Mapping[str, Any],
    tracker: str | ExperimentTracker | None,
    sinks: Sequence[str | ExperimentTracker],
) -> ActiveRun | None:
    named = tracker if isinstance(tracker, str) else None
    given = [*sinks] if named is not None or tracker is None else [tracker, *sinks]
    tags = task.tags()

    def start(run_id: str | None) -> ActiveRun:
        return start_run(
            name,
            config=config,
            tracker=named,
            sinks=given,
            tags=tags,
            run_id=run_id,
            resume=run_id is not None,
        )

    try:
        try:
            run = start(task.run_id(name))
        except RunPrunedError as error:
            _loud.say("metaflow pruned", f"{error} The step has a run of its own instead.")
            run = start(None)
        if task.attempt or task.origin_run:
            # A run that is gone on with has the labels of the attempt before.
            run.set_tags(tags)
        return run
    except _GIVEN_WRONG:
        raise
    except Exception as error:
        _loud.say(
            "metaflow run",
            f"The Metaflow task {task.pathspec} goes on without a run of its own, which could not be started "
            f"({type(error).__name__}: {error}).",
        )
        return None
