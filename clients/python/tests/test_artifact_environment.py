"""What an artifact records of its surroundings, without secrets, and how drift from it is told."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from pipekit_experiment import artifacts, errors
from pipekit_experiment._src.artifacts import environment_hardware
from pipekit_experiment._src.artifacts.drift import environment_drift, recorded_packages
from pipekit_experiment._src.artifacts.environment import environment_now
from pipekit_experiment._src.artifacts.environment_git import MAX_DIFF_BYTES, git_state
from pipekit_experiment._src.artifacts.environment_secrets import (
    credentials_in,
    without_credentials,
    without_secrets,
)
from pipekit_experiment._src.artifacts.lock_file import find_lock, pinned_versions
from pipekit_experiment._src.registry_open import open_registry, registries_of


class TestSecrets:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("https://u:p@h/x", "https://***@h/x"),
            ("git+https://ghp_token@github.com/a/b", "git+https://***@github.com/a/b"),
            ("ssh://git@github.com/a", "ssh://git@github.com/a"),
            ("postgres://ej:p@ss@db/x", "postgres://ej:***@db/x"),
            ("s3://b/p/?region=eu&secret_access_key=abc#f", "s3://b/p/?region=eu&secret_access_key=***#f"),
            ("http://h/?X-Amz-Signature=abc&a=1", "http://h/?X-Amz-Signature=***&a=1"),
            ("s3://b/p/?kms_key=alias/x", "s3://b/p/?kms_key=alias/x"),
            ("an address a@b.c: https://h/a@b", "an address a@b.c: https://h/a@b"),
        ],
    )
    def test_addresses(self, text, shown):
        assert without_credentials(text) == shown
        assert credentials_in(text) == (text != shown)
        assert without_credentials(shown) == shown

    def test_command_lines(self):
        given = (
            "train.py --token Q1 --api-key=Q2 db.password=Q3 --hf_token Q4 --u https://u:Q5@h/ +auth.token=Q6"
        )
        kept = "--epochs 3 -v --max_tokens 512 --tokenizer bpe --author=ej --bypass yes --secret --next"
        shown = without_secrets([*given.split(), *kept.split(), "AWS_SECRET_ACCESS_KEY=Q7"])
        assert not [argument for argument in shown if "Q" in argument]
        assert shown[-1 - len(kept.split()) : -1] == kept.split()


UV = """version = 1

[[package]]
name = "numpy"
version = "2.1.0"
source = { registry = "https://pypi.org/simple" }

[[package]]
name = "Scikit_Learn"
version = "1.5.0"

[[package]]
name = "numpy"
version = "1.26.4"
"""
PYLOCK = 'lock-version = "1.0"\n\n[[packages]]\nname = "numpy"\nversion = "2.1.0"\nindex = "x"\n'
PIPFILE = json.dumps({"default": {"numpy": {"version": "==2.1.0"}, "own": {"path": "."}}, "develop": {}})
CONDA = "version: 1\npackage:\n- name: numpy\n  version: '2.1.0'\n- name: zlib\n  version: 1.3\n"
REQUIREMENTS = """numpy==2.1.0 \\
    --hash=sha256:ab
