"""The cache behind tools/servers and tools/drivers: folders that are there whole or not at all."""

import multiprocessing
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools" / "lib"))

import cache  # noqa: E402
import servers  # noqa: E402


def fill(folder):
    (folder / "file").write_text("whole")


def names(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_a_folder_is_made_once(tmp_path):
    made = []
    for _ in range(2):
        folder = cache.ensure(tmp_path / "a" / "x", lambda temporary: (made.append(temporary), fill(temporary)))
    assert (folder / "file").read_text() == "whole"
    assert len(made) == 1 and names(tmp_path / "a") == ["x"]


def test_what_fails_leaves_nothing(tmp_path):
    def make(temporary):
        fill(temporary)
        raise cache.FetchError("no network")

    with pytest.raises(cache.FetchError):
        cache.ensure(tmp_path / "x", make)
    assert names(tmp_path) == []


def make_slowly(temporary, meeting, made):
    made.put(temporary.name)
    meeting.wait(0.5)
    fill(temporary)


def ensure_together(path, meeting, made):
    meeting.wait(20)
    cache.ensure(path, lambda temporary: make_slowly(temporary, multiprocessing.Event(), made))


def test_of_two_at_once_one_makes_it(tmp_path):
    meeting, made = multiprocessing.Barrier(2), multiprocessing.Queue()
    processes = [multiprocessing.Process(target=ensure_together, args=(tmp_path / "x", meeting, made)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0, 0]
    assert made.get(timeout=5) and made.empty()
    assert names(tmp_path) == ["x"]


def test_the_left_overs_of_the_killed_go(tmp_path):
    (tmp_path / ".x.abc.new").mkdir()
    (tmp_path / ".other.abc.new").mkdir()
    cache.ensure(tmp_path / "x", fill)
    assert names(tmp_path) == [".other.abc.new", "x"]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("deb http://one.test/debian bookworm main", "http://one.test/debian"),
        ("# deb http://no.test/debian sid main\ndeb [arch=amd64] https://two.test/debian/ sid main", "https://two.test/debian/"),
        ("Types: deb\nURIs: http://three.test/debian\nComponents: main", "http://three.test/debian"),
        ("URIs: http://no.test/debian-security http://four.test/debian\nComponents: contrib main", "http://four.test/debian"),
        ("deb https://no.test/apt cloud main\n\nURIs: http://no.test/debian-security\nComponents: main", servers.DEFAULT_MIRROR),
        ("deb http://no.test/linux/debian trixie stable\n\nURIs: http://no.test/debian\nComponents: stable", servers.DEFAULT_MIRROR),
        ("", servers.DEFAULT_MIRROR),
    ],
)
def test_the_machines_own_mirror(text, expected):
    assert servers.mirror_in(text) == expected
