"""Operators that feed each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from pipekit_experiment._src.errors import InvalidArgumentError
from pipekit_experiment._src.factory_operator import checked_config
from pipekit_experiment._src.operators.composite import Composite, checked_operator, rebuilt
from pipekit_experiment._src.operators.graph_order import check_edges, check_names, check_source, order
from pipekit_experiment._src.registry_operator import state_of


class Graph(Composite):
    """A graph without cycles whose nodes are operators.

    Args:
        nodes: The operators by name.
        edges: For a node, the names of the nodes or inputs whose values it is called with, in this order. A
            node that is not in it is called without arguments.
        inputs: Names of the arguments that the graph is called with, by position or by name.
        outputs: Name of the node or input whose value the graph gives; several give a tuple.

    A call computes what the outputs need, each node once. Raises InvalidArgumentError that names the cycle,
    or the edge to what is not there; NotAnOperatorError that names the node."""

    __module__ = "pipekit_experiment.operators"

    def __init__(
        self,
        nodes: Mapping[str, Any],
        edges: Mapping[str, Sequence[str]] | None = None,
        *,
        inputs: Sequence[str] = ("input",),
        outputs: str | Sequence[str],
    ) -> None:
        self.nodes = {name: checked_operator(node, f"nodes/{name}") for name, node in nodes.items()}
        self.edges = {name: _names(sources, f"edges.{name}") for name, sources in (edges or {}).items()}
        self.inputs = _names(inputs, "inputs")
        self.outputs = outputs if isinstance(outputs, str) else _names(outputs, "outputs")
        check_names(self.nodes, self.inputs)
        check_edges(self.nodes, self.inputs, self.edges)
        for name in self._wanted:
            check_source(name, "outputs", self.nodes, self.inputs)

    @property
    def _wanted(self) -> tuple[str, ...]:
        return (self.outputs,) if isinstance(self.outputs, str) else self.outputs

    def get_config(self) -> dict[str, Any]:
        """{"nodes", "edges", "inputs", "outputs"}; the operators by their states."""
        return {
            "nodes": {name: dict(state_of(node)) for name, node in self.nodes.items()},
            "edges": {name: list(sources) for name, sources in self.edges.items()},
            "inputs": list(self.inputs),
            "outputs": self.outputs if isinstance(self.outputs, str) else list(self.outputs),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Graph:
        """Makes the operators, then the graph. Raises UntrustedModuleError, NotAnOperatorError."""
        needed = {"nodes": Mapping, "edges": Mapping, "inputs": list, "outputs": (str, list)}
        config = checked_config(cls, state.get("config"), cast("Mapping[str, type]", needed), {})
        nodes = {name: rebuilt(node, f"nodes/{name}") for name, node in config.pop("nodes").items()}
        return cls(nodes, **config)

    def nested_operators(self) -> dict[str, Any]:
        """The nodes as `nodes/<name>`, sorted by name."""
        return {f"nodes/{name}": self.nodes[name] for name in sorted(self.nodes)}

    def _place(self, operators: Mapping[str, Any]) -> None:
        self.nodes = {name: operators[f"nodes/{name}"] for name in self.nodes}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The value of the output; a tuple when `outputs` is a list."""
        values = self._bound(args, kwargs)
        edges = {name: self.edges.get(name, ()) for name in self.nodes}
        for name in order(self._wanted, edges):
            if name not in values:
                values[name] = self.nodes[name](*(values[source] for source in edges[name]))
        results = tuple(values[name] for name in self._wanted)
        return results[0] if isinstance(self.outputs, str) else results

    def _bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        values = dict(zip(self.inputs, args, strict=False))
        if len(args) > len(self.inputs) or values.keys() & kwargs or {*values, *kwargs} != set(self.inputs):
            raise InvalidArgumentError(
                f"The graph was called with {len(args)} arguments and the names "
                f"{', '.join(kwargs) or 'none'}.",
                field="inputs",
                mend=f"Give each of its inputs once: {', '.join(self.inputs) or 'none'}.",
            )
        return {**values, **kwargs}


def _names(given: object, field: str) -> tuple[str, ...]:
    names: tuple[object, ...] = () if isinstance(given, str) else tuple(cast("Sequence[object]", given))
    if isinstance(given, str) or not all(isinstance(name, str) for name in names):
        raise InvalidArgumentError(
            f"`{field}` is {given!r}, no list of names.", field=field, mend="Give a list of str."
        )
    return cast("tuple[str, ...]", names)
