"""ClearML, by way of the daemon: this module does not import clearml."""

from __future__ import annotations

import os
from urllib.parse import quote

from pipekit_experiment._src.errors import InvalidTrackerSpecError
from pipekit_experiment._src.server_address import ServerAddress, parse_server_address
from pipekit_experiment._src.tracking import Tracker

__all__ = ["ClearMLTracker"]

_SHORTEST_NAME = 3


class ClearMLTracker(Tracker):
    """Runs as tasks of one project of one ClearML server, or as sessions in a folder that
    `Task.import_offline_session` takes. Satisfies ExperimentTracker.

    Args:
        project_name: The project, with slashes when it lies in another: `team/digits`.
        api_host: The API server's address; by default `$CLEARML_API_HOST`, else the one that the daemon's
            environment or its `~/clearml.conf` names.
        files_host: The files server's address; by default `$CLEARML_FILES_HOST` when the API server is that
            of the environment, else the place that ClearML gives it (port 8081 beside 8008).
        web_host: The web server's address, for links; by default in the same way `$CLEARML_WEB_HOST`.
        folder: When given, runs go to this folder instead of a server.

    The keys do not belong here: the daemon takes them from its environment (CLEARML_API_ACCESS_KEY and
    CLEARML_API_SECRET_KEY) or from `~/clearml.conf`.
    Raises InvalidTrackerSpecError.
    """

    def __init__(
        self,
        project_name: str,
        *,
        api_host: str | None = None,
        files_host: str | None = None,
        web_host: str | None = None,
        folder: str | os.PathLike[str] | None = None,
    ) -> None:
        self.project_name = project_name
        if folder is None:
            spec = _server_spec(project_name, api_host, files_host, web_host)
        elif api_host is None and files_host is None and web_host is None:
            spec = f"clearml+offline://{quote(os.path.abspath(folder))}?project={_project(project_name)}"
        else:
            raise InvalidTrackerSpecError(
                "A ClearML tracker writes to a server or to a folder.",
                field="folder",
                mend="Leave one of them.",
            )
        super().__init__(spec)

    def __repr__(self) -> str:
        return f"ClearMLTracker(project_name={self.project_name!r})"


def _server_spec(
    project_name: str, api_host: str | None, files_host: str | None, web_host: str | None
) -> str:
    project = _project(project_name)
    if not api_host:
        api_host = os.environ.get("CLEARML_API_HOST")
        if not api_host:
            if files_host or web_host:
                raise InvalidTrackerSpecError(
                    "The ClearML tracker names a files or web server, and no API server.",
                    field="api_host",
                    mend="Pass its address, such as http://127.0.0.1:8008.",
                )
            return f"clearml://{project}"
        files_host = files_host or os.environ.get("CLEARML_FILES_HOST")
        web_host = web_host or os.environ.get("CLEARML_WEB_HOST")
    scheme, server, base = _address("api_host", api_host)
    query = [f"base={quote(base)}"] if base else []
    for field, host in (("files", files_host), ("web", web_host)):
        if host:
            host_scheme, host_server, path = _address(f"{field}_host", host)
            query.append(f"{field}={quote(f'{host_scheme}://{host_server}{path}', safe='/:[]')}")
    return f"clearml+{scheme}://{server}/{project}" + (f"?{'&'.join(query)}" if query else "")


def _project(project_name: str) -> str:
    names = [name.strip() for name in project_name.split("/") if name.strip()]
    if not names or any(len(name) < _SHORTEST_NAME for name in names):
        raise InvalidTrackerSpecError(
            f"ClearML takes no project of the name {project_name!r}.",
            field="project_name",
            mend="Choose one of 3 characters or more, as in each part between slashes.",
        )
    return "/".join(quote(name, safe="") for name in names)


def _address(field: str, text: str) -> ServerAddress:
    return parse_server_address(
        text,
        f"ClearML {field}",
        field=field,
        mend="Pass the address of a server, such as http://127.0.0.1:8008.",
        credentials_mend="Set CLEARML_API_ACCESS_KEY and CLEARML_API_SECRET_KEY where the daemon runs.",
    )