# torch==9
uvicorn[standard] == 0.30.0 ; python_version>'3'
-e .
"""


class TestLockFile:
    @pytest.mark.parametrize(
        ("text", "pins"),
        [
            (UV, {"numpy": {"2.1.0", "1.26.4"}, "scikit-learn": {"1.5.0"}}),
            (PYLOCK, {"numpy": {"2.1.0"}}),
            (PIPFILE, {"numpy": {"2.1.0"}}),
            (CONDA, {"numpy": {"2.1.0"}, "zlib": {"1.3"}}),
            (REQUIREMENTS, {"numpy": {"2.1.0"}, "uvicorn": {"0.30.0"}}),
            ("", {}),
            ("{", {}),
        ],
    )
    def test_pins_of_each_format(self, text, pins):
        assert {name: set(versions) for name, versions in pinned_versions(text).items()} == pins

    def test_the_nearest_file_and_the_best_kind_count(self, tmp_path):
        inner = tmp_path / "a/b"
        inner.mkdir(parents=True)
        (tmp_path / "uv.lock").write_text(UV)
        assert find_lock(inner).about["path"] == str(tmp_path / "uv.lock")
        for name in ("requirements-dev.txt", "requirements.txt", "conda-lock.yml", "Pipfile.lock"):
            (tmp_path / "a" / name).write_text("x")
            assert find_lock(inner).about["file"] == name
        (tmp_path / "a/b/.git").mkdir()
        assert find_lock(inner).about["file"] == "installed"

    def test_credentials_are_taken_out(self, tmp_path):
        text = "--index-url https://u:secret@host/simple\nnumpy==2.1.0\n"
        (tmp_path / "requirements.txt").write_text(text)
        lock = find_lock(tmp_path)
        assert lock.text == text.replace("u:secret", "***")
        assert lock.about["credentials"] == "taken out"

    def test_what_is_no_text_is_passed_over(self, tmp_path):
        (tmp_path / ".git").mkdir()
        (tmp_path / "uv.lock").write_bytes(b"\xff\xfe")
        (tmp_path / "poetry.lock").mkdir()
        lock = find_lock(tmp_path)
        assert lock.about["file"] == "installed"
        assert f"numpy=={np.__version__}" in lock.text.splitlines()


class TestGit:
    @pytest.fixture
    def repository(self, tmp_path):
        def git(*arguments):
            options = ("-c", "user.name=ej", "-c", "user.email=e@j", "-c", "init.defaultBranch=main")
            subprocess.run(["git", *options, *arguments], cwd=tmp_path, check=True, capture_output=True)

        git("init")
        (tmp_path / "train.py").write_text("lr = 1\n")
        git("add", ".")
        git("commit", "-m", "first")
        git("remote", "add", "origin", "https://ej:ghp_secret@github.com/ej/x.git")
        return tmp_path

    def test_a_clean_tree(self, repository):
        state = git_state(repository)
        assert (state["branch"], state["dirty"], state["diff"]) == ("main", False, "")
        assert len(state["commit"]) == 40
        assert state["remote"] == "https://***@github.com/ej/x.git"

    def test_a_changed_one_with_a_secret_in_an_address(self, repository):
        (repository / "train.py").write_text("lr = 2\nurl = 'https://u:pw@h/'\n")
        (repository / "new.py").write_text("")
        state = git_state(repository)
        assert (state["dirty"], state["untracked"], state["diff_cut"]) == (True, ["new.py"], False)
        assert "-lr = 1\n+lr = 2\n+url = 'https://***@h/'\n" in state["diff"]

    def test_a_large_diff_is_cut_and_says_so(self, repository):
        (repository / "train.py").write_text("ä" * MAX_DIFF_BYTES)
        state = git_state(repository)
        assert state["diff_cut"]
        assert MAX_DIFF_BYTES - 8 < len(state["diff"].encode()) <= MAX_DIFF_BYTES

    def test_no_repository_no_commit_and_no_git(self, tmp_path, monkeypatch):
        assert "not a git repository" in git_state(tmp_path)["absent"]
        subprocess.run(["git", "init"], cwd=tmp_path, check=True, capture_output=True)
        assert git_state(tmp_path)["commit"] is None
        monkeypatch.setenv("PATH", str(tmp_path))
        assert "cannot be run" in git_state(tmp_path)["absent"]


class TestDrift:
    def now(self, **changes):
        return {**environment_now("sklearn"), **changes}

    def test_nothing_drifts_from_itself(self):
        report = environment_drift(self.now(), f"numpy=={np.__version__}\n")
        assert (report.drifted, report.changed) == (False, ())
        assert str(report) == f"{len(report.entries)} of {len(report.entries)} the same."
        report.refuse()

    def test_each_kind_of_difference_has_a_row(self):
        packages = {"numpy": "0.1", "no-such-package": "1.0", "hypothesis": "0"}
        info = self.now(python="2.7.18", backend="jax", gpus=[{"name": "H100"}] * 2, packages=packages)
        report = environment_drift(info, "numpy==0.1\nno-such==3\n")
        rows = {entry.what: (entry.recorded, entry.verdict) for entry in report.changed}
        assert rows["python"] == ("2.7.18", "differs")
        assert rows["numpy"] == ("0.1", "differs")
        assert rows["no-such-package"] == ("1.0", "absent")
        assert rows["gpu"] == ("2 x H100", "absent")
        assert rows["lock"] == ("2 pinned", "differs")
        lines = str(report).splitlines()
        assert lines[0].split() == ["RECORDED", "PRESENT"]
        assert ["numpy", "0.1", np.__version__, "differs"] in [line.split() for line in lines]
        assert json.loads(json.dumps(report.to_dict()))["drifted"] is True
        with pytest.raises(
            errors.EnvironmentDriftError, match=r"python 2\.7\.18 -> .* and \d more"
        ) as caught:
            report.refuse()
        assert "no-such-package" in caught.value.field

    def test_a_backend_that_is_not_there(self, monkeypatch):
        from pipekit_experiment._src.artifacts import drift

        monkeypatch.setitem(drift.BACKEND_MODULES, "sklearn", ("no_such_module",))
        entry = next(one for one in environment_drift(self.now(), "").entries if one.what == "backend")
        assert (entry.recorded, entry.verdict) == ("sklearn", "absent")

    def test_what_people_write_by_hand(self):
        info = {"backend": "own", "lightning_version": "2.4.0", "python_version": "3.1", "note": [1]}
        assert recorded_packages(info) == {"lightning": "2.4.0"}
        report = environment_drift(info, "uv.lock contents")
        assert {entry.what for entry in report.changed} == {"python", "lightning"}

    def test_a_local_part_of_a_version_is_no_drift(self, monkeypatch):
        from pipekit_experiment._src.artifacts import drift

        monkeypatch.setattr(drift, "versions_of", lambda names: {"torch": "2.4.0+cpu"})
        assert not environment_drift({}, "torch==2.4.0\n").drifted
        assert environment_drift({}, "torch==2.4.1\n").drifted

    def test_gpus_are_read_from_nvidia_smi(self, tmp_path, monkeypatch):
        program = tmp_path / "nvidia-smi"
        program.write_text("#!/bin/sh\necho 'NVIDIA H100, 550.1, 81559'\necho 'NVIDIA H100, 550.1, 81559'\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        one = {"name": "NVIDIA H100", "driver": "550.1", "memory_mib": "81559"}
        assert environment_hardware.gpus() == [one, one]
        report = environment_drift(self.now(gpus=[]), "")
        assert [(entry.what, entry.present) for entry in report.changed] == [("gpu", "2 x NVIDIA H100")]
        program.write_text("#!/bin/sh\necho 'No devices were found'\nexit 6\n")
        assert environment_hardware.gpus() == []

    def test_public_names(self):
        assert artifacts.DriftReport is type(environment_drift({}, ""))


class TestSpecs:
    def test_a_spec_opens_its_kind_of_registry(self, tmp_path):
        specs = {
            "": "LocalModelRegistry",
            "local:/srv/models": "LocalModelRegistry",
            "s3://b/models/?region=eu&endpoint=http%3A%2F%2Fh": "S3ModelRegistry",
            "mlflow+https://h:5000/pipekit-models?base=%2Fx": "MLflowModelRegistry",
        }
        for spec, kind in specs.items():
            made = open_registry(spec, trust=["m"])
            assert (type(made).__name__, made.spec) == (kind, spec)
        assert open_registry(str(tmp_path)).spec == f"local:{tmp_path}"
        for wrong in ("gs://b/x", "s3://b", "models", "mlflow+http://h"):
            with pytest.raises(errors.InvalidRegistrySpecError):
                open_registry(wrong)

    @pytest.mark.parametrize(
        ("uri", "specs"),
        [
            ("s3://b/emulators/v3", ["s3://b/emulators/", "s3://b/emulators/v3"]),
            (
                "s3://b/emulators/v3?region=eu",
                ["s3://b/emulators/?region=eu", "s3://b/emulators/v3?region=eu"],
            ),
            ("s3://b/emulators/", ["s3://b/emulators/"]),
            ("s3://b/emulators", ["s3://b/emulators"]),
            ("local:/srv/models", ["local:/srv/models"]),
            ("", [""]),
        ],
    )
    def test_a_name_at_the_end_of_an_s3_address_is_looked_past(self, uri, specs):
        assert [registry.spec for registry in registries_of(uri)] == specs


def test_the_import_stays_light():
    program = (
        "import sys, pipekit_experiment as pe; pe.TrainingArtifact, pe.InferenceArtifact\n"
        "print([name for name in ('numpy', 'yaml', 'torch', 'dvc', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr
