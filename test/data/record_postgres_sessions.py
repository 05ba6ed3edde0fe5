#!/usr/bin/env python3
"""Records sessions with a real PostgreSQL for the replay tests; see README.md for the format.

usage: record_postgres_sessions.py PORT DIRECTORY

PORT on 127.0.0.1 is that of a PostgreSQL started for this purpose, which trusts all but the users
"scram", "md5" and "clear"; those log in by the method of that name.
"""

import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

DATABASE = "perilune_sessions"
PASSWORD = "pencil"


class Recording:
    def __init__(self, name):
        self.name = name
        self.lines = []

    def add(self, direction, data):
        self.lines.append([direction, data])

    def mark(self, word):
        self.lines.append([word, None])

    def save(self, directory):
        with open(os.path.join(directory, self.name + ".txt"), "w", encoding="ascii") as out:
            for word, data in self.lines:
                out.write(word + (" " + data.hex() if data is not None else "") + "\n")


def message(tag, body=b""):
    return tag.encode() + struct.pack(">I", len(body) + 4) + body


def text(value):
    return value.encode() + b"\0"


def query(sql):
    return message("Q", text(sql))


def parse(sql, name=""):
    return message("P", text(name) + text(sql) + b"\0\0")


def bind(*values, portal="", name=""):
    data = b"".join(struct.pack(">I", len(v)) + v.encode() for v in values)
    return message("B", text(portal) + text(name) + b"\0\0" + struct.pack(">H", len(values)) + data + b"\0\0")


def describe(kind, name=""):
    return message("D", kind.encode() + text(name))


def close(kind, name=""):
    return message("C", kind.encode() + text(name))


def execute(rows=0, portal=""):
    return message("E", text(portal) + struct.pack(">I", rows))


def statement(sql, *values):
    return parse(sql) + bind(*values) + describe("P") + execute()


FLUSH, SYNC, TERMINATE, DONE = message("H"), message("S"), message("X"), message("c")


def data(rows):
    return message("d", rows.encode())


def call(function, *values):
    arguments = b"".join(struct.pack(">I", len(v)) + v.encode() for v in values)
    return message("F", struct.pack(">IHH", function, 0, len(values)) + arguments + b"\0\0")


class Session:
    """A client that speaks by hand: it says how many ReadyForQuery it waits for."""

    def __init__(self, port, name, user="postgres", **parameters):
        self.recording = Recording(name)
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.pending = b""
        self.recording.mark("login")
        pairs = {"user": user, "database": DATABASE, **parameters}
        body = struct.pack(">I", 3 << 16) + b"".join(text(k) + text(v) for k, v in pairs.items()) + b"\0"
        self.send(struct.pack(">I", len(body) + 4) + body)
        self.until("Z")
        self.recording.mark("commands")

    def send(self, payload):
        self.socket.sendall(payload)
        self.recording.add("C", payload)

    def messages(self):
        """Takes complete messages off what has come in."""
        while len(self.pending) >= 5:
            size = 1 + struct.unpack(">I", self.pending[1:5])[0]
            if len(self.pending) < size:
                return
            whole, self.pending = self.pending[:size], self.pending[size:]
            yield chr(whole[0]), whole[5:]

    def until(self, tag, count=1):
        """Receives until the last of `count` messages with this tag; returns its body and all tags."""
        seen = ""
        while True:
            for its, body in self.messages():
                seen += its
                count -= its == tag
                if count == 0:
                    return body, seen
            received = self.socket.recv(65536)
            assert received, seen
            self.recording.add("S", received)
            self.pending += received

    def idle(self, count=1):
        """Waits for the last answer to all that was sent."""
        body, seen = self.until("Z", count)
        self.recording.mark("idle " + body.decode())
        return seen

    def ask(self, payload, count=1):
        self.send(payload)
        return self.idle(count)

    def until_closed(self):
        while True:
            received = self.socket.recv(65536)
            if not received:
                self.recording.mark("goodbye")
                return
            self.recording.add("S", received)

    def finish(self, directory):
        self.send(TERMINATE)
        self.close(directory)

    def close(self, directory):
        self.socket.close()
        self.recording.save(directory)


