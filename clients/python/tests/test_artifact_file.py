"""The file of an artifact: what is written, what is refused, and that every changed byte is found."""

import hashlib
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from pipekit_experiment import InferenceArtifact, TrainingArtifact, errors
from pipekit_experiment._src.artifacts.file import artifact_in

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "test/golden/artifacts"


def training(**changes):
    fields = {
        "training_pipeline_yaml": "module: m\nclass: Loop\nconfig: {}\n",
        "dataset_hash": "ab12cd",
        "trained_model_hash": "ef" * 32,
        "tracker_run_id": "mlflow://runs/abc123",
        "model_registry_uri": "s3://imeo-models/emulators/methane_emulator_v3",
        "backend_info": {"backend": "lightning", "lightning_version": "2.4.0"},
        "deps_lock": "# lock\nnumpy==2.1.0\n",
        "metadata": {"author": "ej", "date": "2026-Q2", "Größe": 1.5},
    }
    return TrainingArtifact(**{**fields, **changes})


def inference(**changes):
    fields = {
        "pipeline_yaml": "module: m\nclass: Pipe\nconfig: {}\n",
        "pinned_model_hashes": {"": "ab" * 32, "nodes/encoder": "cd" * 32},
        "model_registry_uri": "local:/srv/models",
        "backend_info": {"python": "3.12.1"},
        "deps_lock": "",
        "metadata": {"author": "ej"},
    }
    return InferenceArtifact(**{**fields, **changes})


PAIRS = [(training, TrainingArtifact), (inference, InferenceArtifact)]
texts = st.text(st.characters(codec="utf-8"))
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=20,
)


@pytest.mark.parametrize(("make", "kind"), PAIRS)
def test_an_artifact_is_equal_to_itself_after_save_and_load(make, kind, tmp_path):
    path = tmp_path / "methane.training.artifact"
    made = make()
    made.save(path)
    assert kind.load(path) == made
    assert kind.load(str(path)) == made
    assert os.listdir(tmp_path) == [path.name]


@given(st.dictionaries(texts, json_values), texts, texts)
@settings(max_examples=60, deadline=None)
def test_any_json_metadata_and_any_text_come_back(tmp_path_factory, metadata, yaml, lock):
    path = tmp_path_factory.getbasetemp() / "any.artifact"
    made = training(metadata=metadata, training_pipeline_yaml=yaml, deps_lock=lock, dataset_hash=yaml)
    made.save(path)
    loaded = TrainingArtifact.load(path)
    assert loaded == made
    assert loaded.metadata == metadata


@pytest.mark.parametrize("make", [training, inference])
def test_each_changed_byte_is_found(make, tmp_path):
    path = tmp_path / "a"
    make().save(path)
    data = path.read_bytes()
    kind = f"pipekit-{make.__name__}-artifact"
    assert artifact_in(data, "a", kind)
    for index in range(len(data)):
        for change in (1, 0x20, 0x80):
            changed = data[:index] + bytes([data[index] ^ change]) + data[index + 1 :]
            with pytest.raises(errors.CorruptArtifactError) as caught:
                artifact_in(changed, "a", kind)
            assert caught.value.field == "a"


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_cuts_insertions_and_doublings_are_found(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "cut.artifact"
    training().save(path)
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    other = data.draw(
        st.one_of(
            st.just(whole[:at]),
            st.binary(min_size=1, max_size=8).map(lambda more: whole[:at] + more + whole[at:]),
            st.just(whole + whole[at:]),
        )
    )
    path.write_bytes(other)
    with pytest.raises(errors.CorruptArtifactError):
        TrainingArtifact.load(path)


def test_changed_line_ends_are_told(tmp_path):
    path = tmp_path / "a"
    training().save(path)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    with pytest.raises(errors.CorruptArtifactError, match="line ends"):
        TrainingArtifact.load(path)


def reseal(path, change):
    """Changes a file's text, and seals it anew as docs/artifacts.md says: written apart from the code."""
    text = re.sub(
        r'(?m)^(  "digest": "sha256:)[0-9a-f]{64}', r"\g<1>" + "0" * 64, change(path.read_text()), count=1
    )
    digest = hashlib.sha256(text.encode()).hexdigest()
    path.write_text(text.replace("0" * 64, digest, 1))


def test_a_newer_version_is_refused_with_a_sentence(tmp_path):
    path = tmp_path / "a"
    training().save(path)
    reseal(
        path,
        lambda text: text.replace('"version": 1,', '"version": 2,').replace('"body"', '"new": 1, "body"'),
    )
    with pytest.raises(errors.FormatTooNewError, match=r"version 2 .* reads up to 1.* Update") as caught:
        TrainingArtifact.load(path)
    assert caught.value.field == str(path)


def test_the_other_kind_is_told(tmp_path):
    path = tmp_path / "a"
    inference().save(path)
    with pytest.raises(errors.InvalidArgumentError, match="is a pipekit-inference-artifact"):
        TrainingArtifact.load(path)


@pytest.mark.parametrize("field", ["dataset_hash", "backend_info", "training_pipeline_yaml", "metadata"])
def test_a_sealed_file_that_lacks_a_field_names_it(tmp_path, field):
    path = tmp_path / "a"
    training().save(path)
    reseal(path, lambda text: text.replace(f'"{field}"', '"other"'))
    with pytest.raises(errors.CorruptArtifactError, match=field) as caught:
        TrainingArtifact.load(path)
    assert caught.value.field == field


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(FileNotFoundError):
        TrainingArtifact.load(tmp_path / "none")
    with pytest.raises(errors.ArtifactUnreadableError):
        TrainingArtifact.load(tmp_path)
    for content in (b"", b"{}", b"\0" * 100, json.dumps({"format": "x"}).encode()):
        (tmp_path / "odd").write_bytes(content)
        with pytest.raises(errors.CorruptArtifactError):
            TrainingArtifact.load(tmp_path / "odd")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"training_pipeline_yaml": None}, "training_pipeline_yaml"),
        ({"dataset_hash": 7}, "dataset_hash"),
        ({"trained_model_hash": None}, "trained_model_hash"),
        ({"tracker_run_id": 3}, "tracker_run_id"),
        ({"deps_lock": b"x"}, "deps_lock"),
        ({"deps_lock": "\ud800"}, "deps_lock"),
        ({"metadata": [1]}, "metadata"),
        ({"metadata": {"a": {"b": [0, float("nan")]}}}, "metadata.a.b[1]"),
        ({"metadata": {"seed": 2**60}}, "metadata.seed"),
        ({"backend_info": {1: 2}}, "backend_info"),
        ({"backend_info": {"x": object()}}, "backend_info.x"),
        ({"model_registry_uri": "s3://key:secret@bucket/models/"}, "model_registry_uri"),
        ({"model_registry_uri": "mlflow+https://token@host/models"}, "model_registry_uri"),
        ({"model_registry_uri": "s3://b/m/?secret_access_key=x"}, "model_registry_uri"),
        ({"tracker_run_id": "https://u:pw@mlflow/runs/1"}, "tracker_run_id"),
    ],
)
def test_what_cannot_be_recorded_is_named_before_anything_is_written(tmp_path, changes, field):
    path = tmp_path / "a"
    training().save(path)
    before = path.read_bytes()
    with pytest.raises((errors.InvalidArgumentError, errors.InvalidConfigError)) as caught:
        training(**changes).save(path)
    assert caught.value.field == field
    assert "secret@" not in str(caught.value)
    assert "pw@" not in str(caught.value)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a"]


