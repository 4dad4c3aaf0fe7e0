"""Data sets whose content has a hash: what a training was made with can be named, and had back."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

from pipekit_experiment._src.datasets.dvc_repo import require_inside
from pipekit_experiment._src.datasets.file_hash import file_hashes
from pipekit_experiment._src.datasets.file_npz import npz_hash, plain_arrays, save_npz
from pipekit_experiment._src.datasets.file_reading import FORMATS, call_reader, read_arrays
from pipekit_experiment._src.errors import (
    ArtifactUnreadableError,
    DatasetChangedError,
    DatasetNotFoundError,
    InvalidArgumentError,
)
from pipekit_experiment._src.factory_operator import checked_config, module_and_name
from pipekit_experiment._src.registry_trust import named_object, trusted_factory

__all__ = ["ArrayDataset", "Dataset", "FileDataset"]


@runtime_checkable
class Dataset(Protocol):
    """What TrainingLoop asks of a data set. No base class is needed.

    `state` is {"module", "class", "config"}, and the class has `from_state(state)`, which gives back the data
    set: never the data is in it, but how to come by them."""

    @property
    def state(self) -> Mapping[str, Any]:
        """{"module", "class", "config"}."""
        ...

    def content_hash(self) -> str:
        """DVC's hash of the data: an MD5 in lowercase hex, of a folder with `.dir` at its end."""
        ...

    def arrays(self) -> Mapping[str, Any]:
        """The data: arrays by name, the examples along their first axis. `x` is what goes into the model, and
        `y`, if there is one, what shall come out."""
        ...


class ArrayDataset:
    """Arrays in memory: `ArrayDataset(x=..., y=...)`.

    Its hash is that of the file that `save` writes. Its state holds the hash and not the data: what
    `from_state` makes of it knows its hash, and has no arrays."""

    def __init__(self, **arrays: Any) -> None:
        self._arrays: dict[str, Any] | None = plain_arrays(arrays)
        self._recorded = ""

    @property
    def state(self) -> dict[str, Any]:
        """{"module", "class", "config": {"hash"}}."""
        return {"module": __name__, "class": "ArrayDataset", "config": {"hash": self.content_hash()}}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> ArrayDataset:
        """A data set that only knows its hash."""
        made = cls()
        made._arrays = None
        made._recorded = checked_config(cls, state.get("config"), {"hash": str}, {})["hash"]
        return made

    def content_hash(self) -> str:
        """MD5 of the file that `save` writes."""
        return self._recorded if self._arrays is None else npz_hash(self._arrays, "md5")

    def content_sha256(self) -> str:
        """SHA-256 of that file. Raises DatasetNotFoundError."""
        return npz_hash(self.arrays(), "sha256")

    def arrays(self) -> dict[str, Any]:
        """The arrays. Raises DatasetNotFoundError when the data set came from a state."""
        if self._arrays is None:
            raise DatasetNotFoundError(
                f"The data set {self._recorded} was in memory only; here is no more than its hash.",
                field=self._recorded,
                mend="Set the loop's `dataset` to the data, or use a FileDataset.",
            )
        return self._arrays

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes an `.npz` file, the same bytes for equal arrays. FileDataset(path) has the same hash."""
        save_npz(self.arrays(), Path(path))


class FileDataset:
    """A file or folder of data.

    Args:
        path: Where it lies. A relative path is one of the process's working directory.
        format: `npz`, `csv` (with a header line, UTF-8), `parquet`, or `package.module:callable`, which is
            called with the path and gives arrays by name; for folders only that.
        repo: Folder of a DVC repository from which the data can be had by their hash.
        hash: DVC's hash of the data that are meant; by default whatever lies there. Other data are refused.
        target: Of a table: the column that is `y`; the others are `x`. By default each column is an array.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        format: str = "npz",
        repo: str | os.PathLike[str] | None = None,
        hash: str | None = None,
        target: str | None = None,
    ) -> None:
        self.path = os.fspath(path)
        self.format = format
        self.repo = None if repo is None else os.fspath(repo)
        self.hash = hash
        self.target = target
        self._reader_name = None if format in FORMATS else module_and_name(format, "format")
        self._trusted_reader: Callable[..., Any] | None = None
        self._from_file = False
        if target is not None and format not in ("csv", "parquet"):
            raise InvalidArgumentError(
                f"The format {format} has no columns.", field="target", mend="Leave `target` out."
            )

    @property
    def state(self) -> dict[str, Any]:
        """{"module", "class", "config"}: the constructor's arguments, with the hash of what is meant."""
        config = {"path": self.path, "format": self.format, "hash": self.hash or self.content_hash()}
        config.update({} if self.repo is None else {"repo": self.repo})
        config.update({} if self.target is None else {"target": self.target})
        return {"module": __name__, "class": "FileDataset", "config": config}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> FileDataset:
        """Makes the data set; raises UntrustedModuleError unless the module of its reader is trusted."""
        optional = {"repo": str, "target": str}
        needed = {"path": str, "format": str, "hash": str}
        made = cls(**checked_config(cls, state.get("config"), needed, optional))
        made._from_file = True
        if made._reader_name is not None:
            made._trusted_reader = trusted_factory(*made._reader_name)
        return made

    def content_hash(self) -> str:
        """DVC's hash of what lies at the path now. Raises ArtifactUnreadableError when nothing does."""
        return file_hashes(Path(self.path), self.repo)[0]

    def content_sha256(self) -> str:
        """Its SHA-256; of a folder, that of its listing. Raises ArtifactUnreadableError."""
        return file_hashes(Path(self.path), self.repo)[1]

    def arrays(self) -> dict[str, Any]:
        """The data; what is gone is fetched by its hash from the repository, if one was given.

        Raises DatasetNotFoundError, DatasetChangedError when other data lie there than are meant,
        InvalidArgumentError for what is not of the format."""
        if not os.path.exists(self.path):
            if self.hash is None or self.repo is None:
                raise ArtifactUnreadableError(
                    f"There is no file or folder {self.path}.",
                    field="path",
                    mend="Check the path, or give `repo` and `hash`, by which it can be fetched.",
                )
            self.fetch()
        if self.hash is not None and self.content_hash() != self.hash:
            raise DatasetChangedError(
                f"{self.path} holds the data {self.content_hash()}, not {self.hash}.",
                field="path",
                mend="Give another `hash`, or get the data back: `fetch(force=True)`.",
            )
        if self._reader_name is None:
            return read_arrays(Path(self.path), self.format, self.target)
        reader = self._trusted_reader or named_object(*self._reader_name)
        return call_reader(reader, self.format, Path(self.path))

    def fetch(self, *, force: bool = False) -> None:
        """Puts the data of `hash` at the path, out of the DVC repository's cache or remotes.

        Raises DatasetNotFoundError, DatasetChangedError when data that are saved nowhere would be lost and
        `force` is false, InvalidArgumentError without `repo` or `hash`."""
        for field, value in (("repo", self.repo), ("hash", self.hash)):
            if value is None:
                raise InvalidArgumentError(
                    f"The data set has no `{field}`.", field=field, mend="Give `repo` and `hash`."
                )
        if self._from_file:
            # Whoever wrote the file must not say what is written where.
            require_inside(self.path, cast("str", self.repo))
        from pipekit_experiment.adapters import dvc

        versioning = dvc.DVCDatasetVersioning(cast("str", self.repo))
        versioning.checkout(self.hash, path=os.path.abspath(self.path), force=force)
