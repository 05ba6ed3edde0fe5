"""Methods that Perilune does not know: a real server's PAM, whose questions are passed on one after the other."""

import os
import pty
import shutil
import subprocess
import termios
import time
from pathlib import Path

import pytest

from support import programs
from support.daemon import PATIENCE
from throwaway import Mariadb, temporary_folder

# Asks for the password; asks for something else first, which it does not judge.
SERVICES = {"pl_one": ("{check}",), "pl_two": ("required pam_ftp.so ignore users=two", "{check}")}
CHECK = "required pam_exec.so expose_authtok quiet {folder}/is_right"
IS_RIGHT = """#!/bin/sh
PATH=/usr/bin:/bin
[ "$(tr -d '\\0')" = secret ]
"""
ACCOUNTS = """
INSTALL SONAME 'auth_pam_v1';
CREATE USER one@'%' IDENTIFIED VIA pam USING 'pl_one';
CREATE USER two@'%' IDENTIFIED VIA pam USING 'pl_two';
"""
ROUTES = {"unix": ("SERVER_SOCK", "nil"), "tls": ("SERVER", "'require'")}


class PamServer(Mariadb):
    """Sees services of its own in /etc/pam.d: it lives in a namespace where it is root, and alone with its mounts."""

    def _command(self):
        mounted = 'mount --bind "$0" /etc/pam.d && exec "$@"'
        isolated = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mounted]
        return [*isolated, f"{self.folder}/pam.d", *super()._command(), "--user=root"]


def write_services(folder):
    (folder / "pam.d").mkdir()
    (folder / "is_right").write_text(IS_RIGHT)
    (folder / "is_right").chmod(0o755)
    for name, lines in SERVICES.items():
        rules = [f"auth {line.format(check=CHECK.format(folder=folder))}" for line in lines]
        (folder / "pam.d" / name).write_text("\n".join([*rules, "account required pam_permit.so", ""]))


@pytest.fixture(scope="module", params=["dialog", "mysql_clear_password"])
def pam(request, certificates):
    folder = Path(temporary_folder("pl-pam-"))
    write_services(folder)
    clear = ["--loose-pam-use-cleartext-plugin"] if request.param == "mysql_clear_password" else []
    server = PamServer(folder, [*certificates.server_options(), *clear])
    try:
        server.start()
        server.sql(ACCOUNTS)
        server.method = request.param
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture
def server(pam):
    return pam


def start(perilune, route="unix"):
    target, tls = ROUTES[route]
    return perilune(f"""
        local handler = {{ on_login = function(client, login) return client:connect({target}, login, {{ tls = {tls} }}) end }}
        mysql_listen(SOCK, handler) mysql_listen(TCP, handler)""")


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("where", ["sock", "tcp"])
def test_one_question(perilune, where, route):
    address = getattr(start(perilune, route), where)
    options = ["--ssl"] if where == "tcp" else []
    done = programs.mariadb(address, "SELECT CURRENT_USER()", *options, user="one")
    assert done.stdout == "one@%\n"
    wrong = programs.mariadb(address, "", *options, user="one", password="wrong", check=False)
    assert wrong.returncode == 1 and "ERROR 1045 (28000): Access denied for user 'one'@" in wrong.stderr


def ask_at_terminal(command, answer):
    """Runs a client that asks at its terminal for what the options do not say: its exit status, all it said."""
    master, slave = pty.openpty()
    # The first terminal that a leader of a session opens is its own.
    session = {"start_new_session": True, "preexec_fn": lambda: os.close(os.open(os.ttyname(slave), os.O_RDWR))}
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **session)
    try:
        deadline = time.monotonic() + 30 * PATIENCE
        while termios.tcgetattr(slave)[3] & termios.ECHO:  # until it reads a password
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        os.write(master, answer.encode() + b"\n")
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        os.close(master)
        os.close(slave)
    return process.returncode, said.decode()


@pytest.mark.parametrize("pam", ["dialog"], indirect=True)
def test_two_questions(perilune):
    """The first is answered by the option, as the client does, the second at the terminal."""
    command = ["mariadb", "--no-defaults", f"--socket={start(perilune).sock}", "--user=two", "--password=anna@example"]
    command += ["--batch", "--skip-column-names", "--execute=SELECT CURRENT_USER()"]
    code, said = ask_at_terminal(command, "secret")
    assert code == 0 and said.split()[-1] == "two@%", said
    code, said = ask_at_terminal(command, "wrong")
    assert code == 1 and "ERROR 1045 (28000): Access denied for user 'two'@" in said


def test_nothing_in_clear_over_plain_tcp(perilune, pam):
    done = programs.mariadb(start(perilune).tcp, "", "--skip-ssl", user="one", check=False)
    assert done.returncode == 1 and f'the method "{pam.method}" may send the password in clear' in done.stderr
