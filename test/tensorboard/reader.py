"""Reads TensorBoard log folders with TensorBoard's own code.

A question is `{"folder": path}` for a run's folder, `{"live": path}` for the same by a reader that stays
open, or `{"hparams": path}` for a log folder as the hparams plugin shows it. Numbers that JSON has no words
for come as text.
"""

from __future__ import annotations

import math
from typing import Any

from questions import answer_questions
from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import (
    api_pb2,
    backend_context,
    get_experiment,
    list_session_groups,
    metadata,
)
from tensorboard.util import tensor_util

from tensorboard import context

EVERYTHING = {"scalars": 0, "tensors": 0}
open_readers: dict[str, EventAccumulator] = {}


def number(value: float) -> float | str:
    return value if math.isfinite(value) else repr(float(value))


def of_value(value: Any) -> Any:
    kind = value.WhichOneof("kind")
    return None if kind is None else getattr(value, kind)


def read_run(folder: str) -> dict[str, Any]:
    return read_events(EventAccumulator(folder, size_guidance=EVERYTHING))


def read_live(folder: str) -> dict[str, Any]:
    if folder not in open_readers:
        open_readers[folder] = EventAccumulator(folder, size_guidance=EVERYTHING)
    return read_events(open_readers[folder])


def read_events(events: EventAccumulator) -> dict[str, Any]:
    events.Reload()
    tags = events.Tags()
    scalars = [
        [tag, [[event.step, number(event.value), event.wall_time] for event in events.Scalars(tag)]]
        for tag in tags["scalars"]
    ]
    texts: dict[str, list[Any]] = {}
    session: dict[str, Any] = {}
    for tag in tags["tensors"]:
        plugin = events.SummaryMetadata(tag).plugin_data
        if plugin.plugin_name == "text":
            texts[tag] = [
                [event.step, tensor_util.make_ndarray(event.tensor_proto).item().decode()]
                for event in events.Tensors(tag)
            ]
    # torch gives a session no tensor, and then it is no tag.
    for tag, content in events.PluginTagToContent("hparams").items():
        if tag == metadata.SESSION_START_INFO_TAG:
            start = metadata.parse_session_start_info_plugin_data(content)
            session["params"] = {name: of_value(value) for name, value in start.hparams.items()}
            session["started"] = start.start_time_secs
        elif tag == metadata.SESSION_END_INFO_TAG:
            end = metadata.parse_session_end_info_plugin_data(content)
            session["status"] = api_pb2.Status.Name(end.status)
            session["ended"] = end.end_time_secs
    return {"scalars": scalars, "texts": texts, "session": session, "version": events.file_version}


def read_hparams(folder: str) -> dict[str, Any]:
    multiplexer = plugin_event_multiplexer.EventMultiplexer()
    multiplexer.AddRunsFromDirectory(folder)
    multiplexer.Reload()
    provider = data_provider.MultiplexerDataProvider(multiplexer, folder)
    backend = backend_context.Context(
        base_plugin.TBContext(data_provider=provider, logdir=folder, multiplexer=multiplexer)
    )
    request_context = context.RequestContext()
    everything = api_pb2.GetExperimentRequest(include_metrics=True)
    experiment = get_experiment.Handler(request_context, backend, "", everything).run()
    columns = [api_pb2.ColParams(hparam=info.name) for info in experiment.hparam_infos]
    columns += [api_pb2.ColParams(metric=info.name) for info in experiment.metric_infos]
    request = api_pb2.ListSessionGroupsRequest(
        start_index=0, slice_size=1000, allowed_statuses=[0, 1, 2, 3], col_params=columns
    )
    groups = list_session_groups.Handler(request_context, backend, "", request).run()
    return {
        "hparams": {info.name: api_pb2.DataType.Name(info.type) for info in experiment.hparam_infos},
        "metrics": sorted(info.name.tag for info in experiment.metric_infos),
        "groups": [
            {
                "name": group.name,
                "hparams": {name: of_value(value) for name, value in group.hparams.items()},
                "metrics": {value.name.tag: value.value for value in group.metric_values},
                "status": [api_pb2.Status.Name(session.status) for session in group.sessions],
            }
            for group in groups.session_groups
        ],
    }


def answer(question: dict[str, str]) -> Any:
    if "live" in question:
        return read_live(question["live"])
    return read_run(question["folder"]) if "folder" in question else read_hparams(question["hparams"])


if __name__ == "__main__":
    answer_questions(answer)
