"""The files for running in production: they name what exists, and take no more rights than they need."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from btccxt.observe import metrics as observe_metrics

DEPLOY = Path(__file__).resolve().parents[1] / "deploy"


def test_every_number_of_the_dashboard_is_one_that_a_store_tells():
    prometheus = pytest.importorskip("prometheus_client")
    registry = prometheus.CollectorRegistry()
    observe_metrics.disable()
    observe_metrics.enable(registry)
    try:
        told = {
            f"{name}{ending}"
            for family in registry.collect()
            for name in (family.name,)
            for ending in ("", "_total", "_bucket", "_count", "_sum")
        }
    finally:
        observe_metrics.disable()
    dashboard = json.loads((DEPLOY / "grafana/dashboards/btccxt.json").read_text())
    asked = {
        name
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in re.findall(r"btccxt_\w+", target["expr"])
    }
    assert len(asked) >= 14 and asked <= told, asked - told
    source = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yaml").read_text())
    assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == {source["datasources"][0]["uid"]}


def test_the_container_is_not_root_and_its_first_process_reaps_and_passes_signals():
    text = (DEPLOY / "Dockerfile").read_text()
    assert re.search(r"^USER bot$", text, re.MULTILINE) and text.index("USER bot") < text.index("ENTRYPOINT")
    assert 'ENTRYPOINT ["tini", "--", "btccxt"]' in text
    for copied in re.findall(r"^COPY (.+) /src", text, re.MULTILINE):
        for name in copied.split():
            assert (DEPLOY.parent / name).exists(), name


def test_the_bot_of_compose_writes_only_where_it_may_and_gets_its_keys():
    bot = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["bot"]
    written = bot["command"][bot["command"].index("--journal") + 1]  # the profile of btccxt init writes beside itself
    assert bot["read_only"] and "./bot:/bot:ro" in bot["volumes"] and "state:/state" in bot["volumes"]
    assert written.startswith("/state/")
    assert json.dumps(bot["command"]) in (DEPLOY / "Dockerfile").read_text()
    assert bot["env_file"] == [{"path": "./bot/.env", "required": False}]


def test_compose_shows_nothing_to_the_network_and_mounts_what_is_there():
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    for service in services.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
        for volume in service.get("volumes", ()):
            place = volume.split(":")[0]
            assert not place.startswith("./") or place == "./bot" or (DEPLOY / place).exists(), place
    assert services["bot"]["cap_drop"] == ["ALL"]
    scraped = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"][0]["static_configs"][0]
    assert scraped["targets"] == ["127.0.0.1:9100"] and services["prometheus"]["network_mode"] == "service:bot"


def test_the_commands_of_the_unit_exist(tmp_path):
    text = (DEPLOY / "btccxt@.service").read_text()
    assert "Type=notify" in text and "WatchdogSec=120" in text and "User=btccxt" in text
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd here")
    unit = tmp_path / "btccxt@try.service"
    unit.write_text(text.replace("/srv/btccxt/venv/bin/btccxt", shutil.which("true") or "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    said = [line for line in (done.stdout + done.stderr).splitlines() if "btccxt" in line]
    assert said == [], said
