"""TensorBoard, by way of the daemon: this module does not import tensorboard."""

from __future__ import annotations

import os
from urllib.parse import quote

from pipekit_experiment._src.errors import InvalidTrackerSpecError
from pipekit_experiment._src.tracking import Tracker

__all__ = ["TensorBoardTracker"]

_MEND = "Pass a folder below which runs get folders of their own, such as ./runs."


class TensorBoardTracker(Tracker):
    """Runs in one log folder, for `tensorboard --logdir`. Satisfies ExperimentTracker.

    Each run gets a folder of its own below it, named by the run's name and the end of its id.

    Args:
        log_dir: The folder; a relative one is below the working folder of this process. It is made when there
            is none.

    Values are kept as 32-bit floats, as TensorBoard's own writers do.
    Raises InvalidTrackerSpecError.
    """

    def __init__(self, log_dir: str | os.PathLike[str] = "runs") -> None:
        self.log_dir = os.path.abspath(log_dir)
        super().__init__(tensorboard_spec(self.log_dir))

    def __repr__(self) -> str:
        return f"TensorBoardTracker(log_dir={self.log_dir!r})"


def tensorboard_spec(log_dir: str | os.PathLike[str]) -> str:
    """The tracker spec `tensorboard:///absolute/folder`. Raises InvalidTrackerSpecError."""
    folder = os.path.abspath(log_dir)
    if folder.strip("/") == "":
        raise _invalid("The root of the file system cannot be a TensorBoard log folder.")
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in folder):
        raise _invalid("The TensorBoard log folder has a control character in its name.")
    try:
        return f"tensorboard://{quote(folder, safe='/')}"
    except UnicodeEncodeError as error:
        raise _invalid("The TensorBoard log folder's name is not valid Unicode.") from error


def _invalid(message: str) -> InvalidTrackerSpecError:
    return InvalidTrackerSpecError(message, field="log_dir", mend=_MEND)
