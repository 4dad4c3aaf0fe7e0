"""Values on a device, with a CPU in its place: what is told apart from a CPU is the device's type alone."""

import threading
from contextlib import suppress

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipekit_experiment._src import device_values
from pipekit_experiment._src.device_values import DeviceScalar, kept_on_device, read_ahead

DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool]


@pytest.fixture(autouse=True)
def no_pages():
    device_values._forget_pages()


def test_a_tensor_may_be_written_to_once_it_was_logged():
    value = torch.tensor(1.0)
    kept = kept_on_device([value, value * 2], torch)
    value.fill_(7.0)
    assert [float(one) for one in kept] == [1.0, 2.0]


@given(st.lists(st.lists(st.tuples(st.integers(0, 1), st.sampled_from(DTYPES)), min_size=1), max_size=70))
def test_every_row_reads_what_was_logged(rows):
    device_values._forget_pages()
    logged = [[torch.tensor(number).to(dtype) for number, dtype in row] for row in rows]
    kept = [kept_on_device(row, torch) for row in logged]
    # A part is read ahead, the rest one by one.
    read_ahead(value for row in kept[::2] for value in row)
    for row, values in zip(logged, kept, strict=True):
        assert [float(value) for value in values] == [float(tensor) for tensor in row]


def test_a_page_is_used_again_and_no_row_changes():
    rounds = [
        [kept_on_device([torch.tensor(float(100 * k + i))], torch)[0] for i in range(32)] for k in range(3)
    ]
    read_ahead(value for values in rounds for value in values)
    (unused,) = device_values._free.values()
    assert len(unused) == 3
    again = [kept_on_device([torch.tensor(-1.0)], torch)[0] for _ in range(64)]
    assert len(unused) == 1
    assert [float(value) for values in rounds for value in values] == [
        100.0 * k + i for k in range(3) for i in range(32)
    ]
    assert {float(value) for value in again} == {-1.0}


def test_rows_of_one_element_and_gradients_are_kept_without_their_graph():
    parameter = torch.nn.Parameter(torch.ones(3))
    loss = (parameter * 2).sum().reshape(1, 1)
    (kept,) = kept_on_device([loss], torch)
    assert not any(cell.requires_grad for cell in kept.row.cells())
    assert float(kept) == 6.0


def test_a_row_that_cannot_be_read_costs_no_other(monkeypatch):
    good = kept_on_device([torch.tensor(1.0)], torch)
    bad = kept_on_device([torch.tensor(2.0), torch.tensor(3.0)], torch)
    on_host = device_values._on_host

    def lost(tensor):
        if tensor.numel() == 2:
            raise RuntimeError("the device is lost")
        return on_host(tensor)

    monkeypatch.setattr(device_values, "_on_host", lost)
    read_ahead([*good, *bad])
    assert float(good[0]) == 1.0
    with pytest.raises(RuntimeError, match="lost"):
        float(bad[0])


def test_two_threads_that_read_and_one_that_logs_see_no_row_of_another():
    seen: list[tuple[float, float]] = []
    rows: list[tuple[float, DeviceScalar]] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set() or rows:
            try:
                number, value = rows[-1]
            except IndexError:
                continue
            seen.append((number, float(value)))
            if len(rows) > 64 or done.is_set():
                with suppress(IndexError):
                    rows.pop(0)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(2000):
        rows.append((float(number), kept_on_device([torch.tensor(float(number))], torch)[0]))
    done.set()
    for reader in readers:
        reader.join()
    assert all(number == value for number, value in seen)
    assert len({number for number, _ in seen}) > 2
