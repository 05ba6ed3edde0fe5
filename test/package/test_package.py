"""The packages in a clean Debian 12 whose systemd runs: installed, used, upgraded, removed, purged.

    PERILUNE_PACKAGES=FOLDER pytest test/package      with the .deb files of one version in FOLDER

One machine for the file; the tests come in this order.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "lib"))

from debian_tree import Machine, Store, fetch, obstacle  # noqa: E402

CONFIG = "/etc/perilune/config.lua"
# What the tests themselves need, with what autopkgtest would install.
USED = ("default-mysql-server", "logrotate")
APT = ("apt-get", "--yes", "--quiet", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold")


def package(name):
    folder = os.environ.get("PERILUNE_PACKAGES")
    if folder is None:
        pytest.fail("PERILUNE_PACKAGES is not set; tools/check --full sets it")
    (found,) = Path(folder).glob(f"{name}_*.deb")
    return found


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    why = obstacle()
    if why is not None:
        pytest.skip(f"systemd cannot run here: {why}")
    store = Store(tmp_path_factory.mktemp("store"))
    for name in ("perilune", "perilune-doc"):
        shutil.copy(package(name), store.archives / f"{name}.deb")
    upgrade(store.archives / "perilune.deb", store.archives / "perilune-next.deb")
    fetch(("./perilune.deb", "./perilune-doc.deb", *USED), store)
    return store


def upgrade(old, new):
    """The same with a higher version."""
    folder = new.with_suffix(".files")
    subprocess.run(["dpkg-deb", "--raw-extract", old, folder], check=True)
    control = folder / "DEBIAN" / "control"
    control.write_text(re.sub(r"(?m)^(Version: .*)$", r"\1+next", control.read_text()))
    subprocess.run(["dpkg-deb", "-Znone", "--build", folder, new], check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def machine(store, tmp_path_factory):
    machine = Machine(tmp_path_factory.mktemp("machine"), store)
    try:
        machine.boot()
        for ours in store.archives.glob("perilune*.deb"):
            machine.put(ours, f"/root/{ours.name}")
        yield machine
    finally:
        machine.close()


def install(machine, *names):
    return machine.run(*APT, "install", *names, seconds=900)


def property_of(machine, name):
    return machine.run("systemctl", "show", f"--property={name}", "--value", "perilune.service").stdout.strip()


def run_autopkgtest(machine, name):
    machine.put(ROOT / "debian" / "tests" / name, f"/root/{name}")
    machine.run("mkdir", "-p", "/root/work")
    machine.run("/bin/sh", f"/root/{name}", environment={"AUTOPKGTEST_TMP": "/root/work"}, seconds=600)


def test_install(machine):
    install(machine, "/root/perilune.deb")
    assert machine.run("systemctl", "is-active", "perilune.service").stdout.strip() == "active"
    assert machine.run("systemctl", "is-enabled", "perilune.service").stdout.strip() == "enabled"
    paths = ("/etc/perilune", CONFIG, "/var/log/perilune", "/run/perilune/admin.sock")
    modes = machine.run("stat", "--format=%a %U %G %n", *paths).stdout
    assert modes.splitlines() == [
        "750 root perilune /etc/perilune",
        f"644 root root {CONFIG}",
        "750 perilune perilune /var/log/perilune",
        "660 perilune perilune /run/perilune/admin.sock",
    ]
    assert "pid " in machine.run("perilunectl", "status").stdout
    for page in ("man8/perilune.8", "man1/perilunectl.1", "man5/perilune-config.5"):
        machine.run("test", "-s", f"/usr/share/man/{page}.gz")


def test_the_manual(machine):
    install(machine, "/root/perilune-doc.deb")
    machine.run("test", "-s", "/usr/share/doc/perilune/html/index.html")


def test_what_shutdown_waits_for(machine):
    """systemd is more patient than the script as shipped, and than its logs."""
    assert property_of(machine, "TimeoutStopUSec") == "45s"


def test_effective_settings(machine):
    machine.run("systemd-analyze", "security", "--threshold=15", "perilune.service")
    for name in ("MemoryDenyWriteExecute", "PrivateUsers"):
        assert property_of(machine, name) == "no", name
    assert property_of(machine, "ProtectProc") == "default" and property_of(machine, "ProcSubset") == "all"


CONFINED = """
local digest = compiled(function(rounds)
  local sum = 0
  for i = 1, rounds do sum = bit.bxor(bit.rol(sum, 5), i) end
  return sum
end)
mysql_listen('/run/perilune/confined.sock', { on_login = function(client)
  return client:err(('%s %d %s'):format(client.cgroup.path, client.uid, digest(1e6) ~= 0))
end })
"""


def test_machine_code_and_peers_in_the_sandbox(machine):
    """A callback that is compiled, and one that looks up the control group of its peer."""
    install(machine, *USED)
    shipped = (machine.root / CONFIG.lstrip("/")).read_text()
    (machine.root / CONFIG.lstrip("/")).write_text(shipped + CONFINED)
    machine.run("systemctl", "reload", "perilune.service")
    client = ["mariadb", "--socket=/run/perilune/confined.sock", "--user=x"]
    wrapper = ["systemd-run", "--quiet", "--wait", "--pipe", "--unit=asker", "--uid=nobody", *client]
    assert "/system.slice/asker.service 65534 true" in machine.run(*wrapper, check=False).stdout
    (machine.root / CONFIG.lstrip("/")).write_text(shipped)
    machine.run("systemctl", "reload", "perilune.service")


def test_service(machine):
    run_autopkgtest(machine, "service")


def test_upgrade(machine):
    """What the administrator has changed stays, and the new version runs."""
    with open(machine.root / CONFIG.lstrip("/"), "a") as config:
        config.write("-- mine\n")
    machine.run("chmod", "0755", "/etc/perilune")
    before = property_of(machine, "MainPID")
    install(machine, "/root/perilune-next.deb")
    assert machine.run("dpkg-query", "--show", "--showformat=${Version}", "perilune").stdout.endswith("+next")
    assert machine.run("systemctl", "is-active", "perilune.service").stdout.strip() == "active"
    assert property_of(machine, "MainPID") != before
    assert (machine.root / CONFIG.lstrip("/")).read_text().endswith("-- mine\n")
    assert machine.run("stat", "--format=%a", "/etc/perilune").stdout.strip() == "755"


def test_purge(machine):
    run_autopkgtest(machine, "purge")
