"""The ways to the server that are compared, each a process that listens on loopback."""

import dataclasses
import pathlib
import subprocess

from . import certificates, server
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
  bind 127.0.0.1:{port}{tls}
  server mariadb 127.0.0.1:{target}
"""

# HAProxy knows TLS from the first byte on, MySQL's clients begin it later: stunnel does it for them.
STUNNEL_CONFIG = """\
foreground = yes
pid =
debug = err
sessionResume = no
[bench]
client = yes
accept = 127.0.0.1:{port}
connect = 127.0.0.1:{target}
"""

NGINX_CONFIG = """\
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log {directory}/nginx.err;
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
events {{ worker_connections 8192; }}
stream {{
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    proxy_pass 127.0.0.1:{target};
    proxy_timeout 1h;
    tcp_nodelay on;
  }}
}}
"""

# Bytes only, as HAProxy and nginx see them.
PERILUNE_TCP_CONFIG = """\
settings{{workers = 1}}
local server = tcp_resolve('127.0.0.1:{target}')
tcp_listen('127.0.0.1:{port}', {{
  on_connect = function(client)
    return client:connect(server)
  end,
}})
"""

PERILUNE_CONFIG = """\
settings{{workers = 1}}
local server = mysql_resolve('127.0.0.1:{target}')
mysql_listen('127.0.0.1:{port}', {{
  on_login = function(client, login)
    {login}
  end,{more}
}}, {{tls = {tls}{options}}})
"""
PASS_THROUGH = 'return client:connect(server, login)'
KNOWN = """return client:connect(server,
      {{user = login.user, password = '{password}', database = login.database}},
      {{unchecked = true}})""".format(password=server.PASSWORD)
# Looks at the text and lets it pass.
ON_QUERY = """
  on_query = function(client, sql)
    if sql:find('forbidden', 1, true) then
      return client:err('not this one')
    end
  end,"""

# Every statement in a file, with the default line or as JSON.
LOGS = {
    'perilune-log-text': ", log = log_file('{directory}/statements.text')",
    'perilune-log-json':
        ", log = log_file('{directory}/statements.json', {{format = 'json'}})"}


@dataclasses.dataclass
class Endpoint:
    name: str
    port: int
    process: Process | None = None  # none: direct
    helper: Process | None = None  # between the clients and the process
    options: list[str] = dataclasses.field(default_factory=list)  # of sysbench, besides
    login: list[str] = dataclasses.field(default_factory=list)  # its options for who and where

    def cpu_seconds(self) -> float:
        return self.process.cpu_seconds() if self.process else 0.0

    def stop(self):
        for process in (self.helper, self.process):
            if process:
                process.stop()


@dataclasses.dataclass
class Factory:
    """Starts endpoints by name; a fresh process each time."""

    directory: pathlib.Path
    target: int
    floor: pathlib.Path
    perilune: pathlib.Path | None
    tls: bool = False  # between the clients and the proxies
    workers: int | None = None  # of Perilune; none: what its script says

    def __post_init__(self):
        if self.tls:
            certificates.make(self.directory)

    def names(self) -> list[str]:
        names = ['haproxy'] if self.tls else ['direct', 'haproxy', 'nginx', 'floor']
        if not self.perilune:
            return names
        ours = ['perilune', 'perilune-known', 'perilune-on-query']
        return names + ours + ([] if self.tls else [*LOGS, 'perilune-tcp'])

    def start(self, name: str) -> Endpoint:
        if name == 'direct':
            return Endpoint(name, self.target, login=self.load_options(self.target))
        port = free_port()
        endpoint = Endpoint(name, port, Process(name, self._command(name, port),
                                                self.directory / f'{name}.log'))
        try:
            if self.tls and name == 'haproxy':
                endpoint.port = free_port()
                endpoint.helper = Process('stunnel', self._stunnel(endpoint.port, port),
                                          self.directory / 'stunnel.log')
            elif self.tls:
                endpoint.options = ['--mysql-ssl=on']
            endpoint.login = self.load_options(endpoint.port)
            endpoint.process.wait_ready(lambda: self.answers(endpoint))
        except BaseException:
            endpoint.stop()
            raise
        return endpoint

    def load_options(self, port: int) -> list[str]:
        return server.sysbench_options(port)

    def answers(self, endpoint: Endpoint) -> bool:
        return server.answers(endpoint.port)

    def peers(self) -> list[list[str]]:
        """What says the versions of the server and of what stands beside HAProxy."""
        return [['mariadbd', '--version'], ['nginx', '-v']]

    def perilune_config(self) -> str:
        return PERILUNE_CONFIG

    def known(self) -> str:
        return KNOWN

    def _stunnel(self, port: int, target: int) -> list:
        path = self.directory / 'stunnel.conf'
        path.write_text(STUNNEL_CONFIG.format(port=port, target=target))
        return ['stunnel', path]

    def _command(self, name: str, port: int) -> list:
        if name == 'haproxy':
            return ['haproxy', '-db', '-f', self._write('haproxy.cfg', HAPROXY_CONFIG, port)]
        if name == 'nginx':
            return ['nginx', '-c', self._write('nginx.conf', NGINX_CONFIG, port)]
        if name == 'perilune-tcp':
            config = self._write(f'{name}.lua', PERILUNE_TCP_CONFIG, port)
            return self.run_perilune(config)
        if name == 'floor':
            return [self.floor, port, '127.0.0.1', self.target]
        login = self.known() if name == 'perilune-known' else PASS_THROUGH
        more = ON_QUERY if name == 'perilune-on-query' else ''
        options = LOGS.get(name, '').format(directory=self.directory)
        config = self._write(f'{name}.lua', self.perilune_config(), port, login=login,
                             more=more, options=options)
        return self.run_perilune(config)

    def run_perilune(self, config: pathlib.Path) -> list:
        workers = ['--workers', self.workers] if self.workers else []
        return [self.perilune, '--config', config, '-q', *workers]

    def _write(self, name: str, template: str, port: int, **parts: str) -> pathlib.Path:
        path = self.directory / name
        pem = self.directory / certificates.SERVER
        tls = {'haproxy.cfg': f' ssl crt {pem}' if self.tls else ''}.get(
            name, f"{{cert = '{pem}'}}" if self.tls else 'false')
        path.write_text(template.format(port=port, target=self.target, tls=tls,
                                        directory=self.directory, **parts))
        return path


def versions(factory: Factory) -> list[str]:
    commands = [*factory.peers(), ['haproxy', '-v'], ['sysbench', '--version']]
    if factory.perilune:
        commands.append([str(factory.perilune), '--version'])
    return [subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           check=True).stdout.splitlines()[0] for command in commands]
