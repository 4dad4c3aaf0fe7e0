"""Records of trainings and of inference pipelines: files by which both can be had again."""

from pipekit_experiment._src.artifacts.drift import DriftEntry, DriftReport
from pipekit_experiment._src.artifacts.inference import InferenceArtifact
from pipekit_experiment._src.artifacts.rerun import RerunOutcome
from pipekit_experiment._src.artifacts.training import TrainingArtifact

__all__ = ["DriftEntry", "DriftReport", "InferenceArtifact", "RerunOutcome", "TrainingArtifact"]
