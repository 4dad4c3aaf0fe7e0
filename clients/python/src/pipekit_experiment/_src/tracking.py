"""start_run and Tracker: the way into tracking."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pipekit_experiment._src.active_run import ActiveRun
from pipekit_experiment._src.errors import (
    DaemonUnavailableError,
    InvalidArgumentError,
    InvalidTrackerSpecError,
    PipekitError,
    ProtocolMismatchError,
    QuotaExceededError,
    from_rpc_error,
)
from pipekit_experiment._src.hub import Hub, the_hub
from pipekit_experiment._src.inprocess import InProcessSink
from pipekit_experiment._src.joined_run import JoinedRun
from pipekit_experiment._src.protocols import ExperimentTracker
from pipekit_experiment._src.run import Run, now
from pipekit_experiment._src.run_config import config_json, text_tags
from pipekit_experiment._src.ulid import is_ulid, new_ulid

if TYPE_CHECKING:
    from pipekit_experiment._generated.tracker_pb2 import Run as RunMessage
    from pipekit_experiment._src.connection import Connection
    from pipekit_experiment._src.group import Member

_START_WAIT_S = 5.0
_SYSTEM_METRICS_MS = 10_000
_STATUSES = {"completed": "completed", "finished": "completed", "success": "completed", "failed": "failed"}


@runtime_checkable
class HasSpecs(Protocol):
    """A tracker that the daemon serves."""

    specs: tuple[str, ...]
    tracker: str


def start_run(
    name: str | None = None,
    *,
    config: Mapping[str, Any] | None = None,
    tracker: str | None = None,
    sinks: Sequence[str | ExperimentTracker] | str | ExperimentTracker = (),
    tags: Mapping[str, Any] | None = None,
    pipeline_hash: str = "",
    run_id: str | None = None,
    resume: bool = False,
    system_metrics: bool | float = False,
    group: str | None = None,
    rank: int | None = None,
    world_size: int | None = None,
    rank_prefix: bool = False,
) -> ActiveRun:
    """Starts a run, or goes on with one.

    Args:
        name: Display name; by default one made of the run's id.
        config: Parameters of the run. What JSON cannot say becomes text.
        tracker: A tracker named in the daemon's config; its sinks are added to `sinks`.
        sinks: Where the run goes: tracker specs such as `mlflow+http://127.0.0.1:5000/experiment`, tracker
            objects such as `adapters.mlflow.MLflowTracker`, or an object of your own that satisfies
            ExperimentTracker, which is then called from a thread of its own. Empty: the journal alone keeps
            the run.
        tags: Labels.
        pipeline_hash: Content hash of the pipeline.
        run_id: A ULID for the run; by default a fresh one.
        resume: Goes on with the run `run_id`, running or ended, and starts it when there is none. A run that
            is there keeps its name, config, tags and sinks; sinks that are new are added. Steps that log()
            numbers by itself go on behind the last one when a daemon answers at once. See docs/resuming.md.
        system_metrics: Whether the daemon logs the use of CPU, memory, disk, network and GPUs of this host
            and process, as metrics named `system/...`: every 10 seconds, or every so many seconds: 0.1 to
            86400, or 0 for none.
        group: This process is one of several that write one run: each starts it with the same group and name,
            and a rank of its own. The run's id is made of group and name; config, tags and sinks are those
            of rank 0, and the run ends when all have ended it. `auto` takes the group from SLURM, torchrun or
            `PKX_GROUP`, and is a run of this process alone where there is none. See docs/multi-node.md.
        rank, world_size: Number of this process within the group, from 0, and how many there are; by default
            what the launcher tells (`RANK`, `SLURM_PROCID`, `JOB_COMPLETION_INDEX`, `PKX_RANK`).
        rank_prefix: Ranks above 0 log under `rank<r>/`, so that equal keys do not mix.

    Waits up to 5 seconds for the daemon, which is started when there is none. If none can be had, a
    RuntimeWarning says why, and the run goes on: it is buffered and spooled.

    Raises InvalidTrackerSpecError, InvalidConfigError, RunExistsError, RunPrunedError for a run to be resumed
    whose records are gone, InvalidArgumentError for a group that has no rank here, and other PipekitErrors
    for a daemon that answers and refuses.
    """
    specs, names, own = _split_sinks(sinks)
    names += [tracker] if tracker else []
    if len(set(names)) > 1:
        raise InvalidTrackerSpecError(
            f"A run takes one tracker of the daemon's config, not {', '.join(sorted(set(names)))}.",
            field="tracker",
            mend="Put their sinks under one name.",
        )
    if run_id is not None and not is_ulid(run_id):
        raise InvalidArgumentError(
            f"The run id {run_id[:60]!r} is not a ULID.", field="run_id", mend="Leave run_id out."
        )
    if resume and run_id is None:
        raise InvalidArgumentError(
            "resume needs the id of the run to go on with.", field="run_id", mend="Pass run_id=..."
        )
    system_metrics_ms = _interval_ms(system_metrics)
    member = _member(group, rank, world_size, run_id)
    if member is not None:
        name = member.group if name is None else str(name)
        run_id = member.run_id(name)
    hub = the_hub()
    if (resume or member is not None) and (known := _open_here(hub, run_id)) is not None:
        return known
    run_id = run_id or new_ulid()
    written_config = config_json(config or {})
    shown_name = f"run-{run_id[-6:].lower()}" if name is None else str(name)
    given: dict[str, Any] = {"name": shown_name, "pipeline_hash": pipeline_hash, "config": dict(config or {})}
    if member is not None and member.rank > 0:
        own = []
    if member is not None and member.rank > 0 and rank_prefix:
        from pipekit_experiment._src.group import PrefixedRun

        run: ActiveRun = PrefixedRun(hub, run_id, **given, started_at=now())
        run.prefix = f"rank{member.rank}/"
    else:
        run = ActiveRun(hub, run_id, **given, started_at=now())
    start = {
        "name": shown_name,
        "tracker": names[0] if names else "",
        "sinks": list(dict.fromkeys(specs)),
        "pipeline_hash": pipeline_hash,
        "config_json": written_config,
        "started_at_us": int(run.started_at.timestamp() * 1_000_000),
        "client": _client(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "tags": text_tags(tags or {}),
        "system_metrics_interval_ms": system_metrics_ms,
    }
    if member is not None:
        start = member.start_of(start)
    _hand_over_start(run, start, _resume_record(start) if resume else None)
    for instance in own:
        sink = InProcessSink(instance, hub.loud)
        sink.start(run.name, run.config)
        run.writer.sinks.append(sink)
    hub.runs[run_id] = run
    hub.add(run.writer)
    return run


def _member(group: str | None, rank: int | None, world_size: int | None, run_id: str | None) -> Member | None:
    if group is None:
        return None
    if run_id is not None:
        raise InvalidArgumentError(
            "The run id of a group is made of its name.",
            field="run_id",
            mend="Leave run_id and resume out: a member that starts again goes on with the run.",
        )
    from pipekit_experiment._src.group import member_of

    return member_of(group, rank, world_size)


def _open_here(hub: Hub, run_id: str | None) -> ActiveRun | None:
    """The run that this process has started and not ended."""
    known = hub.runs.get(run_id or "")
    if not isinstance(known, ActiveRun) or isinstance(known, JoinedRun):
        return None
    return known if known.status == "running" else None


def _resume_record(start: dict[str, Any]) -> dict[str, Any]:
    """What resumes a run in place of the record that starts it."""
    return {"resumed_at_us": start["started_at_us"], **{key: start[key] for key in ("client", "host", "pid")}}


def _hand_over_start(run: ActiveRun, start: dict[str, Any], resume: dict[str, Any] | None) -> None:
    """Makes the start frame, and journals it if a daemon answers in time; else it stays first in line."""
    from pipekit_experiment._src.connection import connect

    deadline = time.monotonic() + _START_WAIT_S
    writer, hub = run.writer, run.writer.hub
    # Connecting comes before everything that needs protobuf: a daemon that has to be started boots meanwhile.
    try:
        connection = connect(timeout_s=_START_WAIT_S)
    except DaemonUnavailableError as error:
        writer.start_frame(start, resume)
        hub.sender.lost(error)
        return
    if resume is not None and "resume" not in connection.hello.capabilities:
        raise ProtocolMismatchError(
            f"The daemon (version {connection.hello.daemon_version}) cannot resume runs.",
            field="resume",
            mend="Stop it with `pkx stop`; the newer one that came with this client then starts.",
        )
    if "member" in start and "groups" not in connection.hello.capabilities:
        raise ProtocolMismatchError(
            f"The daemon (version {connection.hello.daemon_version}) lets one process alone start a run.",
            field="group",
            mend="Stop it with `pkx stop`; the newer one that came with this client then starts.",
        )
    frame = writer.start_frame(start, resume)
    hub.staging_folder = Path(connection.hello.staging_folder)
    try:
        try:
            found = _send_start(connection, frame, deadline)
        except DaemonUnavailableError:
            # The daemon has left since the connection was made: once more, with a new one.
            connection.discard()
            found = _send_start(connect(timeout_s=max(0.1, deadline - time.monotonic())), frame, deadline)
    except (DaemonUnavailableError, QuotaExceededError) as error:
        # Over a quota a start is only late: with the frames it is taken as soon as there is room.
        hub.sender.lost(error)
        return
    except PipekitError:
        # Refused for good: else the daemon would find the frame when this process ends, and take it.
        with hub.changed:
            writer.outbox.ack(1)
            writer.outbox.leave_ring()
        raise
    with hub.changed:
        writer.outbox.ack(1)
    if resume is not None:
        run.go_on_from(found)


def _send_start(connection: Connection, frame: bytes, deadline: float) -> RunMessage:
    """Calls StartRun; the run as it is then. Raises the daemon's failure."""
    from pipekit_experiment._generated.tracker_pb2 import Frame, StartRunRequest
    from pipekit_experiment._generated.tracker_pb2_grpc import TrackerServiceStub
    from pipekit_experiment._src.quiet_grpc import grpc

    request = StartRunRequest(frame=Frame.FromString(frame))
    timeout_s = max(0.1, deadline - time.monotonic())
    try:
        return connection.stub(TrackerServiceStub).StartRun(request, timeout=timeout_s).run
    except grpc.RpcError as error:
        raise from_rpc_error(error) from error


