"""A throw-away MariaDB with one account and one table."""

import os
import pathlib
import subprocess

from . import mysql
from .process import Process, free_port, run_measured

USER, PASSWORD, DATABASE = 'bench', 'bench', 'bench'
TABLE_SIZE = 10000
SETUP = f"""
CREATE DATABASE {DATABASE};
CREATE USER {USER}@'127.0.0.1' IDENTIFIED VIA mysql_native_password USING PASSWORD('{PASSWORD}');
GRANT ALL ON *.* TO {USER}@'127.0.0.1';
"""


class Server:
    def __init__(self, directory: pathlib.Path):
        data = directory / 'data'
        self.port = free_port()
        self.socket = directory / 'server.sock'
        run_measured(['mariadb-install-db', '--no-defaults', f'--datadir={data}',
                      '--auth-root-authentication-method=normal', '--skip-test-db', *as_user()])
        self.process = Process('mariadbd', [
            'mariadbd', '--no-defaults', f'--datadir={data}', f'--socket={self.socket}',
            '--bind-address=127.0.0.1', f'--port={self.port}', *as_user(),
            '--skip-name-resolve', '--skip-log-bin', '--performance-schema=OFF',
            '--max-connections=5000', '--back-log=1024', '--max-allowed-packet=64M',
            '--innodb-buffer-pool-size=64M', '--innodb-flush-log-at-trx-commit=0',
        ], directory / 'mariadbd.log')
        try:
            self.process.wait_ready(self.socket.exists)
            self._client(SETUP)
            run_measured(['sysbench', 'oltp_point_select', *sysbench_options(self.port),
                          f'--table-size={TABLE_SIZE}', 'prepare'])
        except BaseException:
            self.stop()
            raise

    def _client(self, sql: str):
        subprocess.run(['mariadb', '--no-defaults', f'--socket={self.socket}', '-uroot'],
                       input=sql, text=True, check=True)

    def stop(self):
        self.process.stop()


def as_user() -> list[str]:
    return ['--user=root'] if os.getuid() == 0 else []


def sysbench_options(port: int) -> list[str]:
    return ['--db-driver=mysql', '--mysql-host=127.0.0.1', f'--mysql-port={port}',
            f'--mysql-user={USER}', f'--mysql-password={PASSWORD}', f'--mysql-db={DATABASE}']


def connect(port: int) -> mysql.Connection:
    return mysql.Connection(port, USER, PASSWORD)


def answers(port: int) -> bool:
    """Whether a login through this port reaches a server; never leaves one half done."""
    try:
        connect(port).quit()
        return True
    except (ConnectionRefusedError, ConnectionResetError):
        return False