def simple(port, directory):
    session = Session(port, "simple")
    for sql in ("select 1", "", "select 1; select 2, 'x'; select", "selekt", "select generate_series(1, 300)",
                "begin", "insert into t values (1, 'a')", "select 1/0", "select 1", "rollback",
                "begin; select 1; commit", "set application_name = 'other'; set timezone = 'UTC'",
                "do $$begin raise notice 'note'; raise warning 'warned'; end$$", "listen a; notify a, 'payload'",
                "select repeat('x', 9000)", "select 1; select 1/0; select 2", "vacuum t", "unlisten *; reset all"):
        session.ask(query(sql))
    session.ask(query("select 1") + query("select 2/0") + query("") + query("begin"), 4)
    session.ask(query("commit"))
    session.finish(directory)


def extended(port, directory):
    session = Session(port, "extended")
    session.ask(statement("select $1::int + 1", "41") + SYNC)
    session.ask(parse("select $1::text, 2", "s") + describe("S", "s") + SYNC)
    session.ask(bind("x", name="s") + execute() + close("S", "s") + SYNC)
    session.ask(statement("") + SYNC)
    session.ask(statement("create table if not exists t (a int)") + SYNC)
    session.ask(SYNC)
    session.ask(close("P", "none") + close("S", "none") + SYNC)
    session.ask(query("begin"))
    session.ask(parse("select generate_series(1, 10)") + bind(portal="p") + execute(3, "p") + SYNC)
    session.ask(execute(3, "p") + execute(3, "p") + execute(3, "p") + execute(3, "p") + SYNC)
    session.ask(close("P", "p") + SYNC)
    session.ask(query("commit"))
    for part in (parse("select 7", "f"), describe("S", "f"), bind(name="f"), execute()):
        session.send(part + FLUSH)
        session.until({"P": "1", "D": "T", "B": "2", "E": "C"}[chr(part[0])])
    session.ask(SYNC)
    session.ask(statement("select 1") + query("select 2"))
    session.ask(statement("begin") + SYNC)
    session.ask(statement("insert into deferred values (1), (1)") + SYNC)
    session.ask(statement("commit") + SYNC)
    session.ask(statement("insert into deferred values (1), (1)") + SYNC)
    session.finish(directory)


def pipelines(port, directory):
    session = Session(port, "pipelines")
    session.ask((statement("select 1") + SYNC) * 3, 3)
    session.ask((parse("select 1") + bind() + execute() + SYNC) + (statement("select 1/0") + SYNC) +
                (statement("selekt") + statement("select 2") + SYNC) + statement("select 3") + SYNC, 4)
    session.ask(parse("select $1::int", "m") + (bind("1", name="m") + execute()) * 60 + SYNC)
    session.ask(parse("select $1::int", "n") + bind("x", name="n") + (bind("1", name="n") + execute()) * 40 + SYNC)
    session.ask(statement("select 1/0") + query("select 'ignored'") + call(1598) + FLUSH + SYNC + query("select 4"), 2)
    session.send(statement("selekt") + FLUSH)
    session.until("E")
    session.send(statement("select 1") + query("select 'ignored'") + close("P"))
    session.ask(SYNC + statement("select 5") + SYNC, 2)
    session.ask(statement("begin") + SYNC + statement("select 1/0") + SYNC + statement("select 1") + SYNC, 3)
    session.ask(statement("rollback") + SYNC + SYNC, 2)
    session.ask(statement("insert into deferred values (2), (2)") + SYNC + statement("select 6") + SYNC, 2)
    session.ask(statement("copy (select generate_series(1, 100)) to stdout") + SYNC + statement("select 7") + SYNC, 2)
    session.finish(directory)


