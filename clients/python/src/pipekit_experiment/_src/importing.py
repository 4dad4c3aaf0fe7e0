"""Bringing runs of other tools here."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from pipekit_experiment._generated.tracker_pb2 import ImportOutcome, ImportRunsRequest
from pipekit_experiment._src.registry_calls import ask, cancelling, incomplete

# After registry_calls, because it imports grpc.
from pipekit_experiment._generated.tracker_pb2_grpc import TrackerServiceStub  # isort: skip

Outcome = Literal["new", "grown", "unchanged", "left_out"]


@dataclass(frozen=True)
class ImportedRun:
    """A run of another tool.

    Attributes:
        source_id: Its id there.
        name: Its name there.
        run_id: Its id here.
        outcome: `new`, `grown` (it was here, and has got what is new of it; in a dry run: there may be
            something new), `unchanged` (all of it was here) or `left_out` (a note says why).
        points_taken: Metric points that were new.
    """

    source_id: str
    name: str
    run_id: str
    outcome: Outcome
    points_taken: int


@dataclass
class ImportReport:
    """What an import did.

    Attributes:
        runs: The runs of the source, in no order.
        points_read: Metric points that were looked at.
        points_taken: Those of them that were new.
        notes: What could not be carried, one sentence each.
    """

    runs: list[ImportedRun] = field(default_factory=list[ImportedRun])
    points_read: int = 0
    points_taken: int = 0
    notes: list[str] = field(default_factory=list[str])


def import_runs(
    source: str | os.PathLike[str],
    *,
    to: Sequence[str] = (),
    tracker: str = "",
    only: Sequence[str] = (),
    dry_run: bool = False,
) -> ImportReport:
    """Brings runs that MLflow, W&B, TensorBoard or Neptune keeps here, and from here to trackers.

    Doing it again, also after it was broken off, takes what is new there and doubles nothing. Ctrl-C stops
    it; what was taken stays. Delivery to trackers is the daemon's: it goes on when this has returned.

    Args:
        source: A path (an `mlruns` folder, `mlflow.db`, a `wandb` folder, event files, what
            neptune-exporter made), or a spec such as `mlflow+http://HOST:5000`, `sqlite:///mlflow.db`.
        to: Tracker specs for the runs.
        tracker: A tracker named in the daemon's config.
        only: Only runs with one of these names or ids.
        dry_run: Only tell which runs there are.

    Raises:
        SourceUnreadableError: The source does not exist or cannot be read.
        InvalidTrackerSpecError: A spec in `to`, or the tracker, is wrong.
    """
    request = ImportRunsRequest(
        source=_absolute(os.fspath(source)), sinks=to, tracker=tracker, only=only, dry_run=dry_run
    )

    def run(stub: Any, _: object) -> ImportReport:
        report = ImportReport()
        done = False
        with cancelling(stub.ImportRuns(request)) as answers:
            for answer in answers:
                report.points_read = answer.points_read
                report.points_taken = answer.points_taken
                report.notes.extend(answer.notes)
                report.runs.extend(_run_of(each) for each in answer.runs)
                done = answer.done
        if not done:
            raise incomplete("import")
        return report

    return ask(run, service=TrackerServiceStub)


def _run_of(run: Any) -> ImportedRun:
    name = ImportOutcome.Name(run.outcome).removeprefix("IMPORT_OUTCOME_").lower()
    return ImportedRun(run.source_id, run.name, run.run_id, cast(Outcome, name), run.points_taken)


def _absolute(source: str) -> str:
    """The daemon's working folder is another one; of specs, only SQLAlchemy's may be relative."""
    relative = re.fullmatch(r"sqlite:///([^/].*)", source, re.IGNORECASE)
    if relative:
        return f"sqlite:///{Path(relative[1]).absolute()}"
    is_spec = re.match(r"[a-z][a-z0-9+.-]+:", source, re.IGNORECASE)
    return source if is_spec else str(Path(source).absolute())
