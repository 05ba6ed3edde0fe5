"""The ordinary clients, as programs."""

import subprocess

import servers


def address_options(address):
    if isinstance(address, str):
        return ["--protocol=socket", f"--socket={address}"]
    return ["--protocol=tcp", f"--host={address[0]}", f"--port={address[1]}"]


def command_of(name):
    """How to call a client by the name that tests use: an installed program's, or one of tools/servers'."""
    if name == "mysql-9":
        plugins = servers.root_of(name) / "usr/lib/mysql/plugin"
        # Without the last it would not send a password over TCP without TLS, not even encrypted.
        return [*servers.command(name, "usr/bin/mysql"), "--no-defaults", f"--plugin-dir={plugins}", "--get-server-public-key"]
    if name == "mariadb-11.8":
        plugins = next(servers.root_of(name).glob("usr/lib/*/libmariadb3/plugin"))
        return [*servers.command(name, "usr/bin/mariadb"), "--no-defaults", f"--plugin-dir={plugins}"]
    return [name, "--no-defaults"]


def run(name, address, *arguments, user="plain", password="secret", stdin=None, seconds=120, check=True):
    """A client program that takes the options of MariaDB's and MySQL's; what it printed."""
    secret = [f"--password={password}"] if password is not None else ["--skip-password"]
    command = [*command_of(name), *address_options(address), f"--user={user}", *secret, *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=seconds, text=not isinstance(stdin, bytes))
    if check and done.returncode != 0:
        raise AssertionError(f"{name} {' '.join(arguments)}: exit status {done.returncode}\n{done.stderr}")
    return done


def mariadb(address, sql, *arguments, name="mariadb", **options):
    return run(name, address, "--batch", "--skip-column-names", *arguments, stdin=sql, **options)


class Sysbench:
    """`oltp_read_write` and its like against an address; tables live in `database`."""

    def __init__(self, address, database, *, user="plain", password="secret", tables=2, rows=500):
        host = [f"--mysql-socket={address}"] if isinstance(address, str) else [f"--mysql-host={address[0]}", f"--mysql-port={address[1]}"]
        self._options = [
            "--db-driver=mysql",
            *host,
            f"--mysql-user={user}",
            f"--mysql-password={password}",
            f"--mysql-db={database}",
            f"--tables={tables}",
            f"--table-size={rows}",
            "--mysql-ignore-errors=1213,1020,1205",  # dead locks are the workload's own
        ]

    def _command(self, test, action, *options):
        return ["sysbench", test, *self._options, *options, action]

    def prepare(self):
        done = subprocess.run(self._command("oltp_read_write", "prepare"), capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self, test="oltp_read_write", *, threads=16, seconds=3, events=0, options=()):
        limits = [f"--time={seconds}", f"--events={events}", f"--threads={threads}"]
        return subprocess.Popen(
            self._command(test, "run", *limits, *options), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self, *arguments, **options):
        process = self.start(*arguments, **options)
        output, _ = process.communicate(timeout=300)
        check_sysbench(process.returncode, output)
        return output


def check_sysbench(code, output):
    """No session was lost, and something was done."""
    assert code == 0 and "FATAL" not in output, output
    assert "reconnects:                          0 " in output, output
    assert "transactions:                        0 " not in output, output