def copies(port, directory):
    session = Session(port, "copies")
    session.ask(query("copy (select generate_series(1, 500), 'text') to stdout"))
    session.ask(query("copy (select 1/(3 - g) from generate_series(1, 5) g) to stdout"))
    session.ask(query("select 1; copy (select 1) to stdout; copy (select 2) to stdout; select 3"))

    def copy_in(sql, rest):
        session.send(query(sql))
        session.until("G")
        return session.ask(rest)

    copy_in("copy u from stdin", data("1\n2\n") + data("3\n") + DONE)
    copy_in("copy u from stdin", FLUSH + data("1\n") + SYNC + DONE)
    copy_in("copy u from stdin", DONE)
    copy_in("copy u from stdin", data("1\n") + message("f", text("changed my mind")))
    session.send(query("copy u from stdin"))
    session.until("G")
    session.send(data("1\n") + data("x\n"))
    session.send(data("2\n") * 50)
    session.idle()
    session.ask(data("3\n") + DONE + query("select 1"))
    session.ask(query("copy u from stdin; select 2; copy u from stdin") + data("1\n") + DONE + data("2\n") + DONE)
    session.ask(query("copy u from stdin") + data("x\n") + DONE + query("select 3"), 2)
    # What libpq sends: the Sync before it is known that data is wanted, and one more behind it.
    session.send(statement("copy u from stdin") + SYNC)
    session.until("G")
    session.send(data("1\n") + DONE + FLUSH)
    session.until("C")
    session.ask(SYNC)
    session.send(statement("copy u from stdin") + SYNC)
    session.until("G")
    session.ask(data("1\n") + DONE + SYNC)
    session.send(statement("copy u from stdin") + SYNC)
    session.until("G")
    session.ask(data("x\n") + data("2\n") + DONE + SYNC)
    session.send(statement("copy u from stdin") + SYNC)
    session.until("G")
    session.ask(message("f", text("no")) + SYNC)
    # Fails before it has read anything, the Sync included: that one is answered, and the next as well.
    session.send(statement("copy v from stdin") + SYNC)
    session.idle()
    session.ask(data("1\n") + DONE + SYNC)
    session.send(statement("copy v from stdin") + SYNC)
    session.ask(data("1\n") + DONE + SYNC, 2)
    session.ask(statement("copy v from stdin") + SYNC + query("select 4"), 2)
    session.ask(statement("copy u from stdin") + data("1\n") + DONE + SYNC + statement("select 5") + SYNC, 2)
    session.ask(statement("copy u from stdin") + data("x\n") + DONE + SYNC + statement("select 6") + SYNC, 2)
    session.ask(statement("copy nowhere from stdin") + data("x\n") + DONE + SYNC + query("select 7"), 2)
    session.ask(data("stray\n") + DONE + message("f", text("stray")) + query("select 8"))
    session.finish(directory)


def function_calls(port, directory):
    session = Session(port, "function_calls")
    session.ask(call(177, "1", "2"))  # int4pl
    session.ask(call(154, "1", "0"))  # int4div
    session.ask(call(1))
    session.ask(query("begin") + call(154, "1", "0") + call(177, "1", "2") + query("rollback"), 4)
    session.finish(directory)


def replication(port, directory):
    session = Session(port, "replication", replication="database")
    seen = session.ask(query("IDENTIFY_SYSTEM"))
    assert "D" in seen
    session.ask(query("select 1"))
    session.ask(parse("select 1") + bind() + SYNC)
    session.ask(query("START_REPLICATION FF/0 TIMELINE 9"))
    session.send(query("START_REPLICATION PHYSICAL " + where(port)))
    session.until("W")
    session.send(message("d", b"r" + struct.pack(">QQQQB", 0, 0, 0, 0, 1)))
    session.until("d")
    session.send(DONE)
    session.idle()
    session.ask(query("SHOW server_version"))
    session.finish(directory)


def where(port):
    return psql(port, "select pg_current_wal_flush_lsn()").strip()


