import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from preview_operators import Dtypes, Fixed, Heads, Silent

from pipekit_experiment import errors
from pipekit_experiment._src.preview import captured, check
from pipekit_experiment.registry import LocalModelRegistry


@pytest.fixture
def registry(real_daemon, tmp_path):
    return LocalModelRegistry(tmp_path / "models", trust=["preview_operators"])


def x():
    return np.arange(6, dtype="float32").reshape(2, 3) + 1


def stored(value):
    """As it comes back from preview.json."""
    return json.loads(json.dumps(value))


def mismatch(was, now, rtol=None, atol=None):
    """What is said when an output that was this is now that."""
    Fixed.output = was
    document = stored(captured(Fixed(), 0, rtol, atol))
    Fixed.output = now
    with pytest.raises(errors.PreviewMismatchError) as caught:
        check(Fixed(), document, None, None, "abc")
    return caught.value


class TestThroughTheRegistry:
    def test_outputs_are_captured_and_compared(self, registry):
        hash = registry.store(Heads(2.0), preview_inputs=(x(),))
        loaded = registry.load(hash, check_preview=True)
        assert loaded.factor == 2.0
        preview = registry.stat(hash).preview
        assert (preview["rtol"], preview["atol"]) == (1e-2, 1e-3), "those of float16, the coarsest output"
        assert preview["inputs"][0]["$array"]["values"] == [1, 2, 3, 4, 5, 6], "as they were before the call"
        assert preview["output"]["mean"]["$array"] == {
            "kind": "numpy",
            "dtype": "float32",
            "shape": [3],
            "values": [5.0, 7.0, 9.0],
        }

    def test_a_model_that_gives_something_else_is_told_by_output_and_tolerance(self, registry, monkeypatch):
        hash = registry.store(Heads(2.0), preview_inputs=x(), preview_rtol=1e-3, preview_atol=0)
        monkeypatch.setattr(Heads, "with_weights", lambda self, weights: Heads(2.01))
        assert registry.load(hash).factor == 2.01, "nobody asked"
        with pytest.raises(errors.PreviewMismatchError) as caught:
            registry.load(hash, check_preview=True)
        assert caught.value.field == "output['mean']"
        said = str(caught.value)
        assert hash in said
        assert "differs by 0.045" in said
        assert "at [2] (9.045 instead of 9)" in said
        assert "in 3 of 3 values" in said
        assert "allowed are 0 + 0.001 x |9|" in said
        assert registry.load(hash, check_preview=True, rtol=1e-2).factor == 2.01

    def test_a_flipped_weight_of_a_real_model_is_found(self, registry):
        torch = pytest.importorskip("torch")
        torch_models = pytest.importorskip("torch_models")
        from pipekit_experiment.torch import TorchModelOp

        op = TorchModelOp(torch_models.net(), factory="torch_models:net")
        given = torch.randn(2, 3)
        good = registry.store(op, preview_inputs=given)
        registry.load(good, trust=["torch_models"], check_preview=True)
        preview = registry.stat(good).preview
        with torch.no_grad():
            op.module[3].bias[1] += 1
        bad = registry.store(op, preview=preview)
        with pytest.raises(errors.PreviewMismatchError, match=r"differs by 1 at \[[01], 1\]"):
            registry.load(bad, trust=["torch_models"], check_preview=True)

    def test_a_model_without_a_preview_that_runs_is_told(self, registry):
        for preview in (None, {"input": [1], "output": [1.5]}, [1]):
            hash = registry.store(Heads(3.0), preview=preview, training_config={"preview": preview})
            assert registry.load(hash).factor == 3.0
            with pytest.raises(errors.InvalidArgumentError, match="no preview that can be run") as caught:
                registry.load(hash, check_preview=True)
            assert caught.value.field == "check_preview"

    def test_a_preview_is_no_part_of_the_identity(self, registry):
        assert registry.store(Heads(4.0), preview_inputs=x()) == registry.store(Heads(4.0))

    def test_what_cannot_be_captured_is_told_and_nothing_is_stored(self, registry):
        with pytest.raises(errors.InvalidArgumentError, match="Both") as caught:
            registry.store(Heads(), preview={"a": 1}, preview_inputs=x())
        with pytest.raises(errors.InvalidArgumentError, match="A Silent cannot be called") as caught:
            registry.store(Silent(), preview_inputs=x())
        assert caught.value.field == "preview_inputs"
        big = np.zeros((1000, 300), "float32")
        with pytest.raises(errors.InvalidArgumentError, match="at most 1048576 are kept"):
            registry.store(Heads(), preview_inputs=big)
        for value in (
            object(),
            {1: 2},
            {"$array": 1},
            np.array([object()]),
            np.array(["2020"], "datetime64[D]"),
        ):
            with pytest.raises(errors.InvalidArgumentError) as caught:
                registry.store(Heads(), preview_inputs=({"a": [value]},))
            assert caught.value.field.startswith("preview_inputs[0]['a'][0]")
        with pytest.raises(errors.InvalidArgumentError, match="preview_rtol"):
            registry.store(Heads(), preview_inputs=x(), preview_rtol=-1)
        assert registry.list() == []

    def test_a_preview_makes_nothing_be_imported(self, registry, tmp_path):
        torch = pytest.importorskip("torch")
        hash = registry.store(Dtypes(), preview_inputs=torch.ones(2))
        program = (
            "import sys; from pipekit_experiment import LocalModelRegistry\n"
            f"r = LocalModelRegistry({registry.root!r}, trust=['preview_operators'])\n"
            f"try: r.load({hash!r}, check_preview=True)\n"
            "except Exception as error: print(error, 'torch' in sys.modules)"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=Path(__file__).parent, capture_output=True, text=True
        )
        assert "Import torch before you load. False" in done.stdout, done.stderr


