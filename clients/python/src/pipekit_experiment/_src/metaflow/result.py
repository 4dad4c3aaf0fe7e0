"""What a step gets from MetaflowStepAdapter."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from typing import Any

from pipekit_experiment._src.errors import InvalidArgumentError


class StepResult:
    """What a step has made. It may be kept in the flow (`self.result = result`): Metaflow then pickles it
    without the operator, which is loaded from the registry when it is asked for.

    Attributes:
        run_id: The run of ours; empty when none could be started.
        model_hash: Of the trained model in the registry; empty when nothing was trained.
        output: What a called operator returned; None for a training.
        pathspec: The Metaflow task, `flow/run/step/task`.
        registry: Where the model is. None in a copy of a result whose registry cannot be pickled.
    """

    def __init__(
        self,
        *,
        run_id: str,
        pathspec: str,
        operator: Any,
        model_hash: str = "",
        output: Any = None,
        registry: Any = None,
    ) -> None:
        self.run_id = run_id
        self.pathspec = pathspec
        self.model_hash = model_hash
        self.output = output
        self.registry = registry
        self._operator = operator

    @property
    def operator(self) -> Any:
        """The trained operator, or the one that was called. See `load`, which takes modules to trust."""
        return self.load()

    def load(self, *, trust: Iterable[str] = ()) -> Any:
        """The operator: in the process that made it that very one, elsewhere the model loaded by its hash.

        Raises what the registry's `load` does, and InvalidArgumentError when there is no model to load.
        """
        if self._operator is None:
            if not self.model_hash or self.registry is None:
                raise InvalidArgumentError(
                    f"The operator of {self.pathspec} was not kept with the result.",
                    field="operator",
                    mend="Load it by its hash: registry.load(result.model_hash)."
                    if self.model_hash
                    else "Make it anew: an operator that was called is not stored, only its output is.",
                )
            from pipekit_experiment._src.registry_open import load_from

            self._operator = load_from(self.registry, self.model_hash, trust)
        return self._operator

    def __getstate__(self) -> dict[str, Any]:
        state = {**self.__dict__, "_operator": None}
        try:
            pickle.dumps(self.registry)
        except Exception:
            state["registry"] = None
        return state

    def __repr__(self) -> str:
        return (
            f"StepResult(run_id={self.run_id!r}, model_hash={self.model_hash!r}, pathspec={self.pathspec!r})"
        )
