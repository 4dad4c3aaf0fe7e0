"""What the Metaflow adapter refuses and what it only tells: in a real flow, and without Metaflow."""

import pickle
import subprocess
import sys
from dataclasses import replace
from unittest.mock import MagicMock

import metaflow
import pytest
from flows.flow_work import Double, MeanLoop
from hypothesis import given
from hypothesis import strategies as st
from metaflow_flows import Flows

from pipekit_experiment import errors
from pipekit_experiment._generated import tracker_pb2 as pb
from pipekit_experiment._src.metaflow import run as metaflow_run
from pipekit_experiment._src.metaflow import task as metaflow_task
from pipekit_experiment._src.metaflow.step import call
from pipekit_experiment._src.metaflow.task import MetaflowTask
from pipekit_experiment._src.ulid import is_ulid
from pipekit_experiment.adapters.metaflow import MetaflowStepAdapter, StepResult


@pytest.fixture(scope="module")
def edges(real_daemon, tmp_path_factory):
    flows = Flows(tmp_path_factory.mktemp("metaflow"), real_daemon)
    made = flows.start("edges_flow")
    return made, flows


def test_what_is_wrong_is_named_before_anything_is_started(edges):
    made, flows = edges
    refused = made["start"].task.data.refused
    assert [(kind, field) for kind, field, _ in refused] == [
        ("InvalidArgumentError", "inputs.nothing"),
        ("InvalidArgumentError", "inputs"),
        ("InvalidArgumentError", "namespace"),
        ("NotAnOperatorError", ""),
        ("InvalidConfigError", "config"),
        ("KeyError", ""),
        ("InvalidTrackerSpecError", "sinks[0]"),
        ("InvalidArgumentError", "name"),
        ("InvalidArgumentError", "name"),
        ("NotAnOperatorError", ""),
    ]
    runs = [run for run in flows.runs("EdgesFlow") if run.tags["metaflow/step"] == "start"]
    assert [run.name for run in runs] == ["divide"]
    assert made["start"].task.data.raised[0] == "ZeroDivisionError"
    assert (runs[0].state, runs[0].reason) == (pb.RUN_STATE_FAILED, "ZeroDivisionError: division by zero")


def test_several_pieces_of_work_in_one_step_are_several_runs(edges):
    made, flows = edges
    data = made["work"].task.data
    runs = {run.run_id: run for run in flows.runs("EdgesFlow")}
    assert runs[data.result.run_id].points == 2, "callbacks at two trackers of the daemon log once"
    assert data.put_back
    assert data.own_calls == ["start", 0, 1, "completed"]
    assert [runs[run_id].name for run_id in data.twice] == ["twice", "twice"]
    assert len(set(data.twice)) == 2
    assert data.threaded.output == [2, 4]
    assert runs[data.threaded.run_id].name == "threaded"


def test_a_registry_of_the_users_own(edges):
    data = edges[0]["work"].task.data
    assert (data.result.model_hash, data.result.registry) == ("h", None)
    assert data.own_tags == {
        "metaflow_pathspec": data.result.pathspec,
        "training_run_id": data.result.run_id,
        "training_dataset_hash": "d41d8cd98f00b204e9800998ecf8427e",
    }
    with pytest.raises(errors.InvalidArgumentError, match=r"registry.load\(result.model_hash\)"):
        data.result.load()


def test_a_run_that_takes_no_more_tags_is_told(edges):
    made, flows = edges
    assert made["full"].task.data.output == [2, 4]
    assert f"{made.pathspec} could not be tagged with pipekit_run:" in flows.output
    assert len(made.user_tags) == 50


def test_tasks_that_tag_a_run_at_once_lose_no_tag(edges):
    _, flows = edges
    run = flows.start("tagged_flow")
    flows.execute("tag_at_once", "TaggedFlow", run.id)
    assert len(metaflow.Run(run.pathspec).user_tags) == 36, flows.output


@pytest.mark.skipif(
    tuple(map(int, metaflow.__version__.split(".")[:2])) < (2, 18), reason="Metaflow had no recursive steps"
)
def test_each_turn_of_a_recursive_step_is_a_run(edges):
    _, flows = edges
    made = flows.start("repeating_flow")
    assert made.data.rows == [8]
    assert len(set(made.data.run_ids)) == 3
    assert {run.run_id for run in flows.runs("RepeatingFlow")} == set(made.data.run_ids)


def test_without_a_daemon_work_goes_on_and_a_model_is_not_stored(edges):
    data = edges[0]["away"].task.data
    assert data.kept.output == [2, 4]
    assert is_ulid(data.kept.run_id)
    assert data.not_stored[0] == "DaemonUnavailableError"


