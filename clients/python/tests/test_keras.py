"""Runs with the backend in KERAS_BACKEND, by default jax; the last test runs this file with torch."""

import gc
import json
import os
import subprocess
import sys

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
keras = pytest.importorskip("keras")

import pipekit_experiment as pe  # noqa: E402
from pipekit_experiment import errors  # noqa: E402
from pipekit_experiment.keras import LogToExperiment  # noqa: E402

BACKEND = keras.backend.backend()


@pytest.fixture(autouse=True)
def names_from_the_start():
    """Keras counts the objects of a process by name: another file's tests may have made some."""
    keras.utils.clear_session()


@pytest.fixture(scope="module")
def data():
    x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    return x, x.sum(axis=1, keepdims=True)


def model(learning_rate=0.1):
    keras.utils.set_random_seed(1)
    made = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)], name="tiny")
    made.compile(keras.optimizers.SGD(learning_rate), "mse", metrics=["mae"])
    return made


class FailAt(keras.callbacks.Callback):
    def __init__(self, epoch, error=ValueError):
        super().__init__()
        self.epoch = epoch
        self.error = error

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise self.error("bad epoch")


class Own:
    """A user's own tracker."""

    def __init__(self, failing=()):
        self.failing = failing
        self.calls = []

    def start_run(self, name, config):
        self._take("start_run", name, config)
        return pe.Run(run_id="own")

    def log_metrics(self, run, metrics, step):
        self._take("log_metrics", dict(metrics), step)

    def log_artifact(self, run, path, name):
        raise NotImplementedError

    def end_run(self, run, status):
        self._take("end_run", status)

    def _take(self, method, *arguments):
        self.calls.append((method, *arguments))
        if method in self.failing:
            raise ConnectionError("the tracker is down")


def test_a_fit_is_logged(daemon, data):
    x, y = data
    log = LogToExperiment(pe.Tracker("mlflow://h/e"), "fit", {"seed": 1}, every_n_batches=3)
    history = (
        model().fit(x, y, batch_size=8, epochs=2, validation_data=(x, y), callbacks=[log], verbose=0).history
    )
    run_id = log.run.run_id
    (start,) = daemon.records(run_id, "start")
    assert (start.name, list(start.sinks)) == ("fit", ["mlflow://h/e"])
    config = json.loads(start.config_json)
    optimizer = config.pop("optimizer")
    assert config == {"epochs": 2, "steps_per_epoch": 8, "model": "tiny", "parameters": 5, "seed": 1}
    assert optimizer["name"].lower() == "sgd"
    assert optimizer["learning_rate"] == pytest.approx(0.1)
    points = daemon.points(run_id)
    for key in ("loss", "mae", "val_loss", "val_mae"):
        assert points[f"epoch/{key}"] == [(8, history[key][0]), (16, history[key][1])]
    assert points["epoch/learning_rate"] == [(8, pytest.approx(0.1)), (16, pytest.approx(0.1))]
    assert points["epoch"] == [(8, 0), (16, 1)]
    assert [step for step, _ in points["loss"]] == [3, 6, 9, 12, 15]
    assert [step for step, _ in points["mae"]] == [3, 6, 9, 12, 15]
    epoch_rows = [values for step, _, values in daemon.rows(run_id) if step == 8]
    assert len(epoch_rows) == 1, "training and validation come in one row"
    assert daemon.records(run_id, "end")[0].state == 2
    assert log.failures == 0


def test_the_learning_rate_of_a_schedule_and_a_fit_that_goes_on(daemon, data):
    x, y = data
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, decay_steps=4, decay_rate=0.5)
    made, log = model(schedule), LogToExperiment(every_n_batches=4)
    made.fit(x, y, batch_size=16, epochs=2, callbacks=[log], verbose=0)
    first = daemon.points(log.run.run_id)
    assert [step for step, _ in first["loss"]] == [4, 8]
    assert [rate for _, rate in first["epoch/learning_rate"]] == pytest.approx([0.05, 0.025])
    made.fit(x, y, batch_size=16, initial_epoch=2, epochs=3, callbacks=[log], verbose=0)
    second = daemon.points(log.run.run_id)
    assert [step for step, _ in second["loss"]] == [12]
    assert [step for step, _ in second["epoch/loss"]] == [12]
    assert [rate for _, rate in second["epoch/learning_rate"]] == pytest.approx([0.0125])
    assert len({frame.run_id for frame in daemon.frames}) == 2, "each fit is a run"


def test_a_run_of_the_caller_takes_fits_and_evaluations(daemon, data):
    x, y = data
    made = model()
    with pe.start_run("mine") as run:
        log = LogToExperiment(run=run, config={"a": 1})
        made.fit(x, y, batch_size=16, epochs=1, validation_data=(x, y), callbacks=[log], verbose=0)
        scores = made.evaluate(x, y, callbacks=[log], verbose=0, return_dict=True)
        made.predict(x, callbacks=[log], verbose=0)
        assert run.status == "running"
    (params,) = daemon.records(run.run_id, "params")
    assert json.loads(params.params_json)["a"] == 1
    points = daemon.points(run.run_id)
    assert points["eval/loss"] == [(4, scores["loss"])], "a validation within the fit is no evaluation"
    assert points["epoch/val_loss"][0][0] == 4
    made.evaluate(x, y, callbacks=[log], verbose=0)
    assert log.failures == 0, "the run has ended, and nothing more is logged"
    with pytest.raises(TypeError, match="not both"):
        LogToExperiment(pe.Tracker(), run=run)
    with pytest.raises(ValueError, match="negative"):
        LogToExperiment(every_n_batches=-1)


