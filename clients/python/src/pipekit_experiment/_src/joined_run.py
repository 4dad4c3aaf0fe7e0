"""A run that another process has started: one run, several writers."""

from __future__ import annotations

from pipekit_experiment._src.active_run import ActiveRun
from pipekit_experiment._src.errors import InvalidArgumentError
from pipekit_experiment._src.hub import the_hub
from pipekit_experiment._src.run import now
from pipekit_experiment._src.ulid import is_ulid


class JoinedRun(ActiveRun):
    """A run that another process has started, and ends. `end` hands over what this process has logged."""

    def __init__(self, run_id: str) -> None:
        super().__init__(the_hub(), run_id, name="", pipeline_hash="", config={}, started_at=now())
        # No process has this id: the end is not written here.
        self._owner_pid = 0


def join_run(run_id: str) -> ActiveRun:
    """Adds to a run that another process, such as rank 0 of a distributed training, has started or is about
    to start.

    Waits for nothing: what is logged waits for the start of the run, up to a minute, and is refused with a
    warning when the run has ended before. `end` hands over what this process has logged and leaves the run
    open. In the process that started the run, or joined it before, this is that run. Keys are shared by all
    processes: give each rank keys of its own, such as `rank1/loss`.

    Raises InvalidArgumentError unless `run_id` is a ULID.
    """
    if not is_ulid(run_id):
        raise InvalidArgumentError(
            f"The run id {run_id[:60]!r} is not a ULID.",
            field="run_id",
            mend="Pass the run_id of the run that start_run returned.",
        )
    hub = the_hub()
    known = hub.runs.get(run_id)
    if isinstance(known, ActiveRun):
        return known
    run = JoinedRun(run_id)
    hub.runs[run_id] = run
    hub.add(run.writer)
    return run
