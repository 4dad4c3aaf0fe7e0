"""Run, RunMetrics and RunArtifacts: plain records that any tracker can make and fill."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from pipekit_experiment._src.errors import NotAnOperatorError
from pipekit_experiment._src.extras import optional_module

if TYPE_CHECKING:
    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]

    from pipekit_experiment._src.protocols import ModelRegistry

RunStatus = Literal["running", "completed", "failed"]


def now() -> datetime:
    """Now, in UTC."""
    return datetime.now(timezone.utc)


@dataclass(eq=False)
class Run:
    """A single execution of a pipeline (training or inference).

    Attributes:
        run_id: Identifier given by the tracker; a ULID for runs of `start_run`.
        pipeline_hash: Content hash of the pipeline, derived by pipekit; may be empty.
        config: The parameters given at the start.
        metrics: Latest value of each metric.
        artifacts: Artifact name to URI.
        started_at: UTC.
        ended_at: UTC; None while running.
        status: `running`, `completed` or `failed`.
        name: Display name.
    """

    run_id: str
    pipeline_hash: str = ""
    config: dict[str, Any] = field(default_factory=dict[str, Any])
    metrics: dict[str, float] = field(default_factory=dict[str, float])
    artifacts: dict[str, str] = field(default_factory=dict[str, str])
    started_at: datetime = field(default_factory=now)
    ended_at: datetime | None = None
    status: RunStatus = "running"
    name: str = ""

    def to_dict(self) -> dict[str, Any]:
        """A snapshot with times as ISO 8601 text."""
        return {
            "run_id": self.run_id,
            "name": self.name,
            "pipeline_hash": self.pipeline_hash,
            "config": dict(self.config),
            "metrics": dict(self.metrics),
            "artifacts": dict(self.artifacts),
            "started_at": self.started_at.isoformat(),
            "ended_at": self.ended_at.isoformat() if self.ended_at else None,
            "status": self.status,
        }


class RunMetrics:
    """Series of metrics, in memory.

    Attributes:
        values: Metric name to its points `(step, value)`, in the order in which they were logged.
    """

    def __init__(self, values: dict[str, list[tuple[int, float]]] | None = None) -> None:
        self.values: dict[str, list[tuple[int, float]]] = {} if values is None else values

    def log(self, name: str, value: float, step: int) -> None:
        """Appends a point."""
        self.values.setdefault(name, []).append((int(step), float(value)))

    def latest(self) -> dict[str, float]:
        """The value logged last, for each metric."""
        return {name: points[-1][1] for name, points in self.values.items() if points}

    def to_dataframe(self) -> pd.DataFrame:
        """One row a point, in columns `name` (str), `step` (int64), `value` (float64); series by name.

        For one column a metric: `.pivot_table(index="step", columns="name", values="value")`.
        """
        pandas = optional_module("pandas", "dataframe", "RunMetrics.to_dataframe")
        frame = pandas.DataFrame(self._columns())
        return frame.astype({"name": "str", "step": "int64", "value": "float64"})

    def to_arrow(self) -> Any:
        """The rows of `to_dataframe` as a pyarrow.Table; needs pyarrow, and no pandas."""
        arrow = optional_module("pyarrow", "dataframe", "RunMetrics.to_arrow")
        types = {"name": arrow.string(), "step": arrow.int64(), "value": arrow.float64()}
        return arrow.table(self._columns(), schema=arrow.schema(types))

    def _columns(self) -> dict[str, list[Any]]:
        rows = [(name, step, value) for name in sorted(self.values) for step, value in self.values[name]]
        return {column: [row[at] for row in rows] for at, column in enumerate(("name", "step", "value"))}

    def clear(self) -> None:
        """Forgets all points."""
        self.values.clear()


class RunArtifacts:
    """Artifacts of a run by name.

    Attributes:
        items: Name to URI.
    """

    def __init__(self, registry: ModelRegistry | None = None) -> None:
        self.items: dict[str, str] = {}
        self._registry = registry

    def attach(self, name: str, source: Any) -> None:
        """Records `source` under `name`, over what was there.

        A str is taken as a URI as it is; a Path becomes a `file:` URI; an operator is stored in the registry
        (the one given to the constructor, else the default one) and becomes `registry://<hash>`.
        Raises NotAnOperatorError (a TypeError) for anything else.
        """
        if isinstance(source, str):
            self.items[name] = source
        elif isinstance(source, os.PathLike):
            path = cast("os.PathLike[str]", source)
            self.items[name] = Path(os.path.abspath(path)).as_uri()
        elif hasattr(source, "state") or hasattr(source, "get_config"):
            self.items[name] = f"registry://{self._model_registry().store(source)}"
        else:
            raise NotAnOperatorError(
                f"The artifact {name!r} is a {type(source).__name__}, not a str, a Path or an Operator.",
                field=name,
                mend="Save it to a file and attach the file's Path.",
            )

    def get(self, name: str) -> str | None:
        """The URI of an artifact; None when there is none of this name."""
        return self.items.get(name)

    def clear(self) -> None:
        """Forgets all artifacts; nothing is deleted."""
        self.items.clear()

    def _model_registry(self) -> ModelRegistry:
        if self._registry is None:
            from pipekit_experiment import LocalModelRegistry

            self._registry = LocalModelRegistry()
        return self._registry
