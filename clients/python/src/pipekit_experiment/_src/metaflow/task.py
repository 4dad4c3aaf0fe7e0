"""The Metaflow task that this process executes, and the run of ours that stands for it.

Facts come from Metaflow's public `current` and client, as of Metaflow 2.10 and newer."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any

from pipekit_experiment._src.errors import InvalidArgumentError
from pipekit_experiment._src.extras import optional_module
from pipekit_experiment._src.loud import Loud
from pipekit_experiment._src.ulid import ulid_of

_loud = Loud(interval_s=float("inf"))
_calls: Counter[tuple[str, int, str]] = Counter()
_calls_lock = threading.Lock()


@dataclass(frozen=True)
class MetaflowTask:
    """One attempt at one task of a Metaflow run."""

    location: str
    """The metadata provider and where it is, such as `local@/home/ej`."""
    flow: str
    run: str
    step: str
    task: str
    attempt: int
    """0 for the first."""
    origin_run: str
    """The run that this one resumes; empty for an ordinary run."""
    first_run: str
    """The first of the chain of runs that this one resumes; this run itself when it resumes none."""
    branch: tuple[int, ...] | None
    """Index in each foreach around the step, and of each turn of a recursive step; None when the flow object
    is not at hand."""

    @property
    def pathspec(self) -> str:
        """`flow/run/step/task`."""
        return f"{self.flow}/{self.run}/{self.step}/{self.task}"

    def run_id(self, name: str) -> str:
        """A run id of ours for the next piece of work of this name: the same one in each attempt at the task
        and in each run that resumes it, whatever task ids Metaflow gives."""
        with _calls_lock:
            key = (self.pathspec, self.attempt, name)
            nth = _calls[key]
            _calls[key] += 1
        # Task ids are given out anew when a run is resumed, so they only serve where nothing better is known.
        place = ["task", self.task] if self.branch is None else ["branch", *self.branch]
        told = json.dumps([self.location, self.flow, self.first_run, self.step, place, name, nth])
        return ulid_of(int.from_bytes(hashlib.sha256(told.encode()).digest()[:16], "big"))

    def tags(self) -> dict[str, str]:
        """Labels of a run of ours."""
        tags = {
            "metaflow/pathspec": self.pathspec,
            "metaflow/flow": self.flow,
            "metaflow/run": self.run,
            "metaflow/step": self.step,
            "metaflow/task": self.task,
            "metaflow/attempt": str(self.attempt),
        }
        if self.branch:
            tags["metaflow/index"] = "/".join(map(str, self.branch))
        if self.origin_run:
            tags["metaflow/origin_run"] = self.origin_run
        return tags


def import_metaflow() -> Any:
    """The module. Raises ImportError that names the extra."""
    return optional_module("metaflow", "metaflow", "MetaflowStepAdapter")


def current_task(namespace: Any) -> MetaflowTask:
    """The task that this process executes. Raises InvalidArgumentError outside of a Metaflow step."""
    metaflow = import_metaflow()
    current = metaflow.current
    if not current.is_running_flow or current.pathspec is None:
        raise InvalidArgumentError(
            "MetaflowStepAdapter was called outside of a Metaflow step.",
            field="namespace",
            mend="Call it in a @step of a FlowSpec, and start the flow with Metaflow's `run` command.",
        )
    flow = namespace if isinstance(namespace, metaflow.FlowSpec) else _calling_flow(metaflow)
    origin = current.origin_run_id or ""
    return MetaflowTask(
        location=metaflow.get_metadata(),
        flow=current.flow_name,
        run=current.run_id,
        step=current.step_name,
        task=current.task_id,
        attempt=current.retry_count or 0,
        origin_run=origin,
        first_run=_first_run(current, origin),
        branch=None if flow is None else _branch(flow),
    )


def _branch(flow: Any) -> tuple[int, ...]:
    indices = [index for index, _, _ in flow.foreach_stack()]
    # Of recursive steps, which newer versions of Metaflow have; it has no public name for the count.
    return (*indices, *(getattr(flow, "_iteration_stack", None) or ()))


def _calling_flow(metaflow: Any) -> Any:
    """The flow object whose step has called us; None when another thread has."""
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        if frame.f_code.co_argcount:
            first = frame.f_locals.get(frame.f_code.co_varnames[0])
            if isinstance(first, metaflow.FlowSpec):
                return first
        frame = frame.f_back
    return None


def _first_run(current: Any, origin: str) -> str:
    """Follows the chain of resumes: each run tells only the one that it resumes."""
    first: str = current.run_id
    seen = {first}
    try:
        while origin and origin != "None" and origin not in seen:
            seen.add(origin)
            first = origin
            # Runs reached from the current one are found in whatever namespace the user has chosen.
            flow: Any = current.run.parent
            origin = str(flow[origin].origin_pathspec or "").rpartition("/")[2]
    except Exception as error:
        _loud.say(
            "metaflow origin",
            f"Metaflow does not tell which run its run {first} resumes, to go on with what that has logged "
            f"({type(error).__name__}: {error}).",
        )
    return first
