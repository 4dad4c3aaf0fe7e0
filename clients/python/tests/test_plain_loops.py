"""Loops without a framework: extra fields, several processes, notebooks."""

import asyncio
import importlib
import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
from real_daemon import read_run

import pipekit_experiment as pe
from pipekit_experiment import errors

PYTHONPATH = os.pathsep.join(path for path in sys.path if path)


def interact(lines, timeout_s=60):
    """Types lines into Python's own prompt, a notebook's nearest kin here: a fault ends its line only."""
    return subprocess.run(
        [sys.executable, "-i", "-q"],
        input="\n".join(lines) + "\n",
        env={**os.environ, "PYTHONPATH": PYTHONPATH},
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )


def test_costs_and_other_extra_fields_pass_through(tracking):
    config = {
        "lr": 0.1,
        "cost": {"currency": "EUR", "per_hour": 2.5, "cap": None},
        "träger": ["a", {"b": [1, 2]}],
        "accelerator/count": 8,
        "when": "2026-01-01",
        "on": True,
    }
    with pe.start_run("costly", config=config, tags={"cost.center": 42, "team": "ä"}) as run:
        run.log({"cost_usd": 0.3, "energy/kWh": np.float32(1.5), "loss": 1.0}, 0)
        run.log({"cost_usd": 0.1 + 0.2, "carbon (g)": 12, "nothing": math.nan}, 1)
        run.log_params({"cost_limit_usd": 100, "nested": {"deep": {"x": 1e-300}}, "big": 2**60})
        run.set_tags({"cost.center": "43", "billing": None})
    journaled = read_run(run.run_id)
    assert json.loads(journaled.config_json) == config
    assert dict(journaled.tags) == {"cost.center": "43", "team": "ä", "billing": "None"}
    assert {key: json.loads(value) for key, value in journaled.params.items()} == {
        "cost_limit_usd": 100,
        "nested.deep.x": 1e-300,
        "big": str(2**60),
    }
    values = run.read_metrics().values
    assert values["cost_usd"] == [(0, 0.3), (1, 0.1 + 0.2)]
    assert values["energy/kWh"] == [(0, 1.5)]
    assert values["carbon (g)"] == [(1, 12.0)]
    assert math.isnan(values["nothing"][0][1])


@pytest.mark.parametrize(
    ("given", "milliseconds"),
    [(False, 0), (0, 0), (True, 10_000), (0.1, 100), (2, 2000), (np.float64(0.25), 250), (86400, 86_400_000)],
)
def test_system_metrics_are_asked_for_by_interval(daemon, given, milliseconds):
    with pe.start_run(system_metrics=given) as run:
        pass
    assert daemon.records(run.run_id, "start")[0].system_metrics_interval_ms == milliseconds


@pytest.mark.parametrize("given", [-1, 0.01, math.nan, math.inf, "10", None, 1e300, [1]])
def test_what_is_no_interval_is_told(daemon, given):
    with pytest.raises(errors.InvalidArgumentError, match="system_metrics is no interval") as caught:
        pe.start_run(system_metrics=given)
    assert caught.value.field == "system_metrics"
    assert daemon.frames == []


def test_several_processes_add_to_one_run(daemon):
    program = (
        "import sys, pipekit_experiment as pe\n"
        "run = pe.join_run(sys.argv[1])\n"
        "assert pe.join_run(sys.argv[1]) is run\n"
        "for step in range(100): run.log({f'rank{sys.argv[2]}/loss': float(step)}, step)\n"
        "run.end()\n"
        "assert run.pending == 0\n"
    )
    with pe.start_run() as run:
        assert pe.join_run(run.run_id) is run
        environment = {**os.environ, "PYTHONPATH": PYTHONPATH}
        ranks = [
            subprocess.Popen([sys.executable, "-c", program, run.run_id, str(rank)], env=environment)
            for rank in (1, 2)
        ]
        run.log({"loss": 0.0}, 0)
        assert [rank.wait(60) for rank in ranks] == [0, 0]
        assert not daemon.records(run.run_id, "end"), "it ends where it was started"
    points = daemon.points(run.run_id)
    expected = [(step, float(step)) for step in range(100)]
    assert points == {"loss": [(0, 0.0)], "rank1/loss": expected, "rank2/loss": expected}
    assert len(daemon.records(run.run_id, "end")) == 1
    with pytest.raises(errors.InvalidArgumentError, match="not a ULID"):
        pe.join_run("nonsense")


