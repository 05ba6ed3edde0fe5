"""A throw-away PostgreSQL behind the same ways, and pgbouncer."""

import os
import pathlib
import subprocess
import sys

from .endpoints import Endpoint, Factory, PERILUNE_TCP_CONFIG
from .process import run_measured
from .server import TABLE_SIZE

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / 'tools' / 'lib'))

import postgres  # noqa: E402

USER, DATABASE, PASSWORD = 'web', 'hosting', postgres.PASSWORD
TICKS = os.sysconf('SC_CLK_TCK')

PGBOUNCER_CONFIG = """\
[databases]
{database} = host=127.0.0.1 port={target}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {directory}/users.txt
pool_mode = session
default_pool_size = 100
max_client_conn = 4000
log_connections = 0
log_disconnections = 0
user = postgres
"""

PERILUNE_CONFIG = """\
settings{{workers = 1}}
local server = pgsql_resolve('127.0.0.1:{target}')
pgsql_listen('127.0.0.1:{port}', {{
  on_login = function(client, login)
    {login}
  end,{more}
}}, {{tls = false{options}}})
"""
KNOWN = """return client:connect(server,
      {{user = login.user, password = '{password}', database = login.database}},
      {{unchecked = true}})""".format(password=PASSWORD)


class Tree:
    """A process whose children come and go: the time of those that are gone is in its own figures."""

    def __init__(self, pid: int):
        self._pid = pid

    def cpu_seconds(self) -> float:
        own, gone = stat(self._pid)
        return own + gone + sum(stat(child)[0] for child in children(self._pid))


def stat(pid: int) -> tuple[float, float]:
    """CPU seconds of the process, and of its children that are gone."""
    try:
        fields = pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0, 0.0  # it ended while we looked
    own, system, gone, gone_system = map(int, fields[11:15])
    return (own + system) / TICKS, (gone + gone_system) / TICKS


def children(pid: int) -> list[int]:
    return [int(child) for child in
            pathlib.Path(f'/proc/{pid}/task/{pid}/children').read_text().split()]


class Server:
    def __init__(self, _directory: pathlib.Path):
        self._context = postgres.own_postgres(
            options=['max_connections=500', 'log_connections=off', 'shared_buffers=64MB'])
        server = self._context.__enter__()
        try:
            self.port = server.port
            self.process = Tree(server.process.pid)
            server.sql('GRANT CREATE ON SCHEMA public TO web')
            run_measured(['sysbench', 'oltp_point_select', *sysbench_options(self.port),
                          f'--table-size={TABLE_SIZE}', 'prepare'])
        except BaseException:
            self.stop()
            raise

    def stop(self):
        self._context.__exit__(None, None, None)


def sysbench_options(port: int) -> list[str]:
    return ['--db-driver=pgsql', '--pgsql-host=127.0.0.1', f'--pgsql-port={port}',
            f'--pgsql-user={USER}', f'--pgsql-password={PASSWORD}', f'--pgsql-db={DATABASE}']


def answers(port: int) -> bool:
    """Whether a login through this port reaches a server."""
    done = subprocess.run(
        ['psql', '-X', '-At', '-c', 'SELECT 1', '-h', '127.0.0.1', '-p', str(port), '-U', USER,
         DATABASE],
        env={**os.environ, 'PGPASSWORD': PASSWORD, 'PGSSLMODE': 'disable'}, capture_output=True)
    return done.returncode == 0


class PostgresFactory(Factory):
    def names(self) -> list[str]:
        names = ['direct', 'haproxy', 'pgbouncer', 'floor']
        if not self.perilune:
            return names
        return [*names, 'perilune', 'perilune-known', 'perilune-on-query', 'perilune-log-text',
                'perilune-log-json', 'perilune-tcp']

    def load_options(self, port: int) -> list[str]:
        return sysbench_options(port)

    def answers(self, endpoint: Endpoint) -> bool:
        return answers(endpoint.port)

    def _command(self, name: str, port: int) -> list:
        if name == 'pgbouncer':
            self.directory.chmod(0o755)
            users = self.directory / 'users.txt'
            users.write_text(f'"{USER}" "{PASSWORD}"\n')
            return ['pgbouncer', self._write('pgbouncer.ini', PGBOUNCER_CONFIG, port,
                                             database=DATABASE)]
        if name == 'perilune-tcp':
            config = self._write(f'{name}.lua', PERILUNE_TCP_CONFIG, port)
            return self.run_perilune(config)
        return super()._command(name, port)

    def peers(self) -> list[list[str]]:
        return [[postgres.program('postgres'), '--version'], ['pgbouncer', '--version']]

    def perilune_config(self) -> str:
        return PERILUNE_CONFIG

    def known(self) -> str:
        return KNOWN

