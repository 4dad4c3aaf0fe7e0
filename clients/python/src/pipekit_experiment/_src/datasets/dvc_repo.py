"""Where a DVC repository is, and what lies in it."""

from __future__ import annotations

import os
from pathlib import Path

from pipekit_experiment._src.errors import DatasetNotFoundError


def repo_root(folder: str | os.PathLike[str]) -> str:
    """The root of the DVC repository that a folder lies in; the folder itself where there is none."""
    given = Path(os.path.abspath(Path(folder)))
    return str(next((one for one in (given, *given.parents) if (one / ".dvc").is_dir()), given))


def require_inside(path: str | os.PathLike[str], repo: str | os.PathLike[str]) -> None:
    """Raises DatasetNotFoundError unless the path is within the repository, also by where links lead.

    The path stands in a file, which may come from elsewhere: it must not say what is written where."""
    target, root = str(Path(path).resolve()), str(Path(repo_root(repo)).resolve())
    if target == root or os.path.commonpath((target, root)) != root:
        raise DatasetNotFoundError(
            f"There are no data at {target}, and none are fetched to there: it is not in {root}.",
            field="dataset.path",
            mend="Have them by DVCDatasetVersioning(repo).checkout(hash, path=...), or give `dataset`.",
        )
