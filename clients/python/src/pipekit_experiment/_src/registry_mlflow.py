"""The registry of an MLflow server."""

from __future__ import annotations

import os
from collections.abc import Iterable

from pipekit_experiment._src.errors import InvalidRegistrySpecError, InvalidTrackerSpecError
from pipekit_experiment._src.registry import DaemonRegistry
from pipekit_experiment.adapters.mlflow import mlflow_spec


class MLflowModelRegistry(DaemonRegistry):
    """One registered model of an MLflow server: models are its versions, tags its aliases, so that MLflow's
    own `models:/pipekit-models@production` works.

    Args:
        name: Of the registered model; it is made when there is none.
        tracking_uri: The server's address, such as `http://mlflow.local:5000`; by default
            `$MLFLOW_TRACKING_URI`.
        poll_ms: How often the daemon looks at a watched tag; by default 1000.
        trust: Modules whose code load() may run, besides pipekit's own packages.

    MLflow has no conditional writes: moves of tags are in one order among the calls of one daemon, and two
    daemons that move one tag in the same moment may lose one of the moves.

    Credentials are no arguments: the daemon takes them from the environment that it was started with
    (MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN) and from
    `~/.mlflow/credentials`. Raises InvalidRegistrySpecError.
    """

    def __init__(
        self,
        name: str = "pipekit-models",
        tracking_uri: str | None = None,
        *,
        poll_ms: int | None = None,
        trust: Iterable[str] = (),
    ) -> None:
        if not name:
            raise InvalidRegistrySpecError(
                "The registered model has no name.", field="name", mend="Name the registered model."
            )
        self.name = name
        self.tracking_uri = (
            tracking_uri if tracking_uri is not None else os.environ.get("MLFLOW_TRACKING_URI", "")
        )
        try:
            spec = mlflow_spec(self.tracking_uri, name)
        except InvalidTrackerSpecError as error:
            raise InvalidRegistrySpecError(error.message, field=error.field, mend=error.mend) from error
        if poll_ms is not None:
            spec += f"{'&' if '?' in spec else '?'}poll_ms={poll_ms}"
        super().__init__(spec, trust=trust)
