"""The layer check catches an arrow that points up, a stranger, and a foreign header out of place."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from check_layers import breaches, main  # noqa: E402

HEADERS = {
    "util/fd.hh",
    "event/loop.hh",
    "net/stream.hh",
    "lua/state.hh",
    "session/session.hh",
    "wire/cursor.hh",
    "wire/proxy_protocol.hh",
    "wire/mysql/greeting.hh",
    "wire/postgres/startup.hh",
    "auth/secret.hh",
    "proto/mysql/driver.hh",
    "proto/postgres/driver.hh",
    "proto/protocols.hh",
    "script/host.hh",
    "daemon/worker.hh",
    "cluster/node.hh",
    "sinks/file.hh",
    "log/log.hh",
    "stats/metrics.inc",
}


def reasons(path, include):
    return [reason for _, reason in breaches(path, f"#include {include}\n", HEADERS)]


@pytest.mark.parametrize(
    "path, include",
    [
        ("util/fd.cc", '"util/fd.hh"'),
        ("util/fd.cc", "<vector>"),
        ("util/fd.cc", "<sys/socket.h>"),
        ("util/error.cc", "<fmt/format.h>"),
        ("event/loop.cc", "<uv.h>"),
        ("net/stream.cc", '"event/loop.hh"'),
        ("net/tls.cc", "<openssl/ssl.h>"),
        ("session/run.cc", '"cluster/node.hh"'),
        ("session/proxy_header.cc", '"wire/proxy_protocol.hh"'),
        ("proto/protocols.cc", '"proto/mysql/driver.hh"'),
        ("proto/mysql/driver.cc", '"proto/mysql/driver.hh"'),
        ("proto/mysql/driver.cc", '"wire/mysql/greeting.hh"'),
        ("proto/mysql/driver.cc", '"wire/cursor.hh"'),
        ("pg/connection.cc", "<libpq-fe.h>"),
        ("script/hooks.cc", "<lua.hpp>"),
        ("daemon/main.cc", '"script/host.hh"'),
        ("daemon/systemd.cc", "<systemd/sd-daemon.h>"),
        ("daemon/options.cc", "<CLI/CLI.hpp>"),
        ("daemon/options.cc", "<uv.h>"),
        ("lua/state.cc", '"lua/prelude.inc"'),
        ("stats/exporter.cc", '"stats/metrics.inc"'),
    ],
)
def test_lets_pass(path, include):
    assert reasons(path, include) == []


@pytest.mark.parametrize(
    "path, include",
    [
        ("util/fd.cc", '"event/loop.hh"'),
        ("wire/mysql/greeting.cc", '"net/stream.hh"'),
        ("net/stream.cc", '"session/session.hh"'),
        ("net/stream.cc", "<openssl/ssl.h>"),
        ("wire/mysql/greeting.cc", "<uv.h>"),
        ("session/run.cc", '"lua/state.hh"'),
        ("session/run.cc", '"wire/mysql/greeting.hh"'),
        ("session/run.cc", '"sinks/file.hh"'),
        ("session/run.cc", "<lua.hpp>"),
        ("proto/mysql/driver.cc", '"proto/postgres/driver.hh"'),
        ("proto/mysql/driver.cc", '"wire/postgres/startup.hh"'),
        ("proto/mysql/driver.cc", '"lua/state.hh"'),
        ("proto/mysql/driver.cc", '"script/host.hh"'),
        ("script/hooks.cc", '"proto/mysql/driver.hh"'),
        ("script/hooks.cc", "<libpq-fe.h>"),
        ("script/hooks.cc", "<systemd/sd-daemon.h>"),
        ("lua/state.cc", '"session/session.hh"'),
        ("event/loop.cc", '"loop.hh"'),
        ("event/loop.cc", '"event/missing.hh"'),
        ("event/loop.cc", '"../event/loop.hh"'),
        ("event/loop.cc", "<event/loop.hh>"),
        ("event/loop.cc", "<boost/asio.hpp>"),
        ("misc/things.cc", "<vector>"),
        ("stray.cc", "<vector>"),
    ],
)
def test_finds(path, include):
    assert reasons(path, include) != []


def test_names_file_and_line(tmp_path, capsys):
    for name in ("util", "net"):
        (tmp_path / name).mkdir()
    (tmp_path / "net" / "stream.hh").write_text("#pragma once\n")
    (tmp_path / "util" / "fd.cc").write_text("#include <vector>\n")
    assert main([str(tmp_path)]) == 0
    (tmp_path / "util" / "fd.cc").write_text('#include <vector>\n\n#include "net/stream.hh"\n')
    assert main([str(tmp_path)]) == 1
    assert f"{tmp_path}/util/fd.cc:3: util may not include net/stream.hh" in capsys.readouterr().out
