"""The TensorBoard tracker's specs, and a run through a real daemon that TensorBoard itself reads."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from urllib.parse import unquote

import pytest
from real_daemon import daemon_in

import pipekit_experiment as pe
from pipekit_experiment._src import hub
from pipekit_experiment.errors import InvalidTrackerSpecError


def test_a_folder_becomes_a_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tracker = pe.adapters.tensorboard.TensorBoardTracker
    assert tracker().specs == (f"tensorboard://{tmp_path}/runs",)
    odd = tracker(Path("a b/#1?x/ü/../%41"))
    assert odd.specs == (f"tensorboard://{tmp_path}/a%20b/%231%3Fx/%2541",)
    assert unquote(odd.specs[0]).removeprefix("tensorboard://") == odd.log_dir
    assert str(tmp_path) in repr(tracker())


@pytest.mark.parametrize("log_dir", ["/", "//", "/a\nb", "/a\x7fb", "/a\udc80b"])
def test_what_is_no_log_folder_is_refused(log_dir: str) -> None:
    with pytest.raises(InvalidTrackerSpecError) as caught:
        pe.adapters.tensorboard.TensorBoardTracker(log_dir)
    assert caught.value.field == "log_dir"
    assert caught.value.mend


def test_tensorboard_is_not_imported() -> None:
    code = (
        "import sys, pipekit_experiment as pe; pe.adapters.tensorboard.TensorBoardTracker('/tmp/x');"
        "assert not any(name.split('.')[0] in ('tensorboard', 'tensorflow', 'torch') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_tensorboard_shows_a_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setattr(hub, "_process", hub._Process())
    tracker = pe.adapters.tensorboard.TensorBoardTracker(tmp_path / "my runs")
    with tempfile.TemporaryDirectory(prefix="pkx") as made, daemon_in(Path(made)):
        run = tracker.start_run("first", {"lr": 0.1})
        for step in range(50):
            tracker.log_metrics(run, {"loss": step / 8, "val/acc": step / 4}, step)
        tracker.end_run(run, "completed")
        deadline = time.monotonic() + 30
        while run.sinks()[0].points_shown is None and time.monotonic() < deadline:
            time.sleep(0.05)
        (sink,) = run.sinks()
        assert (sink.points_sent, sink.points_shown, sink.notes) == (100, 100, ())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            hub.the_hub().close()
    (folder,) = (tmp_path / "my runs").iterdir()
    assert folder.name == f"first-{run.run_id[-8:]}"
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(i, i / 8) for i in range(50)]
    assert len(events.Scalars("val/acc")) == 50
