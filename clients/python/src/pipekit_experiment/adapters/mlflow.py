"""MLflow, by way of the daemon: this module does not import mlflow."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pipekit_experiment._src.errors import InvalidTrackerSpecError
from pipekit_experiment._src.server_address import parse_server_address
from pipekit_experiment._src.tracking import Tracker

if TYPE_CHECKING:
    from pipekit_experiment._src.registry_mlflow import MLflowModelRegistry as MLflowModelRegistry

__all__ = ["MLflowModelRegistry", "MLflowTracker"]


def __getattr__(name: str) -> Any:
    # The registry imports grpc, which a training script that only logs waits for in a thread.
    if name == "MLflowModelRegistry":
        from pipekit_experiment._src.registry_mlflow import MLflowModelRegistry

        return MLflowModelRegistry
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class MLflowTracker(Tracker):
    """Runs in one experiment of one MLflow tracking server. Satisfies ExperimentTracker.

    Args:
        tracking_uri: The server's address, such as `http://mlflow.local:5000` or `https://host/base`; by
        default
            `$MLFLOW_TRACKING_URI`.
        experiment_name: The experiment; it is created when there is none of this name.

    Credentials do not belong in the address: the daemon takes them from its environment
    (MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN) and from
    `~/.mlflow/credentials`.
    Raises InvalidTrackerSpecError.
    """

    def __init__(self, tracking_uri: str | None = None, experiment_name: str = "Default") -> None:
        uri = tracking_uri if tracking_uri is not None else os.environ.get("MLFLOW_TRACKING_URI", "")
        self.tracking_uri = uri
        self.experiment_name = experiment_name
        super().__init__(mlflow_spec(uri, experiment_name))

    def __repr__(self) -> str:
        return f"MLflowTracker(tracking_uri={self.tracking_uri!r}, experiment_name={self.experiment_name!r})"


def mlflow_spec(tracking_uri: str, experiment_name: str) -> str:
    """The tracker spec `mlflow+http://host:port/EXPERIMENT[?base=/path]`. Raises InvalidTrackerSpecError."""
    scheme, server, path = parse_server_address(
        tracking_uri,
        "MLflow tracking URI",
        field="tracking_uri",
        mend="Pass the address of a tracking server, such as http://127.0.0.1:5000.",
        credentials_mend="Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD where the daemon runs.",
    )
    if not experiment_name:
        raise InvalidTrackerSpecError(
            "The MLflow experiment has no name.", field="experiment_name", mend="Name the experiment."
        )
    spec = f"mlflow+{scheme}://{server}/{quote(experiment_name, safe='')}"
    base = path.strip("/")
    return f"{spec}?base={quote('/' + base, safe='')}" if base else spec
