"""What of an operator's state may lead where, and the operator of plain bytes."""

import sys

import pytest
from registry_operators import Scale

from pipekit_experiment import errors
from pipekit_experiment.operators import BytesModelOp, Operator, require_trusted, trusted_object, trusting
from pipekit_experiment.registry import LocalModelRegistry


@pytest.fixture(scope="module")
def registry(real_daemon, tmp_path_factory):
    return LocalModelRegistry(tmp_path_factory.mktemp("models"))


class Stated:
    """An operator of any state."""

    weights_format = "any"

    def __init__(self, module, kind, config):
        self.state = {"module": module, "class": kind, "config": config}


class TestBytes:
    def test_bytes_come_back_as_they_were(self, registry, tmp_path):
        op = BytesModelOp(b"\0onnx\xff", weights_format="onnx", config={"opset": 21})
        hash = registry.store(op)
        loaded = registry.load(hash)
        assert isinstance(loaded, BytesModelOp)
        assert (loaded.data, loaded.weights_format, loaded.config) == (b"\0onnx\xff", "onnx", {"opset": 21})
        assert registry.stat(hash).weights_format == "onnx"
        assert registry.store(loaded) == hash
        (tmp_path / "m.onnx").write_bytes(b"\0onnx\xff")
        empty = BytesModelOp(weights_format="onnx", config={"opset": 21})
        assert registry.store(empty, weights=tmp_path / "m.onnx") == hash

    def test_no_bytes_and_empty_bytes_are_two_things(self, registry):
        nothing, empty = registry.store(BytesModelOp()), registry.store(BytesModelOp(b""))
        assert nothing != empty
        assert (registry.load(nothing).data, registry.load(empty).data) == (None, b"")

    def test_it_cannot_be_previewed(self, registry):
        with pytest.raises(errors.InvalidArgumentError, match="cannot be called"):
            registry.store(BytesModelOp(b"x"), preview_inputs=1)


class TestHostileStates:
    @pytest.fixture
    def mark(self, tmp_path, monkeypatch):
        """Made when a module `hostile_import` is imported."""
        mark = tmp_path / "imported"
        (tmp_path / "hostile_import.py").write_text(
            f"open({str(mark)!r}, 'w').close()\n"
            "class Op:\n"
            "    @classmethod\n"
            "    def from_state(cls, state): return cls()\n"
            "    def __call__(self): return 1\n"
            "def build(): return Op()\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        yield mark
        sys.modules.pop("hostile_import", None)

    def test_the_module_of_a_state_is_not_imported(self, registry, mark):
        hash = registry.store(Stated("hostile_import", "Op", {}))
        with pytest.raises(errors.UntrustedModuleError, match="module hostile_import"):
            registry.load(hash)
        assert not mark.exists()
        registry.load(hash, trust=["hostile_import"])
        assert mark.exists(), "trusted, it would be"

    @pytest.mark.parametrize(
        ("module", "kind", "config"),
        [
            ("pipekit_experiment.torch", "TorchModelOp", {"factory": "hostile_import:build", "kwargs": {}}),
            ("pipekit_experiment.keras", "KerasModelOp", {"factory": "hostile_import:build", "kwargs": {}}),
            ("pipekit_experiment.jax", "JaxModelOp", {"factory": "hostile_import:build", "kwargs": {}}),
            ("pipekit_experiment.jax", "EquinoxModelOp", {"factory": "hostile_import:build", "kwargs": {}}),
            ("registry_operators", "Pair", {"parts": [{"module": "hostile_import", "class": "Op"}]}),
        ],
    )
    def test_nor_is_what_its_config_names(self, registry, mark, module, kind, config, monkeypatch):
        monkeypatch.setenv("KERAS_BACKEND", "jax")
        if module.startswith("pipekit"):
            pytest.importorskip(module)
        hash = registry.store(Stated(module, kind, config))
        with pytest.raises(errors.UntrustedModuleError, match="module hostile_import"):
            registry.load(hash, trust=["registry_operators"])
        assert not mark.exists()

    def test_a_function_of_this_package_is_no_factory(self, registry, mark):
        """Several would import or start what their arguments say, and the arguments come with the model."""
        pytest.importorskip("pipekit_experiment.torch")
        for factory, kwargs in (
            (
                "pipekit_experiment._src.registry_trust:named_object",
                {"module": "hostile_import", "name": "build"},
            ),
            ("pipekit_experiment:connect", {"start": True}),
            ("registry_operators:Operator.from_state", {"state": {}}),
        ):
            hash = registry.store(
                Stated("pipekit_experiment.torch", "TorchModelOp", {"factory": factory, "kwargs": kwargs})
            )
            with pytest.raises(errors.UntrustedModuleError, match="arguments that came with the model"):
                registry.load(hash, trust=["registry_operators"])
        assert not mark.exists()

    @pytest.mark.parametrize(
        "config",
        [
            {},
            {"factory": 1, "kwargs": {}},
            {"factory": "torch_models:net", "kwargs": [1]},
            {"factory": "torch_models:net", "kwargs": {}, "module": {}},
            {"factory": "torch_models:net", "kwargs": {}, "weights_format": None},
        ],
    )
    def test_a_config_of_another_form_is_told(self, registry, config):
        pytest.importorskip("pipekit_experiment.torch")
        hash = registry.store(Stated("pipekit_experiment.torch", "TorchModelOp", config))
        with pytest.raises(errors.NotAnOperatorError, match="in the configuration of this TorchModelOp"):
            registry.load(hash, trust=["torch_models"])


def test_operators_of_ones_own_may_ask_for_trust():
    with pytest.raises(errors.UntrustedModuleError):
        require_trusted("registry_operators")
    with trusting(["registry_operators"]):
        require_trusted("registry_operators.inner")
        assert trusted_object("registry_operators", "Scale") is Scale
        with pytest.raises(errors.UntrustedModuleError):
            trusted_object("registry_operators", "borrowed")
    assert issubclass(Scale, Operator)
