"""InferenceArtifact: a pipeline whose models are pinned by their hashes."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipekit_experiment._src.artifacts.capture import captured_surroundings, merged
from pipekit_experiment._src.artifacts.drift import DriftReport, environment_drift
from pipekit_experiment._src.artifacts.fields import INFERENCE, body_of, fields_in, plain_object
from pipekit_experiment._src.artifacts.file import read_artifact, write_artifact
from pipekit_experiment._src.artifacts.models import registry_given
from pipekit_experiment._src.artifacts.pins import missing_model, pinned_models, with_models, with_references
from pipekit_experiment._src.artifacts.places import require_known_place
from pipekit_experiment._src.errors import RefNotFoundError
from pipekit_experiment._src.operators.yaml import state_in_yaml
from pipekit_experiment._src.registry import DaemonRegistry
from pipekit_experiment._src.registry_open import load_from, open_registry
from pipekit_experiment._src.registry_operator import rebuild
from pipekit_experiment._src.registry_trust import names_to_trust, trusting

if TYPE_CHECKING:
    from typing_extensions import Self

FORMAT = "pipekit-inference-artifact"


@dataclass
class _PinnedPipeline:
    pipeline_yaml: str
    pinned_model_hashes: dict[str, str] = field(default_factory=dict[str, str])
    model_registry_uri: str = ""
    backend_info: dict[str, Any] = field(default_factory=dict[str, Any])
    deps_lock: str = ""
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])

    # An Artifact of pipekit's may be frozen; this class is not.
    __setattr__ = object.__setattr__
    __delattr__ = object.__delattr__

    def __post_init__(self) -> None:
        for name in ("pinned_model_hashes", "backend_info", "metadata"):
            setattr(self, name, plain_object(getattr(self, name)))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the file, in one step, over what is there. See TrainingArtifact.save."""
        body = body_of(self, INFERENCE)
        for name in ("pinned_model_hashes", "backend_info", "metadata"):
            setattr(self, name, body[name])
        write_artifact(path, FORMAT, body)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Reads a file. Runs no code of it. See TrainingArtifact.load."""
        return cls(**fields_in(read_artifact(path, FORMAT), INFERENCE, os.fsdecode(path)))

    @classmethod
    def capture(
        cls,
        op: Any,
        *,
        registry: Any = None,
        path: str | os.PathLike[str] = ".",
        metadata: Mapping[str, Any] | None = None,
    ) -> Self:
        """Records a pipeline, with the hash of each model in it.

        Models are found by walking the operators (pipekit_experiment.operators.walk): references, whose names
        are resolved now and never again; operators with a `model_hash` or `model_ref`; operators that were
        loaded from a registry or stored in one by this process; and all others that have weights, which are
        stored in `registry`.

        Args:
            op: The pipeline. registry: That has the models, or its spec; by default the one in the daemon's
            state folder. path: Folder of the project, as for TrainingArtifact.capture. metadata: Entries to
            add.

        Raises RefNotFoundError that names the operator's path and the hash of a model that is not in the
        registry, InvalidArgumentError for an operator that was changed since it was loaded."""
        from pipekit_experiment.operators import to_yaml

        opened = registry_given(registry)
        text = to_yaml(op)
        pins = pinned_models(op, opened)
        captured = captured_surroundings(path, None)
        captured["metadata"] = merged(captured["metadata"], metadata)
        return cls(pipeline_yaml=text, pinned_model_hashes=pins, model_registry_uri=opened.spec, **captured)

    def drift(self) -> DriftReport:
        """Compares Python, packages, lock and GPUs with what is recorded."""
        return environment_drift(self.backend_info, self.deps_lock)

    def reload_models(self, registry: Any = None, *, trust: Iterable[str] = ()) -> dict[str, Any]:
        """The pinned models by operator path. A moved tag changes nothing.

        `registry` is a registry or its spec; by default the recorded one, which must be in `trust` if it is a
        server that is sent credentials. Raises RefNotFoundError that names the path and the hash of a model
        that is missing, UntrustedModuleError, CorruptModelError, InvalidArgumentError."""
        names = names_to_trust(trust)
        if registry is None:
            require_known_place(self.model_registry_uri, names)
        opened = open_registry(self.model_registry_uri) if registry is None else registry
        models: dict[str, Any] = {}
        for path, hash in self.pinned_model_hashes.items():
            try:
                models[path] = load_from(opened, hash, names)
            except RefNotFoundError as error:
                raise missing_model(path, hash, str(getattr(opened, "spec", opened))) from error
        return models

    def rebuild(self, registry: Any = None, *, trust: Iterable[str] = ()) -> Any:
        """The pipeline with the pinned models in place. Raises what `reload_models` and
        pipekit_experiment.operators.from_yaml raise."""
        names = names_to_trust(trust)
        state = state_in_yaml(self.pipeline_yaml)
        models = self.reload_models(registry, trust=names)
        spec = registry if isinstance(registry, str) else getattr(registry, "spec", self.model_registry_uri)
        references = with_references(state, self.pinned_model_hashes, spec)
        # The registry was given by the caller, or looked at by reload_models.
        known = (spec,) if registry is None or isinstance(registry, (str, DaemonRegistry)) else ()
        with trusting((*names, *known)):
            return with_models(rebuild(references, None), models, state)


def _repro_artifact() -> Any:
    """pipekit's own artifact class; `object` where there is no pipekit that has one."""
    try:
        return importlib.import_module("pipekit.repro").Artifact
    except (ImportError, AttributeError):
        return object


if TYPE_CHECKING:
    _Base = object
else:
    _Base = _repro_artifact()


class InferenceArtifact(_PinnedPipeline, _Base):
    """A pipeline as a record, whose models are pinned. See docs/artifacts.md for the file.

    With pipekit installed it is a `pipekit.repro.Artifact`.

    Attributes:
        pipeline_yaml: The pipeline's state as YAML.
        pinned_model_hashes: The hash of each model, by the operator's path: `steps/0`, `nodes/encoder`; ''
            is the pipeline itself.
        model_registry_uri: Spec of the registry; empty for the one in the daemon's state folder.
        backend_info: Versions and hardware, as in TrainingArtifact.
        deps_lock: Text of the lock file.
        metadata: Free JSON values."""