def test_pinned_hashes_are_texts(tmp_path):
    with pytest.raises(errors.InvalidArgumentError) as caught:
        inference(pinned_model_hashes={"steps/0": 1}).save(tmp_path / "a")
    assert caught.value.field == "pinned_model_hashes.steps/0"


def test_tuples_and_numpy_numbers_are_kept_as_they_come_back(tmp_path):
    import numpy as np

    made = training(metadata={"shape": (3, 4), "loss": np.float32(0.5)})
    made.metadata["more"] = (1, 2)
    made.save(tmp_path / "a")
    assert TrainingArtifact.load(tmp_path / "a") == made
    assert made.metadata == {"shape": [3, 4], "loss": 0.5, "more": [1, 2]}


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "a"
    training().save(path)
    before = path.read_bytes()

    def full(*given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(errors.StorageFullError):
        training(dataset_hash="other").save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a"]
    with pytest.raises(FileNotFoundError):
        training().save(tmp_path / "none" / "a")


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "target")
    training().save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert TrainingArtifact.load(tmp_path / "target") == training()


def test_typescript_reads_the_same(tmp_path):
    """Digest and values, by the reader of `pkx artifact`; one process of it for all examples."""
    made, paths = [], []

    @given(st.dictionaries(texts, json_values))
    @settings(max_examples=30, deadline=None, phases=[Phase.generate])
    def write(metadata):
        made.append(training(metadata=metadata, tracker_run_id=None, deps_lock="\u2028\r\n\0"))
        paths.append(tmp_path / f"{len(paths)}")
        made[-1].save(paths[-1])

    write()
    program = (
        f"import {{ readArtifact }} from {json.dumps(str(ROOT / 'daemon/cli/artifact-file.ts'))};"
        "const bodies = process.argv.slice(1).map(async (path) => (await readArtifact(path)).body);"
        "console.log(JSON.stringify(await Promise.all(bodies)));"
    )
    node = [ROOT / "node_modules/.bin/node", "--input-type=module", "-e", program, *paths]
    done = subprocess.run(node, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    # JavaScript writes 6e16 with all its digits, which are not those of the integer.
    bodies = json.loads(done.stdout, parse_int=float)
    assert [TrainingArtifact(**body) for body in bodies] == made


def test_files_of_version_1_are_read_for_ever():
    """These files were written once; TypeScript reads them too (test/cli/artifact.test.ts)."""
    assert TrainingArtifact.load(GOLDEN / "training-v1.artifact") == training()
    assert InferenceArtifact.load(GOLDEN / "inference-v1.artifact") == inference()


@pytest.mark.parametrize(("make", "name"), [(training, "training"), (inference, "inference")])
def test_the_written_bytes_are_those_of_version_1(make, name, tmp_path):
    make().save(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == (GOLDEN / f"{name}-v1.artifact").read_bytes()
