"""W&B, by way of the daemon: this module does not import wandb."""

from __future__ import annotations

import os
from urllib.parse import quote

from pipekit_experiment._src.errors import InvalidTrackerSpecError
from pipekit_experiment._src.server_address import parse_server_address
from pipekit_experiment._src.tracking import Tracker

__all__ = ["WandbTracker"]

_PUBLIC = "https://api.wandb.ai"
_UNTAKEN = set("/\\#?%:")


class WandbTracker(Tracker):
    """Runs in one project of one W&B server, or in a folder for `wandb sync`. Satisfies ExperimentTracker.

    Args:
        project: The project; by default `$WANDB_PROJECT`.
        entity: The team or user that it belongs to; by default `$WANDB_ENTITY`, else the default entity of
            the key.
        base_url: The server's address; by default `$WANDB_BASE_URL`, else https://api.wandb.ai.
        folder: When given, runs go to this folder instead of a server.

    The key does not belong here: the daemon takes it from its environment (WANDB_API_KEY) or from the netrc
    file that `wandb login` writes.
    Raises InvalidTrackerSpecError.
    """

    def __init__(
        self,
        project: str | None = None,
        entity: str | None = None,
        *,
        base_url: str | None = None,
        folder: str | os.PathLike[str] | None = None,
    ) -> None:
        self.project = project if project is not None else os.environ.get("WANDB_PROJECT", "")
        self.entity = entity if entity is not None else os.environ.get("WANDB_ENTITY", "")
        if folder is None:
            url = base_url if base_url is not None else os.environ.get("WANDB_BASE_URL") or _PUBLIC
            spec = server_spec(url, self.entity, self.project)
        elif base_url is None:
            spec = offline_spec(folder, self.entity, self.project)
        else:
            raise InvalidTrackerSpecError(
                "A W&B tracker writes to a server or to a folder.", field="folder", mend="Leave one of them."
            )
        super().__init__(spec)

    def __repr__(self) -> str:
        return f"WandbTracker(project={self.project!r}, entity={self.entity!r})"


def server_spec(base_url: str, entity: str, project: str) -> str:
    """The spec `wandb://ENTITY/PROJECT`, or `wandb+http://HOST/...` for a server of one's own.

    Raises InvalidTrackerSpecError.
    """
    path = f"{_name('entity', entity)}/{_name('project', project)}"
    scheme, server, prefix = parse_server_address(
        base_url,
        "W&B address",
        field="base_url",
        mend="Pass the address of a W&B server, such as https://wandb.example.com.",
        credentials_mend="Set WANDB_API_KEY where the daemon runs.",
    )
    base = prefix.strip("/")
    if not base and f"{scheme}://{server}" == _PUBLIC:
        return f"wandb://{path}"
    spec = f"wandb+{scheme}://{server}/{path.lstrip('/')}"
    return f"{spec}?base={quote('/' + base, safe='')}" if base else spec


def offline_spec(folder: str | os.PathLike[str], entity: str, project: str) -> str:
    """The spec `wandb+offline:///FOLDER?project=PROJECT[&entity=ENTITY]`. Raises InvalidTrackerSpecError."""
    place = quote(os.path.abspath(folder), safe="/")
    owner = f"&entity={_name('entity', entity)}" if entity else ""
    return f"wandb+offline://{place}?project={_name('project', project)}{owner}"


def _name(field: str, name: str) -> str:
    if not name and field == "project":
        raise InvalidTrackerSpecError(
            "The W&B tracker has no project.", field=field, mend="Name it, or set WANDB_PROJECT."
        )
    if _UNTAKEN & set(name):
        raise InvalidTrackerSpecError(
            f"The W&B {field} {name!r} has a character that W&B does not take.",
            field=field,
            mend="Leave out / \\ # ? % :",
        )
    return quote(name, safe="")