ARRAYS = [
    np.array([[True, False]]),
    np.array(7, "int64"),
    np.array([2**63 - 1, -(2**63)], "int64"),
    np.array([2**64 - 1], "uint64"),
    np.array([0.1, 1e-45, 3.4e38], "float32"),
    np.array([np.nan, np.inf, -np.inf, -0.0]),
    np.array([1 + 2j], "complex64"),
    np.zeros((0, 3), "float16"),
    np.asfortranarray(np.arange(600.0).reshape(20, 30)),
    np.arange(6, dtype=">i4"),
    np.array([["a", "ä"]]),
    np.array(["a", "b"], object),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: str(array.dtype))
def test_arrays_come_back_as_they_were(array):
    document = stored(captured(Dtypes(), (array, np.float32(1.5)), None, None))
    check(Dtypes(), document, 0, 0, "abc")
    (again, scalar) = Dtypes.seen
    assert (again.dtype.newbyteorder("="), again.shape) == (array.dtype.newbyteorder("="), array.shape)
    assert again.astype(array.dtype).tobytes() == array.tobytes() or again.dtype == object
    assert np.array_equal(again, array, equal_nan=array.dtype.kind in "fc")
    assert scalar == 1.5


def test_plain_values_come_back_as_they_were():
    given = (None, True, 3, 0.1, float("nan"), float("-inf"), "ä", [1, (2, [])], {"a": {"b": ()}}, 2**53)
    document = stored(captured(Dtypes(), given, None, None))
    check(Dtypes(), document, None, None, "abc")
    assert repr(Dtypes.seen) == repr(given)


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_arrays_of_a_framework_come_back_in_it(framework):
    module = pytest.importorskip(framework)
    made = module.numpy if framework == "jax" else module
    given = (
        made.asarray([1.5, 2.5]),
        made.asarray([1.0, 3.140625], dtype=made.bfloat16),
        made.asarray([[1, 2]], dtype=made.int32),
        made.asarray(True),
    )
    document = stored(captured(Dtypes(), given, None, None))
    check(Dtypes(), document, 0, 0, "abc")
    for ours, again in zip(given, Dtypes.seen, strict=True):
        assert type(again) is type(ours)
        assert (again.dtype, again.shape) == (ours.dtype, ours.shape)
        assert bool((again == ours).all())


@pytest.mark.parametrize(
    ("was", "now", "path", "fault"),
    [
        ([1.0, 2.0], [1.0], "output", "is a list that has not 2 values"),
        ({"a": 1}, {"b": 1}, "output", r"has entries ['b'] instead of entries ['a']"),
        ({"a": 1}, None, "output", "has something else"),
        ({"a": [1, "x"]}, {"a": [1, "y"]}, "output['a'][1]", "is 'y' instead of 'x'"),
        (1.0, 1.5, "output", "differs by 0.5 at [] (1.5 instead of 1)"),
        (1, 1.0, "output", "is 1.0 instead of 1"),
        (x(), None, "output", "is a NoneType instead of an array"),
        (x(), x()[:1], "output", "shape (1, 3) instead of float32 and shape (2, 3)"),
        (x(), x().astype("float64"), "output", "is an array of float64"),
        (np.array([1, 2, 3]), np.array([1, 5, 4]), "output", "in 2 of 3 values; at [1] it is 5 instead of 2"),
        (np.array(["a"]), np.array(["b"]), "output", "it is b instead of a"),
        (np.array([1.0, np.nan]), np.array([1.0, 2.0]), "output", "differs by inf at [1]"),
        (np.array([1.0, np.inf]), np.array([1.0, -np.inf]), "output", "differs by inf at [1]"),
        (np.array([1.0, 2.0]), np.array([np.inf, 2.0]), "output", "differs by inf at [0]"),
        (np.array([1 + 1j]), np.array([1 + 2j]), "output", "differs by 1 at [0]"),
    ],
)
def test_every_kind_of_difference_is_named(was, now, path, fault):
    error = mismatch(was, now)
    assert error.field == path
    assert re.search(re.escape(fault), str(error)), str(error)
    assert "`rtol` and `atol`" in error.mend


def test_the_tolerance_is_both_of_its_parts():
    mismatch(np.array([100.0]), np.array([100.2]), 1e-3, 0.09)
    Fixed.output = np.array([100.0, np.inf, np.nan])
    document = stored(captured(Fixed(), 0, 1e-3, 0.11))
    Fixed.output = np.array([100.2, np.inf, np.nan])
    check(Fixed(), document, None, None, "abc")


def test_damaged_and_hostile_previews_are_told():
    Fixed.output = x()
    good = stored(captured(Fixed(), x(), None, None))
    for change in (
        {"inputs": None},
        {"rtol": "much"},
        {"rtol": True},
        {"output": {"$array": {"kind": "os", "dtype": "float32", "shape": [1], "values": [1]}}},
        {"output": {"$array": {"kind": "numpy", "dtype": "O", "shape": [1], "base64": "AAAA"}}},
        {"output": {"$array": {"kind": "numpy", "dtype": "float32", "shape": [9], "base64": "AAAA"}}},
        {"output": {"$array": {"kind": "torch", "dtype": "load", "shape": [], "values": []}}},
        {"output": {"$array": 1}},
    ):
        with pytest.raises(errors.InvalidArgumentError):
            check(Fixed(), {**good, **change}, None, None, "abc")
    del good["output"]
    with pytest.raises(errors.InvalidArgumentError, match="cannot be read"):
        check(Fixed(), good, None, None, "abc")
