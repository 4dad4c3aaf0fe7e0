"""The data set of a training: recorded by its hashes, compared, and had back."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, cast

from pipekit_experiment._src.artifacts.drift import DriftEntry
from pipekit_experiment._src.datasets.dvc_repo import repo_root, require_inside
from pipekit_experiment._src.errors import DatasetNotFoundError, PipekitError


def recorded_data(dataset: Any) -> tuple[str, dict[str, Any]]:
    """The data set's hash (empty when it cannot be told) and what is known of it besides: `dvc` and `sha256`,
    its hashes, `path` and `repo`; or `absent`, which says why there is no hash."""
    told = getattr(dataset, "content_hash", None)
    if not callable(told):
        return "", {"absent": "the loop has no data set that tells its hash"}
    try:
        found = str(told())
        sha256: Any = getattr(dataset, "content_sha256", None)
        about = {"dvc": found, "sha256": sha256() if callable(sha256) else None}
    except (PipekitError, OSError) as error:
        return "", {"absent": str(error)}
    for name in ("path", "repo"):
        value: Any = getattr(dataset, name, None)
        if isinstance(value, (str, os.PathLike)):
            about[name] = os.path.abspath(os.fsdecode(cast("str | os.PathLike[str]", value)))
    return found, {name: value for name, value in about.items() if value is not None}


def compared_data(recorded: str, dataset: Any, about: Mapping[str, Any]) -> DriftEntry | None:
    """How the data at hand differ from the recorded ones; None when none are recorded. Without a data set,
    what lies at the recorded path counts."""
    if not recorded:
        return None
    path = _recorded_path(about)
    if dataset is None and path is not None:
        from pipekit_experiment.datasets import FileDataset

        repo: Any = about.get("repo")
        dataset = FileDataset(path, repo=repo if isinstance(repo, str) else None)
    if dataset is None:
        return DriftEntry("data set", recorded, "not looked at", "unknown")
    try:
        present = str(dataset.content_hash())
    except (PipekitError, OSError):
        return DriftEntry("data set", recorded, "absent", "absent")
    return DriftEntry("data set", recorded, present, "same" if present == recorded else "differs")


def bring_back(
    recorded: str, dataset: Any, about: Mapping[str, Any], repo: str | os.PathLike[str] | None
) -> None:
    """Puts the recorded data where the data set looks for them, out of a DVC repository's cache or remotes.

    Raises DatasetNotFoundError when it is not known where they could be had from, nobody has them, or their
    place is not in the repository; and DatasetChangedError when data that are saved nowhere lie there."""
    recorded_repo: Any = about.get("repo")
    found: str | os.PathLike[str] | None = repo or getattr(dataset, "repo", None) or recorded_repo
    path: str | os.PathLike[str] | None = getattr(dataset, "path", None)
    if path is None:
        path = _recorded_path(about)
        path = path if path is None or repo is None else in_clone(path, recorded_repo, repo)
    if found is None or path is None:
        raise DatasetNotFoundError(
            f"The data set {recorded} is not here, and its {'path' if found else 'repository'} is not known.",
            field=recorded,
            mend="Give `repo`, the folder of a DVC repository that has it, or `dataset`, the data.",
        )
    require_inside(path, found)
    from pipekit_experiment.adapters import dvc

    dvc.DVCDatasetVersioning(os.fspath(found)).checkout(recorded, path=os.path.abspath(os.fspath(path)))


def move_to_clone(dataset: Any, repo: str | os.PathLike[str]) -> None:
    """Points a data set that has a DVC repository to another clone of it."""
    if hasattr(dataset, "repo"):
        if isinstance(getattr(dataset, "path", None), str):
            dataset.path = in_clone(dataset.path, dataset.repo, repo)
        dataset.repo = os.path.abspath(repo)


def in_clone(path: str | os.PathLike[str], old: Any, new: str | os.PathLike[str]) -> str:
    """Where a path in a repository is in another clone; a path that is not in the old one stays."""
    absolute = os.path.abspath(path)
    if not isinstance(old, (str, os.PathLike)):
        return absolute
    below = os.path.relpath(absolute, repo_root(cast("str | os.PathLike[str]", old)))
    return absolute if below.partition(os.sep)[0] == os.pardir else os.path.join(repo_root(new), below)


def require_fetchable(dataset: Any) -> None:
    """For a data set out of a file, which fetches what is absent by itself. Raises DatasetNotFoundError."""
    path, repo = getattr(dataset, "path", None), getattr(dataset, "repo", None)
    if isinstance(path, str) and isinstance(repo, str) and not os.path.exists(path):
        require_inside(path, repo)


def _recorded_path(about: Mapping[str, Any]) -> str | None:
    """A path that DVCDatasetVersioning.record_hash_in has recorded is relative to the repository."""
    path, repo = about.get("path"), about.get("repo")
    return os.path.join(repo if isinstance(repo, str) else "", path) if isinstance(path, str) else None
