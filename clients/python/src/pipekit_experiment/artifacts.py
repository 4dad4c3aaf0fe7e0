"""Records of trainings and of inference pipelines: files by which both can be had again."""

from pipekit_experiment._src.artifact_inference import InferenceArtifact
from pipekit_experiment._src.artifact_rerun import RerunOutcome
from pipekit_experiment._src.artifact_training import TrainingArtifact
from pipekit_experiment._src.drift import DriftEntry, DriftReport

__all__ = ["DriftEntry", "DriftReport", "InferenceArtifact", "RerunOutcome", "TrainingArtifact"]
