"""Logs of statements: a script, what they hold, and somebody who collects them."""

import json
import os
import socket
import threading
import time

from .daemon import PATIENCE

PLAIN = """
local statements = log_file(FOLDER .. '/statements', { format = 'json', parameters = true })
local lines = log_file(FOLDER .. '/lines')
local handler = {
  on_login = function(client, login) return client:connect(SERVER, login) end,
}
mysql_listen(SOCK, handler, { log = { statements, lines } })
mysql_listen(TCP, handler, { log = { statements, lines } })
"""


def wait_for(check, seconds=60):
    deadline = time.monotonic() + seconds * PATIENCE
    while not (found := check()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return found


def lines_of(path):
    """Those that are there as a whole."""
    return path.read_text().split("\n")[:-1] if path.exists() else []


def records(daemon, name="statements"):
    return [json.loads(line) for line in lines_of(daemon.folder / name)]


def wait_for_records(daemon, count, name="statements"):
    wait_for(lambda: len(lines_of(daemon.folder / name)) >= count)
    found = records(daemon, name)
    assert len(found) == count, found
    return found


def by_session(found):
    sessions = {}
    for record in found:
        sessions.setdefault(record["session"], []).append(record)
    return sessions


def run_together(function, count):
    """function(0) … function(count - 1) in threads; the first failure is raised."""
    failures = []

    def run(number):
        try:
            function(number)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


class Collector:
    """A log server on a unix socket that can be stopped and started; lines are those that came whole.

    With `pace` it waits so many seconds after every 4 KiB.
    """

    def __init__(self, path, pace=0):
        self.path, self.lines, self._pace = str(path), [], pace
        self._connections, self._readers = [], []
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def records(self):
        return [json.loads(line) for line in list(self.lines)]

    def start(self):
        self._listener = socket.socket(socket.AF_UNIX)
        if os.path.exists(self.path):
            os.unlink(self.path)
        self._listener.bind(self.path)
        self._listener.listen()
        self._thread = threading.Thread(target=self._accept, args=(self._listener,), daemon=True)
        self._thread.start()

    def _accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            reader = threading.Thread(target=self._read, args=(connection,), daemon=True)
            reader.start()
            self._readers.append(reader)

    def _read(self, connection):
        rest = b""
        with connection:
            while piece := self._receive(connection):
                *lines, rest = (rest + piece).split(b"\n")
                self.lines.extend(lines)
                if self._pace:
                    time.sleep(self._pace)

    @staticmethod
    def _receive(connection):
        try:
            return connection.recv(4096)
        except OSError:
            return b""

    def stop(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        os.unlink(self.path)
        for connection in self._connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for reader in self._readers:
            reader.join()
        self._connections.clear()
        self._readers.clear()
