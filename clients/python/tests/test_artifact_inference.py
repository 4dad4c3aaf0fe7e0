"""InferenceArtifact: models pinned by their hashes, whatever becomes of tags and registries."""

import subprocess
import sys
import types

import pytest
from artifact_models import Line, Shift, Wrapper

import pipekit_experiment as pe
from pipekit_experiment import InferenceArtifact, errors
from pipekit_experiment.operators import Graph, ModelRef, Sequential

TRUST = ["artifact_models"]


@pytest.fixture
def registry(real_daemon, tmp_path):
    return pe.LocalModelRegistry(tmp_path / "models", trust=TRUST)


def ref(registry, name):
    return ModelRef(name, registry, trust=TRUST)


def captured(op, registry, tmp_path):
    """Captured, saved and loaded: what another process would have."""
    InferenceArtifact.capture(op, registry=registry, path=tmp_path).save(tmp_path / "a")
    return InferenceArtifact.load(tmp_path / "a")


def test_a_moved_tag_does_not_change_it(registry, tmp_path):
    old, new = registry.store(Line(2.0), name="production"), registry.store(Line(3.0))
    pipeline = Sequential([Shift(1), ref(registry, "production")])
    artifact = captured(pipeline, registry, tmp_path)
    registry.tag(new, "production", force=True)
    assert artifact.pinned_model_hashes == {"steps/1": old}
    assert artifact.model_registry_uri == registry.spec
    assert {path: model.factor for path, model in artifact.reload_models(trust=TRUST).items()} == {
        "steps/1": 2.0
    }
    rebuilt = artifact.rebuild(trust=TRUST)
    assert (rebuilt(1.0), pipeline(1.0)) == (4.0, 6.0)
    assert isinstance(rebuilt.steps[1], ModelRef)
    assert rebuilt.steps[1].ref == old


def test_a_reference_that_was_called_keeps_the_model_that_it_found(registry, tmp_path):
    old = registry.store(Line(2.0), name="production")
    pipeline = Sequential([ref(registry, "production")])
    pipeline(1.0)
    registry.tag(registry.store(Line(3.0)), "production", force=True)
    assert captured(pipeline, registry, tmp_path).pinned_model_hashes == {"steps/0": old}


def test_loaded_stored_and_unknown_models_are_pinned(registry, tmp_path):
    loaded = registry.load(registry.store(Line(2.0), dataset_hash="d"))
    stored = Line(3.0)
    registry.store(stored)
    unknown = Line(5.0)
    nodes = {"a": loaded, "b": Sequential([stored, Shift(1)]), "c": Wrapper(unknown)}
    graph = Graph(nodes, {"a": ["input"], "b": ["a"], "c": ["b"]}, outputs="c")
    artifact = captured(graph, registry, tmp_path)
    assert artifact.pinned_model_hashes == {
        "nodes/a": registry.hash(loaded, dataset_hash="d"),
        "nodes/b/steps/0": registry.hash(stored),
        "nodes/c/model": registry.hash(unknown),
    }
    rebuilt = artifact.rebuild(trust=TRUST)
    assert rebuilt(1.0) == graph(1.0) == 35.0
    assert rebuilt.nodes["a"].factor == 2.0
    assert rebuilt.nodes["b"].steps[0].factor == 3.0
    # An operator of another kind holds its model in a reference.
    assert rebuilt.nodes["c"].model.operator.factor == 5.0


def test_a_whole_pipeline_that_is_a_model_is_one_pin(registry, tmp_path):
    pipeline = Sequential([Line(2.0), Shift(1)])
    hash = registry.store(pipeline, name="pipeline")
    for op in (pipeline, registry.load("pipeline")):
        artifact = captured(op, registry, tmp_path)
        assert artifact.pinned_model_hashes == {"": hash}
        assert artifact.rebuild(trust=TRUST)(2.0) == 5.0
    whole = captured(ref(registry, "pipeline"), registry, tmp_path)
    assert whole.pinned_model_hashes == {"": hash}
    assert whole.rebuild(trust=TRUST)(2.0) == 5.0


def test_a_pipeline_without_models(registry, tmp_path):
    artifact = captured(Sequential([Shift(1), Shift(2)]), registry, tmp_path)
    assert artifact.pinned_model_hashes == {}
    assert artifact.reload_models() == {}
    assert artifact.rebuild(trust=TRUST)(1.0) == 4.0


