"""The ways to the server that are compared, each a process that listens on loopback."""

import dataclasses
import pathlib
import subprocess

from . import server
from .process import Process, free_port

HAPROXY_CONFIG = """\
global
  nbthread 1
  maxconn 4000
defaults
  mode tcp
  timeout connect 10s
  timeout client 1h
  timeout server 1h
listen bench
  bind 127.0.0.1:{port}
  server mariadb 127.0.0.1:{target}
"""

PERILUNE_CONFIG = """\
settings{{workers = 1}}
local server = mysql_resolve('127.0.0.1:{target}')
mysql_listen('127.0.0.1:{port}', {{
  on_login = function(client, login)
    {login}
  end,
}})
"""
PASS_THROUGH = 'return client:connect(server, login)'
KNOWN = """return client:connect(server,
      {{user = login.user, password = '{password}', database = login.database}},
      {{unchecked = true}})""".format(password=server.PASSWORD)


@dataclasses.dataclass
class Endpoint:
    name: str
    port: int
    process: Process | None = None  # none: direct

    def cpu_seconds(self) -> float:
        return self.process.cpu_seconds() if self.process else 0.0

    def stop(self):
        if self.process:
            self.process.stop()


@dataclasses.dataclass
class Factory:
    """Starts endpoints by name; a fresh process each time."""

    directory: pathlib.Path
    target: int
    floor: pathlib.Path
    perilune: pathlib.Path | None

    def names(self) -> list[str]:
        names = ['direct', 'haproxy', 'floor']
        return names + ['perilune', 'perilune-known'] if self.perilune else names

    def start(self, name: str) -> Endpoint:
        if name == 'direct':
            return Endpoint(name, self.target)
        port = free_port()
        process = Process(name, self._command(name, port), self.directory / f'{name}.log')
        try:
            process.wait_ready(lambda: server.answers(port))
        except BaseException:
            process.stop()
            raise
        return Endpoint(name, port, process)

    def _command(self, name: str, port: int) -> list:
        if name == 'haproxy':
            return ['haproxy', '-db', '-f', self._write('haproxy.cfg', HAPROXY_CONFIG, port)]
        if name == 'floor':
            return [self.floor, port, '127.0.0.1', self.target]
        login = KNOWN if name == 'perilune-known' else PASS_THROUGH
        config = self._write(f'{name}.lua', PERILUNE_CONFIG, port, login)
        return [self.perilune, '--config', config, '-q']

    def _write(self, name: str, template: str, port: int, login: str = '') -> pathlib.Path:
        path = self.directory / name
        path.write_text(template.format(port=port, target=self.target, login=login))
        return path


def versions(factory: Factory) -> list[str]:
    commands = [['mariadbd', '--version'], ['haproxy', '-v'], ['sysbench', '--version']]
    if factory.perilune:
        commands.append([str(factory.perilune), '--version'])
    return [subprocess.run(command, capture_output=True, text=True, check=True)
            .stdout.splitlines()[0] for command in commands]
