"""A run of a real Hydra app, logged by itself and afterwards, with the real daemon."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from real_daemon import read_run

import pipekit_experiment as pe
from pipekit_experiment import errors
from pipekit_experiment._src.hydra.secrets import is_secret_name, without_secrets

HydraConfigLoader = pe.adapters.hydra.HydraConfigLoader
SECRET = "hunter2-of-the-test"

CONFIG = """
lr: 0.1
name: ""
double: ${app.double:${lr}}
chained: "twice is ${double}"
list: ["${double}", {lr: "${lr}"}]
job: ${hydra:job.name}
home: ${oc.env:HYDRA_TEST_HOME}
password: ${oc.env:HYDRA_TEST_PASSWORD}
with_password: "x-${password}"
masked: ${app.mask:${password}}
masked_directly: ${app.mask:${oc.env:HYDRA_TEST_PASSWORD}}
made_up: ${app.mask:${oc.env:HYDRA_TEST_${suffix}}}
suffix: PASSWORD
behind: ${app.steal:}
stamp: ${now:%Y}
fails: ${app.fails:}
must: ???
text: "é\\n1"
model:
  _target_: hydra_operators.Leaf
  x: ${double}
copy: ${model}
"""

TEXT_STAYS = {
    "password": "${oc.env:HYDRA_TEST_PASSWORD}",
    "with_password": "x-${password}",
    "masked": "${app.mask:${password}}",
    "masked_directly": "${app.mask:${oc.env:HYDRA_TEST_PASSWORD}}",
    "made_up": "${app.mask:${oc.env:HYDRA_TEST_${suffix}}}",
    "behind": "${app.steal:}",
    "stamp": "${now:%Y}",
    "fails": "${app.fails:}",
    "must": "???",
}


@pytest.fixture(scope="module")
def jobs(real_daemon, tmp_path_factory):
    """Output folders of the jobs of a multirun, each with the run that its app logged."""
    folder = tmp_path_factory.mktemp("app")
    (folder / "conf").mkdir()
    (folder / "conf" / "config.yaml").write_text(CONFIG, encoding="utf-8")
    tests = Path(__file__).parent
    command = [sys.executable, str(tests / "hydra_app.py"), str(folder / "conf"), "-m", "lr=0.25,0.5"]
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(pe.__file__).parents[1]), str(tests)]),
        "HYDRA_TEST_HOME": "/home/é",
        "HYDRA_TEST_PASSWORD": SECRET,
    }
    sweep = [f"hydra.sweep.dir={folder}/out", "name='a b'"]
    done = subprocess.run([*command, *sweep], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines() if not line.startswith("[")]
    assert [x for _, x in lines] == ["0.5", "1.0"]
    return [(folder / "out" / str(index), run_id) for index, (run_id, _) in enumerate(lines)]


def params_of(run):
    return {key: json.loads(value) for key, value in run.params.items()}


def test_an_app_logs_its_run(jobs):
    for (_, run_id), lr in zip(jobs, (0.25, 0.5), strict=True):
        run = read_run(run_id)
        assert params_of(run) == {
            **TEXT_STAYS,
            "lr": lr,
            "name": "a b",
            "double": 2 * lr,
            "chained": f"twice is {2 * lr}",
            "list": [2 * lr, {"lr": lr}],
            "job": "hydra_app",
            "home": "/home/é",
            "suffix": "PASSWORD",
            "text": "é\n1",
            "model._target_": "hydra_operators.Leaf",
            "model.x": 2 * lr,
            "copy._target_": "hydra_operators.Leaf",
            "copy.x": 2 * lr,
        }
        assert run.tags["hydra/job"] == "hydra_app"
        assert run.tags["hydra/config"] == "config"
        assert run.tags["hydra/version"].startswith("1.")
        assert sorted(shlex.split(run.tags["hydra/overrides"])) == [f"lr={lr}", "name='a b'"]


def test_the_three_files_are_attached_as_they_are(jobs):
    folder, run_id = jobs[0]
    (artifact,) = read_run(run_id).artifacts
    assert artifact.name == ".hydra"
    sizes = {file.path: file.size for file in artifact.files}
    assert sizes == {
        name: (folder / ".hydra" / name).stat().st_size
        for name in ("config.yaml", "hydra.yaml", "overrides.yaml")
    }


@pytest.mark.parametrize("below", ["", ".hydra"])
def test_a_run_is_logged_afterwards(jobs, below):
    folder, by_the_app = jobs[1]
    with pe.start_run() as run:
        HydraConfigLoader.log_run(run, folder / below)
    later = read_run(run.run_id)
    params = params_of(later)
    assert params["double"] == "${app.double:${lr}}", "only the app has its resolvers"
    assert params["home"] == "${oc.env:HYDRA_TEST_HOME}", "it is not set here"
    assert {key: params[key] for key in TEXT_STAYS} == TEXT_STAYS
    assert (params["lr"], params["job"]) == (0.5, "hydra_app")
    assert dict(later.tags) == dict(read_run(by_the_app).tags)
    assert [file.sha256 for file in later.artifacts[0].files] == [
        file.sha256 for file in read_run(by_the_app).artifacts[0].files
    ]


def test_no_secret_has_reached_the_journal(jobs, real_daemon):
    state = Path(os.environ["PKX_STATE_DIR"])
    files = [path for path in state.rglob("*") if path.is_file()]
    assert any("/home/é".encode() in path.read_bytes() for path in files), "it is here that values would be"
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]


def test_the_daemon_is_sent_no_variable_that_is_secret_or_not_named(jobs, monkeypatch):
    from pipekit_experiment._src.hydra import run as hydra_run

    monkeypatch.setenv("HYDRA_TEST_PASSWORD", SECRET)
    monkeypatch.setenv("HYDRA_TEST_HOME", "/h")
    monkeypatch.setenv("HYDRA_TEST_OTHER", "x")
    environment = hydra_run._environment(jobs[0][0] / ".hydra")
    assert {name: value for name, value in environment.items() if "HYDRA_TEST" in name} == {
        "HYDRA_TEST_HOME": "/h"
    }


def test_what_names_a_secret():
    for name in ("API_KEY", "token", "ClientSecret", "DB_PASSWORD", "AWS_CREDENTIALS"):
        assert is_secret_name(name)
    for name in ("HOME", "LR", "PASS", ""):
        assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("text", "is_held_back"),
    [
        ("${oc.env:API_KEY}", True),
        ("a ${app.mask:${oc.env:'A_TOKEN',x}} b", True),
        ("${oc.env:HOME_${suffix}}", True),
        ("${app.vault:db_password}", True),
        ("${now:%Y}", True),
        ("${oc.env:HOME} ${app.double:${lr}}", False),
        ("${oc.select:api_key,1} ${hydra:job.key} ${token} a key", False),
    ],
)
def test_what_this_process_does_not_resolve(text, is_held_back):
    config = OmegaConf.create({"a": [{"b": text}], "c": "${a}"})
    kept = OmegaConf.to_container(without_secrets(config), resolve=False)
    assert (kept["a"][0]["b"] != text) is is_held_back
    assert kept["c"] == "${a}"


def test_bad_folders(real_daemon, tmp_path):
    run = pe.start_run()
    with pytest.raises(errors.InvalidArgumentError, match="No Hydra app is running"):
        HydraConfigLoader.log_run(run)
    with pytest.raises(FileNotFoundError, match=r"config\.yaml"):
        HydraConfigLoader.log_run(run, tmp_path)
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text("a: 1\na: 2\n")
    with pytest.raises(errors.InvalidConfigError, match=r"config\.yaml.*line 2"):
        HydraConfigLoader.log_run(run, tmp_path)
    run.end()
    assert params_of(read_run(run.run_id)) == {}
