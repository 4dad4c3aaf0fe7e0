"""The model registry: models by the hash of their content, and names that point to hashes."""

from pipekit_experiment._src.copy_report import CopiedModel, CopiedTag, CopyReport
from pipekit_experiment._src.gc_plan import GcEntry, GcPlan, GcSummary
from pipekit_experiment._src.model_diff import DiffEntry, ModelDiff, TensorDiff
from pipekit_experiment._src.progress_line import Progress
from pipekit_experiment._src.registry import DaemonRegistry, LocalModelRegistry
from pipekit_experiment._src.registry_base import RegistryInfo
from pipekit_experiment._src.registry_mlflow import MLflowModelRegistry
from pipekit_experiment._src.registry_open import open_registry
from pipekit_experiment._src.registry_s3 import S3ModelRegistry
from pipekit_experiment._src.registry_types import Finding, ModelInfo, Pin, TagMove
from pipekit_experiment._src.registry_watch import TagWatch

__all__ = [
    "CopiedModel",
    "CopiedTag",
    "CopyReport",
    "DaemonRegistry",
    "DiffEntry",
    "Finding",
    "GcEntry",
    "GcPlan",
    "GcSummary",
    "LocalModelRegistry",
    "MLflowModelRegistry",
    "ModelDiff",
    "ModelInfo",
    "Pin",
    "Progress",
    "RegistryInfo",
    "S3ModelRegistry",
    "TagMove",
    "TagWatch",
    "TensorDiff",
    "open_registry",
]
