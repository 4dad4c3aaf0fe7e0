import hashlib
import io
import os
import subprocess
import sys

import numpy as np
import pytest

jax = pytest.importorskip("jax")
pytest.importorskip("safetensors")

import jax.numpy as jnp  # noqa: E402
import jax_models  # noqa: E402
from safetensors import safe_open  # noqa: E402

from pipekit_experiment import errors  # noqa: E402
from pipekit_experiment.jax import EquinoxModelOp, JaxModelOp  # noqa: E402
from pipekit_experiment.registry import LocalModelRegistry  # noqa: E402


@pytest.fixture(scope="module")
def registry(real_daemon, tmp_path_factory):
    return LocalModelRegistry(tmp_path_factory.mktemp("models"), trust=["jax_models"])


def operator(factory="mlp", **kwargs):
    return JaxModelOp(getattr(jax_models, factory)(**kwargs), factory=f"jax_models:{factory}", kwargs=kwargs)


def same(one, other):
    ours, theirs = jax.tree_util.tree_flatten(one), jax.tree_util.tree_flatten(other)
    assert ours[1] == theirs[1]
    for a, b in zip(ours[0], theirs[0], strict=True):
        assert type(a) is type(b)
        if isinstance(a, jax.Array) and jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            assert a.dtype == b.dtype
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        if hasattr(a, "dtype"):
            assert (a.dtype, a.shape) == (b.dtype, b.shape)
        assert np.array_equal(a, b) if hasattr(a, "dtype") else a == b
    return True


def test_a_trained_tree_comes_back_bit_for_bit(registry):
    tree = jax_models.mlp(width=5)
    trained = jax.tree.map(lambda leaf: leaf * 1.5 + 1 if isinstance(leaf, jax.Array) else leaf, tree)
    op = JaxModelOp(trained, factory="jax_models:mlp", kwargs={"width": 5}, apply="jax_models:apply")
    x = jnp.ones((2, 3))
    hash = registry.store(op, preview_inputs=x)
    loaded = registry.load(hash, check_preview=True)
    assert isinstance(loaded, JaxModelOp)
    assert same(loaded.tree, trained)
    assert jnp.array_equal(loaded(x), op(x))
    info = registry.stat(hash)
    assert info.weights_format == "safetensors"
    assert info.state == {
        "module": "pipekit_experiment.jax",
        "class": "JaxModelOp",
        "config": {"factory": "jax_models:mlp", "kwargs": {"width": 5}, "apply": "jax_models:apply"},
    }
    assert registry.store(loaded) == hash


def test_every_kind_of_leaf_comes_back(registry):
    op = operator("every_leaf")
    loaded = registry.load(registry.store(op))
    assert same(loaded.tree, op.tree)
    assert loaded.get_weights() == op.get_weights()
    assert jax.random.normal(loaded.tree["key"]) == jax.random.normal(op.tree["key"])
    loaded.tree["numpy"][0, 0] = 7  # may be written to, as one's own


def test_names_in_the_file_are_paths_and_dtypes_those_of_the_leaves(tmp_path):
    (tmp_path / "w").write_bytes(operator("every_leaf").get_weights())
    with safe_open(tmp_path / "w", "np") as file:
        kinds = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
    assert kinds["['bfloat']"] == "BF16"
    assert kinds["['nested'][0]['a'][0]"] == "F32"
    assert kinds["['python'][1]"] == "I64"
    assert "['text']" not in kinds


def test_a_tree_that_was_cast_comes_back_as_it_was_cast(registry):
    half = jax.tree.map(
        lambda leaf: leaf.astype("bfloat16") if isinstance(leaf, jax.Array) else leaf, jax_models.mlp()
    )
    loaded = registry.load(registry.store(JaxModelOp(half, factory="jax_models:mlp")))
    assert same(loaded.tree, half)


def test_a_class_that_is_a_pytree_is_called_itself(registry):
    op = JaxModelOp(jax_models.Line(jnp.array([2.0, 3.0])), factory="jax_models:line")
    loaded = registry.load(registry.store(op))
    assert loaded.tree.offset is None
    assert jnp.array_equal(loaded(jnp.ones(2)), jnp.array([2.0, 3.0]))
    with pytest.raises(errors.InvalidArgumentError, match="A dict cannot be called") as caught:
        operator()(1)
    assert caught.value.field == "apply"