def test_duck_typed_references(registry, tmp_path):
    hash = registry.store(Line(2.0), name="prod")
    by_ref, by_hash = Shift(1), Shift(2)
    by_ref.model_ref, by_hash.model_hash = "prod", hash
    artifact = captured(Sequential([by_ref, by_hash]), registry, tmp_path)
    assert artifact.pinned_model_hashes == {"steps/0": hash, "steps/1": hash}
    by_ref.model_ref = "nothing"
    with pytest.raises(errors.RefNotFoundError):
        captured(by_ref, registry, tmp_path)


def test_a_missing_model_is_named_with_its_path(registry, tmp_path):
    elsewhere = pe.LocalModelRegistry(tmp_path / "elsewhere", trust=TRUST)
    hash = elsewhere.store(Line(2.0), name="prod")
    pipeline = Sequential([Shift(1), ref(elsewhere, "prod")])
    with pytest.raises(KeyError, match=f"{hash} of the operator steps/1") as caught:
        captured(pipeline, registry, tmp_path)
    assert (caught.value.code, caught.value.field) == ("REF_NOT_FOUND", "steps/1")
    artifact = captured(pipeline, elsewhere, tmp_path)
    elsewhere.delete_tag("prod")
    elsewhere.gc(min_age=0, keep_moves=0, keep_moved=0, apply=True)
    for call in (artifact.reload_models, artifact.rebuild):
        with pytest.raises(errors.RefNotFoundError, match=f"{hash} of the operator steps/1") as caught:
            call(trust=TRUST)
        assert caught.value.field == "steps/1"
    registry.store(Line(2.0))
    assert artifact.rebuild(registry, trust=TRUST)(1.0) == 4.0
    assert artifact.rebuild(registry.spec, trust=TRUST)(1.0) == 4.0


def test_an_operator_that_was_changed_since_is_refused(registry, tmp_path):
    model = registry.load(registry.store(Line(2.0)))
    model.factor = 7.0
    with pytest.raises(errors.InvalidArgumentError, match="steps/0 is not the model") as caught:
        captured(Sequential([model]), registry, tmp_path)
    assert caught.value.field == "steps/0"
    registry.store(model)
    assert captured(Sequential([model]), registry, tmp_path).rebuild(trust=TRUST)(1.0) == 7.0


def test_code_runs_from_trusted_modules_only(registry, tmp_path):
    artifact = captured(Sequential([Line(2.0)]), registry, tmp_path)
    for call in (artifact.reload_models, artifact.rebuild):
        with pytest.raises(errors.UntrustedModuleError):
            call()


def test_it_is_the_same_in_another_process(registry, tmp_path):
    registry.store(Line(2.0), name="production")
    captured(Sequential([Shift(1), ref(registry, "production"), Line(10.0)]), registry, tmp_path)
    program = (
        "import sys, pipekit_experiment as pe\n"
        "print(pe.InferenceArtifact.load(sys.argv[1]).rebuild(trust=['artifact_models'])(1.0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "a"], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "40.0", done.stderr


def test_a_registry_of_the_users_own_reloads():
    artifact = InferenceArtifact("pipe: stuff", {"a": "ab12"})

    class Own:
        def load(self, ref):
            return f"model {ref}"

    assert artifact.reload_models(Own()) == {"a": "model ab12"}


FROZEN = """
from dataclasses import dataclass
@dataclass(frozen=True)
class Artifact:
    pipeline_yaml: str
    environment: dict
    def save(self, path): raise AssertionError("pipekit's own")
"""


@pytest.mark.parametrize("source", ["class Artifact:\n    def __init__(self, a, b): self.a = a\n", FROZEN])
def test_with_pipekit_it_is_an_artifact_of_pipekits(source, tmp_path):
    """A stand-in: the real pipekit has no such module yet."""
    (tmp_path / "pipekit").mkdir()
    (tmp_path / "pipekit/__init__.py").write_text("")
    (tmp_path / "pipekit/repro.py").write_text(source)
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import pipekit.repro, pipekit_experiment as pe\n"
        "made = pe.InferenceArtifact('a: 1', {'x': 'y'})\n"
        "made.save(sys.argv[1] + '/a')\n"
        "loaded = pe.InferenceArtifact.load(sys.argv[1] + '/a')\n"
        "loaded.metadata = {**loaded.metadata}\n"
        "print(isinstance(loaded, pipekit.repro.Artifact), loaded == made, repr(loaded)[:30])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "True True InferenceArtifact(pipeline_yam", done.stderr


def test_without_pipekit_it_stands_alone():
    assert isinstance(pe.artifacts, types.ModuleType)
    assert pe.InferenceArtifact.__mro__[-1] is object
    assert "pipekit.repro" not in sys.modules
