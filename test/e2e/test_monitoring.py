"""doc/monitoring: the alerts by promtool, and every query of alerts and dashboard asked of a Prometheus that scrapes a Perilune."""

import contextlib
import json
import re
import shutil
import subprocess
import textwrap
import time
import urllib.parse
from pathlib import Path

import pytest

from support.admin import request
from support.daemon import PATIENCE
from support.wire import Err
from throwaway import ReservedPort, die_with_parent

ROOT = Path(__file__).resolve().parents[2]
ALERTS = ROOT / "doc" / "monitoring" / "alerts.yml"
DASHBOARD = json.loads((ROOT / "doc" / "monitoring" / "dashboard.json").read_text())

SCRIPT = """
local cluster = mysql_cluster({{SERVER, name = 'one', max_connections = 50}, {DEAD, name = 'two'}}, {
  name = 'shop', monitoring = true, interval = 0.2, balance = 'first' })
mysql_listen(SOCK, {
  on_login = function(client, login)
    if login.user == 'failing' then error('oops') end
    return client:connect(cluster, login)
  end,
  on_query = function(client, sql)
    if sql == 'SELECT 0' then return client:err('Not today') end
  end,
}, { max_connections = 100, log = log_file(FOLDER .. '/statements') })
prometheus_listen(METRICS)
"""

# The interval is the time limit, too: what takes longer is not there for a moment, and is asked for again.
CONFIGURATION = """
global: {{scrape_interval: 500ms, evaluation_interval: 500ms}}
rule_files: ['{alerts}']
scrape_configs:
  - job_name: perilune
    static_configs: [{{targets: ['{target}']}}]
"""


def promtool(*arguments):
    assert shutil.which("promtool"), "promtool is missing; run tools/deps"
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=120 * PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def alerts():
    """Each alert's name and expression."""
    text = ALERTS.read_text()
    found = re.findall(r"- alert: (\w+)\n +expr: (?:\|\n((?:          .*\n)+)|(.*)\n)", text)
    assert len(found) == text.count("alert:")
    return {name: " ".join((block or line).split()) for name, block, line in found}


def panels():
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def dashboard_queries():
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def test_promtool_accepts_the_alerts():
    assert "SUCCESS" in promtool("check", "rules", str(ALERTS))


def test_alerts_come_when_they_should_and_not_before():
    tests = ROOT / "test" / "monitoring" / "alerts_test.yml"
    assert "SUCCESS" in promtool("test", "rules", str(tests))
    assert set(re.findall(r"alertname: (\w+)", tests.read_text())) == set(alerts())


def test_the_manual_knows_every_alert():
    manual = (ROOT / "doc" / "monitoring.rst").read_text()
    assert set(re.findall(r"``(Perilune\w+)``", manual)) == set(alerts())


def test_promtool_accepts_the_configuration_of_the_manual(folder):
    manual = (ROOT / "doc" / "monitoring.rst").read_text()
    [block] = re.findall(r"code-block:: yaml\n\n((?:   .*\n)+)", manual)
    path = folder / "prometheus.yml"
    path.write_text(textwrap.dedent(block).replace("/usr/share/doc/perilune/monitoring", str(ALERTS.parent)))
    promtool("check", "config", str(path))


def test_panels_have_a_place_of_their_own():
    taken = {}
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert taken.setdefault((x, y), panel["title"]) is panel["title"], (panel["title"], taken[x, y])
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    for panel in panels():
        sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
        assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)


class Prometheus:
    def __init__(self, folder, target):
        assert shutil.which("prometheus"), "prometheus is missing; run tools/deps"
        folder.mkdir()
        (folder / "prometheus.yml").write_text(CONFIGURATION.format(alerts=ALERTS, target="%s:%d" % target))
        self._port = ReservedPort()
        self._log = open(folder / "log", "w+")
        command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
        self._process = subprocess.Popen(
            [*command, f"--web.listen-address=127.0.0.1:{self._port.port}"],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, preexec_fn=die_with_parent,
        )

    def close(self):
        self._process.kill()
        self._process.wait()
        self._log.close()
        self._port.close()

    def get(self, path, **arguments):
        target = f"/api/v1/{path}?{urllib.parse.urlencode(arguments)}"
        status, _, body = request(("127.0.0.1", self._port.port), target)
        answer = json.loads(body)
        assert status == 200 and answer["status"] == "success", (arguments, answer)
        return answer["data"]

    def query(self, expression):
        return self.get("query", query=expression)["result"]

    def until(self, what, condition, seconds=60):
        deadline = time.monotonic() + seconds * PATIENCE
        while True:
            # Before it is up it is not there, or says 503.
            with contextlib.suppress(ConnectionError, json.JSONDecodeError):
                if found := condition():
                    return found
            assert self._process.poll() is None and time.monotonic() < deadline, (what, self._said())
            time.sleep(0.1)

    def _said(self):
        self._log.seek(0)
        return self._log.read()[-4000:]


