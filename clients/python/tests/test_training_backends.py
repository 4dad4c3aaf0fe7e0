"""Each backend on its real library, with real data; KERAS_BACKEND is by default jax."""

import json
import os
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest
from training_models import Spy

os.environ.setdefault("KERAS_BACKEND", "jax")
datasets = pytest.importorskip("sklearn.datasets")

from pipekit_experiment import errors  # noqa: E402
from pipekit_experiment.datasets import ArrayDataset, FileDataset  # noqa: E402
from pipekit_experiment.training import EarlyStopping, TrainingLoop  # noqa: E402

TRUST = ["training_models", "sklearn"]
_IMAGES, _DIGITS = datasets.load_digits(return_X_y=True)
X, Y = _IMAGES[:400] / 16, _DIGITS[:400]
HELD_X, HELD_Y = _IMAGES[400:500] / 16, _DIGITS[400:500]
DATA, HELD = ArrayDataset(x=X, y=Y), ArrayDataset(x=HELD_X, y=HELD_Y)


def lightning():
    torch = pytest.importorskip("pipekit_experiment.torch")
    pytest.importorskip("pytorch_lightning")
    return torch.TorchModelOp(factory="training_models:torch_digits"), "lightning"


def jax():
    made = pytest.importorskip("pipekit_experiment.jax")
    return made.JaxModelOp(factory="training_models:jax_digits", apply="training_models:jax_apply"), "jax"


def equinox():
    made = pytest.importorskip("pipekit_experiment.jax")
    pytest.importorskip("equinox")
    return made.EquinoxModelOp(factory="training_models:equinox_digits"), "jax"


def keras():
    pytest.importorskip("keras")
    from pipekit_experiment.keras import KerasModelOp

    return KerasModelOp(factory="training_models:keras_digits"), "keras"


def sklearn():
    from sklearn.linear_model import SGDClassifier

    from pipekit_experiment.sklearn import SklearnModelOp

    return SklearnModelOp(SGDClassifier()), "sklearn"


BACKENDS = (lightning, jax, keras, sklearn)
ALL = (*BACKENDS, equinox)


def a_loop(kind, *callbacks, dataset=DATA, **others):
    model_op, backend = kind()
    given = {
        "n_epochs": 2,
        "batch_size": 50,
        "backend": backend,
        "eval_dataset": HELD,
        "callbacks": callbacks,
        **others,
    }
    if backend != "sklearn":
        given = {"loss": "cross_entropy", "optimizer_config": {"name": "sgd", "lr": 0.3}, **given}
    return TrainingLoop(model_op, dataset, **given)


def predicted(kind, operator):
    """Class numbers for the held-out images, by calling the trained operator as users do."""
    if kind is equinox:
        return np.array([np.argmax(operator(image)) for image in HELD_X.astype(np.float32)])
    if kind is lightning:
        import torch

        return operator(torch.tensor(HELD_X, dtype=torch.float32)).argmax(1).numpy()
    found = np.asarray(operator(HELD_X.astype(np.float32)))
    return found if found.ndim == 1 else found.argmax(1)


@pytest.mark.parametrize("kind", ALL)
class TestEach:
    def test_it_learns_and_tells_the_truth(self, kind):
        spy = Spy()
        loop = a_loop(kind, spy, n_epochs=10)
        trained = loop.run()
        accuracy = float((predicted(kind, trained) == HELD_Y).mean())
        assert accuracy > 0.6
        told = loop.result.metrics.latest()
        assert told["eval/score" if kind is sklearn else "eval/accuracy"] == pytest.approx(accuracy)
        if kind is not sklearn:
            losses = [value for _, value in loop.result.metrics.values["epoch/loss"]]
            assert losses[-1] < losses[0] * 0.7
            assert len(loop.result.metrics.values["loss"]) == 80
        epoch = [("step",)] * 8 + [("epoch",), ("eval",)]
        assert [call[:1] for call in spy.calls] == [("begin",), *epoch * 10, ("end",)]
        assert [call[1:] for call in spy.calls if call[0] == "epoch"] == [(8 * n, n) for n in range(1, 11)]
        assert (loop.result.epochs, loop.result.steps, loop.result.stopped_early) == (10, 80, False)

    def test_the_same_loop_gives_the_same_weights(self, kind):
        loop = a_loop(kind)
        weights = loop.run().get_weights()
        assert loop.run().get_weights() == weights, "the given operator was left as it was"
        assert a_loop(kind, seed=1).run().get_weights() != weights


