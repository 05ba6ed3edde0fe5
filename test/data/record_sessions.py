#!/usr/bin/env python3
"""Records sessions with a real server for the replay tests; see README.md for the format.

usage: record_sessions.py SOCKET DIRECTORY

SOCKET is that of a MariaDB started for this purpose, with binary log, --local-infile=1 and an
account root without password. A database perilune_sessions is made and dropped again.
"""

import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading

import pymysql

DATABASE = "perilune_sessions"

LONG_PASSWORD, CONNECT_WITH_DB, LOCAL_FILES, PROTOCOL_41 = 1, 1 << 3, 1 << 7, 1 << 9
SECURE_CONNECTION, MULTI_STATEMENTS, MULTI_RESULTS = 1 << 15, 1 << 16, 1 << 17
PS_MULTI_RESULTS, PLUGIN_AUTH, CONNECT_ATTRS = 1 << 18, 1 << 19, 1 << 20
SESSION_TRACK, DEPRECATE_EOF = 1 << 23, 1 << 24
PROGRESS, BULK, CACHE_METADATA = 1 << 32, 1 << 34, 1 << 36

BASE = (CONNECT_WITH_DB | LOCAL_FILES | PROTOCOL_41 | SECURE_CONNECTION | MULTI_STATEMENTS |
        MULTI_RESULTS | PS_MULTI_RESULTS | PLUGIN_AUTH | CONNECT_ATTRS)
CLASSIC = BASE | LONG_PASSWORD
MODERN = CLASSIC | DEPRECATE_EOF | SESSION_TRACK
MARIADB = BASE | DEPRECATE_EOF | SESSION_TRACK | PROGRESS | BULK | CACHE_METADATA

SERVER_MORE_RESULTS, SERVER_CURSOR_EXISTS = 8, 64

QUERY, FIELD_LIST, STATISTICS, PROCESS_INFO, DEBUG, PING = 3, 4, 9, 10, 13, 14
INIT_DB, PROCESS_KILL, BINLOG_DUMP, REGISTER_SLAVE = 2, 12, 18, 21
PREPARE, EXECUTE, LONG_DATA, CLOSE, RESET, SET_OPTION, FETCH = 22, 23, 24, 25, 26, 27, 28
RESET_CONNECTION, BULK_EXECUTE, QUIT = 31, 250, 1


class Recording:
    """A list of exchanges; each is a list of (direction, bytes), the first being the login."""

    def __init__(self, name):
        self.name = name
        self.exchanges = []

    def begin(self, pipelined=False):
        self.exchanges.append((pipelined, []))

    def add(self, direction, data):
        parts = self.exchanges[-1][1]
        if parts and parts[-1][0] == direction:
            parts[-1] = (direction, parts[-1][1] + data)
        else:
            parts.append((direction, data))

    def save(self, directory):
        with open(os.path.join(directory, self.name + ".txt"), "w", encoding="ascii") as out:
            for number, (pipelined, parts) in enumerate(self.exchanges):
                print("login" if number == 0 else "pipelined" if pipelined else "command", file=out)
                for direction, data in parts:
                    print(direction, data.hex(), file=out)


def lenenc(data, at=0):
    """The integer at `at` and where the next field begins."""
    first = data[at]
    if first < 0xFB:
        return first, at + 1
    size = {0xFC: 2, 0xFD: 3, 0xFE: 8}[first]
    return int.from_bytes(data[at + 1:at + 1 + size], "little"), at + 1 + size


def text(value):
    assert len(value) < 0xFB
    return bytes([len(value)]) + value.encode()


