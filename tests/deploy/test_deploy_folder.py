"""What can be known of deploy/ without a container engine and a cluster: forms, settings, that it says one thing."""

import re
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from compose_spec.models import ComposeSpecification

from cio_mcp.settings import OPTIONS, load
from tests.cli.commands import ROOT
from tests.replicas.house import nginx

FOLDER = Path(ROOT) / "deploy"
KNOWN = {name for option in OPTIONS for name in (option.env, f"{option.env}_FILE")}
MANIFESTS = sorted(path for path in (FOLDER / "kubernetes").glob("*.yaml") if path.name != "kustomization.yaml")
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
DEPLOYMENT = yaml.safe_load((FOLDER / "kubernetes" / "deployment.yaml").read_text(encoding="utf-8"))
CONTAINER = DEPLOYMENT["spec"]["template"]["spec"]["containers"][0]
CONTAINERFILE = (FOLDER / "Containerfile").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_a_manifest_has_the_form_that_kubernetes_takes(path: Path) -> None:
    for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_the_compose_file_has_the_form_of_its_specification() -> None:
    assert ComposeSpecification.model_validate(COMPOSE).services


def test_the_kustomization_names_every_manifest() -> None:
    listed = yaml.safe_load((FOLDER / "kubernetes" / "kustomization.yaml").read_text(encoding="utf-8"))["resources"]
    assert sorted(listed) == [path.name for path in MANIFESTS]


TOLD: dict[str, dict[str, str]] = {
    "compose": COMPOSE["services"]["replica"]["environment"],
    "kubernetes": {each["name"]: each["value"] for each in CONTAINER["env"]},
}
"""What each deployment tells a replica."""


@pytest.mark.parametrize("where", TOLD)
def test_a_replica_is_told_settings_that_exist_and_may_listen_to_others(tmp_path: Path, where: str) -> None:
    settings = TOLD[where]
    assert set(settings) <= KNOWN
    given = {name: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value) for name, value in settings.items()}
    written = {"store": "postgresql://a:b@db/c", "ledger_key": "canary" * 6}
    for name, value in given.items():
        if name.endswith("_FILE"):
            path = tmp_path / Path(value).name
            path.write_text(written.get(path.name, "canary-key"), encoding="utf-8")
            given[name] = str(path)
    found = load(given)
    assert (found.auth, found.allowed_origins, bool(found.allowed_hosts)) == (frozenset({"tokens"}), (), True)
    assert found.webhook_signing_key


def test_the_secrets_of_the_compose_file_can_be_read_by_whoever_the_containers_run_as_and_by_nobody_else(
    tmp_path: Path,
) -> None:
    steps = re.findall(r"^#   (.*)$", (FOLDER / "compose.yaml").read_text(encoding="utf-8"), re.MULTILINE)
    [by_hand] = [step for step in steps if step.startswith("and ")]
    names = re.findall(r"\w+_\w+", by_hand)
    written = " && ".join(f"echo canary > secrets/{name}" for name in names)
    script = "\n".join(written if step == by_hand else step for step in steps)
    done = subprocess.run(["/bin/sh", "-ec", script], cwd=tmp_path, capture_output=True, timeout=30, check=False)  # noqa: S603 - ours
    assert done.returncode == 0, done.stderr
    files = {name: FOLDER / entry["file"] for name, entry in COMPOSE["secrets"].items()}
    made = {name: tmp_path / file.relative_to(FOLDER) for name, file in files.items()}
    # Compose mounts the file itself, as it is: neither uid 65532 nor PostgreSQL's owns it.
    assert {name: oct(file.stat().st_mode & 0o777) for name, file in made.items()} == dict.fromkeys(files, "0o444")
    assert oct((tmp_path / "secrets").stat().st_mode & 0o777) == "0o700"
    told = TOLD["compose"].items()
    found = load({name: str(made[Path(value).name]) for name, value in told if value.startswith("/run/secrets/")})
    assert found.site_id
    assert found.ledger_key
    assert (found.site_id.reveal(), len(found.ledger_key.reveal())) == ("canary", 64)


def test_what_a_container_may_do_is_nothing_but_serve() -> None:
    replica = COMPOSE["services"]["replica"]
    assert (replica["read_only"], replica["cap_drop"]) == (True, ["ALL"])
    security: dict[str, Any] = CONTAINER["securityContext"]
    assert (security["readOnlyRootFilesystem"], security["capabilities"]["drop"]) == (True, ["ALL"])
    assert DEPLOYMENT["spec"]["template"]["spec"]["securityContext"]["runAsNonRoot"]
    assert re.findall(r"^USER (.*)$", CONTAINERFILE, re.MULTILINE) == ["65532:65532"]
    assert CONTAINERFILE.count("\nFROM ") == 2


def test_replicas_have_time_to_end_what_they_began() -> None:
    drain = 10
    pod = DEPLOYMENT["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] >= drain + CONTAINER["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert int(COMPOSE["services"]["replica"]["stop_grace_period"].removesuffix("s")) > drain


def test_no_more_replicas_run_at_once_than_share_the_limits() -> None:
    spec = DEPLOYMENT["spec"]
    assert int(TOLD["kubernetes"]["CIO_MCP_REPLICAS"]) == (
        spec["replicas"] + spec["strategy"]["rollingUpdate"]["maxSurge"]
    )
    assert TOLD["compose"]["CIO_MCP_REPLICAS"] == str(COMPOSE["services"]["replica"]["deploy"]["replicas"])


def test_the_proxy_of_the_containers_differs_only_in_where_replicas_are() -> None:
    alone, composed = ((FOLDER / name).read_text(encoding="utf-8") for name in ("nginx.conf", "nginx-compose.conf"))
    without = re.compile(r"^(# On one machine|# For compose|\s+server .*;|\s+listen ).*\n", re.MULTILINE)
    assert without.sub("", alone) == without.sub("", composed)
    assert re.findall(r"server (\S+) max_fails", composed) == ["replica:8000"]
    assert "replica" in COMPOSE["services"]


def test_nginx_takes_its_configuration(tmp_path: Path) -> None:
    command = [nginx(), "-t", "-p", str(tmp_path), "-c", str(FOLDER / "nginx.conf")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603 - looked up
    assert done.returncode == 0, done.stderr
    assert [each for each in tmp_path.iterdir() if each.is_dir()]
