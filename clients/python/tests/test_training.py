"""The loop itself, by its backend `plain`: configuration, callbacks, YAML, what goes wrong."""

import json
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from training_models import Judge, Keeping, Line, Spy, half_squares

import pipekit_experiment as pe
from pipekit_experiment import errors
from pipekit_experiment.datasets import ArrayDataset, FileDataset
from pipekit_experiment.operators import ModelRef
from pipekit_experiment.training import Checkpoint, EarlyStopping, LogToExperiment, TrainingLoop

X = np.random.default_rng(0).normal(size=(40, 3))
DATA = ArrayDataset(x=X, y=X @ [1.0, -2.0, 0.5])
HELD = ArrayDataset(x=X[:10], y=X[:10] @ [1.0, -2.0, 0.5])
TRUST = ["training_models"]


def a_loop(*callbacks, model_op=None, dataset=DATA, **others):
    given = {"loss": "mse", "n_epochs": 3, "backend": "plain", "batch_size": 16, **others}
    return TrainingLoop(model_op or Line(noise=0.01), dataset, callbacks=callbacks, **given)


class TestRun:
    def test_it_gives_a_trained_operator_and_leaves_the_given_one(self):
        loop = a_loop(n_epochs=40)
        trained = loop.run()
        assert np.allclose(trained.w, [1.0, -2.0, 0.5], atol=0.05)
        assert loop.model_op.w is None
        assert (loop.result.epochs, loop.result.steps, loop.result.stopped_early) == (40, 120, False)

    def test_the_same_loop_gives_the_same_weights_and_another_seed_others(self):
        state = np.random.get_state()[1].tolist()
        first = a_loop().run().get_weights()
        np.random.random(7)
        assert a_loop().run().get_weights() == first
        assert a_loop(seed=1).run().get_weights() != first
        assert a_loop(shuffle=False).run().get_weights() != first
        np.random.seed(0)
        before = np.random.get_state()[1].tolist()
        a_loop().run()
        assert np.random.get_state()[1].tolist() == before != state, "the caller's random numbers go on"

    def test_the_means_of_an_epoch_are_over_its_examples(self):
        loop = a_loop(eval_dataset=HELD)
        loop.run()
        values = loop.result.metrics.values
        losses = [value for _, value in values["loss"]]
        means = [(16 * a + 16 * b + 8 * c) / 40 for a, b, c in zip(*[iter(losses)] * 3, strict=True)]
        assert [step for step, _ in values["epoch/loss"]] == [3, 6, 9]
        assert np.allclose([value for _, value in values["epoch/loss"]], means)
        trained = a_loop(eval_dataset=HELD).run()
        expected = np.mean((trained(X[:10]) - HELD.arrays()["y"]) ** 2)
        assert loop.result.metrics.latest()["eval/loss"] == pytest.approx(expected)

    def test_an_operator_may_evaluate_itself(self):
        loop = a_loop(model_op=Judge(), eval_dataset=HELD, loss=None, batch_size=4)
        loop.run()
        assert loop.result.metrics.latest()["eval/mean_x"] == pytest.approx(X[:10].mean())

    @pytest.mark.parametrize("loss", ["mse", half_squares, "training_models:half_squares"])
    def test_losses_are_names_and_functions(self, loss):
        loop = a_loop(loss=loss, eval_dataset=HELD)
        trained = loop.run()
        expected = np.mean((trained(X[:10]) - HELD.arrays()["y"]) ** 2) / (1 if loss == "mse" else 2)
        assert loop.result.metrics.latest()["eval/loss"] == pytest.approx(expected)

    def test_data_may_be_a_plain_mapping(self):
        assert TrainingLoop(Line(), DATA.arrays(), backend="plain").run().w.shape == (3,)

    def test_it_goes_on_from_an_operator(self):
        whole = a_loop(n_epochs=4, model_op=Line()).run()
        half = a_loop(n_epochs=2, model_op=Line()).run()
        # From an operator no epoch is known: all of them come.
        more = a_loop(n_epochs=2, model_op=Line(), shuffle=False).run(resume_from=half)
        assert np.abs(more.w - [1, -2, 0.5]).sum() < np.abs(half.w - [1, -2, 0.5]).sum()
        assert whole.w is not more.w

    def test_resuming_from_another_operator_is_refused(self):
        with pytest.raises(errors.InvalidArgumentError, match="another one"):
            a_loop().run(resume_from=Line(rate=0.5, w=np.zeros(3)))


