import pytest
from tracking_daemon import run_script

import pipekit_experiment as pe
from pipekit_experiment import errors

FIELDS = ("API_HOST", "FILES_HOST", "WEB_HOST", "API_ACCESS_KEY", "API_SECRET_KEY")


@pytest.fixture(autouse=True)
def no_clearml_environment(monkeypatch):
    for name in FIELDS:
        monkeypatch.delenv(f"CLEARML_{name}", raising=False)


def test_it_makes_a_spec_without_clearml(daemon):
    program = """
import sys
import pipekit_experiment as pe
tracker = pe.adapters.clearml.ClearMLTracker("team/my digits")
run = tracker.start_run("n", {})
tracker.end_run(run, "completed")
assert not {"clearml", "numpy", "torch"} & set(sys.modules)
print(*tracker.specs)
"""
    done = run_script(program)
    assert done.stdout.split() == ["clearml://team/my%20digits"], done.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "spec"),
    [
        ({}, {}, "clearml://demo"),
        ({"api_host": "http://h:8008/"}, {}, "clearml+http://h:8008/demo"),
        (
            {},
            {"API_HOST": "https://h/api", "FILES_HOST": "https://f", "WEB_HOST": "https://w/"},
            "clearml+https://h/demo?base=/api&files=https://f&web=https://w",
        ),
        # Those of the environment belong to the server of the environment.
        ({"api_host": "http://h:8008"}, {"FILES_HOST": "https://f"}, "clearml+http://h:8008/demo"),
        (
            {"api_host": "http://[::1]:9", "files_host": "http://[::1]:8"},
            {},
            "clearml+http://[::1]:9/demo?files=http://[::1]:8",
        ),
        ({"folder": "/data/my runs"}, {"API_HOST": "x"}, "clearml+offline:///data/my%20runs?project=demo"),
    ],
)
def test_arguments_come_before_the_environment(monkeypatch, arguments, environment, spec):
    for name, value in environment.items():
        monkeypatch.setenv(f"CLEARML_{name}", value)
    assert list(pe.adapters.clearml.ClearMLTracker("demo", **arguments).specs) == [spec]


@pytest.mark.parametrize(
    ("project", "arguments", "field", "match"),
    [
        ("", {}, "project_name", "no project"),
        ("team/ab", {}, "project_name", "no project"),
        ("demo", {"api_host": "http://me:secret@h"}, "api_host", "holds credentials"),
        ("demo", {"api_host": "ftp://h"}, "api_host", "not an http"),
        ("demo", {"api_host": "http://h?a=1"}, "api_host", "not the address"),
        ("demo", {"api_host": "http://h:port"}, "api_host", "cannot be parsed"),
        ("demo", {"api_host": "http://h", "web_host": "h"}, "web_host", "not an http"),
        ("demo", {"files_host": "http://h"}, "api_host", "no API server"),
        ("demo", {"api_host": "http://h", "folder": "/x"}, "folder", "a server or to a folder"),
    ],
)
def test_what_is_wrong_is_told(project, arguments, field, match):
    with pytest.raises(errors.InvalidTrackerSpecError, match=match) as caught:
        pe.adapters.clearml.ClearMLTracker(project, **arguments)
    assert caught.value.field == field
    assert "secret" not in str(caught.value)


def test_it_shows_its_project():
    assert repr(pe.adapters.clearml.ClearMLTracker("demo")) == "ClearMLTracker(project_name='demo')"
