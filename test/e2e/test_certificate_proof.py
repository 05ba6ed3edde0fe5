"""MariaDB's clients from 11.4 on verify certificates by themselves: one that nobody signed is good if the server shows that
it knows the password. Over loopback they do not ask, so that these tests need an address that is another host's."""

import os
import subprocess

import pytest

from support import programs
from support.certificates import make_certificates
from support.network import Cable

KNOWN = "return client:connect(SERVER_SOCK, {user='plain', password='secret'}, {unchecked=true})"
VERIFY = """
  if not login:verify('secret') then return client:err() end
  return client:connect(SERVER_SOCK, login)"""
PASS_THROUGH = "return client:connect(SERVER_SOCK, login)"
UNTRUSTED = "Certificate verification failure: The certificate is NOT trusted"


@pytest.fixture
def server(mariadb118):
    return mariadb118


@pytest.fixture
def cable(request):
    if os.geteuid() != 0:
        miss = pytest.skip if request.config.getoption("--allow-missing") else pytest.fail
        miss("network namespaces need root")
    made = Cable()
    yield made
    made.close()


def start(perilune, cable, script, options="{}"):
    config = f"mysql_listen('{cable.server}:3306', {{ on_login = function(client, login) {script} end }}, {options})"
    return perilune(config, wrapper=cable.on_server)


def log_in(cable, password="secret", *options):
    address = programs.address_options((cable.server, 3306))
    command = [*cable.on_client, *programs.command_of("mariadb-11.8"), *address, "--user=plain", f"--password={password}"]
    return subprocess.run(
        [*command, *options, "--batch", "--skip-column-names", "--execute=SELECT CURRENT_USER()"],
        capture_output=True, text=True, timeout=60,
    )


@pytest.mark.parametrize("script", [KNOWN, VERIFY], ids=["known", "verify"])
def test_the_proxy_shows_that_it_knows_the_password(perilune, cable, script):
    start(perilune, cable, script)
    done = log_in(cable)
    assert (done.returncode, done.stdout) == (0, "plain@%\n"), done.stderr


@pytest.mark.parametrize("script, error", [(KNOWN, UNTRUSTED), (VERIFY, "Access denied")], ids=["known", "verify"])
def test_a_wrong_password(perilune, cable, script, error):
    start(perilune, cable, script)
    done = log_in(cable, "wrong")
    assert done.returncode == 1
    assert error in done.stderr


def test_a_login_passed_through_needs_a_signed_certificate(perilune, cable):
    start(perilune, cable, PASS_THROUGH)
    done = log_in(cable)
    assert done.returncode == 1
    assert UNTRUSTED in done.stderr


def test_a_login_passed_through_with_a_signed_certificate(perilune, cable, folder):
    made = make_certificates(folder / "own", cable.server)
    start(perilune, cable, PASS_THROUGH, f"{{ tls = {{ cert = '{made.server}', key = '{made.server_key}' }} }}")
    done = log_in(cable, "secret", f"--ssl-ca={made.ca}")
    assert (done.returncode, done.stdout) == (0, "plain@%\n"), done.stderr


def test_a_client_that_does_not_care(perilune, cable):
    start(perilune, cable, PASS_THROUGH)
    done = log_in(cable, "secret", "--disable-ssl-verify-server-cert")
    assert (done.returncode, done.stdout) == (0, "plain@%\n"), done.stderr