def _split_sinks(
    sinks: Sequence[str | ExperimentTracker] | str | ExperimentTracker,
) -> tuple[list[str], list[str], list[ExperimentTracker]]:
    """Specs, names of configured trackers, and trackers that live in this process."""
    given = sinks if isinstance(sinks, (list, tuple, set)) else [sinks]
    specs: list[str] = []
    names: list[str] = []
    own: list[ExperimentTracker] = []
    for sink in given:
        if isinstance(sink, str):
            specs.append(sink)
        elif isinstance(sink, HasSpecs):
            specs.extend(sink.specs)
            names.extend([sink.tracker] if sink.tracker else [])
        elif isinstance(sink, ExperimentTracker):
            own.append(sink)
        else:
            raise InvalidTrackerSpecError(
                f"A sink is of type {type(sink).__name__}, which is neither a tracker spec nor a tracker.",
                field="sinks",
                mend="Pass a spec such as mlflow+http://127.0.0.1:5000/experiment.",
            )
    return specs, names, own


def _interval_ms(system_metrics: bool | float) -> int:
    """Milliseconds between two samples; 0 for none. Raises InvalidArgumentError."""
    if isinstance(system_metrics, bool):
        return _SYSTEM_METRICS_MS if system_metrics else 0
    try:
        milliseconds = system_metrics * 1000
        fits = milliseconds == 0 or 100 <= milliseconds <= 86_400_000
    except (TypeError, ValueError):
        milliseconds, fits = 0, False
    if not fits:
        raise InvalidArgumentError(
            f"The value {system_metrics!r} of system_metrics is no interval."[:200],
            field="system_metrics",
            mend="Pass True, False, or seconds between 0.1 and 86400.",
        )
    return round(milliseconds)


