"""The unit, as far as it can be judged without a systemd that runs; test/package runs it."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
UNIT = ROOT / "systemd" / "perilune.service"
LOGS = 5  # seconds that logs have at the end


def settings():
    return dict(re.findall(r"(?m)^(\w+)=(.*)$", UNIT.read_text()))


def exposure(unit):
    command = ["systemd-analyze", "security", "--offline=yes", "--threshold=15", "--no-pager", unit]
    return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=60)


def test_exposure_is_at_most_1_5():
    done = exposure(UNIT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("line", ["ProtectSystem=strict", "RestrictNamespaces=yes", "CapabilityBoundingSet=", "UMask=0077"])
def test_less_than_that_is_noticed(tmp_path, line):
    text = UNIT.read_text()
    assert f"\n{line}\n" in text
    weaker = tmp_path / "perilune.service"
    weaker.write_text(text.replace(f"\n{line}\n", "\n"))
    assert exposure(weaker).returncode != 0


def test_what_would_break_it_is_left_alone():
    assert not {"MemoryDenyWriteExecute", "PrivateUsers", "ProtectProc", "ProcSubset"} & settings().keys()


def test_systemd_is_more_patient_than_the_script():
    (drain,) = re.findall(r"(?m)^-- +drain_timeout = (\d+)", (ROOT / "lua" / "config.lua").read_text())
    assert int(settings()["TimeoutStopSec"]) > int(drain) + LOGS


def test_what_is_rotated_is_where_the_service_may_write():
    assert settings()["LogsDirectory"] == "perilune"
    assert "/var/log/perilune/*.log {" in (ROOT / "systemd" / "perilune.logrotate").read_text()
    assert "\nd /var/log/perilune 0750 perilune perilune -\n" in (ROOT / "systemd" / "perilune.tmpfiles").read_text()
