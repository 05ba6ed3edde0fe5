"""Servers and clients of other releases of Debian, unpacked beside the system: what tools/servers does, and how to
run a program of theirs.

Only apt's own signature check decides what is unpacked. apt gets folders of its own and an empty list of installed
packages, so that a program's libraries come along, down to the dynamic loader.
"""

import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from cache import FetchError, cache_folder, digest, main_of

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
DEFAULT_MIRROR = "http://deb.debian.org/debian"


@dataclass(frozen=True)
class Recipe:
    """`packages` come with all they depend on; of those in `alone` some files are wanted and none of their scripts.

    `started_by_path`: programs that other programs of the recipe look for beside themselves. Each can be run as it is.
    """

    suite: str
    packages: tuple
    alone: tuple = ()
    started_by_path: tuple = field(default=(), repr=False)


# Of PostgreSQL's server and clients, but for LLVM and Perl, and for those that every release of Debian calls otherwise.
_POSTGRES_LIBRARIES = (
    "liblz4-1",
    "libpam0g",
    "libpq5",
    "libreadline8t64",
    "libselinux1",
    "libsystemd0",
    "libuuid1",
    "libxslt1.1",
    "libzstd1",
)


def _postgres(version, suite, libraries, programs):
    return Recipe(
        suite,
        tuple(sorted((*_POSTGRES_LIBRARIES, *libraries))),
        alone=(f"postgresql-{version}", f"postgresql-client-{version}"),
        started_by_path=tuple(f"usr/lib/postgresql/{version}/bin/{program}" for program in programs),
    )


RECIPES = {
    "mysql-9": Recipe("sid", ("mysql-server-core", "mysql-client-core")),
    "mariadb-11.8": Recipe("trixie", ("mariadb-server-core", "mariadb-client-core"), alone=("mariadb-server", "mariadb-client")),
    "postgresql-17": _postgres(17, "trixie", ("libicu76", "libxml2"), ("initdb", "pg_dump", "postgres", "psql")),
    "postgresql-18": _postgres(
        18,
        "sid",
        ("libicu78", "libnuma1", "liburing2", "libxml2-16"),
        ("initdb", "pg_basebackup", "pg_dump", "pg_receivewal", "pgbench", "postgres", "psql"),
    ),
}

# It stands in a program's place; the program takes it for itself, and what lies around it for its own files.
_STARTER = """#!/bin/sh
root=${0%%/%(program)s}
libraries=$(echo "$root"/usr/lib/*-linux-gnu*)
exec "$root"/usr/lib*/ld-linux-*.so.* --argv0 "$0" --library-path "$libraries" "$0.program" "$@"
"""


def root_of(name):
    """Where a server's files lie, there or not."""
    recipe = RECIPES[name]
    starters = [*recipe.started_by_path, _STARTER] if recipe.started_by_path else []
    return cache_folder() / f"{name}-{digest(repr(recipe), *starters)}"


def is_fetched(name):
    return root_of(name).exists()


def command(name, program):
    """How to run one of its programs: by its own dynamic loader, with its own libraries."""
    root = root_of(name)
    loader = next(root.glob("usr/lib*/ld-linux-*.so.*"))
    return [str(loader), "--library-path", ":".join(map(str, root.glob("usr/lib/*-linux-gnu*"))), str(root / program)]


def unpack(name, folder):
    if not KEYRING.exists():
        raise FetchError(f"{KEYRING} is missing; run tools/deps")
    recipe = RECIPES[name]
    with tempfile.TemporaryDirectory(prefix="perilune-apt-") as work:
        apt = Apt(Path(work), recipe.suite)
        apt.update()
        for package in sorted(apt.download(recipe)):
            _run("dpkg-deb", "--extract", package, folder)
    for program in recipe.started_by_path:
        _put_starter(folder, program)


def _put_starter(folder, program):
    path = folder / program
    path.rename(path.with_name(f"{path.name}.program"))
    path.write_text(_STARTER % {"program": program})
    path.chmod(0o755)


class Apt:
    """apt in folders of its own, with one suite of Debian as its only source."""

    def __init__(self, folder, suite):
        self._folder = folder
        for name in ("state/lists/partial", "cache/archives/partial", "etc"):
            (folder / name).mkdir(parents=True)
        (folder / "state/status").touch()
        (folder / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror()} {suite} main\n")
        (folder / "apt.conf").write_text(self._configuration())

    def _configuration(self):
        """The machine's own configuration stays in force, proxies included, but not what it runs after an update."""
        options = {
            "Dir::State": self._folder / "state",
            "Dir::State::status": self._folder / "state/status",
            "Dir::Cache": self._folder / "cache",
            "Dir::Etc::sourcelist": self._folder / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "APT::Sandbox::User": "root",
            "APT::Install-Recommends": "false",
            "Acquire::Check-Valid-Until": "false",
            "Acquire::Languages": "none",
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
            "Acquire::Retries": "3",
        }
        hooks = ("APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success", "DPkg::Post-Invoke", "DPkg::Pre-Install-Pkgs")
        clears = "".join(f"#clear {hook};\n" for hook in hooks)
        return clears + "".join(f'{name} "{value}";\n' for name, value in options.items())

    def _run(self, *arguments, **options):
        _run("apt-get", f"--config-file={self._folder}/apt.conf", "--quiet=2", *arguments, **options)

    def update(self):
        self._run("update", "--error-on=any")

    def download(self, recipe):
        """The package files."""
        archives = self._folder / "cache/archives"
        self._run("install", "--yes", "--download-only", *recipe.packages)
        if recipe.alone:
            self._run("download", *recipe.alone, cwd=archives)
        return archives.glob("*.deb")


def mirror():
    """Where this machine has its Debian from, if that is a plain mirror."""
    files = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    return mirror_in("\n\n".join(file.read_text(errors="replace") for file in files if file.is_file()))


def mirror_in(text):
    """Of sources in the old format, a line for each, and in the new one, fields with an empty line after them."""
    place = r"(https?://\S+/debian/?)"
    for stanza in re.split(r"\n\s*\n", text):
        found = re.search(rf"^deb[ \t]+(?:\[[^]]*\][ \t]+)?{place}[ \t]+\S+[ \t]+(?:.*[ \t])?main\b", stanza, re.MULTILINE)
        if found is None and re.search(r"^Components:.*\bmain\b", stanza, re.MULTILINE):
            found = re.search(rf"^URIs:(?:.*[ \t])?{place}[ \t]*$", stanza, re.MULTILINE)
        if found:
            return found[1]
    return DEFAULT_MIRROR


def _run(*command, **options):
    done = subprocess.run([*map(str, command)], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", **options)
    if done.returncode != 0:
        raise FetchError(f"{command[0]} failed:\n{done.stdout}{done.stderr}".rstrip())


if __name__ == "__main__":
    sys.exit(main_of("tools/servers", RECIPES, root_of, unpack))
