"""DVC, by way of the daemon, which keeps its formats: neither this module nor the daemon needs dvc.

versioning = DVCDatasetVersioning("/work/project")
versioning.add("data/train")
versioning.push()
versioning.record_hash_in(artifact, "data/train")
...
versioning.checkout(artifact.dataset_hash, path="data/train")
"""

from __future__ import annotations

import os
import re
from typing import Any, Protocol

from pipekit_experiment._src.datasets.types import (
    DatasetEntry,
    DatasetTransfer,
    DatasetVersion,
    dataset_entry,
    dataset_transfer,
    dataset_version,
)
from pipekit_experiment._src.errors import DatasetChangedError, InvalidArgumentError
from pipekit_experiment._src.progress_line import OnProgress

__all__ = ["DVCDatasetVersioning", "DatasetEntry", "DatasetTransfer", "DatasetVersion"]

_HASH = re.compile(r"[0-9a-f]{32}(\.dir)?")

ProgressOption = bool | OnProgress | None
PathLike = str | os.PathLike[str]


class Artifact(Protocol):
    """What a hash is recorded in, such as a TrainingArtifact."""

    dataset_hash: str
    metadata: dict[str, Any]


class DVCDatasetVersioning:
    """Versions of data in a DVC repository, by their hashes.

    Args:
        repo: A folder that is, or lies in, a DVC repository (`dvc init`).

    Paths of data are absolute, or relative to `repo`. Remotes are those of DVC's settings: a folder, or
    `s3://bucket/prefix`; their credentials stay in `.dvc/config.local` or the daemon's environment.
    With `progress`, a long call tells how far it is: on standard error, by default when that is a terminal,
    or to a function. Ctrl-C ends a call; begun anew, it goes on where it was. Every method raises
    InvalidArgumentError, DatasetLockedError when DVC is at work in the repository, CorruptDatasetError,
    StorageFullError, DaemonUnavailableError, and what its comment names.
    """

    def __init__(self, repo: PathLike = ".") -> None:
        self.repo: str = os.path.abspath(os.path.expanduser(repo))

    def __repr__(self) -> str:
        return f"DVCDatasetVersioning({self.repo!r})"

    def add(self, path: PathLike, *, progress: ProgressOption = None) -> DatasetVersion:
        """Puts a file or folder into the cache, links it from there, and writes its `.dvc` file.

        Raises ArtifactUnreadableError, InvalidArgumentError for what git tracks or another output holds.
        """
        from pipekit_experiment._generated import dataset_pb2 as pb
        from pipekit_experiment._src.datasets.calls import ask_long

        request = pb.AddDatasetRequest(repo=self.repo, path=os.fspath(path))
        return dataset_version(ask_long("AddDataset", request, "dataset", progress, "add"))

    def hash(self, path: PathLike, *, progress: ProgressOption = None) -> DatasetVersion:
        """Computes the hashes of a file or folder; writes nothing. Raises ArtifactUnreadableError."""
        from pipekit_experiment._generated import dataset_pb2 as pb
        from pipekit_experiment._src.datasets.calls import ask_long

        request = pb.HashDatasetRequest(repo=self.repo, path=os.fspath(path))
        return dataset_version(ask_long("HashDataset", request, "dataset", progress, "hash"))

    def status(self, *targets: PathLike) -> list[DatasetEntry]:
        """Compares what is recorded with what lies in workspace and cache; sorted by path.

        Targets are paths of data, `.dvc` files or stages; by default all.
        """
        from pipekit_experiment._generated import dataset_pb2 as pb
        from pipekit_experiment._src.datasets.calls import ask_once

        request = pb.DatasetStatusRequest(repo=self.repo, targets=_texts(targets))
        return [dataset_entry(entry) for entry in ask_once("DatasetStatus", request).entries]

    def push(
        self, *targets: PathLike, remote: str | None = None, progress: ProgressOption = None
    ) -> DatasetTransfer:
        """Brings what a remote lacks there: files first, listings of folders last, each verified.

        Targets may be hashes as well. Raises DatasetNotFoundError for data that neither cache nor remote has,
        CorruptDatasetError for a damaged object of the cache, which is not sent,
        DatasetRemoteUnavailableError.
        """
        from pipekit_experiment._generated import dataset_pb2 as pb
        from pipekit_experiment._src.datasets.calls import ask_long

        request = pb.PushDatasetsRequest(repo=self.repo, targets=_texts(targets), remote=remote or "")
        return dataset_transfer(ask_long("PushDatasets", request, "transfer", progress, "push"))

    def pull(
        self,
        *targets: PathLike,
        remote: str | None = None,
        force: bool = False,
        progress: ProgressOption = None,
    ) -> DatasetTransfer:
        """Brings what the cache lacks from a remote, verified, then checks out what is recorded.

        Raises as `checkout` does.
        """
        from pipekit_experiment._generated import dataset_pb2 as pb
        from pipekit_experiment._src.datasets.calls import ask_long

        request = pb.PullDatasetsRequest(
            repo=self.repo, targets=_texts(targets), remote=remote or "", force=force
        )
        return dataset_transfer(ask_long("PullDatasets", request, "transfer", progress, "pull"))

    def checkout(
        self,
        ref_or_hash: PathLike | None = None,
        *,
        path: PathLike | None = None,
        remote: str | None = None,
        force: bool = False,
        progress: ProgressOption = None,
    ) -> DatasetTransfer:
        """Makes the workspace hold what is recorded of a target, or of all; or `path` the data of a hash.

        What the cache lacks is fetched: from `remote`, else the default one, else all others. `force` gives
        up data that are saved nowhere. Raises DatasetNotFoundError, which names object and remotes,
        DatasetChangedError, CorruptDatasetError, DatasetRemoteUnavailableError.
        """
        from pipekit_experiment._generated import dataset_pb2 as pb
        from pipekit_experiment._src.datasets.calls import ask_long

        request = pb.CheckoutDatasetRequest(repo=self.repo, remote=remote or "", force=force)
        target = None if ref_or_hash is None else os.fspath(ref_or_hash)
        if path is not None:
            if target is None or _HASH.fullmatch(target) is None:
                raise InvalidArgumentError(
                    f"`ref_or_hash` is {target!r}, which is no hash, and a `path` is given.",
                    field="ref_or_hash",
                    mend="Give DVC's hash of the data that is to lie there, or leave `path` out.",
                )
            request.hash, request.path = target, os.fspath(path)
        elif target is not None:
            request.targets.append(target)
        return dataset_transfer(ask_long("CheckoutDataset", request, "transfer", progress, "checkout"))

    def record_hash_in(
        self, artifact: Artifact, path: PathLike, *, progress: ProgressOption = None
    ) -> DatasetVersion:
        """Sets `artifact.dataset_hash`, and `artifact.metadata["dataset"]` to where the data can be had.

        Raises DatasetChangedError when the data are not in DVC's keeping as they are: nobody could fetch them
        back by their hash. Then the artifact is left as it was.
        """
        from pipekit_experiment._src.datasets.remotes import shown_remotes

        version = self.hash(path, progress=progress)
        if not version.recorded_in and not self._records(path, version.hash):
            raise DatasetChangedError(
                f"{version.path} is not in DVC's keeping as it is: nothing records {version.hash}.",
                field="path",
                mend=f"Add it first: `add({os.fspath(path)!r})`, and `push()` for other hosts.",
            )
        told = {
            "dvc": version.hash,
            "sha256": version.sha256,
            "path": version.path,
            "repo": self.repo,
            "remotes": shown_remotes(self.repo),
        }
        artifact.dataset_hash = version.hash
        artifact.metadata["dataset"] = told
        return version

    def _records(self, path: PathLike, hash: str) -> bool:
        try:
            return any(entry.recorded.hash == hash for entry in self.status(path))
        except InvalidArgumentError:
            return False


def _texts(targets: tuple[PathLike, ...]) -> list[str]:
    return [os.fspath(target) for target in targets]
