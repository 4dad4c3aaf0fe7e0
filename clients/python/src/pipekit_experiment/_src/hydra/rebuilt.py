"""What Hydra calls in place of operators of ours in the configs of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipekit_experiment._src.hydra.targets import located
from pipekit_experiment._src.registry_operator import rebuild, state_of
from pipekit_experiment._src.registry_trust import trusting
from pipekit_experiment._src.strict_json import plain_json

REBUILT = f"{__name__}.rebuilt"
TRUSTED_STATE = f"{__name__}.trusted_state"


def rebuilt(*args: Any, _pkx_target_: str, _pkx_trust_: Sequence[str], **kwargs: Any) -> Any:
    """The operator made anew from its state, so that it asks for trust in what its arguments name."""
    made = located(_pkx_target_, "_target_")(*args, **kwargs)
    return trusted_state(state_of(made), _pkx_trust_)


def trusted_state(state: Any, _pkx_trust_: Sequence[str]) -> Any:
    """As the target `from_state`, which trusts what a config of one's own names."""
    with trusting(_pkx_trust_):
        return rebuild(plain_json(state, "state"), None)
