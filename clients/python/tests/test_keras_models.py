"""Runs with the backend in KERAS_BACKEND, by default jax."""

import io
import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
keras = pytest.importorskip("keras")

import h5py  # noqa: E402
import keras_models  # noqa: E402

from pipekit_experiment import errors  # noqa: E402
from pipekit_experiment.keras import KerasModelOp  # noqa: E402
from pipekit_experiment.registry import LocalModelRegistry  # noqa: E402

X = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")


@pytest.fixture(scope="module")
def registry(real_daemon, tmp_path_factory):
    return LocalModelRegistry(tmp_path_factory.mktemp("models"), trust=["keras_models"])


def operator(factory="net", **kwargs):
    return KerasModelOp(
        getattr(keras_models, factory)(**kwargs), factory=f"keras_models:{factory}", kwargs=kwargs
    )


def repacked(weights, **replaced):
    """An archive whose entries of these names (with _ for .) are replaced; None takes one away."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(weights)) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = replaced.get(name.replace(".", "_"), old.read(name))
            if data is not None:
                new.writestr(name, data)
    return target.getvalue()


def hdf5(write):
    target = io.BytesIO()
    with h5py.File(target, "w") as file:
        write(file)
    return target.getvalue()


@pytest.mark.parametrize("factory", ["net", "graph", "own"])
def test_a_trained_model_comes_back_bit_for_bit(registry, factory):
    op = operator(factory)
    op.model.compile("adam", "mse", metrics=["mae"])
    op.model.fit(X, X[:, :2], epochs=1, verbose=0)
    hash = registry.store(op)
    loaded = registry.load(hash)
    assert isinstance(loaded, KerasModelOp)
    assert loaded.model is not op.model
    for ours, theirs in zip(op.model.weights, loaded.model.weights, strict=True):
        assert np.array_equal(keras.ops.convert_to_numpy(ours), keras.ops.convert_to_numpy(theirs))
        assert ours.dtype == theirs.dtype
    assert np.array_equal(*(keras.ops.convert_to_numpy(each(X)) for each in (op, loaded)))
    assert registry.stat(hash).weights_format == "keras"
    assert registry.stat(hash).state["module"] == "pipekit_experiment.keras"
    assert registry.store(loaded) == hash, "neither the optimizer nor the names that Keras counts are in it"


def test_a_factory_may_compile(registry, recwarn):
    op = operator("graph", compiled=True)
    op.model.fit(X, X[:, :2], epochs=1, verbose=0)
    loaded = registry.load(registry.store(op))
    assert loaded.get_weights() == op.get_weights()
    assert not [warning for warning in recwarn if "optimizer" in str(warning.message)]


def test_keras_itself_reads_the_archive(tmp_path):
    for factory in ("net", "graph", "own"):
        op = operator(factory)
        (tmp_path / "m.keras").write_bytes(op.get_weights())
        read = keras.models.load_model(tmp_path / "m.keras")
        assert np.array_equal(*(keras.ops.convert_to_numpy(each(X)) for each in (op, read)))
        other = getattr(keras_models, factory)()
        other.load_weights(tmp_path / "m.keras")
        assert np.array_equal(*(keras.ops.convert_to_numpy(each(X)) for each in (op, other)))


def test_what_keras_saved_is_taken_as_weights(registry, tmp_path):
    op = operator()
    op.model.save(tmp_path / "m.keras")
    loaded = registry.load(registry.store(op, weights=tmp_path / "m.keras"))
    assert loaded.get_weights() == op.get_weights()


def test_two_processes_give_one_hash():
    # The first has counted other layers before; both store again what they have loaded.
    program = (
        "import sys, hashlib, keras, keras_models\n"
        "from pipekit_experiment.keras import KerasModelOp\n"
        "for _ in range(int(sys.argv[1])): keras_models.graph(), keras_models.net()\n"
        "for factory in ('net', 'graph', 'own'):\n"
        "    keras.utils.set_random_seed(1)\n"
        "    op = KerasModelOp(factory=f'keras_models:{factory}')\n"
        "    weights = op.get_weights()\n"
        "    assert op.with_weights(weights).get_weights() == weights, factory\n"
        "    print(factory, hashlib.sha256(weights).hexdigest())"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    first, second = (
        subprocess.run([sys.executable, "-c", program, times], env=env, capture_output=True, text=True)
        for times in ("3", "0")
    )
    assert len(first.stdout.split()) == 6, first.stderr
    assert first.stdout == second.stdout, second.stderr


def test_names_are_counted_anew_and_those_of_ones_own_kept():
    config = json.loads(zipfile.ZipFile(io.BytesIO(operator("graph").get_weights())).read("config.json"))
    names = [layer["config"]["name"] for layer in config["config"]["layers"]]
    assert names == ["input_layer", "dense", "dense_2", "add", "dense_1", "re_lu", "sequential"]
    assert "compile_config" not in config


def test_the_factory_must_be_trusted(registry):
    hash = registry.store(operator())
    with pytest.raises(errors.UntrustedModuleError, match="module keras_models"):
        LocalModelRegistry(registry.root).load(hash)


def test_models_that_cannot_be_kept_are_told(registry):
    with pytest.raises(errors.InvalidConfigError, match="not built"):
        registry.store(operator("unbuilt"))
    with pytest.raises(errors.InvalidConfigError, match="Lambda layer"):
        registry.store(operator("with_lambda"))
    with pytest.raises(errors.InvalidArgumentError, match="made a Dense"):
        _ = KerasModelOp(factory="keras_models:not_a_model").model


def test_weights_of_another_model_are_refused():
    with pytest.raises(errors.InvalidArgumentError, match="not those of the model"):
        operator(width=4).with_weights(operator(width=3).get_weights())
    more = operator().with_weights(operator().get_weights()).get_weights()
    with zipfile.ZipFile(io.BytesIO(more)) as archive:
        file = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(file, "a") as opened:
        opened["layers/dense_2/vars/0"] = np.zeros(3)
    with pytest.raises(errors.InvalidArgumentError, match="layers/dense_2/vars/0 is in one of them only"):
        operator().with_weights(repacked(more, model_weights_h5=file.getvalue()))


class TestHostileArchives:
    def test_marshalled_code_is_refused(self, registry, tmp_path, monkeypatch):
        """The archive is one of which Keras would run the code."""
        mark = tmp_path / "ran"
        monkeypatch.setenv("MARK", str(mark))
        touch = keras.layers.Lambda(lambda x: (open(__import__("os").environ["MARK"], "w").close(), x)[1])
        keras.Sequential([keras.Input((4,)), touch]).save(tmp_path / "m.keras")
        mark.unlink()
        keras.models.load_model(tmp_path / "m.keras", safe_mode=False)
        assert mark.exists(), "it is dangerous indeed"
        mark.unlink()
        hash = registry.store(operator(), weights=tmp_path / "m.keras")
        with pytest.raises(errors.UntrustedModuleError, match="marshalled code"):
            registry.load(hash)
        assert not mark.exists()

    def test_a_config_that_names_code_is_not_built_from(self, registry, tmp_path):
        built = []

        @keras.saving.register_keras_serializable("tests")
        class Evil(keras.Model):
            def __init__(self):
                super().__init__()
                built.append(self)

        op = operator()
        config = {"module": __name__, "class_name": "Evil", "config": {}, "registered_name": "tests>Evil"}
        hostile = repacked(op.get_weights(), config_json=json.dumps(config))
        (tmp_path / "m.keras").write_bytes(hostile)
        keras.models.load_model(tmp_path / "m.keras")
        assert built.pop(), "Keras builds it"
        loaded = registry.load(registry.store(op, weights=hostile))
        assert loaded.get_weights() == op.get_weights()
        assert not built

    @pytest.mark.parametrize(
        ("write", "fault"),
        [
            (lambda file: file.__setitem__("vars", h5py.ExternalLink("/etc/passwd", "/")), "vars is a link"),
            (lambda file: file.__setitem__("layers", h5py.SoftLink("/")), "layers is a link"),
            (lambda file: file.__setitem__("layers/a", file["/"]), "linked twice"),
            (
                lambda file: file.create_dataset(
                    "vars/0", shape=(9,), dtype="u1", external=[("/etc/passwd", 0, 9)]
                ),
                "not kept in the file",
            ),
            (
                lambda file: file.create_dataset(
                    "vars/0", shape=(2**40,), dtype="f4", chunks=(1024,), compression="gzip"
                ),
                "claims 4398046511104 bytes and has 0",
            ),
            (
                lambda file: file.create_virtual_dataset("vars/0", h5py.VirtualLayout((3,), "f4")),
                "not kept in the file",
            ),
        ],
    )
    def test_a_weights_file_that_leads_elsewhere_is_refused(self, write, fault):
        op = operator()
        with pytest.raises(errors.InvalidArgumentError, match=fault):
            op.with_weights(repacked(op.get_weights(), model_weights_h5=hdf5(write)))

    def test_what_is_no_archive_is_refused(self):
        op = operator()
        squeezed = io.BytesIO()
        with zipfile.ZipFile(squeezed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("model.weights.h5", bytes(1_000_000))
        for weights, fault in (
            (b"", "not a zip"),
            (b"x" * 100, "not a zip"),
            (repacked(op.get_weights(), model_weights_h5=None), "no item named"),
            (repacked(op.get_weights(), model_weights_h5=b"x" * 1000), "signature not found"),
            (repacked(op.get_weights(), config_json="{"), "no sound"),
            (squeezed.getvalue(), "compressed"),
        ):
            with pytest.raises(errors.InvalidArgumentError, match=fault):
                op.with_weights(weights)