def _client() -> str:
    from pipekit_experiment import __version__

    return f"python/{__version__}"


class Tracker:
    """A set of sinks served by the daemon. Satisfies ExperimentTracker.

    `specs` are tracker specs; `tracker` names a tracker of the daemon's config. Both may be given, or
    neither: then the journal alone keeps the runs.
    """

    def __init__(self, *specs: str, tracker: str | None = None) -> None:
        self.specs = specs
        self.tracker = tracker or ""

    def start_run(self, name: str, config: Mapping[str, Any] | None = None) -> ActiveRun:
        """See the function start_run."""
        return start_run(name, config=config, sinks=[self])

    def log_metrics(self, run: Run, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """See ActiveRun.log."""
        _active(run).log(metrics, step)

    def log_artifact(self, run: Run, path: str | Path, name: str | None = None) -> None:
        """See ActiveRun.log_artifact."""
        _active(run).log_artifact(path, name)

    def end_run(self, run: Run, status: str = "completed") -> None:
        """See ActiveRun.end. `status` is `completed` or `failed`; `finished` and `success` mean completed."""
        outcome = _STATUSES.get(status.lower())
        if outcome is None:
            raise InvalidArgumentError(
                f"A run ends as completed or failed, not as {status!r}.",
                field="status",
                mend="Pass completed or failed.",
            )
        _active(run).end("completed" if outcome == "completed" else "failed")

    def __repr__(self) -> str:
        parts = [repr(spec) for spec in self.specs]
        parts += [f"tracker={self.tracker!r}"] if self.tracker else []
        return f"{type(self).__name__}({', '.join(parts)})"


def _active(run: Run) -> ActiveRun:
    if not isinstance(run, ActiveRun):
        raise TypeError(
            f"This tracker did not start the run of type {type(run).__name__} that was given to it."
        )
    return run


def replay_spool(timeout_s: float = 60.0) -> int:
    """Hands to the daemon what earlier processes left in the spool, and waits for it; how many files are left
    over.

    Every process does this by itself once it logs. Raises DaemonUnavailableError.
    """
    from pipekit_experiment._src.connection import connect
    from pipekit_experiment._src.spool import spool_files

    deadline = time.monotonic() + timeout_s
    hub = the_hub()
    connect(timeout_s=timeout_s)
    hub.adopt_orphans()
    hub.wake_flusher()
    with hub.changed:
        adopted = [outbox for outbox in hub.outboxes.values() if outbox.spooled]
    for outbox in adopted:
        hub.wait_acked(outbox, outbox.last_seq, deadline)
    return len(spool_files(hub.spool_folder))
