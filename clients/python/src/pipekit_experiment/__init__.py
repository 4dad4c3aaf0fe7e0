"""Experiment tracking and a model registry for pipekit, by way of a local daemon.

Names are imported when they are first used (PEP 562): `import pipekit_experiment` loads neither grpc nor
numpy nor torch, so that a training script pays for nothing before it logs.
"""

__version__ = "0.1.0"

# As typing.TYPE_CHECKING for type checkers, without the milliseconds that importing typing takes.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from pipekit_experiment import adapters as adapters
    from pipekit_experiment import artifacts as artifacts
    from pipekit_experiment import datasets as datasets
    from pipekit_experiment import errors as errors
    from pipekit_experiment import operators as operators
    from pipekit_experiment import registry as registry
    from pipekit_experiment import training as training
    from pipekit_experiment._src.active_run import ActiveRun as ActiveRun
    from pipekit_experiment._src.artifacts.inference import InferenceArtifact as InferenceArtifact
    from pipekit_experiment._src.artifacts.training import TrainingArtifact as TrainingArtifact
    from pipekit_experiment._src.connection import Connection as Connection
    from pipekit_experiment._src.connection import connect as connect
    from pipekit_experiment._src.errors import PipekitError as PipekitError
    from pipekit_experiment._src.importing import ImportReport as ImportReport
    from pipekit_experiment._src.importing import import_runs as import_runs
    from pipekit_experiment._src.joined_run import join_run as join_run
    from pipekit_experiment._src.protocols import ExperimentTracker as ExperimentTracker
    from pipekit_experiment._src.protocols import ModelRegistry as ModelRegistry
    from pipekit_experiment._src.registry import LocalModelRegistry as LocalModelRegistry
    from pipekit_experiment._src.registry_mlflow import MLflowModelRegistry as MLflowModelRegistry
    from pipekit_experiment._src.registry_s3 import S3ModelRegistry as S3ModelRegistry
    from pipekit_experiment._src.run import Run as Run
    from pipekit_experiment._src.run import RunArtifacts as RunArtifacts
    from pipekit_experiment._src.run import RunMetrics as RunMetrics
    from pipekit_experiment._src.sink_status import SinkStatus as SinkStatus
    from pipekit_experiment._src.tracking import Tracker as Tracker
    from pipekit_experiment._src.tracking import replay_spool as replay_spool
    from pipekit_experiment._src.tracking import start_run as start_run
    from pipekit_experiment.callbacks import LogToExperiment as LogToExperiment

_MODULE_OF = {
    "ActiveRun": "_src.active_run",
    "Connection": "_src.connection",
    "ExperimentTracker": "_src.protocols",
    "ImportReport": "_src.importing",
    "InferenceArtifact": "_src.artifacts.inference",
    "LocalModelRegistry": "_src.registry",
    "LogToExperiment": "callbacks",
    "MLflowModelRegistry": "_src.registry_mlflow",
    "ModelRegistry": "_src.protocols",
    "PipekitError": "_src.errors",
    "Run": "_src.run",
    "RunArtifacts": "_src.run",
    "RunMetrics": "_src.run",
    "S3ModelRegistry": "_src.registry_s3",
    "SinkStatus": "_src.sink_status",
    "Tracker": "_src.tracking",
    "TrainingArtifact": "_src.artifacts.training",
    "connect": "_src.connection",
    "import_runs": "_src.importing",
    "join_run": "_src.joined_run",
    "replay_spool": "_src.tracking",
    "start_run": "_src.tracking",
}
_SUBMODULES = ("adapters", "artifacts", "datasets", "errors", "operators", "registry", "training")

__all__ = [
    "ActiveRun",
    "Connection",
    "ExperimentTracker",
    "ImportReport",
    "InferenceArtifact",
    "LocalModelRegistry",
    "LogToExperiment",
    "MLflowModelRegistry",
    "ModelRegistry",
    "PipekitError",
    "Run",
    "RunArtifacts",
    "RunMetrics",
    "S3ModelRegistry",
    "SinkStatus",
    "Tracker",
    "TrainingArtifact",
    "__version__",
    "adapters",
    "artifacts",
    "connect",
    "datasets",
    "errors",
    "import_runs",
    "join_run",
    "operators",
    "registry",
    "replay_spool",
    "start_run",
    "training",
]


def __getattr__(name: str) -> object:
    import importlib

    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
