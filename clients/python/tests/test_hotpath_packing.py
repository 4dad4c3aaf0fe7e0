import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tracking_daemon import unpack

from pipekit_experiment._generated import tracker_pb2
from pipekit_experiment._src.limits import Limits
from pipekit_experiment._src.metrics import MAX_STEP, KeySet
from pipekit_experiment._src.packing import fact, pack, rows_of, without_metrics
from pipekit_experiment._src.ring_entries import Held, Rows

keys = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
key_sets = st.lists(keys, min_size=1, max_size=6, unique=True).map(lambda names: KeySet(tuple(names)))
values = st.one_of(st.floats(), st.integers(-(2**70), 2**70), st.booleans())


def item(row):
    """A row as a block gives it; one that does not fit a float64 is held."""
    if row[0] is None:
        return fact(row[1], row[2]).SerializeToString()
    key_set, step, time_us, given_values = row
    try:
        values = struct.pack(f"<{len(given_values)}d", *given_values)
    except (OverflowError, struct.error):
        return Held(key_set, step, time_us * 1000, given_values)
    return Rows(key_set, step.to_bytes(8, "little", signed=True), [time_us * 1000], values)


def joined(items):
    """Neighbouring rows of one key set as one item, as they come from a block."""
    out = []
    for one in items:
        last = out[-1] if out else None
        if isinstance(one, Rows) and isinstance(last, Rows) and last.key_set is one.key_set:
            values = last.values + one.values
            out[-1] = Rows(one.key_set, last.steps + one.steps, last.times_ns + one.times_ns, values)
        else:
            out.append(one)
    return out


@st.composite
def rows(draw):
    sets = draw(st.lists(key_sets, min_size=1, max_size=4))
    out = []
    for _ in range(draw(st.integers(1, 40))):
        if draw(st.integers(0, 9)) == 0:
            out.append((None, "tags", {"tags": {"n": str(len(out))}}, None))
            continue
        key_set = draw(st.sampled_from(sets))
        given_values = tuple(draw(values) for _ in key_set.keys)
        step = draw(st.integers(-MAX_STEP, MAX_STEP))
        out.append((key_set, step, draw(st.integers(0, 2**52)), given_values))
    return out


def plain(value):
    return "nan" if math.isnan(value) else float(value)


@given(rows(), st.integers(1, 20), st.integers(200, 3000))
def test_rows_come_back_in_order_and_frames_keep_their_limits(logged, frame_points, frame_bytes):
    limits = Limits(frame_points=frame_points, frame_bytes=frame_bytes)
    items = joined(map(item, logged))
    frames, failures = pack(items, limits)
    assert failures.points == 0
    found = []
    for packed in frames:
        for record in packed.records:
            if record.WhichOneof("record") == "tags":
                found.append(dict(record.tags.tags))
            else:
                found.extend(unpack(record.metrics))
        message = tracker_pb2.Frame(records=packed.records)
        count = sum(len(record.metrics.values) // 8 for record in packed.records)
        assert count == packed.points
        lone = sum(len(record.metrics.row_key_set) // 4 for record in packed.records) <= 1
        assert lone or packed.points <= frame_points
        assert lone or message.ByteSize() <= frame_bytes + 24 * len(packed.records)
    expected = [
        row[2]["tags"]
        if row[0] is None
        else (row[1], row[2], {k: plain(v) for k, v in zip(row[0].keys, row[3], strict=True)})
        for row in logged
    ]
    shown = [
        row if isinstance(row, dict) else (row[0], row[1], {k: plain(v) for k, v in row[2].items()})
        for row in found
    ]
    assert shown == expected
    in_process = [
        (row[1], row[2], {k: plain(v) for k, v in zip(row[0].keys, row[3], strict=True)})
        for row in rows_of(items)
    ]
    assert in_process == [row for row in expected if isinstance(row, tuple)]


@given(st.binary(max_size=40))
def test_columns_are_little_endian(data):
    numbers = struct.unpack(f"<{len(data) // 8}d", data[: len(data) // 8 * 8])
    if not numbers:
        return
    key_set = KeySet(tuple(map(str, range(len(numbers)))))
    (packed,), _ = pack([item((key_set, -2, 1, numbers))], Limits())
    columns = packed.records[0].metrics
    assert columns.values == struct.pack(f"<{len(numbers)}d", *numbers)
    assert columns.row_step == (-2).to_bytes(8, "little", signed=True)
    assert columns.row_key_set == bytes(4)


def test_a_value_without_a_float_is_left_out():
    key_set = KeySet(("a", "b"))
    rows = [(key_set, 0, 0, (10**400, 1.0)), (key_set, 1, 0, (2.0, 3.0))]
    (packed,), failures = pack(map(item, rows), Limits())
    assert failures.points == 1
    assert "OverflowError" in failures.first
    assert unpack(packed.records[0].metrics) == [(0, 0, {"b": 1.0}), (1, 0, {"a": 2.0, "b": 3.0})]


def test_rows_of_one_key_set_share_it():
    key_set = KeySet(("a",))
    (packed,), _ = pack([item((key_set, i, i, (1.0,))) for i in range(1000)], Limits())
    assert len(packed.records[0].metrics.key_sets) == 1
    assert packed.approximate_bytes == pytest.approx(28_000, abs=100)


def test_a_frame_that_loses_its_points_keeps_the_rest():
    rows = [(KeySet(("a",)), 0, 0, (1.0,)), (None, "params", {"params_json": "{}"}, None)]
    (packed,), _ = pack(map(item, rows), Limits())
    frame = tracker_pb2.Frame(writer_id="w", seq=7, run_id="r", records=packed.records)
    left = tracker_pb2.Frame.FromString(without_metrics(frame.SerializeToString(), 1))
    assert (left.writer_id, left.seq, left.run_id) == ("w", 7, "r")
    assert [record.WhichOneof("record") for record in left.records] == ["params", "tags"]
    assert dict(left.records[1].tags.tags) == {"pipekit.dropped_points": "1"}