def test_two_processes_give_one_hash():
    program = (
        "import hashlib, jax_models; from pipekit_experiment.jax import JaxModelOp\n"
        "op = JaxModelOp(factory='jax_models:every_leaf')\n"
        "print(hashlib.sha256(op.get_weights()).hexdigest())"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**env, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert said == {hashlib.sha256(operator("every_leaf").get_weights()).hexdigest()}


def test_weights_that_do_not_fit_name_the_leaf(registry):
    narrow, wide = operator(width=4), operator(width=5)
    with pytest.raises(
        errors.InvalidArgumentError, match=r"shape \(5,\) in the weights, not \(4,\)"
    ) as caught:
        narrow.with_weights(wide.get_weights())
    assert caught.value.field == "['layers'][0]['b']"
    plain, offset = operator("line"), operator("line", offset=1.5)
    with pytest.raises(errors.InvalidArgumentError, match=r"\.offset is in the weights only"):
        plain.with_weights(offset.get_weights())
    with pytest.raises(errors.InvalidArgumentError, match=r"\.offset is in the tree of the factory only"):
        offset.with_weights(plain.get_weights())


def test_a_double_is_not_made_single_in_silence():
    like = operator("line")
    with jax.enable_x64(True) if hasattr(jax, "enable_x64") else jax.experimental.enable_x64():
        weights = JaxModelOp(jax_models.Line(jnp.ones(2, "float64")), factory="jax_models:line").get_weights()
        assert like.with_weights(weights).tree.slope.dtype == "float64"
    with pytest.raises(errors.InvalidArgumentError, match="float64, which JAX would make float32") as caught:
        like.with_weights(weights)
    assert "jax_enable_x64" in caught.value.mend


def test_leaves_that_cannot_be_stored_are_told():
    for leaf, fault in ((2**70, "object"), (np.array([object()]), "object"), (np.array(["a"]), "<U1|str")):
        op = JaxModelOp({"a": [leaf]}, factory="jax_models:mlp")
        with pytest.raises(errors.InvalidConfigError, match=fault) as caught:
            op.get_weights()
        assert caught.value.field == "['a'][0]"
    donated = jnp.ones(2)
    donated.delete()
    with pytest.raises(errors.InvalidConfigError, match="deleted"):
        JaxModelOp([donated], factory="jax_models:mlp").get_weights()


def test_both_modules_must_be_trusted(registry):
    hash = registry.store(operator())
    with pytest.raises(errors.UntrustedModuleError, match="module jax_models"):
        LocalModelRegistry(registry.root).load(hash)
    op = JaxModelOp(jax_models.mlp(), factory="jax_models:mlp", apply="os:system")
    with pytest.raises(errors.UntrustedModuleError, match="module os"):
        registry.load(registry.store(op))


def test_what_is_no_safetensors_is_refused():
    for weights in (b"", b"\0" * 8, b"x" * 100, operator().get_weights()[:-3]):
        with pytest.raises(errors.InvalidArgumentError, match="no safetensors of a pytree"):
            operator().with_weights(weights)


class TestEquinox:
    @pytest.fixture
    def eqx(self):
        return pytest.importorskip("equinox")

    @pytest.fixture
    def op(self, eqx):
        module = jax.tree.map(lambda leaf: leaf + 1 if eqx.is_array(leaf) else leaf, jax_models.network())
        return EquinoxModelOp(module, factory="jax_models:network")

    def test_a_trained_module_comes_back_bit_for_bit(self, registry, op, eqx):
        x = jnp.ones(3)
        hash = registry.store(op, preview_inputs=x)
        loaded = registry.load(hash, check_preview=True)
        assert isinstance(loaded, EquinoxModelOp)
        assert bool(eqx.tree_equal(loaded.tree, op.tree))
        assert jnp.array_equal(loaded(x), op(x)), "dropout needs no key: it is in inference mode"
        assert registry.stat(hash).weights_format == "eqx"
        assert registry.store(loaded) == hash

    def test_equinox_reads_what_is_stored(self, op, eqx, tmp_path):
        (tmp_path / "m.eqx").write_bytes(op.get_weights())
        assert bool(
            eqx.tree_equal(eqx.tree_deserialise_leaves(tmp_path / "m.eqx", jax_models.network()), op.tree)
        )

    def test_a_module_is_a_tree_for_the_other_operator_too(self, registry, op):
        loaded = registry.load(registry.store(JaxModelOp(op.tree, factory="jax_models:network")))
        assert same(loaded.tree, op.tree)

    def test_weights_that_do_not_fit_are_told(self, op):
        wide = EquinoxModelOp(factory="jax_models:network", kwargs={"width": 5})
        for weights in (wide.get_weights(), op.get_weights() + b"x", b"", b"x" * 200):
            with pytest.raises(errors.InvalidArgumentError, match="not those of the module"):
                op.with_weights(weights)

    def test_a_pickle_in_an_array_is_not_read(self, op, tmp_path):
        mark = tmp_path / "ran"

        class Evil:
            def __reduce__(self):
                return (open, (str(mark), "w"))

        hostile = io.BytesIO()
        np.save(hostile, np.array([Evil()], object), allow_pickle=True)
        np.load(io.BytesIO(hostile.getvalue()), allow_pickle=True)
        assert mark.exists(), "it is dangerous indeed"
        mark.unlink()
        with pytest.raises(errors.InvalidArgumentError, match="not those of the module"):
            op.with_weights(hostile.getvalue())
        assert not mark.exists()


def test_without_equinox_or_safetensors_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "equinox", None)
    with pytest.raises(ImportError, match=r"pipekit-experiment\[equinox\]"):
        EquinoxModelOp(jax_models.Line(jnp.ones(2)), factory="jax_models:line")(1)
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match=r"pipekit-experiment\[jax\]"):
        operator().get_weights()
