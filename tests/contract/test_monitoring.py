"""The dashboard and the alerts ask only for metrics that exist, and a real Prometheus reads them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from service.gateway.config import GatewayConfig
from service.gateway.intake import Intake
from service.gateway.ledger import Ledger
from service.gateway.metrics import Door, GatewayMetrics, Waiting, WebDoor
from service.gateway.receiver import Receiver
from service.gateway.spool import Spool
from service.gateway.stow_door import StowDoor
from service.telemetry import Metrics
from tests.contract.conftest import free_port

PROMETHEUS_OWN = {"up"}
ADDED_BY_SCRAPING = {"instance", "job", "le", "__name__"}
KEYWORDS = {"by", "without", "on", "ignoring", "group_left", "group_right", "or", "and", "unless", "bool", "offset"}


@pytest.fixture(scope="module", params=["service", "gateway"])
def part(request: pytest.FixtureRequest) -> str:
    """The service and the gateway each have a dashboard, alerts and metrics of their own."""
    return request.param


@pytest.fixture(scope="module")
def dashboard(root: Path, part: str) -> dict[str, Any]:
    name = {"service": "chiasm", "gateway": "gateway"}[part]
    return json.loads((root / f"deploy/grafana/dashboards/{name}.json").read_text())


@pytest.fixture(scope="module")
def alerts_file(root: Path, part: str) -> Path:
    return root / "deploy/prometheus" / {"service": "alerts.yml", "gateway": "gateway_alerts.yml"}[part]


@pytest.fixture(scope="module")
def alerts(alerts_file: Path) -> list[dict[str, Any]]:
    return yaml.safe_load(alerts_file.read_text())["groups"][0]["rules"]


@pytest.fixture(scope="module")
def expressions(dashboard: dict[str, Any], alerts: list[dict[str, Any]]) -> list[str]:
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]] + [rule["expr"] for rule in alerts]


@pytest.fixture(scope="module")
def families(part: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if part == "service":
        return {family.name: family for family in Metrics("0").registry.collect()}
    folder = tmp_path_factory.mktemp("spool")
    config = GatewayConfig.model_validate({
        "spool": folder, "receive": {"any_caller": True}, "web": {},
        "routes": [{"name": "hips", "model": "bmd", "destinations": ["archive"]}],
        "destinations": [{"kind": "stow", "name": "archive", "url": "http://127.0.0.1"}],
    })  # fmt: skip
    spool, ledger, metrics = Spool(folder), Ledger(folder / "ledger.sqlite"), GatewayMetrics()
    intake = Intake(config.receive, spool, ledger)
    metrics.watch(Waiting(ledger, spool, time.time))
    metrics.watch(Door(Receiver(config.receive, intake)))
    metrics.watch(WebDoor(StowDoor(config, config.web, intake)))
    found = {family.name: family for family in metrics.registry.collect()}
    ledger.close()
    return found


def metric_names(expression: str) -> set[str]:
    """The metrics a PromQL expression reads: its identifiers, less strings, matchers, groupings, functions and durations."""
    bare = re.sub(r'"[^"]*"', "", expression)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(?:by|without|on|ignoring)\s*\([^)]*\)", "", bare)
    return {name for name in re.findall(r"\b[a-zA-Z_:]\w*\b(?!\s*\()", bare) if name not in KEYWORDS}


def label_names(expression: str) -> set[str]:
    grouped = re.findall(r"\b(?:by|without)\s*\(([^)]*)\)", expression)
    matched = re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"', expression)
    return {name.strip() for group in grouped for name in group.split(",")} | set(matched)


def exposed(families: dict[str, Metric]) -> set[str]:
    """Every name under which a sample may appear in the text format."""
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    return {name + suffix for name, family in families.items() for suffix in suffixes[family.type]}


def test_a_metric_name_is_told_from_functions_labels_and_durations() -> None:
    asked = 'histogram_quantile(0.9, sum by (le, stage) (rate(a_bucket{x="b"}[5m]))) / vector(0) or absent(up{job="j"}) > 2'
    assert metric_names(asked) == {"a_bucket", "up"}
    assert label_names(asked) == {"le", "stage", "x", "job"}


def test_everything_asked_for_is_exposed(expressions: list[str], families: dict[str, Metric]) -> None:
    asked = set().union(*map(metric_names, expressions))
    assert asked - exposed(families) == PROMETHEUS_OWN


def test_every_metric_of_ours_is_on_the_dashboard(dashboard: dict[str, Any], families: dict[str, Metric]) -> None:
    asked = set().union(*(metric_names(target["expr"]) for panel in dashboard["panels"] for target in panel["targets"]))
    stems = {re.sub(r"_(?:total|bucket|sum|count)$", "", name) for name in asked}
    assert {name for name in families if name.startswith("chiasm_")} - stems == set()


def test_every_label_asked_for_exists(root: Path, part: str, expressions: list[str]) -> None:
    declaring = root / {"service": "service/telemetry.py", "gateway": "service/gateway/metrics.py"}[part]
    declared = set(re.findall(r'"(\w+)"', " ".join(re.findall(r"\[[^\]]*\]", declaring.read_text()))))
    assert set().union(*map(label_names, expressions)) - declared - ADDED_BY_SCRAPING == set()


def test_every_panel_has_a_title_a_unit_and_an_explanation(dashboard: dict[str, Any]) -> None:
    assert [
        panel["title"]
        for panel in dashboard["panels"]
        if not (panel["title"] and panel["description"] and panel["fieldConfig"]["defaults"]["unit"])
    ] == []


def test_no_two_panels_overlap(dashboard: dict[str, Any]) -> None:
    cells = [
        (x, y)
        for panel in dashboard["panels"]
        for grid in [panel["gridPos"]]
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_panels_ask_the_source_that_is_provisioned(root: Path, dashboard: dict[str, Any]) -> None:
    source = yaml.safe_load((root / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"][0]
    assert {target["datasource"]["uid"] for panel in dashboard["panels"] for target in panel["targets"]} == {source["uid"]}


def test_every_alert_has_a_unit_test(alerts_file: Path, alerts: list[dict[str, Any]]) -> None:
    tests = yaml.safe_load(alerts_file.with_name(f"{alerts_file.stem}_test.yml").read_text())["tests"]
    fired = {case["alertname"] for test in tests for case in test["alert_rule_test"] if case["exp_alerts"]}
    quiet = {case["alertname"] for test in tests for case in test["alert_rule_test"] if not case["exp_alerts"]}
    assert fired == quiet == {rule["alert"] for rule in alerts}


@pytest.fixture(scope="module")
def promtool() -> str:
    return shutil.which("promtool") or pytest.skip("promtool is not installed")


def test_the_alert_rules_pass_their_unit_tests(alerts_file: Path, promtool: str) -> None:
    command = [promtool, "test", "rules", alerts_file.with_name(f"{alerts_file.stem}_test.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_promtool_finds_nothing_to_say_about_the_metrics(running: str, promtool: str) -> None:
    with urllib.request.urlopen(f"{running}/metrics", timeout=10) as answer:
        body = answer.read()
    done = subprocess.run([promtool, "check", "metrics"], input=body, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert {family.name for family in text_string_to_metric_families(body.decode())} >= {"chiasm_requests", "chiasm_model_ready"}


@pytest.fixture(scope="module")
def prometheus(running: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Prometheus that scrapes the running service every second; its address."""
    binary = shutil.which("prometheus") or pytest.skip("prometheus is not installed")
    folder, port = tmp_path_factory.mktemp("prometheus"), free_port()
    target = running.removeprefix("http://")
    scrape = {"job_name": "chiasm", "scrape_interval": "1s", "static_configs": [{"targets": [target]}]}
    (folder / "prometheus.yml").write_text(yaml.safe_dump({"scrape_configs": [scrape]}))
    options = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([binary, *options], stdout=log, stderr=log)
        yield f"http://127.0.0.1:{port}"
        process.terminate()
        process.wait(30)


