"""The model registry: models by the hash of their content, and names that point to hashes."""

from pipekit_experiment._src.registry import DaemonRegistry, LocalModelRegistry
from pipekit_experiment._src.registry_types import Finding, ModelInfo, TagMove
from pipekit_experiment._src.registry_watch import TagWatch

__all__ = ["DaemonRegistry", "Finding", "LocalModelRegistry", "ModelInfo", "TagMove", "TagWatch"]
