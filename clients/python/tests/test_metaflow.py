"""The Metaflow adapter in real local flows, against the real daemon."""

import json

import pytest
from metaflow_flows import Flows

import pipekit_experiment as pe
from pipekit_experiment._generated import tracker_pb2 as pb

DONE, FAILED = pb.RUN_STATE_COMPLETED, pb.RUN_STATE_FAILED


@pytest.fixture(scope="module")
def flows(real_daemon, tmp_path_factory):
    return Flows(tmp_path_factory.mktemp("metaflow"), real_daemon)


def test_a_flow_preprocesses_trains_and_evaluates(flows):
    made = flows.start("linear_flow")
    data = made.data
    assert (data.features, data.trained, data.prediction, data.called) == ([2, 4, 6], 4.0, 40.0, [4, 8, 12])
    assert data.same == data.trained
    assert data.namespace_after == "user:somebody-else"
    runs = {run.tags["metaflow/step"]: run for run in flows.runs("LinearFlow")}
    assert sorted(runs) == ["evaluate", "preprocess", "train"]
    assert len(flows.runs("LinearFlow")) == 3, "the loop's callback has no run of its own"
    trained = runs["train"]
    assert (trained.name, trained.state, trained.points) == ("LinearFlow/train", DONE, 3)
    assert json.loads(trained.config_json) == {"unit": "m", "by": "callback"}
    task = made["train"].task
    assert dict(trained.tags) == {
        "metaflow/pathspec": task.pathspec,
        "metaflow/flow": "LinearFlow",
        "metaflow/run": made.id,
        "metaflow/step": "train",
        "metaflow/task": task.id,
        "metaflow/attempt": "0",
        "pipekit/model": data.model_hash,
    }
    assert made.user_tags == {
        f"pipekit_model:{data.model_hash}",
        *(f"pipekit_run:{run.run_id}" for run in runs.values()),
    }


def test_a_result_is_kept_without_the_operator(flows):
    kept = flows.start("linear_flow", "run", "--raw", "[5]").data.result
    assert kept._operator is None
    assert kept.load(trust=["registry_operators"]).factor == 10.0
    info = pe.LocalModelRegistry().stat(kept.model_hash)
    assert (info.run_id, info.dataset_hash) == (kept.run_id, "d41d8cd98f00b204e9800998ecf8427e")
    assert info.tags == {"metaflow_pathspec": kept.pathspec}


def test_attempts_and_branches(flows):
    made = flows.start("branching_flow")
    assert (made.data.largest, made.data.doubled) == (2.0, [2, 4, 6])
    runs = flows.runs("BranchingFlow")
    assert sorted(run.name for run in runs) == ["doubled", "fit", "fit", "fit", "largest"]
    fits = sorted((run for run in runs if run.name == "fit"), key=lambda run: run.tags["metaflow/index"])
    assert [run.run_id for run in fits] == made.data.run_ids
    assert [run.tags["metaflow/index"] for run in fits] == ["0", "1", "2"]
    assert [run.tags["metaflow/attempt"] for run in fits] == ["0", "1", "1"]
    assert {run.state for run in runs} == {DONE}
    hashes = {task.data.model_hash for task in made["fit"]}
    assert made.user_tags == {f"pipekit_run:{run.run_id}" for run in runs} | {
        f"pipekit_model:{model_hash}" for model_hash in hashes
    }


def test_resumed_runs_go_on_with_what_failed(flows):
    first = flows.start("failing_flow", fails=True, FAIL="train")
    (failed,) = flows.runs("FailingFlow")
    assert (failed.state, failed.reason) == (FAILED, "RuntimeError: train was told to fail")
    assert first.user_tags == {f"pipekit_run:{failed.run_id}"}

    second = flows.start("failing_flow", "resume", fails=True, FAIL="check")
    trained, checked = flows.runs("FailingFlow")
    assert (trained.run_id, trained.state, trained.reason) == (failed.run_id, DONE, "")
    assert (trained.tags["metaflow/origin_run"], trained.tags["metaflow/run"]) == (first.id, second.id)
    assert (checked.state, checked.name) == (FAILED, "check")

    third = flows.start("failing_flow", "resume", "--origin-run-id", second.id, FAIL="-")
    runs = flows.runs("FailingFlow")
    assert [(run.run_id, run.state) for run in runs] == [(trained.run_id, DONE), (checked.run_id, DONE)]
    assert runs[0].tags["metaflow/run"] == second.id, "a step that Metaflow clones does nothing"
    assert runs[1].tags["metaflow/origin_run"] == second.id
    assert (third.data.train_run, third.data.check_run) == (trained.run_id, checked.run_id)


def test_the_reference_loop_logs_to_the_run_of_its_step(flows):
    made = flows.start("loop_flow")
    (run,) = flows.runs("LoopFlow")
    assert (run.state, run.tags["metaflow/attempt"]) == (DONE, "1")
    points = {entry.key: entry.points for entry in flows.series(run.run_id)}
    assert points == {"epoch/loss": 2, "loss": 2 + 4}, "the first attempt had two batches"
    assert made.data.captured == made.data.model_hash
    assert pe.LocalModelRegistry().stat(made.data.model_hash).dataset_hash == made.data.data_hash