class RawClient:
    """Speaks the protocol by hand; knows what to expect, so needs no general parser of answers."""

    def __init__(self, path, name, capabilities):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.recording = Recording(name)
        self.recording.begin()
        greeting = self.packet()
        low, high = struct.unpack_from("<H3xH", greeting, greeting.index(0, 1) + 14)
        extended = struct.unpack_from("<I", greeting, greeting.index(0, 1) + 28)[0]
        offered = low | high << 16 | extended << 32
        self.capabilities = capabilities & offered | capabilities & LONG_PASSWORD
        self.deprecate_eof = bool(self.capabilities & DEPRECATE_EOF)
        self.cache_metadata = bool(self.capabilities & CACHE_METADATA)
        attributes = text("_client_name") + text("raw") + text("program_name") + text("recorder")
        response = struct.pack("<IIB19xI", self.capabilities & 0xFFFFFFFF, 1 << 24, 45,
                               self.capabilities >> 32)
        response += b"root\0" + b"\0" + DATABASE.encode() + b"\0mysql_native_password\0"
        response += bytes([len(attributes)]) + attributes
        self.send(response, 1)
        assert self.packet()[0] == 0, "login"

    def send(self, payload, sequence=0):
        packet = len(payload).to_bytes(3, "little") + bytes([sequence]) + payload
        self.recording.add("C", packet)
        self.socket.sendall(packet)

    def exactly(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            assert more, "connection closed"
            data += more
        return data

    def packet(self):
        header = self.exactly(4)
        payload = self.exactly(int.from_bytes(header[:3], "little"))
        self.recording.add("S", header + payload)
        self.sequence = header[3]
        return payload

    # One method for each form of answer.

    def nothing(self):
        pass

    def one(self):
        return self.packet()

    def rows(self):
        while True:
            payload = self.packet()
            if payload[0] == 0xFF:
                return 0
            if payload[0] == 0xFE and len(payload) < (1 << 24 if self.deprecate_eof else 9):
                return self.status(payload)

    def status(self, payload):
        if payload[0] == 0xFE and len(payload) == 5:
            return struct.unpack_from("<H", payload, 3)[0]
        at = lenenc(payload, lenenc(payload, 1)[1])[1]
        return struct.unpack_from("<H", payload, at)[0]

    def result(self, files=()):
        files = list(files)
        while True:
            payload = self.packet()
            while payload[:3] == b"\xff\xff\xff":  # progress
                payload = self.packet()
            if payload[0] == 0xFF:
                return
            if payload[0] == 0xFB:
                self.file(files.pop(0))
                continue
            status = self.status(payload) if payload[0] == 0 else self.result_set(payload)
            if not status & SERVER_MORE_RESULTS:
                return

    def result_set(self, head):
        columns, at = lenenc(head)
        definitions = columns if not self.cache_metadata or head[at] else 0
        for _ in range(definitions):
            self.packet()
        if not self.deprecate_eof:
            status = self.status(self.packet())
            if status & SERVER_CURSOR_EXISTS:
                return 0
        return self.rows()

    def file(self, chunks):
        sequence = self.sequence + 1
        for chunk in [*chunks, b""]:
            self.send(chunk, sequence)
            sequence += 1

    def prepared(self):
        payload = self.packet()
        if payload[0] == 0xFF:
            return None
        statement, columns, params = struct.unpack_from("<IHH", payload, 1)
        for count in (params, columns):
            for _ in range(count):
                self.packet()
            if count and not self.deprecate_eof:
                self.packet()
        return statement

    # Commands.

    def command(self, command, payload=b"", answer=None):
        self.recording.begin()
        self.send(bytes([command]) + payload)
        return (answer or self.one)()

    def query(self, sql, files=()):
        self.command(QUERY, sql.encode(), lambda: self.result(files))

    def prepare(self, sql):
        return self.command(PREPARE, sql.encode(), self.prepared)

    def execute(self, statement, arguments=b"", cursor=0):
        payload = struct.pack("<IBI", statement, cursor, 1) + arguments
        self.command(EXECUTE, payload, self.result)

    def pipeline(self, commands):
        """commands: (payload, method that reads the answer). All are sent in one write."""
        self.socket.sendall(b"".join(
            len(p).to_bytes(3, "little") + b"\0" + p for p, _ in commands))
        for number, (payload, answer) in enumerate(commands):
            self.recording.begin(pipelined=number > 0)
            self.recording.add("C", len(payload).to_bytes(3, "little") + b"\0" + payload)
            answer()

    def finish(self, directory):
        self.command(QUIT, answer=self.nothing)
        self.save(directory)

    def save(self, directory):
        self.recording.save(directory)
        self.socket.close()


def text_protocol(client):
    client.command(PING)
    client.command(INIT_DB, DATABASE.encode())
    client.query("select 1")
    client.query("select * from t order by id")
    client.query("select * from t where id < 0")
    client.query("select null, '', repeat('x', 300)")
    client.query("insert into scratch(name) values('a'), ('b')")
    client.query("update t set name = concat(name, '') where id > 1")
    client.query("nonsense")
    client.query("select 1; select 2; insert into scratch(name) values('c'); select 3, 4")
    client.query("select 1; select nonsense; select 3")
    client.query("call two_results(1)")
    client.query("begin")
    client.query("insert into scratch(name) values('in transaction')")
    client.query("rollback")
    client.query("set session time_zone = '+00:00'")
    client.query("use " + DATABASE)


def other_commands(client):
    client.command(STATISTICS)
    client.command(FIELD_LIST, b"t\0", client.rows)
    client.command(FIELD_LIST, b"no_such_table\0", client.rows)
    client.command(PROCESS_INFO, answer=client.result)
    client.command(PROCESS_KILL, struct.pack("<I", 0x7FFFFFFF))
    client.command(DEBUG)
    client.command(SET_OPTION, struct.pack("<H", 1))
    client.command(SET_OPTION, struct.pack("<H", 0))
    client.command(SET_OPTION, struct.pack("<H", 7))
    client.command(0x70, b"no such command")
    client.command(0, b"COM_SLEEP")
    client.command(RESET_CONNECTION)
    client.command(REGISTER_SLAVE, struct.pack("<I", 77) + b"\0\0\0" + struct.pack("<HII", 0, 0, 0))


def prepared_statements(client):
    one = client.prepare("select id, name from t where id > ? and name <> ?")
    types = b"\0\1" + b"\3\0" + b"\xfd\0"
    client.execute(one, types + struct.pack("<i", 1) + text("zz"))
    client.execute(one, types + struct.pack("<i", 1) + text("zz"), cursor=1)
    client.command(FETCH, struct.pack("<II", one, 1), client.rows)
    client.command(FETCH, struct.pack("<II", one, 100), client.rows)
    client.command(FETCH, struct.pack("<II", one, 100), client.rows)
    client.command(RESET, struct.pack("<I", one))
    client.command(RESET, struct.pack("<I", 4711))
    client.command(LONG_DATA, struct.pack("<IH", one, 1) + b"long ", client.nothing)
    client.command(LONG_DATA, struct.pack("<IH", one, 1) + b"data", client.nothing)
    client.execute(one, b"\0\1" + b"\3\0" + b"\xfc\0" + struct.pack("<i", 0))
    insert = client.prepare("insert into scratch(name) values(?)")
    client.execute(insert, b"\0\1\xfd\0" + text("by statement"))
    client.command(CLOSE, struct.pack("<I", insert), client.nothing)
    client.command(CLOSE, struct.pack("<I", one), client.nothing)
    client.execute(one)
    client.prepare("nonsense")
    plain = client.prepare("begin")
    client.execute(plain)
    call = client.prepare("call two_results(?)")
    client.execute(call, b"\0\1\3\0" + struct.pack("<i", 2))
    out = client.prepare("call with_out(?)")
    client.execute(out, b"\0\1\3\0" + struct.pack("<i", 2))
    empty = client.prepare("select * from t where id < 0")
    client.execute(empty, cursor=1)
    client.command(FETCH, struct.pack("<II", empty, 5), client.rows)
    client.execute(empty)
    client.execute(empty)
    client.query("commit")


def local_files(client):
    load = "load data local infile 'any' into table scratch(name)"
    client.query(load, [[b"one\ntwo\n", b"three\n"]])
    client.query(load, [[]])
    client.query("load data local infile 'any' into table no_such_table", [[b"x\n"]])
    client.query(f"select 1; {load}; select 2; {load}; select 3", [[b"four\n"], [b"five\n"]])
    client.query(load + " set no_such_column = 1", [[b"x\n"]])
    client.command(PING)


def bulk(client):
    insert = client.prepare("insert into scratch(name) values(?)")
    if client.capabilities & BULK:
        rows = b"".join(b"\0" + text(name) for name in ("x", "y", "z"))
        payload = struct.pack("<IH", insert, 128) + b"\xfd\0" + rows
        client.command(BULK_EXECUTE, payload, client.result)
        client.command(BULK_EXECUTE, struct.pack("<IH", 4711, 128) + b"\xfd\0" + rows, client.result)
    select = client.prepare("select * from t")
    client.execute(select)
    client.execute(select)
    client.query("alter table t force")
    client.execute(select)
    client.query("set progress_report_time = 1")


def progress(client):
    client.query("set progress_report_time = 1")
    client.query("alter table big_enough force, algorithm = copy")


def pipelines(client):
    def query(sql):
        return bytes([QUERY]) + sql.encode(), client.result

    client.pipeline([query("select 1"), query("insert into scratch(name) values('p')"),
                     query("nonsense"), query("select * from t"), (bytes([PING]), client.one)])
    client.pipeline([query("select 1; select 2"), (bytes([STATISTICS]), client.one),
                     query("call two_results(3)"), (bytes([CLOSE]) + b"\1\0\0\0", client.nothing),
                     query("select 2")])
    client.pipeline([(bytes([PING]), client.one)] * 20)
    # As MariaDB's connectors do: the statement just prepared is number -1.
    last = struct.pack("<I", 0xFFFFFFFF)
    client.pipeline([
        (bytes([PREPARE]) + b"select * from t where id > ?", client.prepared),
        (bytes([EXECUTE]) + last + b"\0\1\0\0\0" + b"\0\1\3\0" + struct.pack("<i", 0), client.result),
        (bytes([CLOSE]) + last, client.nothing), (bytes([PING]), client.one)])
    client.query("select 5")


def binary_log(client, log):
    client.query("set @master_binlog_checksum = 'NONE'")
    client.query("set @mariadb_slave_capability = 4")
    payload = struct.pack("<IHI", 4, 1, 78)  # flag 1: do not wait for more
    client.command(BINLOG_DUMP, payload + log, lambda: dump_end(client))


def dump_end(client):
    while True:
        payload = client.packet()
        if payload[0] == 0xFF or payload[0] == 0xFE and len(payload) < 9:
            return


class Forwarder:
    """Stands between one client that waits for each answer and the server."""

    def __init__(self, server_path, name):
        self.recording = Recording(name)
        self.recording.begin()
        self.path = os.path.join(tempfile.mkdtemp(), "socket")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        self.server_path = server_path
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        client, _ = self.listener.accept()
        server = socket.socket(socket.AF_UNIX)
        server.connect(self.server_path)
        down = threading.Thread(target=self.copy, args=(server, client, self.from_server))
        down.start()
        self.copy(client, server, self.from_client)
        down.join()

    def copy(self, source, target, note):
        pending = b""
        while data := source.recv(65536):
            with self.lock:
                pending = note(pending + data)
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)

    def from_server(self, data):
        self.recording.add("S", data)
        return b""

    def from_client(self, data):
        """Takes whole packets; one with number 0 begins a command (none here needs 16 MiB)."""
        while len(data) >= 4 and len(data) >= 4 + int.from_bytes(data[:3], "little"):
            size = 4 + int.from_bytes(data[:3], "little")
            if data[3] == 0:
                self.recording.begin()
            self.recording.add("C", data[:size])
            data = data[size:]
        return data

    def finish(self, directory):
        self.thread.join()
        self.recording.save(directory)
        self.listener.close()
        os.unlink(self.path)
        os.rmdir(os.path.dirname(self.path))


