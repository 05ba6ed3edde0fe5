"""The ordinary clients, as programs."""

import subprocess


def address_options(address):
    if isinstance(address, str):
        return ["--protocol=socket", f"--socket={address}"]
    return ["--protocol=tcp", f"--host={address[0]}", f"--port={address[1]}"]


def run(name, address, *arguments, user="plain", password="secret", stdin=None, seconds=120, check=True):
    """One of MariaDB's client programs; what it printed."""
    secret = [f"--password={password}"] if password is not None else ["--skip-password"]
    command = [name, "--no-defaults", *address_options(address), f"--user={user}", *secret, *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=seconds, text=not isinstance(stdin, bytes))
    if check and done.returncode != 0:
        raise AssertionError(f"{name} {' '.join(arguments)}: exit status {done.returncode}\n{done.stderr}")
    return done


def mariadb(address, sql, *arguments, **options):
    return run("mariadb", address, "--batch", "--skip-column-names", *arguments, stdin=sql, **options)


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