def test_a_fit_that_raises_ends_the_run_as_failed_when_its_callback_is_gone(daemon, data):
    x, y = data

    def fit():
        model().fit(x, y, epochs=3, callbacks=[LogToExperiment(), FailAt(1)], verbose=0)

    with pytest.raises(ValueError, match="bad epoch"):
        fit()
    gc.collect()
    (run_id,) = {frame.run_id for frame in daemon.frames}
    daemon.wait_for(lambda: daemon.records(run_id, "end"))
    assert daemon.records(run_id, "end")[0].state == 3
    assert len(daemon.points(run_id)["epoch/loss"]) == 1


def test_a_fit_that_raises_ends_the_run_as_failed_with_the_next_fit_or_its_block(daemon, data):
    x, y = data
    own = Own()
    log = LogToExperiment(own)
    with pytest.raises(ValueError, match="bad epoch"):
        model().fit(x, y, epochs=3, callbacks=[log, FailAt(1)], verbose=0)
    assert own.calls[-1][0] == "log_metrics", "nobody has said so yet"
    model().fit(x, y, epochs=1, callbacks=[log], verbose=0)
    assert [call[1] for call in own.calls if call[0] == "end_run"] == ["failed", "completed"]
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), LogToExperiment(own) as log:
            model().fit(x, y, epochs=3, callbacks=[log, FailAt(1, error)], verbose=0)
        assert own.calls[-1] == ("end_run", "failed")
    with LogToExperiment(own) as log:
        model().fit(x, y, epochs=1, callbacks=[log], verbose=0)
    assert [call[1] for call in own.calls if call[0] == "end_run"][4:] == ["completed"]


def test_an_interrupt_leaves_the_run_open(daemon, data):
    x, y = data
    log = LogToExperiment()
    with pytest.raises(KeyboardInterrupt):
        model().fit(x, y, epochs=3, callbacks=[log, FailAt(1, KeyboardInterrupt)], verbose=0)
    assert log.run.status == "running"
    log.run.log({"note": 1.0})
    log.run.end()
    assert daemon.points(log.run.run_id)["note"]


@pytest.mark.parametrize(
    ("failing", "failures"), [(("log_metrics",), 6), (("start_run",), 1), (("log_metrics", "end_run"), 7)]
)
def test_a_tracker_that_raises_does_not_hurt_the_fit(data, failing, failures):
    x, y = data
    log = LogToExperiment(Own(failing), every_n_batches=1)
    with pytest.warns(RuntimeWarning, match="Own.* raised ConnectionError") as caught:
        history = model().fit(x, y, epochs=2, callbacks=[log], verbose=0)
    assert len(history.history["loss"]) == 2
    assert log.failures == failures
    assert sum("Own" in str(warning.message) for warning in caught) == 1


def test_a_wrong_spec_is_told_before_the_fit(daemon, data):
    daemon.bad_specs.add("mlflow://")
    with pytest.raises(errors.InvalidTrackerSpecError):
        model().fit(*data, callbacks=[LogToExperiment(pe.Tracker("mlflow://"))], verbose=0)


def test_callbacks_are_stacked(daemon, data):
    x, y = data
    own, log = Own(), LogToExperiment(pe.Tracker("mlflow://h/e"))
    model().fit(x, y, epochs=2, callbacks=[log, LogToExperiment(own)], verbose=0)
    rows = [call[1:] for call in own.calls if call[0] == "log_metrics"]
    assert [(step, values) for step, _, values in daemon.rows(log.run.run_id)] == [
        (step, values) for values, step in rows
    ]
    assert len(rows) == 2


def test_a_model_that_is_built_by_its_first_batch(daemon, data):
    made = keras.Sequential([keras.layers.Dense(1)])
    made.compile("adam", "mse")
    log = LogToExperiment()
    made.fit(*data, epochs=1, callbacks=[log], verbose=0)
    config = json.loads(daemon.records(log.run.run_id, "start")[0].config_json)
    assert config["optimizer"]["name"] == "adam"
    assert daemon.count(log.run.run_id) == 3


def test_without_its_backend_that_is_named():
    program = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "try:\n    import pipekit_experiment.keras\n"
        "except ImportError as error:\n    print(error)"
    )
    env = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=env, timeout=120
    )
    assert "Keras does not find its backend tensorflow" in done.stdout
    assert "KERAS_BACKEND" in done.stdout


def test_without_keras_the_extra_is_named():
    program = (
        "import sys; sys.modules['keras'] = None\n"
        "try:\n    import pipekit_experiment.keras\n"
        "except ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert "pip install 'pipekit-experiment[keras]'" in done.stdout


@pytest.mark.skipif(BACKEND != "jax", reason="this is the run with the other backend")
def test_all_of_this_with_torch():
    env = {**os.environ, "KERAS_BACKEND": "torch"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout[-4000:]
