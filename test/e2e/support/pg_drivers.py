"""PostgreSQL clients of other languages, each a process that lives for many sessions.

The programs in test/e2e/drivers/pg_* have one contract. Each line of their input has a verb and its words, separated by tabs,
and is answered by a line: values with `|` between them, rows with `;`, or a number where there are no rows; an error as
`ERROR <SQLSTATE> <message>`, with `-` for the SQLSTATE if it is not a server's.

    login HOST PORT USER PASSWORD DATABASE TLS APPLICATION   ends the session before; TLS: off, required, direct
    logout
    query SQL                           the driver's plain way to run a statement
    prepared SQL COUNT [NUMBER...]      one prepared statement so often, the parameters one higher each time; all answers, by `,`
    transaction SQL...                  undone if one fails
    big SQL                             reads by portions where the driver can: how many rows, and their first column's size
    copy_in SQL LINE COUNT
    copy_out SQL                        how many bytes came
    cancel SQL                          what comes of a statement that is cancelled as often as it takes
    customs                             what drivers, pools and frameworks say for themselves
"""

import subprocess
from dataclasses import dataclass
from typing import NamedTuple

import drivers
from throwaway import die_with_parent


@dataclass(frozen=True)
class PgDriver:
    """`needs` is a name of tools/drivers. `has_simple`: its plain way is a simple query. `has_unix`: unix sockets, too.
    `sends_as_text`: numbers for parameters that the other side calls texts, as Perilune does in its own statements."""

    needs: str
    options: tuple = ()
    has_simple: bool = True
    has_unix: bool = True
    has_direct: bool = True
    sends_as_text: bool = True


PG_DRIVERS = {
    "node-postgres": PgDriver("driver-pg-node"),
    "pgx": PgDriver("driver-pg-go", has_direct=False, sends_as_text=False),
    "pgjdbc": PgDriver("driver-pg-java", has_simple=False, has_unix=False),
    "pgjdbc-simple": PgDriver("driver-pg-java", ("--simple",), has_unix=False),
}


class Refused(NamedTuple):
    sqlstate: str | None
    message: str


class PgProgram:
    """A running driver; whoever lost a session logs in again."""

    def __init__(self, name):
        self.name, self.traits = name, PG_DRIVERS[name]
        pipe = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "preexec_fn": die_with_parent}
        self._process = subprocess.Popen([*drivers.command(self.traits.needs), *self.traits.options], **pipe, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()

    def ask(self, *words):
        """The line, or a Refused."""
        print("\t".join(map(str, words)), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        assert line, f"no answer to {words}"
        if not line.startswith("ERROR "):
            return line.rstrip("\n")
        _, sqlstate, message = line.rstrip("\n").split(" ", 2)
        return Refused(None if sqlstate == "-" else sqlstate, message)