def selectors(expression):
    """Metrics with their labels, without what is done with them."""
    found = re.findall(r"\b((?:perilune|process)_[a-z0-9_]+|up)\b(\{[^}]*\})?", expression)
    assert found, expression
    return {name + labels for name, labels in found}


def as_grafana_asks(expression):
    return expression.replace("$__rate_interval", "5m").replace("$instance", ".*")


def without_thresholds(expression):
    """An alert's value is there although all is well: 0 or 1."""
    return re.sub(r"(==|>) (?=[\d.]+)", r"\1 bool ", expression)


@pytest.fixture
def prometheus(perilune, folder):
    """Watches a daemon to which everything has happened that is asked about."""
    with contextlib.ExitStack() as stack:
        metrics, dead = ReservedPort(), ReservedPort()
        for port in (metrics, dead):
            stack.callback(port.close)
        daemon = perilune(SCRIPT, {"DEAD": f"127.0.0.1:{dead.port}", "METRICS": f"127.0.0.1:{metrics.port}"})
        watching = Prometheus(folder / "prometheus", ("127.0.0.1", metrics.port))
        stack.callback(watching.close)
        client = stack.enter_context(daemon.logged_in())

        def is_seen():
            with daemon.raw() as failing, pytest.raises(Err):
                failing.login("failing")
            client.query("SELECT 1")
            with pytest.raises(Err):
                client.query("SELECT 0")
            return watching.query("increase(perilune_logins_total{outcome='script_failed'}[10s]) > 0")

        watching.until("logins", is_seen)
        watching.until("nodes", lambda: watching.query("perilune_node_state{node='two', state='down'} == 1"))
        yield watching


@pytest.mark.no_reload
def test_every_query_finds_what_it_asks_for(prometheus):
    for expression in {*dashboard_queries(), *alerts().values()}:
        for selector in selectors(as_grafana_asks(expression)):
            prometheus.until(f"{selector} in {expression}", lambda selector=selector: prometheus.query(selector))
    for expression in dashboard_queries():
        query = as_grafana_asks(expression)
        prometheus.until(expression, lambda query=query: prometheus.query(query))
    for name, expression in alerts().items():
        query = without_thresholds(expression)
        assert query != expression, name
        prometheus.until(name, lambda query=query: prometheus.query(query))


@pytest.mark.no_reload
def test_variables_of_the_dashboard(prometheus):
    [query] = [v["query"]["query"] for v in DASHBOARD["templating"]["list"] if v["type"] == "query"]
    metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", query).groups()
    assert prometheus.until(metric, lambda: prometheus.query(f"count by ({label}) ({metric})"))[0]["metric"][label]
    named = {name for text in map(str, DASHBOARD["panels"]) for name in re.findall(r"\$\{?(\w+)", text)}
    assert named == {v["name"] for v in DASHBOARD["templating"]["list"]} | {"__rate_interval"}


@pytest.mark.no_reload
def test_prometheus_raises_the_alarm(prometheus):

    def raised():
        return {alert["labels"]["alertname"]: alert["labels"] for alert in prometheus.get("alerts")["alerts"]}

    found = prometheus.until("alerts", lambda: (a := raised()) and {"PeriluneNodeDown", "PeriluneScriptFails"} <= set(a) and a)
    assert (found["PeriluneNodeDown"]["cluster"], found["PeriluneNodeDown"]["node"]) == ("shop", "two")
    assert found["PeriluneScriptFails"]["callback"] == "on_login"
    assert not {"PeriluneClusterDown", "PeriluneGone", "PeriluneListenerFull", "PeriluneLogLosesRecords"} & set(found)
    rules = prometheus.get("rules")["groups"][0]["rules"]
    assert len(rules) == len(alerts()) and {rule["health"] for rule in rules} == {"ok"}
