import hashlib
import io
import os
import pickle
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

import torch_models  # noqa: E402

from pipekit_experiment import errors  # noqa: E402
from pipekit_experiment.registry import LocalModelRegistry  # noqa: E402
from pipekit_experiment.torch import TorchModelOp  # noqa: E402


@pytest.fixture
def registry(real_daemon, tmp_path):
    return LocalModelRegistry(tmp_path / "models", trust=["torch_models"])


def operator(factory="net", **kwargs):
    module = getattr(torch_models, factory)(**kwargs)
    return TorchModelOp(module, factory=f"torch_models:{factory}", kwargs=kwargs)


def same(one, other):
    ours, theirs = one.module.state_dict(), other.module.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_trained_module_comes_back_bit_for_bit(registry):
    op = operator(width=5)
    op.module.train()
    op.module(torch.randn(8, 3))  # moves the buffers of the batch norm
    hash = registry.store(op, name="candidate")
    loaded = registry.load("candidate")
    assert isinstance(loaded, TorchModelOp)
    assert loaded.module is not op.module
    assert same(op, loaded)
    x = torch.randn(4, 3)
    assert torch.equal(op(x), loaded(x))
    assert registry.stat(hash).weights_format == "safetensors"
    assert registry.stat(hash).state["config"] == {"factory": "torch_models:net", "kwargs": {"width": 5}}
    assert registry.store(loaded) == hash


@pytest.mark.parametrize("factory", ["net", "tied", "views"])
def test_equal_weights_give_equal_bytes(factory):
    op = operator(factory)
    assert op.get_weights() == op.get_weights() == op.with_weights(op.get_weights()).get_weights()


def test_tied_tensors_are_stored_once_and_stay_tied(registry):
    op = operator("tied")
    loaded = registry.load(registry.store(op))
    assert same(op, loaded)
    assert loaded.module.head.weight is loaded.module.embed.weight
    assert len(op.get_weights()) < 2 * op.module.embed.weight.nbytes + 200


def test_shared_and_turned_tensors_are_stored_by_their_values(registry):
    op = operator("views")
    assert same(op, registry.load(registry.store(op)))


def test_with_weights_leaves_the_operator_alone():
    op, other = operator(), operator()
    before = {name: tensor.clone() for name, tensor in op.module.state_dict().items()}
    changed = op.with_weights(other.get_weights())
    assert same(changed, other)
    assert all(torch.equal(before[name], tensor) for name, tensor in op.module.state_dict().items())


def test_weights_of_another_shape_are_refused():
    with pytest.raises(RuntimeError, match="size mismatch"):
        operator(width=4).with_weights(operator(width=5).get_weights())


def test_a_call_runs_in_evaluation_mode_without_gradients_and_restores_each_mode():
    op = operator()
    op.module.train()
    op.module[1].eval()
    x = torch.randn(4, 3)
    first, second = op(x), op(x)
    assert torch.equal(first, second)
    assert not first.requires_grad
    assert (op.module.training, op.module[1].training, op.module[2].training) == (True, False, True)


def test_the_factory_must_be_trusted(registry):
    hash = registry.store(operator())
    with pytest.raises(errors.UntrustedModuleError, match="module torch_models"):
        LocalModelRegistry(registry.root).load(hash)


def test_what_a_trusted_module_imported_is_no_trusted_factory(registry):
    op = TorchModelOp(
        torch.nn.Linear(1, 1), factory="torch_models:Linear", kwargs={"in_features": 1, "out_features": 1}
    )
    hash = registry.store(op)
    with pytest.raises(errors.UntrustedModuleError, match=r"module torch\.nn"):
        registry.load(hash)
    assert same(registry.load(hash, trust=["torch"]), op)
    danger = TorchModelOp(torch.nn.Linear(1, 1), factory="torch_models:torch.load", kwargs={"f": "x"})
    with pytest.raises(errors.UntrustedModuleError):
        registry.load(registry.store(danger))


def test_bad_factories_are_told(registry):
    with pytest.raises(errors.InvalidArgumentError, match=r"package\.module:callable"):
        TorchModelOp(factory="torch_models.net")
    with pytest.raises(errors.InvalidArgumentError, match=r"made a int, not a torch.nn.Module"):
        _ = TorchModelOp(factory="torch_models:not_a_module").module
    with pytest.raises(errors.NotAnOperatorError, match="has no gone"):
        _ = TorchModelOp(factory="torch_models:gone").module
    assert isinstance(TorchModelOp(factory="torch_models:tied").module, torch_models.Tied)


def test_what_safetensors_cannot_hold_is_told():
    with pytest.raises(errors.InvalidConfigError, match="_extra_state"):
        operator("extra").get_weights()


def test_kwargs_that_json_cannot_say_are_told(registry):
    op = TorchModelOp(torch.nn.Linear(1, 1), factory="torch_models:net", kwargs={"act": torch.relu})
    with pytest.raises(errors.InvalidConfigError, match=r"state\.config\.kwargs\.act"):
        registry.store(op)