def record_pymysql(path, directory):
    forwarder = Forwarder(path, "pymysql")
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as csv:
        csv.write("from\nfile\n" * 3)
        csv.flush()
        with pymysql.connect(unix_socket=forwarder.path, user="root", database=DATABASE,
                             local_infile=True,
                             client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS) as connection:
            with connection.cursor() as cursor:
                cursor.execute("select * from t where id > %s", (1,))
                cursor.execute(f"load data local infile '{csv.name}' into table scratch(name)")
                cursor.execute("select 1; select 2")
                cursor.nextset()
                cursor.callproc("two_results", (1,))
                cursor.executemany("insert into scratch(name) values(%s)", [("m",), ("n",)])
            connection.commit()
            connection.ping()
    forwarder.finish(directory)


def record_command_line(path, directory):
    forwarder = Forwarder(path, "mariadb_client")
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as csv:
        csv.write("from\nclient\n")
        csv.flush()
        subprocess.run(
            ["mariadb", "--no-defaults", "--user=root", "--local-infile=1", "--force",
             "--socket=" + forwarder.path, DATABASE],
            input=f"""select * from t;
                load data local infile '{csv.name}' into table scratch(name);
                load data local infile '/nonexistent/file' into table scratch(name);
                call two_results(1);
                use {DATABASE}
                nonsense;
                status
                """,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True, check=False)
    forwarder.finish(directory)


