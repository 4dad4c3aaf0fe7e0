import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")
skops = pytest.importorskip("skops.io")

import sklearn_models  # noqa: E402
from sklearn.ensemble import RandomForestClassifier  # noqa: E402
from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import FunctionTransformer, StandardScaler  # noqa: E402
from skops.io._protocol import PROTOCOL  # noqa: E402

from pipekit_experiment import errors  # noqa: E402
from pipekit_experiment.registry import LocalModelRegistry  # noqa: E402
from pipekit_experiment.sklearn import SklearnModelOp  # noqa: E402

X = np.random.default_rng(0).normal(size=(40, 3))
Y = np.where(X.sum(axis=1) > 0, "yes", "no")


@pytest.fixture(scope="module")
def registry(real_daemon, tmp_path_factory):
    return LocalModelRegistry(tmp_path_factory.mktemp("models"))


def linear():
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)


def forest():
    return make_pipeline(StandardScaler(), RandomForestClassifier(3, random_state=0)).fit(X, Y)


def own():
    function = FunctionTransformer(sklearn_models.log_of)
    return make_pipeline(sklearn_models.Shift(2.0), function, LogisticRegression()).fit(X, Y)


def archive(schema, **files):
    """A skops archive of this schema."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as made:
        made.writestr("schema.json", json.dumps({**schema, "protocol": PROTOCOL}))
    return target.getvalue()


def calling(module, name, argument):
    """A schema that has `module.name(argument)` called when it is read."""
    text = {
        "__class__": "str",
        "__module__": "builtins",
        "__loader__": "JsonNode",
        "__id__": 3,
        "is_json": True,
    }
    arguments = {
        **{"__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode", "__id__": 2},
        "content": [{**text, "content": json.dumps(argument)}],
    }
    return {
        **{"__class__": name, "__module__": module, "__loader__": "ConstructorFromReduceNode", "__id__": 1},
        "content": arguments,
    }


@pytest.mark.parametrize(
    ("make", "trust"),
    [(linear, []), (forest, ["sklearn"]), (own, ["sklearn_models"])],
    ids=["linear", "forest", "own"],
)
@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_a_fitted_estimator_comes_back(registry, make, trust, method):
    op = SklearnModelOp(make(), method=method)
    hash = registry.store(op, preview_inputs=X[:4])
    loaded = registry.load(hash, trust=trust, check_preview=True)
    assert isinstance(loaded, SklearnModelOp)
    assert np.array_equal(loaded(X), op(X))
    info = registry.stat(hash)
    assert info.weights_format == "skops"
    assert info.state == {
        "module": "pipekit_experiment.sklearn",
        "class": "SklearnModelOp",
        "config": {"method": method, "weights_format": "skops"},
    }
    assert registry.store(loaded) == hash


def test_skops_reads_the_archive():
    estimator = linear()
    read = skops.loads(SklearnModelOp(estimator).get_weights())
    assert np.array_equal(read.predict_proba(X), estimator.predict_proba(X))


def test_two_processes_give_one_hash():
    program = (
        "import hashlib, test_sklearn as t\n"
        "for make in (t.linear, t.forest, t.own, t.words, t.held_twice):\n"
        "    print(make.__name__, hashlib.sha256(t.SklearnModelOp(make()).get_weights()).hexdigest())"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])}
    first, second = (
        subprocess.run(
            [sys.executable, "-c", program],
            env={**env, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
        )
        for seed in ("1", "2")
    )
    assert len(first.stdout.split()) == 10, first.stderr
    assert first.stdout == second.stdout


def words():
    return TfidfVectorizer().fit(["the quick brown fox", "the lazy dog"])


def held_twice():
    """An array in two places, a set of texts, bytes."""
    estimator = linear()
    estimator.again_ = estimator[1].coef_
    estimator.names_ = {"a", "bb", "ccc", "dddd"}
    estimator.raw_ = b"\0\1"
    return estimator


def test_what_is_shared_stays_shared():
    op = SklearnModelOp(held_twice())
    again = op.with_weights(op.get_weights()).estimator
    assert again.again_ is again[1].coef_
    assert (again.names_, again.raw_) == ({"a", "bb", "ccc", "dddd"}, b"\0\1")


class TestTrust:
    def test_types_that_skops_does_not_know_must_be_trusted(self, registry):
        hash = registry.store(SklearnModelOp(own()))
        with pytest.raises(errors.UntrustedModuleError, match="module sklearn_models") as caught:
            registry.load(hash)
        assert caught.value.mend == 'If you know that code, pass trust=["sklearn_models"].'
        with pytest.raises(errors.UntrustedModuleError, match=r"module sklearn\.tree\._tree"):
            registry.load(registry.store(SklearnModelOp(forest())))

    def test_an_untrusted_module_is_not_even_imported(self, registry, tmp_path, monkeypatch):
        mark = tmp_path / "imported"
        (tmp_path / "hostile_types.py").write_text(f"open({str(mark)!r}, 'w').close()\nEvil = print\n")
        monkeypatch.syspath_prepend(tmp_path)
        hostile = archive(calling("hostile_types", "Evil", "x"))
        hash = registry.store(SklearnModelOp(), weights=hostile)
        with pytest.raises(errors.UntrustedModuleError, match="module hostile_types"):
            registry.load(hash)
        assert not mark.exists()
        skops.loads(hostile, trusted=["hostile_types.Evil"])
        assert mark.exists(), "reading it imports the module indeed"

    def test_a_call_is_refused(self, registry, tmp_path):
        mark = tmp_path / "ran"
        hostile = archive(calling("os", "system", f"touch {mark}"))
        skops.loads(hostile, trusted=["os.system"])
        assert mark.exists(), "it is dangerous indeed"
        mark.unlink()
        hash = registry.store(SklearnModelOp(), weights=hostile)
        with pytest.raises(errors.UntrustedModuleError, match="module os"):
            registry.load(hash)
        assert not mark.exists()

    def test_what_a_trusted_module_imported_is_not_trusted_thereby(self, registry, tmp_path):
        """scikit-learn imports subprocess somewhere; to trust it is not to trust that."""
        mark = tmp_path / "ran"
        hostile = archive(calling("sklearn.utils._testing", "check_output", ["touch", str(mark)]))
        skops.loads(hostile, trusted=["sklearn.utils._testing.check_output"])
        assert mark.exists(), "it is dangerous indeed"
        mark.unlink()
        hash = registry.store(SklearnModelOp(), weights=hostile)
        with pytest.raises(errors.UntrustedModuleError, match="module subprocess"):
            registry.load(hash, trust=["sklearn"])
        assert not mark.exists()

    def test_a_pickle_is_read_only_when_pickle_is_trusted_by_name(self, registry, tmp_path):
        mark = tmp_path / "ran"

        class Evil:
            def __reduce__(self):
                return (os.system, (f"touch {mark}",))

        op = SklearnModelOp(linear(), weights_format="pickle")
        hash = registry.store(op)
        hostile = registry.store(op, weights=pickle.dumps(Evil()))
        for ref in (hash, hostile):
            with pytest.raises(errors.UntrustedModuleError, match="module pickle") as caught:
                registry.load(ref, trust=["sklearn"])
            assert "any code" in caught.value.message
        assert not mark.exists()
        loaded = registry.load(hash, trust=["pickle"])
        assert np.array_equal(loaded(X), op(X))
        assert registry.stat(hash).weights_format == loaded.weights_format == "pickle"
        registry.load(hostile, trust=["pickle"])
        assert mark.exists(), "it is dangerous indeed"


def test_bad_arguments_are_told(registry):
    with pytest.raises(errors.InvalidArgumentError, match="`method` is 'fit'"):
        SklearnModelOp(linear(), method="fit")
    with pytest.raises(errors.InvalidArgumentError, match="`weights_format` is 'joblib'"):
        SklearnModelOp(linear(), weights_format="joblib")
    with pytest.raises(errors.InvalidConfigError, match="no estimator"):
        registry.store(SklearnModelOp())
    op = SklearnModelOp(linear())
    for weights in (b"", b"x" * 50, op.get_weights()[:200], archive({})):
        with pytest.raises(errors.InvalidArgumentError, match="no sound skops archive"):
            op.with_weights(weights)


def test_what_a_format_cannot_hold_is_told(registry):
    op = SklearnModelOp(make_pipeline(FunctionTransformer(lambda x: x)), weights_format="pickle")
    with pytest.raises(errors.InvalidConfigError, match="cannot be stored as pickle") as caught:
        registry.store(op)
    assert "weights_format='skops'" in caught.value.mend
    broken = linear()
    broken.lock_ = np.random.default_rng
    broken.generator_ = (item for item in ())
    with pytest.raises(errors.InvalidConfigError, match="cannot be stored as skops"):
        registry.store(SklearnModelOp(broken))


def test_without_skops_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(ImportError, match=r"pipekit-experiment\[sklearn\]"):
        SklearnModelOp(linear()).get_weights()