def test_a_module_that_was_cast_comes_back_as_it_was_cast(registry):
    op = TorchModelOp(torch_models.held().half(), factory="torch_models:held")
    loaded = registry.load(registry.store(op))
    assert loaded.module.head.weight.dtype == torch.float16
    assert same(op, loaded)
    assert loaded.get_weights() == op.get_weights()
    tied = TorchModelOp(torch_models.tied().bfloat16(), factory="torch_models:tied")
    loaded = registry.load(registry.store(tied))
    assert loaded.module.head.weight is loaded.module.embed.weight


@pytest.mark.parametrize("weights_format", ["safetensors", "pt"])
def test_two_processes_give_one_hash(weights_format):
    program = (
        "import hashlib, torch; from pipekit_experiment.torch import TorchModelOp\n"
        "torch.manual_seed(1)\n"
        f"op = TorchModelOp(factory='torch_models:net', weights_format={weights_format!r})\n"
        "print(hashlib.sha256(op.get_weights()).hexdigest())"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    other = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True)
    torch.manual_seed(1)
    op = TorchModelOp(torch_models.net(), factory="torch_models:net", weights_format=weights_format)
    op.module.train()
    assert other.stdout.strip() == hashlib.sha256(op.get_weights()).hexdigest(), other.stderr


class TestPt:
    @staticmethod
    def pt(factory="net", **kwargs):
        module = getattr(torch_models, factory)(**kwargs)
        return TorchModelOp(module, factory=f"torch_models:{factory}", kwargs=kwargs, weights_format="pt")

    @pytest.mark.parametrize("factory", ["net", "tied", "views"])
    def test_a_module_comes_back_bit_for_bit(self, registry, factory):
        op = self.pt(factory)
        hash = registry.store(op)
        loaded = registry.load(hash)
        assert same(op, loaded)
        assert loaded.weights_format == registry.stat(hash).weights_format == "pt"
        assert registry.store(loaded) == hash

    def test_torch_reads_it_and_what_torch_wrote_is_read(self, registry):
        op = self.pt()
        found = torch.load(io.BytesIO(op.get_weights()), weights_only=True)
        assert all(torch.equal(found[name], tensor) for name, tensor in op.module.state_dict().items())
        saved = io.BytesIO()
        torch.save(op.module.state_dict(), saved)
        loaded = registry.load(registry.store(op, weights=saved.getvalue()))
        assert same(op, loaded)
        assert loaded.get_weights() == op.get_weights()

    def test_the_default_format_does_not_show_in_the_state(self):
        assert operator().get_config().keys() == {"factory", "kwargs"}
        assert self.pt().get_config()["weights_format"] == "pt"
        with pytest.raises(errors.InvalidArgumentError, match="no weights format 'onnx'") as caught:
            TorchModelOp(factory="torch_models:net", weights_format="onnx")
        assert (caught.value.field, caught.value.mend) == (
            "weights_format",
            "Choose one of: safetensors, pt.",
        )

    @pytest.mark.parametrize("form", ["zip", "legacy", "plain"])
    def test_a_hostile_pickle_is_refused(self, registry, tmp_path, form):
        mark = tmp_path / "ran"

        class Evil:
            def __reduce__(self):
                return (os.system, (f"touch {mark}",))

        hostile = io.BytesIO()
        if form == "plain":
            hostile.write(pickle.dumps(Evil()))
            pickle.loads(hostile.getvalue())
        else:
            torch.save({"0.weight": Evil()}, hostile, _use_new_zipfile_serialization=form == "zip")
            torch.load(io.BytesIO(hostile.getvalue()), weights_only=False)
        assert mark.exists(), "it is dangerous indeed"
        mark.unlink()
        hash = registry.store(self.pt(), weights=hostile.getvalue())
        with pytest.raises(errors.UntrustedModuleError, match="hold more than tensors") as caught:
            registry.load(hash)
        assert caught.value.field == "weights"
        assert not mark.exists()

    def test_what_is_no_state_dict_is_told(self):
        whole = self.pt().get_weights()
        strange = io.BytesIO()
        torch.save([torch.ones(2)], strange)
        named = io.BytesIO()
        torch.save({"a": 1}, named)
        for weights in (whole[: len(whole) // 2], strange.getvalue(), named.getvalue()):
            with pytest.raises(errors.InvalidArgumentError, match=r"no \.pt file that holds a state dict"):
                self.pt().with_weights(weights)

    def test_a_torch_that_cannot_read_safely_does_not_read(self, monkeypatch):
        op = self.pt()
        weights = op.get_weights()
        monkeypatch.setattr(torch, "__version__", "2.5.1+cpu")
        with pytest.raises(errors.InvalidArgumentError, match=r"cannot read a \.pt file safely"):
            op.with_weights(weights)