class TestCallbacks:
    def test_their_order(self):
        spies = Spy(), Spy()
        a_loop(*spies, n_epochs=2, eval_dataset=HELD, batch_size=20).run()
        assert spies[0].calls == spies[1].calls
        assert spies[0].calls == [
            ("begin", 0, 0),
            ("step", 1, 0),
            ("step", 2, 0),
            ("epoch", 2, 1),
            ("eval", 2, 1),
            ("step", 3, 1),
            ("step", 4, 1),
            ("epoch", 4, 2),
            ("eval", 4, 2),
            ("end", 4, 2),
        ]

    @pytest.mark.parametrize("error", [ValueError("at 4"), KeyboardInterrupt()])
    def test_what_ends_the_training_is_raised_and_told_to_all(self, error):
        first, last = Spy(), Spy(4, error)
        loop = a_loop(first, last)
        with pytest.raises(type(error)) as caught:
            loop.run()
        assert caught.value is error
        assert first.calls[-1] == last.calls[-1] == ("exception", 4, type(error).__name__)
        assert (loop.result.epochs, loop.result.steps) == (1, 4)

    def test_one_that_fails_at_the_exception_hides_nothing(self):
        class Worse(Spy):
            def on_exception(self, loop, state, error):
                raise RuntimeError("worse")

        last = Spy()
        with pytest.raises(ValueError, match="at 2"):
            a_loop(Worse(2, ValueError("at 2")), last).run()
        assert last.calls[-1][0] == "exception"

    def test_a_callback_may_read_the_operator_and_stop(self):
        class Half:
            def on_epoch_end(self, loop, state, metrics):
                self.w = state.operator.w.copy()
                state.stop = state.epoch == 2

        half = Half()
        loop = a_loop(half)
        assert np.array_equal(loop.run().w, half.w)
        assert (loop.result.epochs, loop.result.stopped_early) == (2, True)


class Told(Spy):
    """Sets what the loop tells as the loss of the evaluation."""

    def __init__(self, *losses):
        super().__init__()
        self.losses = losses

    def on_eval_end(self, loop, state, metrics):
        state.metrics["eval/loss"] = self.losses[state.epoch - 1]


class TestEarlyStopping:
    @pytest.mark.parametrize(
        ("losses", "options", "epochs", "best"),
        [
            ([5, 4, 4, 4, 1], {"patience": 2}, 4, 4),
            ([5, 4, 3, 2, 1], {"patience": 1}, 5, 1),
            ([5, 4, 3, 2, 1], {"patience": 1, "mode": "max"}, 2, 5),
            ([5, 4.9, 4.8, 4, 1], {"patience": 2, "min_delta": 0.5}, 3, 5),
            ([float("nan"), float("nan"), 1, 1, 1], {"patience": 2}, 2, None),
        ],
    )
    def test_it_ends_what_gets_no_better(self, losses, options, epochs, best):
        stopping = EarlyStopping("eval/loss", **options)
        loop = a_loop(Told(*losses), stopping, n_epochs=5, eval_dataset=HELD)
        for _ in range(2):
            loop.run()
            assert loop.result.epochs == epochs
            assert loop.result.stopped_early == (epochs < 5)
            assert stopping.best == best

    @pytest.mark.parametrize("monitor", ["eval/loss", "epoch/nothing"])
    def test_a_metric_that_never_comes_is_told(self, monitor):
        with pytest.raises(errors.InvalidArgumentError, match=f"{monitor}.*epoch/loss"):
            a_loop(EarlyStopping(monitor)).run()

    @pytest.mark.parametrize("given", [{"patience": 0}, {"mode": "best"}, {"monitor": ""}, {"min_delta": -1}])
    def test_bad_arguments_are_refused(self, given):
        with pytest.raises(errors.InvalidArgumentError):
            EarlyStopping(**given)