@pytest.mark.parametrize("kind", BACKENDS)
class TestEachBackend:
    def test_ctrl_c_comes_through(self, kind):
        handler, spy = signal.getsignal(signal.SIGINT), Spy(3, KeyboardInterrupt())
        loop = a_loop(kind, spy)
        with pytest.raises(KeyboardInterrupt) as caught:
            loop.run()
        assert caught.value is spy.error
        assert spy.calls[-1] == ("exception", 3, "KeyboardInterrupt")
        assert signal.getsignal(signal.SIGINT) is handler

    def test_it_stops_when_a_callback_says_so(self, kind):
        monitor = "eval/score" if kind is sklearn else "eval/accuracy"
        # Nothing gets better by more than 2, so that it ends after the second epoch.
        loop = a_loop(kind, EarlyStopping(monitor, 1, "max", 2.0), n_epochs=5)
        loop.run()
        assert (loop.result.epochs, loop.result.stopped_early) == (2, True)

    def test_it_goes_on_from_a_checkpoint(self, kind):
        class Registry:
            """Holds one checkpoint."""

            def store(self, operator, tags, run=None):
                self.weights, self.state, self.tags = operator.get_weights(), operator.state, tags
                return "h"

            def stat(self, ref):
                return type("Info", (), {"hash": ref, "state": self.state, "tags": self.tags})

            def load_weights(self, ref):
                return self.weights

        from pipekit_experiment.training import Checkpoint

        registry = Registry()
        a_loop(kind, Checkpoint(registry), n_epochs=1 if kind is not sklearn else 2).run()
        whole = a_loop(kind, n_epochs=3).run()
        loop = a_loop(kind, n_epochs=3)
        resumed = loop.run(resume_from="h", registry=registry)
        assert resumed.get_weights() == whole.get_weights()
        assert loop.result.epochs == 3

    def test_a_model_of_another_library_is_refused(self, kind):
        from training_models import Line

        loop = a_loop(kind)
        loop.model_op = Line()
        with pytest.raises(errors.InvalidArgumentError, match="trains no Line"):
            loop.run()


def test_another_process_trains_to_the_same_weights(tmp_path):
    DATA.save(tmp_path / "d.npz")
    HELD.save(tmp_path / "h.npz")
    program = (
        "import hashlib, json, sys; from pipekit_experiment.training import TrainingLoop\n"
        f"loops = [TrainingLoop.from_yaml(text, trust={TRUST}) for text in json.load(sys.stdin)]\n"
        "print(*[hashlib.sha256(loop.run().get_weights()).hexdigest() for loop in loops])"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PKX_ENDPOINT": f"unix:{tmp_path}/nobody.sock",
    }
    import hashlib

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PKX_ENDPOINT", environment["PKX_ENDPOINT"])
        data, held = FileDataset(tmp_path / "d.npz"), FileDataset(tmp_path / "h.npz")
        loops = [a_loop(kind, dataset=data, eval_dataset=held, seed=5, n_epochs=1) for kind in BACKENDS]
        texts = [loop.to_yaml() for loop in loops]
        assert [TrainingLoop.from_yaml(text, trust=TRUST) for text in texts] == loops
        here = [hashlib.sha256(loop.run().get_weights()).hexdigest() for loop in loops]
    found = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(texts),
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == here


@pytest.mark.parametrize("kind", [lightning, jax, keras])
class TestOptimizersAndLosses:
    @pytest.mark.parametrize(
        ("config", "field"),
        [
            ({"name": "newton", "lr": 0.1}, "optimizer_config.name"),
            ({"name": "sgd", "lr": 0.1, "speed": 3}, "optimizer_config"),
        ],
    )
    def test_a_wrong_optimizer_is_named(self, kind, config, field):
        with pytest.raises(errors.InvalidArgumentError) as caught:
            a_loop(kind, optimizer_config=config).run()
        assert caught.value.field == field

    def test_a_loss_is_needed(self, kind):
        with pytest.raises(errors.InvalidArgumentError, match="needs a loss"):
            a_loop(kind, loss=None).run()


