import io

import pytest

from pipekit_experiment._src import progress_line
from pipekit_experiment._src.progress_line import Progress, ProgressLine, telling
from pipekit_experiment._src.sizes import counted, duration_text, size_text

GIB = 1024**3


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

    monkeypatch.setattr(progress_line.time, "monotonic", lambda: Clock.now)
    return Clock


@pytest.fixture
def stderr(monkeypatch):
    def use(stream):
        monkeypatch.setattr(progress_line.sys, "stderr", stream)
        return stream

    return use


def test_a_terminal_gets_one_line_with_rate_and_time_left(clock):
    stream = Terminal()
    line = ProgressLine(stream, "store", live=True)
    line.show(Progress("sending", 0, GIB))
    clock.now += 2
    line.show(Progress("sending", GIB // 4, GIB))
    assert stream.getvalue() == (
        "\rstore: [#####...............] sending 256.0 MiB of 1.0 GiB, 128.0 MiB/s, 6 s left"[
            : progress_line.shutil.get_terminal_size().columns
        ]
        + "\x1b[K"
    )
    clock.now += 6
    line.show(Progress("sending", GIB, GIB))
    line.close()
    assert stream.getvalue().count("\r") == 2
    assert stream.getvalue().endswith("\x1b[K\n")
    assert "left" not in stream.getvalue().rpartition("\r")[2]


def test_what_is_done_at_once_shows_nothing(clock):
    stream = Terminal()
    line = ProgressLine(stream, "store", live=True)
    line.show(Progress("sending", GIB, GIB))
    clock.now += 0.1
    line.close()
    assert stream.getvalue() == ""


def test_a_terminal_is_written_to_ten_times_a_second_and_sees_the_end(clock):
    stream = Terminal()
    line = ProgressLine(stream, "load", live=True)
    clock.now += 1
    for done in range(1, 101):
        line.show(Progress("fetching", done, 100))
        clock.now += 0.01
    line.close()
    assert 9 <= stream.getvalue().count("\r") <= 12
    assert "100 B of 100 B" in stream.getvalue().rpartition("\r")[2]


def test_each_phase_counts_its_rate_anew(clock):
    stream = Terminal()
    line = ProgressLine(stream, "x", live=True)
    line.show(Progress("a", 0, 1000))
    clock.now += 100
    line.show(Progress("a", 1000, 1000))
    clock.now += 1
    line.show(Progress("b", 500, 1000))
    clock.now += 1
    line.show(Progress("b", 600, 1000))
    assert "100 B/s, 4 s left" in stream.getvalue().rpartition("\r")[2]


def test_elsewhere_a_plain_line_comes_every_ten_seconds(clock):
    stream = io.StringIO()
    line = ProgressLine(stream, "copy", live=False)
    for done in range(25):
        line.show(Progress("copying", 0, 0, done, 25))
        clock.now += 1
    line.close()
    lines = stream.getvalue().splitlines()
    assert lines == ["copy: copying 0 B, 10 of 25 models", *lines[1:]]
    assert len(lines) == 3
    assert "\r" not in stream.getvalue()


def test_a_stream_that_breaks_does_not_break_the_call(clock):
    stream = Terminal()
    line = ProgressLine(stream, "x", live=True)
    clock.now += 1
    stream.close()
    line.show(Progress("a", 1, 2))
    line.close()


@pytest.mark.parametrize(
    ("live", "progress", "tells"),
    [
        (True, None, True),
        (False, None, False),
        (True, False, False),
        (False, False, False),
        (False, True, True),
    ],
)
def test_who_is_told(stderr, live, progress, tells):
    stderr(Terminal() if live else io.StringIO())
    with telling(progress, "x") as tell:
        assert (tell is not None) == tells


def test_no_stderr_at_all_is_nobody(stderr):
    stderr(None)
    with telling(None, "x") as tell:
        assert tell is None
    with telling(print, "x") as tell:
        assert tell is print


def test_amounts():
    assert [size_text(size) for size in (0, 1023, 1024, 1000 * 1024, 5 * GIB, 2048 * GIB)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "1.0 MiB",
        "5.0 GiB",
        "2.0 TiB",
    ]
    assert [duration_text(seconds) for seconds in (0.4, 59.4, 127, 3909)] == [
        "0 s",
        "59 s",
        "2:07",
        "1:05:09",
    ]
    assert [counted(1, "model"), counted(1200, "model")] == ["1 model", "1,200 models"]
