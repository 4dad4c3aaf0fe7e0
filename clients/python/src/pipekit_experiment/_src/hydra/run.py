"""Logs what a run of a Hydra app left in its `.hydra` folder."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import tempfile
from pathlib import Path
from typing import Any, cast

from pipekit_experiment._src.active_run import ActiveRun
from pipekit_experiment._src.errors import InvalidArgumentError
from pipekit_experiment._src.hydra.importing import omegaconf
from pipekit_experiment._src.hydra.secrets import holds_secret, is_secret_name, without_secrets

_FILES = ("config.yaml", "hydra.yaml", "overrides.yaml")


def log_hydra_run(run: ActiveRun, folder: str | os.PathLike[str] | None) -> None:
    """See HydraConfigLoader.log_run."""
    of_this_app = folder is None
    place = _folder_of_app() if folder is None else _config_folder(Path(os.path.abspath(folder)))
    read = _read(place)
    config: Any = json.loads(read.config_json or "{}")
    if of_this_app:
        # This process has the app's own resolvers, which the daemon has not.
        mine = without_secrets(omegaconf().OmegaConf.load(place / "config.yaml"))
        config = _completed(config, mine)
    run.log_params(config)
    run.set_tags(
        {
            name: value
            for name, value in (
                ("hydra/job", read.job_name),
                ("hydra/config", read.config_name),
                ("hydra/version", read.hydra_version),
                ("hydra/overrides", shlex.join(read.overrides)),
            )
            if value
        }
    )
    _attach(run, place)


def _folder_of_app() -> Path:
    omegaconf()
    from hydra.core.hydra_config import HydraConfig

    if not HydraConfig.initialized():
        raise InvalidArgumentError(
            "No Hydra app is running in this process.",
            field="folder",
            mend="Pass the folder of a run of one.",
        )
    hydra: Any = HydraConfig.get()
    if hydra.output_subdir is None:
        raise InvalidArgumentError(
            "The Hydra app keeps no config: its hydra.output_subdir is null.",
            field="folder",
            mend="Leave hydra.output_subdir as it is.",
        )
    return Path(hydra.runtime.output_dir) / str(hydra.output_subdir)


def _config_folder(folder: Path) -> Path:
    inside = folder / ".hydra"
    return inside if inside.is_dir() else folder


def _read(folder: Path) -> Any:
    from pipekit_experiment._generated.config_pb2 import ReadHydraRunRequest
    from pipekit_experiment._src.registry_calls import ask

    # After registry_calls, because it imports grpc.
    from pipekit_experiment._generated.config_pb2_grpc import ConfigServiceStub  # isort: skip

    request = ReadHydraRunRequest(folder=str(folder), env=_environment(folder))
    return ask(lambda stub, _: stub.ReadHydraRun(request), service=ConfigServiceStub)


def _environment(folder: Path) -> dict[str, str]:
    """The variables that the files name; the daemon needs no others, and gets none that is secret."""
    text = "".join(
        path.read_text(encoding="utf-8", errors="replace")
        for path in (folder / file for file in _FILES)
        if path.is_file()
    )
    return {name: value for name, value in os.environ.items() if name in text and not is_secret_name(name)}


def _completed(read: Any, mine: Any) -> Any:
    """What the daemon resolved; and what it left as an interpolation as this process resolves it."""
    if isinstance(read, dict):
        return {key: _entry(item, mine, key) for key, item in cast("dict[str, Any]", read).items()}
    if isinstance(read, list):
        return [_entry(item, mine, index) for index, item in enumerate(cast("list[Any]", read))]
    return read


def _entry(read: Any, mine: Any, key: Any) -> Any:
    OmegaConf = omegaconf().OmegaConf
    is_open = isinstance(read, str) and "${" in read
    if not (is_open or isinstance(read, (dict, list))):
        return cast("object", read)
    try:
        value = mine[key]
        if is_open:
            resolved = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
            return cast("object", read) if holds_secret(resolved) else resolved
    except Exception:
        # A resolver may raise anything.
        return cast("object", read)
    return _completed(read, value)


def _attach(run: ActiveRun, folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="pkx-hydra-") as copy:
        for file in _FILES:
            if (folder / file).is_file():
                shutil.copyfile(folder / file, Path(copy) / file)
        run.log_artifact(copy, ".hydra")