def goodbyes(port, directory):
    session = Session(port, "terminated_idle", application_name="victim1")
    session.ask(query("begin"))
    psql(port, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'victim1'")
    session.until_closed()
    session.close(directory)
    session = Session(port, "terminated_busy", application_name="victim2")
    session.send(statement("select 1") + statement("select pg_sleep(60)") + SYNC)
    time.sleep(0.5)
    psql(port, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'victim2'")
    session.until_closed()
    session.close(directory)
    session = Session(port, "confused")
    session.send(statement("copy u from stdin") + SYNC + statement("select 1") + SYNC)
    session.until_closed()
    session.close(directory)


class Relay:
    """Stands between a client program and the server, and writes down what passes over the last connection."""

    def __init__(self, port, name):
        self.name = name
        self.recording = Recording(name)
        self.lock = threading.Lock()
        self.server_port = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.relay(client)

    def relay(self, client):
        self.recording = Recording(self.name)
        self.recording.mark("login")
        self.begun = False
        server = socket.create_connection(("127.0.0.1", self.server_port))
        for s in (client, server):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        back = threading.Thread(target=self.pump, args=(server, client, "S"))
        back.start()
        self.pump(client, server, "C")
        back.join()
        client.close()
        server.close()

    def pump(self, source, target, direction):
        while True:
            received = source.recv(65536)
            if not received:
                break
            with self.lock:
                self.recording.add(direction, received)
                # The login ends in a ReadyForQuery of its own.
                if direction == "S" and not self.begun and received.endswith(b"Z\0\0\0\5I"):
                    self.begun = True
                    self.recording.mark("commands")
                target.sendall(received)
        try:
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def finish(self, directory):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join(20)
        self.listener.close()
        self.recording.save(directory)


def environment(user="postgres"):
    return {**os.environ, "PGPASSWORD": PASSWORD, "PGSSLMODE": "disable", "PGGSSENCMODE": "disable", "PGUSER": user,
            "PGHOST": "127.0.0.1", "PGDATABASE": DATABASE, "PSQLRC": "/dev/null"}


def psql(port, sql, user="postgres", check=True):
    done = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-p", str(port), "-c", sql], env=environment(user),
                          check=check, capture_output=True, text=True, timeout=30)
    return done.stdout


def programs(port, directory):
    for user in ("scram", "md5", "clear"):
        relay = Relay(port, "login_" + user)
        psql(relay.port, "select 1", user)
        relay.finish(directory)
    relay = Relay(port, "login_tried_tls")
    subprocess.run(["psql", "-X", "-p", str(relay.port), "-c", "select 1"], env={**environment(), "PGSSLMODE": "prefer"},
                   check=True, capture_output=True, timeout=30)
    relay.finish(directory)
    relay = Relay(port, "psql")
    script = ("\\d\n\\copy u from pstdin\n1\n2\n\\.\nselect * from u;\nbegin;\nselect 1/0;\nrollback;\n"
              "select 1\\; select 2;\n\\copy u to stdout\n\\set FETCH_COUNT 2\nselect generate_series(1, 5);\n")
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(script.replace("pstdin", "stdin"))
        file.flush()
        subprocess.run(["psql", "-X", "-p", str(relay.port), "-f", file.name], env=environment(), check=True,
                       capture_output=True, timeout=30)
    relay.finish(directory)
    script = ("\\startpipeline\nselect 1;\nselect 2;\ninsert into u values (5);\n\\endpipeline\n"
              "begin;\nselect count(*) from u;\nend;\n")
    for mode in ("simple", "extended", "prepared"):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(script if mode != "simple" else "select 1;\nselect 2;\n")
            file.flush()
            relay = Relay(port, "pgbench_" + mode)
            subprocess.run(["pgbench", "-n", "-M", mode, "-t", "4", "-f", file.name, "-p", str(relay.port)],
                           env=environment(), check=True, capture_output=True, timeout=30)
            relay.finish(directory)


def versions(port, directory):
    """Logins that wish for newer versions and unknown options of the protocol."""
    recording = Recording("login_newer_version")
    recording.mark("login")
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        body = struct.pack(">I", 3 << 16 | 9999) + b"".join(map(text, ("user", "postgres", "database", DATABASE,
                                                                       "_pq_.unknown", "on"))) + b"\0"
        packet = struct.pack(">I", len(body) + 4) + body
        connection.sendall(packet)
        recording.add("C", packet)
        received = b""
        while not received.endswith(b"Z\0\0\0\5I"):
            received += connection.recv(65536)
        recording.add("S", received)
        connection.sendall(TERMINATE)
        recording.mark("commands")
        recording.add("C", TERMINATE)
    recording.save(directory)


SETUP = f"""create table t (a int, b text); create table u (a int); create view v as select 1 as a;
create table deferred (a int unique deferrable initially deferred);
set password_encryption = 'scram-sha-256'; create role scram login password '{PASSWORD}';
create role clear login password '{PASSWORD}';
set password_encryption = 'md5'; create role md5 login password '{PASSWORD}';"""


def postgres(port, *statements):
    command = ["psql", "-X", "-q", "-p", str(port), "-d", "postgres"]
    for sql in statements:
        command += ["-c", sql]
    subprocess.run(command, env={**environment(), "PGOPTIONS": "-c client_min_messages=warning"}, check=True,
                   timeout=30)


def main():
    port, directory = int(sys.argv[1]), sys.argv[2]
    postgres(port, f"drop database if exists {DATABASE} with (force)", "drop role if exists scram, md5, clear",
             f"create database {DATABASE}")
    psql(port, SETUP)
    try:
        for record in (simple, extended, pipelines, copies, function_calls, replication, goodbyes, programs, versions):
            print(record.__name__)
            record(port, directory)
    finally:
        postgres(port, f"drop database {DATABASE} with (force)", "drop role scram, md5, clear")


if __name__ == "__main__":
    main()
