from types import SimpleNamespace

import pytest

import pipekit_experiment as pe
from pipekit_experiment import errors


class Loop:
    """As much of pipekit_train.TrainingLoop as its adapters give to callbacks."""

    def __init__(self, *callbacks):
        self.callbacks = callbacks

    def get_config(self):
        return {"lr": 0.1, "n_epochs": 2}

    def run(self, steps=6):
        state = SimpleNamespace(step=0)
        self._call("on_train_begin", state)
        for state.step in range(1, steps + 1):
            self._call("on_step_end", state, {"loss": 1.0 / state.step})
            if state.step % 3 == 0:
                self._call("on_epoch_end", state, {"loss": 0.5})
                self._call("on_eval_end", state, {"loss": 0.25, "acc": 1})
        self._call("on_train_end", state)
        return state

    def _call(self, hook, *arguments):
        for callback in self.callbacks:
            method = getattr(callback, hook, None)
            if method is not None:
                method(self, *arguments)


class Own:
    """A user's own tracker."""

    def __init__(self, failing=()):
        self.failing = failing
        self.calls = []

    def start_run(self, name, config):
        return self._take("start_run", name, config) or pe.Run(run_id="own")

    def log_metrics(self, run, metrics, step):
        self._take("log_metrics", run.run_id, metrics, step)

    def log_artifact(self, run, path, name):
        self._take("log_artifact", path, name)

    def end_run(self, run, status):
        self._take("end_run", status)

    def _take(self, method, *arguments):
        self.calls.append((method, *arguments))
        if method in self.failing:
            raise ConnectionError("the tracker is down")


def test_a_training_is_logged_to_the_daemon(daemon):
    callback = pe.LogToExperiment(
        tracker=pe.adapters.mlflow.MLflowTracker(tracking_uri="http://h:5000", experiment_name="e"),
        run_name="n",
        config={"lr": 0.2},
    )
    Loop(callback).run()
    run_id = callback.run.run_id
    (start,) = daemon.records(run_id, "start")
    assert (start.name, list(start.sinks)) == ("n", ["mlflow+http://h:5000/e"])
    assert start.config_json == '{"lr":0.2,"n_epochs":2}'
    assert daemon.points(run_id) == {
        "loss": [(step, 1.0 / step) for step in range(1, 7)],
        "epoch/loss": [(3, 0.5), (6, 0.5)],
        "eval/loss": [(3, 0.25), (6, 0.25)],
        "eval/acc": [(3, 1.0), (6, 1.0)],
    }
    assert daemon.records(run_id, "end")[0].state == 2
    assert callback.failures == 0


def test_trackers_are_stacked(daemon):
    own, other = Own(), pe.LogToExperiment(tracker=pe.Tracker())
    Loop(pe.LogToExperiment(tracker=own, run_name="n"), other).run(steps=2)
    assert own.calls == [
        ("start_run", "n", {"lr": 0.1, "n_epochs": 2}),
        ("log_metrics", "own", {"loss": 1.0}, 1),
        ("log_metrics", "own", {"loss": 0.5}, 2),
        ("end_run", "completed"),
    ]
    assert daemon.count(other.run.run_id) == 2


@pytest.mark.parametrize(
    ("failing", "failures"),
    [(("log_metrics",), 10), (("end_run",), 1), (("start_run",), 1), (("log_metrics", "end_run"), 11)],
)
def test_a_tracker_that_raises_does_not_hurt_the_training(failing, failures):
    own = Own(failing)
    callback = pe.LogToExperiment(tracker=own, run_name="n")
    with pytest.warns(RuntimeWarning, match="Own.* raised ConnectionError: the tracker is down") as caught:
        state = Loop(callback).run()
    assert state.step == 6
    assert callback.failures == failures
    assert len(caught) == 1, "it is said once"


def test_what_this_package_finds_wrong_at_the_start_is_raised(daemon):
    daemon.bad_specs.add("mlflow://")
    with pytest.raises(errors.InvalidTrackerSpecError):
        Loop(pe.LogToExperiment(tracker=pe.Tracker("mlflow://"))).run()


def test_a_bad_metric_in_the_middle_does_not_hurt_the_training(daemon):
    callback = pe.LogToExperiment(tracker=pe.Tracker())
    loop, state = Loop(callback), SimpleNamespace(step=1)
    callback.on_train_begin(loop, state)
    with pytest.warns(RuntimeWarning, match="no number"):
        callback.on_step_end(loop, state, {"note": "text"})
    callback.on_step_end(loop, state, {"loss": 1.0})
    callback.on_train_end(loop, state)
    assert daemon.points(callback.run.run_id) == {"loss": [(1, 1.0)]}
    assert callback.failures == 1


def test_what_is_no_tracker_is_told():
    with pytest.raises(TypeError, match="log_artifact, end_run is missing"):
        pe.LogToExperiment(
            tracker=SimpleNamespace(start_run=print, log_metrics=print),
        )
