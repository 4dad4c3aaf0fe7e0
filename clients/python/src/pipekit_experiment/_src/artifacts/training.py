"""TrainingArtifact: all that it takes to train a model again, or to load it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipekit_experiment._src.artifacts.capture import captured_training, merged
from pipekit_experiment._src.artifacts.data import compared_data
from pipekit_experiment._src.artifacts.drift import DriftReport, environment_drift
from pipekit_experiment._src.artifacts.fields import TRAINING, body_of, fields_in, plain_object
from pipekit_experiment._src.artifacts.file import read_artifact, write_artifact
from pipekit_experiment._src.artifacts.places import require_known_place
from pipekit_experiment._src.artifacts.rerun import RerunOutcome, part_of, rerun
from pipekit_experiment._src.errors import InvalidArgumentError, RefNotFoundError
from pipekit_experiment._src.registry_open import load_from, registries_of
from pipekit_experiment._src.registry_trust import names_to_trust

FORMAT = "pipekit-training-artifact"


@dataclass
class TrainingArtifact:
    """A training as a record: its pipeline, data, model and environment. See docs/artifacts.md for the file.

    Attributes:
        training_pipeline_yaml: What the loop's `to_yaml()` gave.
        dataset_hash: The data set's `content_hash()`; empty when there was none.
        trained_model_hash: Of the model in the registry; empty when there was none.
        tracker_run_id: The run that logged it, or where it is in a tool, such as `mlflow://runs/abc123`.
        model_registry_uri: Spec of the registry, or the URI of the model in it,
            `s3://bucket/prefix/model-name`; empty for the registry in the daemon's state folder.
        backend_info: Backend, versions and hardware. `packages` holds versions by name; so does an entry such
            as `lightning_version`.
        deps_lock: Text of the lock file.
        metadata: Free JSON values. `capture` and `rerun` know `dataset`, `loop`, `model` and `seed`.

    `backend_info` and `metadata` are kept as JSON gives them back: tuples become lists."""

    training_pipeline_yaml: str
    dataset_hash: str
    trained_model_hash: str
    tracker_run_id: str | None
    model_registry_uri: str
    backend_info: dict[str, Any] = field(default_factory=dict[str, Any])
    deps_lock: str = ""
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        self.last_rerun: RerunOutcome | None = None
        """What came of the last `rerun` in this process. Not saved."""
        self.backend_info = plain_object(self.backend_info)
        self.metadata = plain_object(self.metadata)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the file, in one step, over what is there.

        Raises InvalidArgumentError and InvalidConfigError that name the field (wrong type, credentials in an
        address, no JSON) before anything is written; StorageFullError; OSError as open() does."""
        body = body_of(self, TRAINING)
        self.backend_info, self.metadata = body["backend_info"], body["metadata"]
        write_artifact(path, FORMAT, body)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TrainingArtifact:
        """Reads a file. Runs no code of it.

        Raises ArtifactUnreadableError (a FileNotFoundError), CorruptArtifactError when a byte of it has
        changed, FormatTooNewError."""
        return cls(**fields_in(read_artifact(path, FORMAT), TRAINING, os.fsdecode(path)))

    @classmethod
    def capture(
        cls,
        loop: Any,
        *,
        registry: Any = None,
        run: Any = None,
        model: Any = None,
        tracker_run_id: str | None = None,
        path: str | os.PathLike[str] = ".",
        metadata: Mapping[str, Any] | None = None,
    ) -> TrainingArtifact:
        """Records a training that has been run. What is absent (a lock file, git, GPUs, a data set) is
        recorded as absent.

        Args:
            loop: The training loop.
            registry: Where the model is, or is stored to: a registry or its spec; by default the one of the
                loop's Checkpoint, else the one in the daemon's state folder.
            run: The run that logged it, or its id; by default that of the loop's LogToExperiment.
            model: The trained operator, or a ref of it in the registry; by default what the loop's last `run`
                gave. An operator that is not in the registry is stored.
            tracker_run_id: By default the id of `run`. The run's ids in its tools are in `metadata`.
            path: Folder of the project: the lock file is looked for there and above, and git's state.
            metadata: Entries to add, such as the author.

        Raises RefNotFoundError, and what storing the model raises."""
        captured = captured_training(loop, registry, run, model, tracker_run_id, path)
        captured["metadata"] = merged(captured["metadata"], metadata)
        return cls(**captured)

    def drift(self, *, dataset: Any = None) -> DriftReport:
        """Compares Python, packages, lock, backend, GPUs and data with what is recorded. Without `dataset`
        the data that lie at the recorded path count."""
        data = compared_data(self.dataset_hash, dataset, part_of(self, "dataset"))
        return environment_drift(self.backend_info, self.deps_lock, data)

    def rerun(
        self,
        *,
        strict: bool = False,
        trust: Iterable[str] = (),
        dataset: Any = None,
        repo: str | os.PathLike[str] | None = None,
        registry: Any = None,
    ) -> Any:
        """Trains again from scratch, and gives the freshly trained operator.

        First the drift is told on stderr, if there is any; then data that are absent or changed are fetched
        back by their hash. At the end one line says whether the retrained model is the recorded one;
        `last_rerun` has the details.

        Args:
            strict: Refuses to run when anything has drifted.
            trust: Modules whose code may run, besides pipekit's own packages; and the specs of trackers and
                registries that the pipeline's callbacks may write to. Without them a rerun is kept by the
                journal alone and moves no tags.
            dataset: Data to train on, in place of those that the pipeline names.
            repo: A DVC repository that has the data; by default the one that the pipeline names. Data are
                put into the repository only.
            registry: Where the recorded model is described; by default the recorded registry.

        Raises EnvironmentDriftError before anything runs; UntrustedModuleError; DatasetNotFoundError when
        nobody has the data, DatasetChangedError when others lie there that are saved nowhere; and what the
        training raises."""
        operator, self.last_rerun = rerun(
            self, strict=strict, trust=trust, dataset=dataset, repo=repo, registry=registry
        )
        return operator

    def reload_model(self, registry: Any = None, *, trust: Iterable[str] = ()) -> Any:
        """Loads the recorded model, without training. The hash decides; a name in the URI is not looked at.

        `registry` is a registry or its spec; by default the recorded one, which must be in `trust` if it is a
        server that is sent credentials. Raises RefNotFoundError, UntrustedModuleError, CorruptModelError,
        InvalidRegistrySpecError, InvalidArgumentError."""
        if not self.trained_model_hash:
            raise InvalidArgumentError(
                "The artifact names no model.", field="trained_model_hash", mend="Train again: rerun()."
            )
        if registry is not None:
            return load_from(registry, self.trained_model_hash, trust)
        trust = names_to_trust(trust)
        require_known_place(self.model_registry_uri, trust)
        missing: RefNotFoundError | None = None
        for found in registries_of(self.model_registry_uri):
            try:
                return load_from(found, self.trained_model_hash, trust)
            except RefNotFoundError as error:
                missing = missing or error
        where = self.model_registry_uri or "the default registry"
        raise RefNotFoundError(
            f"The model {self.trained_model_hash} is not in {where}.",
            field=self.trained_model_hash,
            mend="Give the registry that has it, or train again: rerun().",
        ) from missing
