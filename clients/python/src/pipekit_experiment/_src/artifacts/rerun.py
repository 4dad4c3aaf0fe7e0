"""Training again from an artifact."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from pipekit_experiment._src.artifacts.capture import about_model
from pipekit_experiment._src.artifacts.data import (
    bring_back,
    compared_data,
    move_to_clone,
    require_fetchable,
)
from pipekit_experiment._src.artifacts.drift import DriftReport, environment_drift
from pipekit_experiment._src.artifacts.loop import loop_again, restore_seed
from pipekit_experiment._src.artifacts.models import registry_given
from pipekit_experiment._src.artifacts.places import hold_back, require_known_place
from pipekit_experiment._src.errors import PipekitError
from pipekit_experiment._src.registry_hash import hash_model
from pipekit_experiment._src.registry_trust import names_to_trust, trusting

if TYPE_CHECKING:
    from pipekit_experiment._src.artifacts.training import TrainingArtifact


@dataclass(frozen=True)
class RerunOutcome:
    """What came of a rerun."""

    drift: DriftReport
    """In what the environment and the data differed."""
    model_hash: str | None
    """Of the retrained model; None when the daemon could not be asked."""
    same_model: bool | None
    """Whether it is the recorded one; None when that could not be told."""
    differs: tuple[str, ...]
    """Parts of the identity that are not the recorded ones: `operator`, `weights`, `training_config`,
    `dataset`."""
    duration_s: float
    """Of the training, seconds."""


def rerun(
    artifact: TrainingArtifact,
    *,
    strict: bool,
    trust: Iterable[str],
    dataset: Any,
    repo: str | os.PathLike[str] | None,
    registry: Any,
) -> tuple[Any, RerunOutcome]:
    """The freshly trained operator, and what came of it."""
    names = names_to_trust(trust)
    with trusting(names):
        loop = loop_again(artifact.training_pipeline_yaml, part_of(artifact, "loop"))
        if dataset is not None:
            loop.dataset = dataset
        if repo is not None:
            # The repository may lie elsewhere than when the training was recorded.
            for named in _named_data(loop, dataset):
                move_to_clone(named, repo)
        report = _drift(artifact, loop, strict=strict, given=dataset is not None)
        _have_data(artifact, loop, report, repo, given=dataset is not None)
        for named in _named_data(loop, dataset):
            require_fetchable(named)
        held_back = hold_back(loop, names)
        if held_back:
            _tell(
                f"rerun: nothing is written to {', '.join(held_back)}; the journal alone keeps the run. "
                "To write there, add these names to `trust`."
            )
        restore_seed(artifact.metadata.get("seed"))
        start = time.monotonic()
        trained: Any = loop.run()
        duration_s = time.monotonic() - start
    # The loop of pipekit_train gives the operator and an artifact of its own.
    operator: Any = trained
    if isinstance(trained, tuple):
        operator = cast("tuple[Any, ...]", trained)[0]
    outcome = _compared(artifact, operator, registry, report, duration_s, names)
    _tell(_line(artifact, outcome))
    return operator, outcome


def _named_data(loop: Any, given: Any) -> list[Any]:
    """The data sets that the pipeline names; not the one that the caller gave."""
    named = (getattr(loop, "dataset", None), getattr(loop, "eval_dataset", None))
    return [dataset for dataset in named if dataset is not None and dataset is not given]


def _drift(artifact: TrainingArtifact, loop: Any, *, strict: bool, given: bool) -> DriftReport:
    data = compared_data(artifact.dataset_hash, getattr(loop, "dataset", None), part_of(artifact, "dataset"))
    report = environment_drift(artifact.backend_info, artifact.deps_lock, data)
    if report.drifted:
        _tell(str(report))
    if strict:
        # Data that are brought back are the recorded ones; data that the caller gives are not.
        entries = (entry for entry in report.entries if given or entry is not data)
        DriftReport(tuple(entries)).refuse()
    return report


def _have_data(
    artifact: TrainingArtifact,
    loop: Any,
    report: DriftReport,
    repo: str | os.PathLike[str] | None,
    *,
    given: bool,
) -> None:
    if given or not any(entry.what == "data set" for entry in report.changed):
        return
    bring_back(artifact.dataset_hash, loop.dataset, part_of(artifact, "dataset"), repo)


def _compared(
    artifact: TrainingArtifact,
    operator: Any,
    registry: Any,
    report: DriftReport,
    duration_s: float,
    trust: Sequence[str],
) -> RerunOutcome:
    """Never raises for a daemon that is away: hours of training may have been spent."""
    try:
        recorded = _recorded(artifact, registry, trust)
        config, told = recorded.get("training_config"), recorded.get("dataset_hash")
        dataset_hash = told if isinstance(told, str) else ""
        # The hash is the same in every registry, and the one in the state folder is always there.
        made = hash_model("", operator, None, config, dataset_hash)
    except PipekitError as error:
        _tell(f"rerun: the hash of the model cannot be told: {error}")
        return RerunOutcome(report, None, None, (), duration_s)
    same = made.hash == artifact.trained_model_hash if artifact.trained_model_hash else None
    differs = () if same else _differences(recorded.get("manifest"), made.manifest)
    return RerunOutcome(report, made.hash, same, differs, duration_s)


def _recorded(artifact: TrainingArtifact, registry: Any, trust: Sequence[str]) -> Mapping[str, Any]:
    """What made the recorded model's identity: from the artifact, else from the registry."""
    about = part_of(artifact, "model")
    if "manifest" in about or not artifact.trained_model_hash:
        return about
    try:
        if registry is None:
            require_known_place(artifact.model_registry_uri, trust)
        opened = registry_given(artifact.model_registry_uri if registry is None else registry)
        info = opened.stat(artifact.trained_model_hash)
    except PipekitError:
        return {}
    return about_model(info)


def _differences(recorded: Any, made: str) -> tuple[str, ...]:
    if not isinstance(recorded, str):
        return ()
    try:
        before: Any = json.loads(recorded)
    except ValueError:
        before = None
    if not isinstance(before, dict):
        return ()
    parts, after = cast("dict[str, Any]", before), json.loads(made)
    return tuple(name for name in after if parts.get(name) != after[name])


def _line(artifact: TrainingArtifact, outcome: RerunOutcome) -> str:
    took = f"({outcome.duration_s:.1f} s)"
    if outcome.same_model:
        return f"rerun: the retrained model is the recorded one, {outcome.model_hash} {took}"
    if outcome.same_model is None:
        return f"rerun: trained; there is no recorded model to compare with {took}"
    differs = f"; what differs: {', '.join(outcome.differs)}" if outcome.differs else ""
    return (
        f"rerun: the retrained model is another one: {outcome.model_hash}, "
        f"recorded {artifact.trained_model_hash}{differs} {took}"
    )


def part_of(artifact: TrainingArtifact, name: str) -> Mapping[str, Any]:
    """The object under this name in the artifact's metadata; an empty one for anything else."""
    part: Any = artifact.metadata.get(name)
    return cast("Mapping[str, Any]", part) if isinstance(part, dict) else {}


def _tell(text: str) -> None:
    print(text, file=sys.stderr)