@pytest.mark.parametrize(
    ("config", "steps"),
    [
        ({"name": "sgd", "lr": 0.05}, 5),
        ({"name": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 0.1}, 5),
        ({"name": "adam", "lr": 0.05, "weight_decay": 0.1}, 5),
        ({"name": "adamw", "lr": 0.05, "betas": [0.8, 0.99]}, 5),
    ],
)
def test_optimizers_of_jax_are_those_of_torch(config, steps):
    torch = pytest.importorskip("torch")
    optimizers = pytest.importorskip("pipekit_experiment._src.training.jax_optimizers")
    start, entries = np.array([0.5, -1.5, 2.0], np.float32), dict(config)
    kind = getattr(torch.optim, {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW"}[entries["name"]])
    ours = optimizers.OPTIMIZERS[entries.pop("name")](**entries)
    parameter = torch.nn.Parameter(torch.tensor(start))
    theirs = kind([parameter], **entries)
    arrays = [optimizers.jnp.asarray(start)]
    memory = ours.begin(arrays)
    for step in range(steps):
        slope = np.array([step + 1.0, -0.5, 0.1 * step], np.float32)
        arrays, memory = ours.update(arrays, [optimizers.jnp.asarray(slope)], memory)
        parameter.grad = torch.tensor(slope)
        theirs.step()
    assert np.allclose(np.asarray(arrays[0]), parameter.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_losses_are_the_same_in_every_library():
    torch = pytest.importorskip("torch")
    lightning_losses = pytest.importorskip("pipekit_experiment._src.training.lightning")._LOSSES
    jax_losses = pytest.importorskip("pipekit_experiment._src.training.jax")._LOSSES
    keras_loss = pytest.importorskip("pipekit_experiment._src.training.keras")._loss
    from pipekit_experiment._src.training.losses import LOSSES, numpy_losses

    random = np.random.default_rng(0)
    many, one = random.normal(size=(7, 3)).astype(np.float32), random.normal(size=(7, 1)).astype(np.float32)
    for name in LOSSES:
        prediction = many if name == "cross_entropy" else one
        target = random.integers(0, 2, size=7)
        if name in ("mse", "mae"):
            target = random.normal(size=7).astype(np.float32)
        expected = numpy_losses()[name](prediction, target)
        loop = type("Loop", (), {"loss": name, "trusted_loss": None})
        found = [
            float(lightning_losses[name](torch.tensor(prediction), torch.tensor(target))),
            float(jax_losses[name](prediction, target)),
            float(keras_loss(loop)(target.reshape(7, 1), prediction)),
        ]
        assert found == pytest.approx([expected] * 3, rel=1e-5), name


class TestSklearn:
    def test_one_epoch_is_a_fit(self):
        from sklearn.ensemble import RandomForestRegressor

        from pipekit_experiment.sklearn import SklearnModelOp

        x, y = datasets.load_diabetes(return_X_y=True)
        estimator = RandomForestRegressor(5)
        loop = TrainingLoop(SklearnModelOp(estimator), ArrayDataset(x=x, y=y), loss="mse", backend="sklearn")
        trained = loop.run()
        told = loop.result.metrics.latest()
        assert told["epoch/loss"] == pytest.approx(np.mean((trained(x) - y) ** 2))
        assert told["epoch/score"] == pytest.approx(trained.estimator.score(x, y))
        assert not hasattr(estimator, "estimators_")
        assert loop.run().get_weights() == trained.get_weights()

    def test_a_pipeline_comes_back_with_every_kind_of_parameter(self):
        from sklearn.decomposition import PCA
        from sklearn.impute import SimpleImputer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import FeatureUnion, make_pipeline
        from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, OneHotEncoder
        from training_models import scaled

        from pipekit_experiment.sklearn import SklearnModelOp

        estimator = make_pipeline(
            FunctionTransformer(scaled),
            SimpleImputer(missing_values=np.nan),
            FeatureUnion([("a", PCA(np.int64(5))), ("b", MinMaxScaler((0, 2))), ("c", "passthrough")]),
            LogisticRegression(class_weight={0: 1.0, 1: 2.0}, C=float("inf"), max_iter=5),
        )
        loop = TrainingLoop(SklearnModelOp(estimator), DATA, backend="sklearn")
        back = TrainingLoop.from_yaml(loop.to_yaml(), trust=TRUST)
        assert back == loop
        back.dataset = DATA
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert back.run().get_weights() == loop.run().get_weights()
        encoder = TrainingLoop(SklearnModelOp(OneHotEncoder()), DATA, backend="sklearn")
        assert TrainingLoop.from_yaml(encoder.to_yaml(), trust=TRUST) == encoder

    def test_what_is_fitted_at_once_has_one_epoch(self):
        from sklearn.linear_model import Ridge

        from pipekit_experiment.sklearn import SklearnModelOp

        with pytest.raises(errors.InvalidArgumentError, match="Ridge has no `partial_fit`"):
            TrainingLoop(SklearnModelOp(Ridge()), DATA, backend="sklearn", n_epochs=2).run()

    def test_without_a_target_it_fits_x(self):
        from sklearn.cluster import MiniBatchKMeans

        from pipekit_experiment.sklearn import SklearnModelOp

        operator = SklearnModelOp(MiniBatchKMeans(4))
        loop = TrainingLoop(operator, ArrayDataset(x=X), backend="sklearn", n_epochs=2, batch_size=100)
        assert loop.run()(X).max() == 3
        assert loop.result.metrics.latest()["epoch/score"] < 0

    def test_an_estimator_needs_trust_and_a_function_a_name(self):
        from sklearn.preprocessing import FunctionTransformer

        from pipekit_experiment.sklearn import SklearnModelOp

        text = a_loop(sklearn).to_yaml()
        with pytest.raises(errors.UntrustedModuleError, match="sklearn"):
            TrainingLoop.from_yaml(text, trust=["training_models"])
        loop = TrainingLoop(SklearnModelOp(FunctionTransformer(lambda x: x)), DATA, backend="sklearn")
        with pytest.raises(errors.InvalidConfigError) as caught:
            loop.to_yaml()
        assert caught.value.field == "estimator.func"

    @pytest.mark.parametrize(
        ("estimator", "said"),
        [
            (3, "describes no estimator"),
            ({"module": "sklearn.base", "class": "clone", "config": {}}, "no class of estimators"),
            ({"module": "sklearn.linear_model", "class": "Ridge", "config": {"x": 1}}, "does not take"),
            ({"module": "sklearn.linear_model", "class": "Ridge", "config": {"alpha": {"y": 1}}}, "alpha"),
        ],
    )
    def test_a_bad_description_is_refused(self, estimator, said):
        state = a_loop(sklearn).state
        state["config"]["estimator"] = estimator
        with pytest.raises(errors.InvalidConfigError, match=said):
            TrainingLoop.from_yaml(json.dumps(state), trust=TRUST)


class TestLightning:
    def test_options_reach_the_trainer(self):
        loop = a_loop(lightning, backend_options={"limit_train_batches": 2})
        loop.run()
        assert loop.result.steps == 4
        assert TrainingLoop.from_yaml(loop.to_yaml(), trust=TRUST) == loop

    def test_it_leaves_torch_as_it_was(self):
        torch = pytest.importorskip("torch")
        torch.manual_seed(3)
        first = torch.rand(1)
        torch.manual_seed(3)
        loop = a_loop(lightning)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            loop.run()
        assert torch.rand(1) == first
        assert not torch.are_deterministic_algorithms_enabled()

    def test_a_module_that_was_given_is_trained_on(self):
        torch = pytest.importorskip("torch")
        from pipekit_experiment.torch import TorchModelOp

        torch.manual_seed(1)
        module = __import__("training_models").torch_digits()
        given = TorchModelOp(module, factory="training_models:torch_digits")
        before = given.get_weights()
        loop = a_loop(lightning)
        loop.model_op = given
        assert loop.run().get_weights() != before
        assert given.get_weights() == before
        back = TrainingLoop.from_yaml(loop.to_yaml(), trust=TRUST)
        back.dataset = back.eval_dataset = DATA
        with pytest.raises(errors.InvalidConfigError, match="SHA-256"):
            back.run()


def test_an_equinox_module_with_dropout_is_evaluated_without():
    loop = a_loop(equinox, n_epochs=1)
    trained = loop.run()
    again = float((predicted(equinox, trained) == HELD_Y).mean())
    assert loop.result.metrics.latest()["eval/accuracy"] == pytest.approx(again)


def test_keras_on_torch():
    program = (
        "import os, sys; os.environ['KERAS_BACKEND'] = 'torch'\n"
        "import test_training_backends as t\n"
        "first, again = (t.a_loop(t.keras, n_epochs=1).run().get_weights() for _ in range(2))\n"
        "print(first == again)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", program]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "True"
