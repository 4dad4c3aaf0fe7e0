import pytest
from tracking_daemon import run_script

import pipekit_experiment as pe
from pipekit_experiment import errors


@pytest.fixture(autouse=True)
def no_wandb_environment(monkeypatch):
    for name in ("WANDB_PROJECT", "WANDB_ENTITY", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def test_it_makes_a_spec_without_wandb(daemon):
    program = """
import sys
import pipekit_experiment as pe
tracker = pe.adapters.wandb.WandbTracker(project="my proj", entity="team")
run = tracker.start_run("n", {})
tracker.end_run(run, "completed")
assert not {"wandb", "numpy", "torch"} & set(sys.modules)
print(*tracker.specs)
"""
    done = run_script(program)
    assert done.stdout.split() == ["wandb://team/my%20proj"], done.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "spec"),
    [
        ({"project": "p"}, {}, "wandb:///p"),
        ({}, {"WANDB_PROJECT": "p", "WANDB_ENTITY": "e"}, "wandb://e/p"),
        ({"project": "p", "entity": "e"}, {"WANDB_PROJECT": "x", "WANDB_ENTITY": "y"}, "wandb://e/p"),
        ({"project": "p", "entity": "e", "base_url": "https://api.wandb.ai/"}, {}, "wandb://e/p"),
        ({"project": "p", "base_url": "http://h:8080"}, {}, "wandb+http://h:8080/p"),
        ({"project": "p", "entity": "e"}, {"WANDB_BASE_URL": "https://h/w"}, "wandb+https://h/e/p?base=%2Fw"),
        ({"project": "p", "base_url": "http://[::1]:9"}, {}, "wandb+http://[::1]:9/p"),
        ({"project": "p", "folder": "/data/my runs"}, {}, "wandb+offline:///data/my%20runs?project=p"),
        (
            {"project": "p", "entity": "é", "folder": "/d/"},
            {"WANDB_BASE_URL": "https://h"},
            "wandb+offline:///d?project=p&entity=%C3%A9",
        ),
    ],
)
def test_arguments_come_before_the_environment(monkeypatch, arguments, environment, spec):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert list(pe.adapters.wandb.WandbTracker(**arguments).specs) == [spec]


@pytest.mark.parametrize(
    ("arguments", "field", "match"),
    [
        ({}, "project", "no project"),
        ({"project": "a/b"}, "project", "does not take"),
        ({"project": "p", "entity": "a:b"}, "entity", "does not take"),
        ({"project": "p", "base_url": "https://me:secret@h"}, "base_url", "holds credentials"),
        ({"project": "p", "base_url": "ftp://h"}, "base_url", "not an http"),
        ({"project": "p", "base_url": "https://h?a=1"}, "base_url", "not the address"),
        ({"project": "p", "base_url": "https://h:port"}, "base_url", "cannot be parsed"),
        ({"project": "p", "base_url": "https://h", "folder": "/d"}, "folder", "to a server or to a folder"),
    ],
)
def test_what_is_wrong_is_told(arguments, field, match):
    with pytest.raises(errors.InvalidTrackerSpecError, match=match) as caught:
        pe.adapters.wandb.WandbTracker(**arguments)
    assert caught.value.field == field
    assert "secret" not in str(caught.value)