def ask(address: str, expression: str) -> list[dict[str, Any]]:
    query = urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(f"{address}/api/v1/query?{query}", timeout=10) as answer:
        return json.load(answer)["data"]["result"]


def wait_for(address: str, expression: str) -> list[dict[str, Any]]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if found := ask(address, expression):
                return found
        except OSError:  # not listening yet
            pass
        time.sleep(0.5)
    return []


@pytest.mark.slow
def test_a_real_prometheus_scrapes_the_running_service(prometheus: str) -> None:
    assert wait_for(prometheus, 'up{job="chiasm"} == 1')
    assert {each["metric"]["model"] for each in wait_for(prometheus, "chiasm_model_ready == 1")} >= {"bmd"}


@pytest.mark.slow
def test_a_real_prometheus_understands_every_expression(prometheus: str, expressions: list[str]) -> None:
    assert wait_for(prometheus, "up")
    for expression in expressions:
        ask(prometheus, expression)  # a syntax error is answered 400, which raises


def test_the_files_that_compose_mounts_exist(root: Path) -> None:
    services = yaml.safe_load((root / "docker-compose.yml").read_text())["services"]
    volumes = [volume for service in services.values() for volume in service.get("volumes", [])]
    mounted = [Path(volume.split(":")[0]) for volume in volumes if volume.startswith("./")]
    assert mounted
    assert [path for path in mounted if not (root / path).exists()] == []
