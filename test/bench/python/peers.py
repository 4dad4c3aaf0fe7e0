"""The trackers that a training loop could call instead of ours, each behind one shape.

`open` begins a run that keeps what it is told below `folder`, `log` is the call that a loop makes, `finish`
returns when the tool says that it is done, and `shown` counts, in a process of its own, the points that the
tool can show.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

Metrics = dict[str, float]


class Peer(Protocol):
    """One tracker."""

    log: Callable[[Metrics, int], object]

    def open(self, folder: Path) -> None: ...

    def finish(self) -> None: ...

    def shown(self, folder: Path) -> int: ...


class Ours:
    """pipekit_experiment, the run being journaled only: the daemon is found by the environment."""

    def open(self, folder: Path) -> None:
        import pipekit_experiment as pe

        self._run = pe.start_run("bench-peer")
        (folder / "run_id").write_text(self._run.run_id)
        self.log = self._run.log

    def finish(self) -> None:
        self._run.end(timeout_s=120)

    def shown(self, folder: Path) -> int:
        from pipekit_experiment._src.series import read_series

        series = read_series((folder / "run_id").read_text(), [], 0)
        return sum(len(points) for points in series.values.values())


class WandbOffline:
    """wandb in its offline mode."""

    def open(self, folder: Path) -> None:
        import wandb

        settings = wandb.Settings(silent=True, console="off", x_disable_stats=True, x_disable_meta=True)
        self._run = wandb.init(mode="offline", dir=str(folder), project="bench", settings=settings)
        self.log = self._run.log

    def finish(self) -> None:
        self._run.finish()

    def shown(self, folder: Path) -> int:
        (log,) = folder.glob("wandb/offline-run-*/run-*.wandb")
        return sum(len(set(_wandb_keys(record)) - _WANDB_OWN) for record in _wandb_records(log.read_bytes()))


class Trackio:
    """trackio, which keeps a SQLite file."""

    def open(self, folder: Path) -> None:
        import trackio

        self._trackio = trackio
        trackio.init(project="bench", embed=False)
        self.log = lambda metrics, step: trackio.log(metrics, step=step)

    def finish(self) -> None:
        self._trackio.finish()

    def shown(self, folder: Path) -> int:
        import sqlite3

        points = 0
        for file in folder.rglob("*.db"):
            with sqlite3.connect(file) as db:
                tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")}
                if "metrics" not in tables:
                    continue
                for (text,) in db.execute("SELECT metrics FROM metrics"):
                    points += sum(key.startswith("metric/") for key in json.loads(text))
        return points


class Dvclive:
    """DVCLive, which keeps a TSV file a metric."""

    def open(self, folder: Path) -> None:
        from dvclive import Live

        os.chdir(folder)
        live = Live(str(folder / "dvclive"), save_dvc_exp=False, report=None, monitor_system=False)
        self._live = live

        def log(metrics: Metrics, step: int) -> None:
            live.step = step
            for key, value in metrics.items():
                live.log_metric(key, value)
            live.next_step()

        self.log = log

    def finish(self) -> None:
        self._live.end()

    def shown(self, folder: Path) -> int:
        files = (folder / "dvclive").rglob("*.tsv")
        return sum(max(0, file.read_text().count("\n") - 1) for file in files)


class Tensorboard:
    """torch's SummaryWriter."""

    def open(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        writer = SummaryWriter(str(folder))
        self._writer = writer

        def log(metrics: Metrics, step: int) -> None:
            for key, value in metrics.items():
                writer.add_scalar(key, value, step)

        self.log = log

    def finish(self) -> None:
        self._writer.close()

    def shown(self, folder: Path) -> int:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
        events.Reload()
        return sum(len(events.Scalars(tag)) for tag in events.Tags()["scalars"])


class Mlflow:
    """The mlflow client, on the server that MLFLOW_TRACKING_URI names."""

    def __init__(self, synchronous: bool) -> None:
        self._synchronous = synchronous

    def open(self, folder: Path) -> None:
        import mlflow

        mlflow.set_experiment("bench-peers")
        run = mlflow.start_run()
        (folder / "run_id").write_text(run.info.run_id)
        self._mlflow = mlflow
        synchronous = self._synchronous
        self.log = lambda metrics, step: mlflow.log_metrics(metrics, step=step, synchronous=synchronous)

    def finish(self) -> None:
        if not self._synchronous:
            self._mlflow.flush_async_logging()
        self._mlflow.end_run()

    def shown(self, folder: Path) -> int:
        from mlflow import MlflowClient

        client, run_id = MlflowClient(), (folder / "run_id").read_text()
        keys = client.get_run(run_id).data.metrics
        return sum(len(client.get_metric_history(run_id, key)) for key in keys)


class ClearmlOffline:
    """clearml in its offline mode."""

    def open(self, folder: Path) -> None:
        os.environ["CLEARML_CACHE_DIR"] = str(folder)
        from clearml import Task

        Task.set_offline(True)
        task = Task.init("bench", "bench", auto_connect_frameworks=False, auto_resource_monitoring=False)
        (folder / "session").write_text(str(task.get_offline_mode_folder()))
        logger = task.get_logger()
        self._task = task

        def log(metrics: Metrics, step: int) -> None:
            for key, value in metrics.items():
                title, series = key.split("/")
                logger.report_scalar(title, series, value, step)

        self.log = log

    def finish(self) -> None:
        self._task.close()

    def shown(self, folder: Path) -> int:
        session = Path((folder / "session").read_text())
        events = session / "metrics.jsonl"
        if not events.exists():
            return 0
        points = 0
        for line in events.read_text().splitlines():
            try:
                points += sum(event["type"] == "training_stats_scalar" for event in json.loads(line))
            except ValueError:
                # A line that a kill has torn shows nothing.
                continue
        return points


PEERS: dict[str, Callable[[], Any]] = {
    "ours": Ours,
    "wandb-offline": WandbOffline,
    "trackio": Trackio,
    "dvclive": Dvclive,
    "tensorboard": Tensorboard,
    "mlflow-async": lambda: Mlflow(synchronous=False),
    "mlflow-sync": lambda: Mlflow(synchronous=True),
    "clearml-offline": ClearmlOffline,
}

_WANDB_OWN = {"_step", "_runtime", "_timestamp"}
_BLOCK = 32768
_HISTORY_FIELD = 2


def _wandb_records(data: bytes) -> Iterator[bytes]:
    """The records of a .wandb file (blocks of 32 KiB, as in LevelDB's log) up to where it is torn."""
    position, record = 7, b""
    while position + 7 <= len(data):
        if _BLOCK - position % _BLOCK < 7:
            position += _BLOCK - position % _BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", data, position)
        chunk = data[position + 7 : position + 7 + length]
        if len(chunk) < length or kind == 0:
            return
        record = chunk if kind in (1, 2) else record + chunk
        if kind in (1, 4):
            yield record
        position += 7 + length


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Fields of a protobuf message that have a length."""
    position = 0

    def varint() -> int:
        nonlocal position
        value = shift = 0
        while True:
            byte = message[position]
            position += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while position < len(message):
        tag = varint()
        if tag & 7 == 2:
            length = varint()
            yield tag >> 3, message[position : position + length]
            position += length
        elif tag & 7 == 0:
            varint()
        else:
            position += 8 if tag & 7 == 1 else 4


def _wandb_keys(record: bytes) -> Iterator[str]:
    """Keys of a history record; none of another."""
    for field, history in _fields(record):
        if field != _HISTORY_FIELD:
            continue
        for number, item in _fields(history):
            if number == 1:
                names = [text.decode() for part, text in _fields(item) if part in (1, 2)]
                yield "/".join(names)