def test_a_run_may_be_joined_before_it_starts(daemon, monkeypatch):
    from pipekit_experiment._src import hub
    from pipekit_experiment._src.ulid import new_ulid

    run_id = new_ulid()
    early = pe.join_run(run_id)
    early.log({"early": 1.0}, 0)
    daemon.wait_for(lambda: daemon.streams > 0)
    first = hub._process
    monkeypatch.setattr(hub, "_process", hub._Process())
    with pe.start_run(run_id=run_id) as run:
        assert run is not early
        run.log({"a": 1.0}, 0)
        daemon.wait_for(lambda: "early" in daemon.points(run_id))
    monkeypatch.setattr(hub, "_process", first)
    early.end()
    assert daemon.points(run_id) == {"early": [(0, 1.0)], "a": [(0, 1.0)]}


def test_cells_are_run_again_and_interrupted(daemon):
    done = interact(
        [
            "import pipekit_experiment as pe",
            "run = pe.start_run('first')",
            "first = run",
            "run.log({'a': 1.0})",
            "raise KeyboardInterrupt",
            "run.log({'a': 2.0})",
            "print('open', run.status)",
            "run = pe.start_run('second')",
            "_ = run.log({'b': 1.0}), first.log({'a': 3.0}), run.end(), first.end()",
            "run.log({'b': 2.0})",
            "print('again', pe.start_run('third').status)",
            "with pe.start_run('left'): raise KeyboardInterrupt",
            "",
            "print(repr(run))",
        ]
    )
    assert "open running" in done.stdout, done.stderr
    assert "again running" in done.stdout
    assert "ActiveRun(run_id=" in done.stdout
    assert "RunEndedError" in done.stderr
    runs = {daemon.records(run_id, "start")[0].name: run_id for run_id in {f.run_id for f in daemon.frames}}
    assert daemon.points(runs["first"]) == {"a": [(0, 1.0), (1, 2.0), (2, 3.0)]}
    assert daemon.points(runs["second"]) == {"b": [(0, 1.0)]}
    ends = {name: daemon.records(run_id, "end") for name, run_id in runs.items()}
    assert [end.state for name in ("first", "second") for end in ends[name]] == [2, 2]
    assert [(end.state, end.reason) for end in ends["left"]] == [(3, "KeyboardInterrupt: ")]
    assert [end.state for end in ends["third"]] == [2], (
        "it ends with the session, whatever cell failed before"
    )


def test_the_package_is_imported_again(daemon, monkeypatch):
    before = pe.start_run("before")
    before.log({"a": 1.0}, 0)
    ours = {name: module for name, module in sys.modules.items() if name.startswith("pipekit_experiment")}
    for name in ours:
        monkeypatch.delitem(sys.modules, name)
    again = importlib.import_module("pipekit_experiment")
    assert again is not pe
    with again.start_run("after") as after:
        after.log({"b": 1.0}, 0)
        before.log({"a": 2.0}, 1)
    before.end()
    importlib.import_module("pipekit_experiment._src.hub").the_hub().close()
    for name in [name for name in sys.modules if name.startswith("pipekit_experiment")]:
        monkeypatch.delitem(sys.modules, name)
    sys.modules.update(ours)
    assert daemon.points(before.run_id) == {"a": [(0, 1.0), (1, 2.0)]}
    assert daemon.points(after.run_id) == {"b": [(0, 1.0)]}


def test_a_run_inside_of_a_running_event_loop(daemon):
    async def cell():
        with pe.start_run() as run:
            for step in range(10):
                run.log({"a": float(step)}, step)
                await asyncio.sleep(0)
        return run.run_id

    run_id = asyncio.run(cell())
    assert daemon.points(run_id) == {"a": [(step, float(step)) for step in range(10)]}