class TestYaml:
    def test_a_loop_comes_back_equal(self):
        loop = a_loop(
            EarlyStopping("eval/loss", 2, "max", 0.5),
            Checkpoint("local:/m", every_n_epochs=2, name="n", keep=3, monitor="eval/loss"),
            LogToExperiment(pe.adapters.mlflow.MLflowTracker("http://h:5000", "e"), "n", {"note": "x"}),
            Keeping("kept"),
            eval_dataset=HELD,
            seed=7,
            shuffle=False,
            loss="training_models:half_squares",
        )
        text = loop.to_yaml()
        back = TrainingLoop.from_yaml(text, trust=TRUST)
        assert back == loop
        assert back.to_yaml() == text
        assert [type(callback) for callback in back.callbacks] == [
            EarlyStopping,
            Checkpoint,
            LogToExperiment,
            Keeping,
        ]
        assert back.callbacks[2].tracker.specs == ("mlflow+http://h:5000/e",)
        assert back != a_loop()

    def test_it_trains_to_the_same_weights(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PKX_ENDPOINT", f"unix:{tmp_path}/nobody.sock")
        DATA.save(tmp_path / "d.npz")
        loop = TrainingLoop(Line(), FileDataset(tmp_path / "d.npz"), backend="plain", n_epochs=2)
        program = (
            "import sys; from pipekit_experiment.training import TrainingLoop\n"
            "loop = TrainingLoop.from_yaml(sys.stdin.read(), trust=['training_models'])\n"
            "print(loop.run().get_weights().hex())"
        )
        command = [sys.executable, "-c", program]
        environment = {**os.environ, "PYTHONPATH": ":".join(path for path in sys.path if path)}
        found = subprocess.run(
            command, input=loop.to_yaml(), env=environment, capture_output=True, text=True, check=True
        )
        assert found.stdout.strip() == loop.run().get_weights().hex()

    def test_data_in_memory_are_set_anew(self):
        back = TrainingLoop.from_yaml(a_loop().to_yaml(), trust=TRUST)
        with pytest.raises(errors.DatasetNotFoundError, match="`dataset`"):
            back.run()
        back.dataset = DATA
        assert back.run().get_weights() == a_loop().run().get_weights()

    def test_callbacks_without_a_state_are_named(self):
        own = LogToExperiment(Own(), "n")
        loop = a_loop(Spy(), own)
        back = TrainingLoop.from_yaml(loop.to_yaml(), trust=TRUST)
        assert back.callbacks == []
        assert back.callbacks_left_out == ["Spy", "LogToExperiment"]
        assert back == loop

    def test_weights_that_the_yaml_does_not_hold_are_asked_for(self):
        given = Line(w=np.ones(3))
        loop = a_loop(model_op=given)
        weights = loop.run().get_weights()
        back = TrainingLoop.from_yaml(loop.to_yaml(), trust=TRUST)
        back.dataset = DATA
        with pytest.raises(errors.InvalidConfigError, match="SHA-256"):
            back.run()
        assert back.run(resume_from=given).get_weights() == weights
        assert back == loop

    @pytest.mark.parametrize(
        ("changed", "kind", "said"),
        [
            ({"n_epochs": 0}, errors.InvalidArgumentError, "n_epochs"),
            ({"surprise": 1}, errors.InvalidConfigError, "surprise"),
            ({"model_op": None}, errors.InvalidConfigError, "model_op"),
            ({"dataset": {"module": "os"}}, errors.NotAnOperatorError, "At dataset"),
            ({"callbacks": {}}, errors.InvalidConfigError, "callbacks"),
            ({"loss": "os:system"}, errors.UntrustedModuleError, "os"),
            ({"loss": "mean"}, errors.InvalidArgumentError, "no loss 'mean'"),
            ({"backend": "fortran"}, errors.InvalidArgumentError, "fortran"),
        ],
    )
    def test_bad_yaml_is_refused(self, changed, kind, said):
        state = a_loop().state
        state["config"].update(changed)
        with pytest.raises(kind, match=said):
            TrainingLoop.from_yaml(json.dumps(state), trust=TRUST)

    def test_it_needs_trust(self):
        with pytest.raises(errors.UntrustedModuleError, match="training_models"):
            TrainingLoop.from_yaml(a_loop().to_yaml())

    def test_yaml_of_something_else_is_refused(self):
        with pytest.raises(errors.NotAnOperatorError, match="Line, no TrainingLoop"):
            TrainingLoop.from_yaml(json.dumps(Line().state), trust=TRUST)

    def test_a_function_without_a_name_is_told_and_does_not_hinder_the_training(self):
        loop = a_loop(loss=lambda prediction, target: 1.0, eval_dataset=HELD)
        with pytest.raises(errors.InvalidConfigError, match="cannot be imported"):
            loop.to_yaml()
        assert "lambda" in loop.get_config()["loss"]
        assert loop.run() is not None

    def test_callbacks_that_cannot_be_said_are_told_as_text(self):
        checkpoint, stopping = Checkpoint(object()), EarlyStopping("epoch/loss")
        config = a_loop(checkpoint, Spy(), stopping).get_config()
        assert config["callbacks"] == [repr(checkpoint), stopping.state]
        assert config["callbacks_left_out"] == ["Spy"]

    def test_a_subclass_is_written_by_its_own_name(self):
        assert Longer(Line(), DATA, backend="plain").state["class"] == "Longer"


class Longer(TrainingLoop):
    __module__ = __name__


class Own:
    """A user's own tracker."""

    def __init__(self, failing=False):
        self.calls, self.failing = [], failing

    def _take(self, *call):
        self.calls.append(call)
        if self.failing:
            raise ConnectionError("the tracker is down")

    def start_run(self, name, config):
        self._take("start_run", config)
        return pe.Run(run_id="own")

    def log_metrics(self, run, metrics, step):
        self._take("log_metrics", dict(metrics), step)

    def log_artifact(self, run, path, name):
        self._take("log_artifact")

    def end_run(self, run, status):
        self._take("end_run", status)


class TestLogging:
    def test_a_training_is_logged_to_the_daemon(self, daemon):
        callback = LogToExperiment(pe.Tracker())
        loop = a_loop(callback, eval_dataset=HELD)
        loop.run()
        assert daemon.points(callback.run.run_id) == loop.result.metrics.values
        (start,) = daemon.records(callback.run.run_id, "start")
        config = json.loads(start.config_json)
        assert config["n_epochs"] == 3
        assert config["dataset"]["config"]["hash"] == DATA.content_hash()
        assert daemon.records(callback.run.run_id, "end")[0].state == 2

    @pytest.mark.parametrize("error", [ValueError("bad data"), KeyboardInterrupt()])
    def test_a_training_that_breaks_off_is_a_failed_run(self, daemon, error):
        callback, own = LogToExperiment(pe.Tracker()), Own()
        with pytest.raises(type(error)):
            a_loop(callback, LogToExperiment(own), Spy(2, error)).run()
        (end,) = daemon.records(callback.run.run_id, "end")
        assert end.state == 3
        assert end.reason == f"{type(error).__name__}: {error}"
        assert own.calls[-1] == ("end_run", "failed")

    def test_a_tracker_that_fails_does_not_hurt(self):
        with pytest.warns(RuntimeWarning, match="the tracker is down"):
            trained = a_loop(LogToExperiment(Own(failing=True))).run()
        assert trained.get_weights() == a_loop().run().get_weights()

    def test_a_config_that_cannot_be_had_does_not_hurt(self):
        class Unhashable(ArrayDataset):
            def content_hash(self):
                raise OSError("no disk")

        own = Own()
        with pytest.warns(RuntimeWarning, match="config is not logged: OSError: no disk"):
            TrainingLoop(
                Line(), Unhashable(**DATA.arrays()), backend="plain", callbacks=[LogToExperiment(own)]
            ).run()
        assert own.calls[0] == ("start_run", {})


class Unread(ArrayDataset):
    def content_hash(self):
        raise AssertionError("The data are read.")


class TestTrainingConfig:
    def test_it_is_of_what_shapes_the_weights_and_of_nothing_else(self, tmp_path):
        DATA.save(tmp_path / "data.npz")
        plain = a_loop().training_config
        watched = a_loop(LogToExperiment(Own()), Checkpoint(), dataset=FileDataset(tmp_path / "data.npz"))
        assert watched.training_config == plain
        assert json.loads(json.dumps(plain)) == plain
        for other in ({"n_epochs": 9}, {"seed": 3}, {"batch_size": 5}, {"shuffle": False}):
            assert a_loop(**other).training_config != plain, other

    def test_neither_data_nor_callbacks_are_asked_for_it(self):
        loop = a_loop(Checkpoint(object()), dataset=Unread(x=X), eval_dataset=Unread(x=X))
        assert loop.training_config == a_loop().training_config

    def test_there_is_none_when_it_cannot_be_said(self):
        assert a_loop(loss=lambda prediction, target: 0).training_config is None


class TestCheckpoint:
    @pytest.fixture
    def registry(self, real_daemon, tmp_path):
        return pe.LocalModelRegistry(tmp_path / "models", trust=TRUST)

    def test_it_stores_and_moves_its_name(self, registry):
        log = LogToExperiment(pe.Tracker())
        checkpoint = Checkpoint(registry, every_n_epochs=2, name="line")
        loop = a_loop(checkpoint, log, n_epochs=5)
        trained = loop.run()
        assert len(checkpoint.hashes) == 3, "after 2, 4 and the last"
        identity = {"training_config": loop.training_config, "dataset_hash": loop.dataset.content_hash()}
        assert registry.resolve_tag("line") == checkpoint.hashes[-1] == registry.hash(trained, **identity)
        moves = registry.history("line")
        assert [move.hash for move in moves] == checkpoint.hashes[::-1]
        info = registry.stat(checkpoint.hashes[0])
        assert (info.tags["epoch"], info.tags["step"], info.run_id) == (2, 6, log.run.run_id)
        assert info.tags["metrics"]["epoch/loss"] > 0
        assert list(registry.tags()) == ["line"]

    def test_it_keeps_the_last(self, registry):
        a_loop(Checkpoint(registry, name="line", keep=2), n_epochs=4).run()
        assert sorted(registry.tags()) == ["line", "line.epoch-3", "line.epoch-4"]

    def test_it_keeps_the_best(self, registry):
        checkpoint = Checkpoint(registry, name="line", keep=2, monitor="eval/loss")
        told = Told(3, 1, float("nan"), 2, 5)
        a_loop(told, checkpoint, n_epochs=5, eval_dataset=HELD).run()
        tags = registry.tags()
        assert sorted(tags) == ["line", "line.epoch-2", "line.epoch-4"]
        assert tags["line"] == tags["line.epoch-2"]

    def test_a_training_goes_on_from_it(self, registry):
        whole = a_loop(n_epochs=4).run()
        a_loop(Checkpoint(registry, name="line"), n_epochs=2).run()
        spy = Spy()
        loop = a_loop(Checkpoint(registry, name="line"), spy, n_epochs=4)
        assert loop.run(resume_from="line").get_weights() == whole.get_weights()
        assert spy.calls[:2] == [("begin", 6, 2), ("step", 7, 2)]
        assert (loop.result.epochs, loop.result.steps) == (4, 12)
        again = loop.run(resume_from="line")
        assert again.get_weights() == whole.get_weights(), "there is nothing left to train"

    def test_a_model_of_the_registry_is_trained_on(self, registry):
        base = registry.store(a_loop().run())
        loop = a_loop(model_op=ModelRef(base, registry))
        trained = loop.run()
        back = TrainingLoop.from_yaml(loop.to_yaml(), trust=TRUST)
        back.dataset = DATA
        assert back.run().get_weights() == trained.get_weights()

    def test_a_registry_that_fails_does_not_hurt(self):
        class Down:
            spec = "local:/down"

            def store(self, *args, **kwargs):
                raise errors.RegistryUnavailableError("It is away.")

        checkpoint = Checkpoint(Down())
        with pytest.warns(RuntimeWarning, match="was not stored: RegistryUnavailableError") as caught:
            a_loop(checkpoint).run()
        assert (checkpoint.failures, len(caught)) == (3, 1)

    @pytest.mark.parametrize(
        "given", [{"keep": 2}, {"monitor": "loss"}, {"every_n_epochs": 0}, {"mode": "x"}]
    )
    def test_bad_arguments_are_refused(self, given):
        with pytest.raises(errors.InvalidArgumentError):
            Checkpoint(**given)

    def test_a_registry_without_a_spec_is_told_when_it_is_written(self):
        with pytest.raises(errors.InvalidConfigError, match="no spec"):
            a_loop(Checkpoint(object())).to_yaml()


class TestArguments:
    @pytest.mark.parametrize(
        ("given", "field"),
        [
            ({"n_epochs": 1.5}, "n_epochs"),
            ({"batch_size": 0}, "batch_size"),
            ({"seed": -1}, "seed"),
            ({"backend": "tensorflow"}, "backend"),
            ({"loss": "mean"}, "loss"),
            ({"loss": 3}, "loss"),
            ({"optimizer_config": {"lr": 1}}, "optimizer_config.name"),
            ({"optimizer_config": {"name": "sgd"}}, "optimizer_config.lr"),
            ({"optimizer_config": {"name": "sgd", "lr": "1"}}, "optimizer_config.lr"),
        ],
    )
    def test_a_bad_one_is_named(self, given, field):
        with pytest.raises(errors.InvalidArgumentError) as caught:
            a_loop(**given)
        assert caught.value.field == field

    def test_what_is_no_operator_is_told(self):
        with pytest.raises(errors.NotAnOperatorError):
            a_loop(model_op=object())

    @pytest.mark.parametrize(
        ("arrays", "said"),
        [
            ({"y": [1]}, "named x"),
            ({"x": [1, 2], "y": [1]}, "'y'"),
            ({"x": []}, "empty"),
            ({"x": 1}, "'x'"),
        ],
    )
    def test_bad_data_are_named_before_a_callback_hears_of_it(self, arrays, said):
        spy = Spy()
        with pytest.raises(errors.InvalidArgumentError, match=said):
            TrainingLoop(Line(), ArrayDataset(**arrays), backend="plain", callbacks=[spy]).run()
        assert spy.calls == []

    @pytest.mark.parametrize(
        ("backend", "module", "extra"),
        [
            ("lightning", "torch", "lightning"),
            ("jax", "jax", "jax"),
            ("keras", "keras", "keras"),
            ("sklearn", "sklearn", "sklearn"),
        ],
    )
    def test_a_library_that_is_missing_is_named_with_its_extra(self, backend, module, extra, monkeypatch):
        for name in [
            name for name in sys.modules if name.startswith(f"pipekit_experiment._src.training.{backend}")
        ]:
            monkeypatch.delitem(sys.modules, name)
        for name in [name for name in sys.modules if name == module or name.startswith(f"{module}.")]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(ImportError, match=rf"pipekit-experiment\[{extra}\]"):
            a_loop(backend=backend, optimizer_config=None).run()

    def test_importing_it_imports_no_library(self):
        program = (
            "import sys, pipekit_experiment.training\n"
            "print(sorted({'numpy', 'torch', 'jax', 'keras', 'sklearn', 'yaml', 'grpc'} & set(sys.modules)))"
        )
        found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert found.stdout.strip() == "[]"


def test_it_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        a_loop(Spy(), EarlyStopping("epoch/loss")).run()