def record_password(path, directory):
    """Logins: with an answer to the scramble, by way of a switch of the method, and refused."""
    with pymysql.connect(unix_socket=path, user="root") as connection, connection.cursor() as cursor:
        cursor.execute("create or replace user recorded@localhost identified by 'recorded'")
        cursor.execute(f"grant all on {DATABASE}.* to recorded@localhost")
    for name, password in (("login_password", "recorded"), ("login_refused", "wrong")):
        forwarder = Forwarder(path, name)
        try:
            pymysql.connect(unix_socket=forwarder.path, user="recorded", password=password).close()
        except pymysql.err.OperationalError:
            pass
        forwarder.finish(directory)
    forwarder = Forwarder(path, "login_switch")
    subprocess.run(["mariadb", "--no-defaults", "--user=recorded", "--password=recorded",
                    "--default-auth=client_ed25519", "--socket=" + forwarder.path, "-e", "do 1"],
                   check=True)
    forwarder.finish(directory)
    with pymysql.connect(unix_socket=path, user="root") as connection, connection.cursor() as cursor:
        cursor.execute("drop user recorded@localhost")


SETUP = (
    f"drop database if exists {DATABASE}", f"create database {DATABASE}", f"use {DATABASE}",
    "create table t(id int primary key, name varchar(100), born datetime)",
    "insert into t values(1, 'one', '2001-02-03 04:05:06'), (2, 'two', null), (3, null, null)",
    "create table scratch(id int auto_increment primary key, name varchar(1000))",
    "create table big_enough(id int primary key, filler char(100)) engine=aria",
    "insert into big_enough select seq, repeat('x', 100) from seq_1_to_2000000",
    "create procedure two_results(n int) begin select n; select * from t; end",
    "create procedure with_out(out n int) begin select 1; set n = 42; end",
    "reset master",
    "insert into scratch(name) values('logged')",
)


def main():
    path, directory = sys.argv[1:]
    with pymysql.connect(unix_socket=path, user="root") as connection, connection.cursor() as cursor:
        for statement in SETUP:
            cursor.execute(statement)
        connection.commit()
    for name, log in (("binary_log", b"binlog.000001"), ("binary_log_refused", b"no_such_log")):
        client = RawClient(path, name, MODERN)
        binary_log(client, log)
        client.save(directory)  # the server ends the session
    for suffix, capabilities in (("classic", CLASSIC), ("modern", MODERN), ("mariadb", MARIADB)):
        for story in (text_protocol, other_commands, prepared_statements, local_files, bulk,
                      pipelines):
            client = RawClient(path, f"{story.__name__}_{suffix}", capabilities)
            story(client)
            client.finish(directory)
    client = RawClient(path, "progress", MARIADB)
    progress(client)
    client.finish(directory)
    record_pymysql(path, directory)
    record_command_line(path, directory)
    record_password(path, directory)
    with pymysql.connect(unix_socket=path, user="root") as connection, connection.cursor() as cursor:
        cursor.execute(f"drop database {DATABASE}")


if __name__ == "__main__":
    main()