@pytest.mark.parametrize("work", [MeanLoop([1]), Double()])
def test_outside_of_a_step(work):
    with pytest.raises(errors.InvalidArgumentError, match="outside of a Metaflow step"):
        MetaflowStepAdapter.run(work)


def test_metaflow_missing_names_the_extra():
    program = (
        "import sys; sys.modules['metaflow'] = None\n"
        "from pipekit_experiment.adapters.metaflow import MetaflowStepAdapter\n"
        "try:\n    MetaflowStepAdapter.run(len)\n"
        "except ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'pipekit-experiment[metaflow]'" in done.stdout


def test_the_import_of_the_adapter_brings_neither_metaflow_nor_grpc():
    program = (
        "import sys, pipekit_experiment as pe\npe.adapters.metaflow.MetaflowStepAdapter\n"
        "print('metaflow' in sys.modules, 'grpc' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def task(**changes):
    made = MetaflowTask("local@/x", "Flow", "1", "train", "2", 0, "", "1", (0, 1))
    return replace(made, **changes)


def fresh_id(made, name="train"):
    """The id of the first piece of work of this name, as a new process gives it."""
    metaflow_task._calls.clear()
    return made.run_id(name)


def test_an_attempt_and_a_resumed_run_have_the_id_of_the_first():
    first = fresh_id(task())
    assert is_ulid(first)
    assert fresh_id(task(attempt=3)) == first
    assert fresh_id(task(run="9", task="77", origin_run="5")) == first


SOMETHING = st.text("ab/0\"',[", max_size=3)
PLACES = st.tuples(
    SOMETHING, SOMETHING, SOMETHING, SOMETHING, SOMETHING, st.lists(st.integers(0, 3), max_size=3), SOMETHING
)


@given(PLACES, PLACES)
def test_other_work_has_another_id(one, other):
    ids = []
    for location, flow, first_run, step, at, branch, name in (one, other):
        made = task(
            location=location,
            flow=flow,
            first_run=first_run,
            step=step,
            task=at,
            branch=tuple(branch) if at else None,
        )
        ids.append(fresh_id(made, name))
    relevant = [(*place[:4], place[5] if place[4] else None, place[6]) for place in (one, other)]
    assert (ids[0] == ids[1]) == (relevant[0] == relevant[1])


class NoMetadata:
    """`current` of a run that resumes another, with metadata that cannot be read."""

    run_id = "9"

    @property
    def run(self):
        raise ConnectionError("no service")


def test_without_metadata_the_run_that_is_resumed_counts_as_the_first():
    with pytest.warns(RuntimeWarning, match="does not tell which run its run 5 resumes"):
        assert metaflow_task._first_run(NoMetadata(), "5") == "5"


@pytest.fixture
def starts(monkeypatch):
    """What `start_run` was given, and what it raises at its first calls."""
    given, raising = [], []

    def start_run(name, **arguments):
        given.append(arguments)
        if raising:
            raise raising.pop(0)
        return MagicMock(run_id="r")

    monkeypatch.setattr(metaflow_run, "start_run", start_run)
    monkeypatch.setattr(metaflow_run, "link", lambda *_: None)
    return given, raising


def work(made):
    return call(made, Double(), [[1]], name="n", tracker=None, sinks=(), config=None)


def test_a_step_whose_run_was_pruned_has_another_one(starts):
    given, raising = starts
    raising.append(errors.RunPrunedError("The records of the run were pruned."))
    with pytest.warns(RuntimeWarning, match="a run of its own instead"):
        assert (work(task()).output, work(task()).run_id) == ([2], "r")
    assert [arguments["resume"] for arguments in given] == [True, False, True]


def test_a_run_that_cannot_be_started_does_not_fail_the_step(starts):
    starts[1].append(errors.UnsafeFolderError("The folder is open to others."))
    with pytest.warns(RuntimeWarning, match="goes on without a run"):
        result = work(task())
    assert (result.output, result.run_id) == ([2], "")


def test_a_result_in_its_process_has_the_operator_and_a_copy_has_not():
    result = StepResult(run_id="r", pathspec="F/1/s/2", operator=Double(), output=3)
    assert isinstance(result.operator, Double)
    copy = pickle.loads(pickle.dumps(result))
    assert (copy.run_id, copy.output) == ("r", 3)
    with pytest.raises(errors.InvalidArgumentError, match="is not stored"):
        _ = copy.operator
