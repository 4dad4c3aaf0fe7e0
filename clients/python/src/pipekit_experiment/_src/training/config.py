"""A TrainingLoop's arguments as JSON, and back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

from pipekit_experiment._src.errors import InvalidConfigError, NotAnOperatorError, PipekitError
from pipekit_experiment._src.operators.composite import rebuilt
from pipekit_experiment._src.registry_operator import state_of
from pipekit_experiment._src.strict_json import plain_json
from pipekit_experiment._src.training.losses import loss_config, loss_of_config
from pipekit_experiment._src.training.start import digest, given_weights

_PLAIN = ("optimizer_config", "n_epochs", "backend", "seed", "batch_size", "shuffle", "backend_options")
_NESTED = ("model_op", "dataset", "eval_dataset")


def config_of(loop: Any, strict: bool, without: Collection[str] = ()) -> dict[str, Any]:
    """The arguments; of data sets, whose data are read for their hash, and callbacks those not in `without`.

    What cannot be said raises InvalidConfigError or NotAnOperatorError; without `strict` its text stands for
    it."""

    def said(field: str, value: Any, say: Callable[[Any], Any]) -> Any:
        try:
            return plain_json(say(value), f"config.{field}")
        except PipekitError:
            if strict:
                raise
            return repr(value)[:200]

    config: dict[str, Any] = {}
    for name in _NESTED:
        part = getattr(loop, name)
        if name not in without and (part is not None or name != "eval_dataset"):
            config[name] = said(name, part, lambda part: dict(state_of(part)))
    config["loss"] = said("loss", loop.loss, loss_config)
    config.update({name: said(name, getattr(loop, name), lambda value: value) for name in _PLAIN})
    if "callbacks" not in without:
        states = [
            said(f"callbacks[{index}]", callback, _state_of_callback)
            for index, callback in enumerate(loop.callbacks)
        ]
        config["callbacks"] = [state for state in states if state is not None]
        pairs = zip(loop.callbacks, states, strict=True)
        unsaid = [type(callback).__qualname__ for callback, state in pairs if state is None]
        left_out = list(dict.fromkeys([*loop.callbacks_left_out, *unsaid]))
        config.update({"callbacks_left_out": left_out} if left_out else {})
    if loop.backend == "sklearn":
        config["estimator"] = said("model_op", loop.model_op, _estimator_config)
    else:
        began = said(
            "initial_weights",
            loop.initial_weights,
            lambda known: known or digest(given_weights(loop.model_op)),
        )
        config.update({"initial_weights": began} if began else {})
    return config


def arguments_of(config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The constructor's arguments, and attributes that are set besides. Raises InvalidConfigError that names
    the entry at fault, and what rebuilding an operator raises."""
    entries = dict(config)
    arguments: dict[str, Any] = {}
    for name in _NESTED:
        if entries.get(name) is not None:
            arguments[name] = rebuilt(entries.pop(name), name)
        elif entries.pop(name, None) is None and name != "eval_dataset":
            raise _refused(name, "is missing")
    arguments["loss"], trusted_loss = loss_of_config(entries.pop("loss", None))
    states: Any = entries.pop("callbacks", [])
    if not isinstance(states, list):
        raise _refused("callbacks", "is no list")
    listed = cast("list[Any]", states)
    arguments["callbacks"] = [rebuilt(state, f"callbacks/{index}") for index, state in enumerate(listed)]
    arguments.update({name: entries.pop(name) for name in _PLAIN if name in entries})
    options: Any = arguments.get("backend_options")
    if isinstance(options, dict) and "default_root_dir" in options:
        # Lightning writes to there, and reads pickles that it finds; it may be an address, too.
        raise _refused("backend_options.default_root_dir", "is not taken from a file")
    kept = {
        "trusted_loss": trusted_loss,
        "initial_weights": entries.pop("initial_weights", ""),
        "callbacks_left_out": entries.pop("callbacks_left_out", []),
    }
    if "estimator" in entries:
        arguments["model_op"] = _with_estimator(arguments["model_op"], entries.pop("estimator"))
    for name in entries:
        raise _refused(name, "is unknown")
    return arguments, kept


def _state_of_callback(callback: Any) -> dict[str, Any] | None:
    try:
        return dict(state_of(callback))
    except NotAnOperatorError:
        return None


def _estimator_config(operator: Any) -> Any:
    from pipekit_experiment._src.operators.ref import ModelRef
    from pipekit_experiment._src.training.estimator import estimator_config

    # What a registry has is trained anew from its own parameters.
    return None if isinstance(operator, ModelRef) else estimator_config(operator.estimator)


def _with_estimator(operator: Any, config: Any) -> Any:
    from pipekit_experiment._src.training.estimator import estimator_of

    if config is None:
        return operator
    return type(operator)(
        estimator_of(config), method=operator.method, weights_format=operator.weights_format
    )


def _refused(name: str, fault: str) -> InvalidConfigError:
    return InvalidConfigError(
        f"The entry `{name}` of the TrainingLoop {fault}.",
        field=f"config.{name}",
        mend="Use the version of pipekit-experiment that wrote it.",
    )
