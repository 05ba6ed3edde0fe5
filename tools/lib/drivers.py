"""Database drivers of other languages, built from test/e2e/drivers: what tools/drivers does, and how to run them.

Each language's own client fetches what the lock file names and checks it; its caches last as long as the build.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from cache import FetchError, cache_folder, digest, main_of

SOURCES = Path(__file__).resolve().parents[2] / "test" / "e2e" / "drivers"


@dataclass(frozen=True)
class Recipe:
    """`build(folder, work)` leaves in the folder what `command(folder)` runs; its sources are there already."""

    sources: str
    build: Callable
    command: Callable


def _build_node(folder, work):
    _run(folder, {"npm_config_cache": work}, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")


def _build_go(folder, work):
    caches = {"GOMODCACHE": work / "modules", "GOCACHE": work / "build", "GOFLAGS": "-modcacherw -mod=readonly"}
    _run(folder, {**caches, "CGO_ENABLED": "0"}, "go", "build", "-o", "driver", ".")


def _build_java(folder, work):
    goal = "dependency:copy-dependencies"
    options = ("--batch-mode", "--quiet", "--strict-checksums", f"-Dmaven.repo.local={work}", "-DoutputDirectory=lib")
    _run(folder, {}, "mvn", *options, goal)
    _run(folder, {}, "javac", "--release", "11", "-cp", f"{folder}/lib/*", "-d", "classes", "Driver.java")


def _java_command(folder):
    quick_start = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto")
    return ["java", *quick_start, "-cp", f"{folder}/classes:{folder}/lib/*", "Driver"]


RECIPES = {
    "driver-node": Recipe("node", _build_node, lambda folder: ["node", f"{folder}/driver.js"]),
    "driver-go": Recipe("go", _build_go, lambda folder: [f"{folder}/driver"]),
    "driver-java": Recipe("java", _build_java, _java_command),
    "driver-pg-node": Recipe("pg_node", _build_node, lambda folder: ["node", f"{folder}/driver.js"]),
    "driver-pg-go": Recipe("pg_go", _build_go, lambda folder: [f"{folder}/driver"]),
    "driver-pg-java": Recipe("pg_java", _build_java, _java_command),
}


def root_of(name):
    """Where a driver lies, built or not."""
    files = sorted(path for path in (SOURCES / RECIPES[name].sources).iterdir() if path.is_file())
    return cache_folder() / f"{name}-{digest(*(part for path in files for part in (path.name, path.read_text())))}"


def command(name):
    """How to run a driver that was built."""
    return RECIPES[name].command(root_of(name))


def make(name, folder):
    recipe = RECIPES[name]
    shutil.copytree(SOURCES / recipe.sources, folder, dirs_exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="perilune-driver-") as work:
        recipe.build(folder, Path(work))


def _run(folder, environment, *command):
    if shutil.which(command[0]) is None:
        raise FetchError(f"{command[0]} is not installed; run tools/deps drivers")
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **{name: str(value) for name, value in environment.items()}},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if done.returncode != 0:
        raise FetchError(f"{command[0]} failed:\n{done.stdout}".rstrip())


if __name__ == "__main__":
    sys.exit(main_of("tools/drivers", RECIPES, root_of, make))
