"""Logs one run with the real ClearML client, online or offline; the last line is JSON for the test."""

import json
import logging
import os
import sys

from clearml import Logger, Task

logging.disable(logging.CRITICAL)


def main() -> None:
    mode, project, name, artifact = sys.argv[1:5]
    if mode == "offline":
        Task.set_offline(offline_mode=True)
    task = Task.init(
        project_name=project,
        task_name=name,
        auto_connect_arg_parser=False,
        auto_connect_frameworks=False,
        auto_resource_monitoring=False,
        auto_connect_streams=False,
    )
    Logger.set_reporting_nan_value(0.0)
    task.set_parameter("General/lr", "0.1")
    task.set_parameter("General/model.depth", "3")
    task.set_user_properties(team="red")
    logger = task.get_logger()
    for step in range(25):
        logger.report_scalar("loss", "loss", value=step / 8, iteration=step)
        logger.report_scalar("val", "acc", value=step / 4, iteration=step)
    # A second value of one step.
    logger.report_scalar("loss", "loss", value=99.0, iteration=3)
    task.upload_artifact("notes.txt", artifact_object=artifact, wait_on_upload=True)
    task.flush(wait_for_uploads=True)
    folder = task.get_offline_mode_folder()
    task.close()
    print(json.dumps({"id": task.id, "zip": f"{folder}.zip" if folder else None}), flush=True)
    # Its threads would hold the process for a minute and more.
    os._exit(0)


main()
