"""Loading a model runs code only from modules that the caller trusts by name.

registry.load() puts the trusted names in a context variable before it calls an operator's `from_state` and
`with_weights`; whoever imports by a name found in a state (TorchModelOp does) imports through
`trusted_object`."""

from __future__ import annotations

import importlib
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

from pipekit_experiment._src.errors import NotAnOperatorError, UntrustedModuleError

ALWAYS_TRUSTED = ("pipekit_experiment", "pipekit", "pipekit_array", "pipekit_jax", "pipekit_train")

_OWN = __name__.partition(".")[0]

_trusted: ContextVar[tuple[str, ...]] = ContextVar("pipekit_experiment_trusted", default=ALWAYS_TRUSTED)


def names_to_trust(trust: Iterable[str]) -> tuple[str, ...]:
    """Checks and keeps a `trust` argument. A name stands for the module and all below it."""
    if isinstance(trust, str):
        raise TypeError("trust is a str; give a list of module names, such as trust=['my_module'].")
    return tuple(trust)


@contextmanager
def trusting(names: Iterable[str]) -> Generator[None]:
    """Within the block, trusts these modules and those that are always trusted, and no others."""
    token = _trusted.set((*ALWAYS_TRUSTED, *names))
    try:
        yield
    finally:
        _trusted.reset(token)


def trusted_names() -> tuple[str, ...]:
    """What is trusted now; for code that imports later."""
    return _trusted.get()


def require_trusted(module: str) -> None:
    """Raises UntrustedModuleError unless `module` or a parent of it is trusted."""
    if any(module == name or module.startswith(f"{name}.") for name in _trusted.get()):
        return
    top = module.partition(".")[0]
    raise UntrustedModuleError(
        f"Loading this model would run code of the module {module}, which is not trusted.",
        field=module,
        mend=f'If you know that code, pass trust=["{top}"].',
    )


def require_trusted_state(state: Mapping[str, Any]) -> None:
    """Raises UntrustedModuleError unless the modules of a state and of all nested in it are trusted."""
    pending: list[Any] = [state]
    while pending:
        value = pending.pop()
        if isinstance(value, Mapping):
            entries = cast("Mapping[str, Any]", value)
            module = entries.get("module")
            if isinstance(module, str) and isinstance(entries.get("class"), str):
                require_trusted(module)
            pending.extend(entries.values())
        elif isinstance(value, Sequence) and not isinstance(value, str):
            pending.extend(cast("Sequence[Any]", value))


def trusted_object(module: str, name: str) -> Any:
    """What `module` calls `name` (dots lead inwards), imported only if it is trusted.

    Where it was defined must be trusted too: a trusted module may have imported anything.
    """
    require_trusted(module)
    found = named_object(module, name)
    require_trusted(found.__module__)
    return found


def trusted_factory(module: str, name: str) -> Any:
    """As `trusted_object`, for a callable that is called with arguments out of a stored state.

    This package is trusted for its operators, which check what they are given; a function of it, called with
    another's arguments, could import or start anything."""
    found = trusted_object(module, name)
    for where in (module, found.__module__):
        if where.partition(".")[0] == _OWN:
            raise UntrustedModuleError(
                f"Loading this model would call {name} of {where} with arguments that came with the model.",
                field=where,
                mend="A factory is a callable of your own modules.",
            )
    return found


def named_object(module: str, name: str) -> Any:
    """The class or function that `module` calls `name`. For names that the caller's own code gave."""
    full_name = f"{module}.{name}"
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        # Another name is that of a module which this one needs: its own error says which.
        if not error.name or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise NotAnOperatorError(
            f"The module {module} is not installed.",
            field=module,
            mend="Install the package that has it, or put its folder on the path.",
        ) from error
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            raise NotAnOperatorError(
                f"The module {module} has no {name}.",
                field=full_name,
                mend="Install the version of the module that the model was stored with.",
            ) from error
    if not isinstance(getattr(found, "__module__", None), str):
        raise NotAnOperatorError(
            f"{full_name} is a {type(found).__name__}, not a class or function.",
            field=full_name,
            mend="Name a class or function.",
        )
    return found
