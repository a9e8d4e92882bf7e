"""What lies in deploy/: read as its tools would, held to what matters, and the image's command run without an image."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
import yaml

from nacre.cli.main import COMMANDS
from nacre.schedule.loop import PATIENCE_S
from sandbox import Sandbox

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
SETTINGS = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
# Commands and variables of parts that are made at the same time; each goes from here when it is there.
PINNED = re.compile(r"[\w./-]+:(?!latest)[\w.-]*\d[\w.-]*$")


def instructions(text: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile in order, continued lines joined."""
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    return [
        (word.upper(), rest.strip())
        for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)
    ]


DOCKERFILE = instructions((DEPLOY / "Dockerfile").read_text(encoding="utf-8"))
LAST_STAGE = DOCKERFILE[max(n for n, (word, _) in enumerate(DOCKERFILE) if word == "FROM") :]
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
OURS = {name: each for name, each in COMPOSE["services"].items() if each["image"].startswith("nacre:")}


def said(word: str) -> list[str]:
    return [rest for each, rest in LAST_STAGE if each == word]


def environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for line in said("ENV") for pair in line.split())


def test_the_image_is_pinned_and_belongs_to_nobody_special() -> None:
    stages = [rest.split(" AS ") for word, rest in DOCKERFILE if word == "FROM"]
    assert all(PINNED.match(stage[0]) for stage in stages)
    assert said("USER") == ["10001:10001"]
    words = [word for word, _ in LAST_STAGE]
    assert words.index("USER") > max(n for n, word in enumerate(words) if word == "RUN")
    assert said("STOPSIGNAL") == ["SIGTERM"]
    assert not [rest for word, rest in DOCKERFILE if word == "ADD"]


def test_every_command_of_the_image_is_in_exec_form() -> None:
    commands = [rest for word, rest in DOCKERFILE if word in ("RUN", "CMD", "ENTRYPOINT", "VOLUME")]
    commands += [rest.partition("CMD ")[2] for word, rest in DOCKERFILE if word == "HEALTHCHECK"]
    assert len(commands) >= 7
    assert all(isinstance(json.loads(command), list) for command in commands)


def test_what_the_image_copies_is_there() -> None:
    for word, rest in DOCKERFILE:
        if word == "COPY" and "--from" not in rest:
            assert all((ROOT / source).exists() for source in rest.split()[:-1]), rest


def test_every_command_that_is_called_exists() -> None:
    health = json.loads(said("HEALTHCHECK")[0].partition("CMD ")[2])
    assert health[0] == "nacre"
    called = [health[1], json.loads(said("CMD")[0])[0]]
    called += [service["command"][0] for service in OURS.values()]
    asked = OURS["serve"]["healthcheck"]["test"]
    assert asked[:2] == ["CMD", "nacre"]
    called.append(asked[2])
    called.append(pod()["containers"][0]["args"][0])
    called.append(unit()["Service"]["ExecStart"].split()[1])
    assert set(called) <= COMMANDS.keys()


@pytest.mark.parametrize("is_up", [True, False])
def test_the_web_page_is_healthy_while_it_answers(project: Sandbox, is_up: bool) -> None:
    """It asks for a token, which is an answer too."""
    command = OURS["ui"]["healthcheck"]["test"]
    assert command[:3] == ["CMD", "python", "-c"]
    with serving_on(project) if is_up else nullcontext("1") as port:
        assert command[3].count("'127.0.0.1', 4747") == 1
        program = command[3].replace("4747", port)
        asked = subprocess.run([sys.executable, "-c", program], check=False, timeout=30, capture_output=True)
    assert (asked.returncode == 0) is is_up


@contextmanager
def serving_on(project: Sandbox) -> Iterator[str]:
    """The web page of a project in a process of its own, at a free port; gives the port."""
    ui = project.python("-m", "nacre", "ui", "--port", "0", "--no-browser")
    assert ui.stdout is not None
    try:
        yield next(found[1] for line in ui.stdout if (found := re.search(r"127\.0\.0\.1:(\d+)", line)))
    finally:
        ui.terminate()
        ui.communicate(timeout=30)


def test_the_project_is_set_in_the_example_and_has_no_default() -> None:
    assert "NACRE_PROJECT=" in example()
    for service in OURS.values():
        assert service["volumes"] == ["${NACRE_PROJECT:?set it in .env}:/project:ro"]


def test_what_is_no_source_stays_out_of_the_build() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert {".git", ".venv", ".lanes", "**/.nacre", "docs/images"} <= set(ignored)
    copied = [rest.split()[:-1] for word, rest in DOCKERFILE if word == "COPY" and "--from" not in rest]
    assert not {source.removeprefix("./") for each in copied for source in each} & set(ignored)


def test_every_variable_that_is_set_is_documented() -> None:
    names = set(environment()) | {line.partition("=")[0] for line in example()}
    names |= set(re.findall(r"(\w+)=", unit()["Service"]["Environment"]))
    names |= {name for service in OURS.values() for name in service["environment"]}
    names |= {each["name"] for each in pod()["containers"][0]["env"]}
    # Of the compose file, not of nacre.
    ours = {name for name in names if name.startswith("NACRE_")} - {"NACRE_PROJECT"}
    assert {"NACRE_STORE", "NACRE_UI_TOKEN"} <= ours
    assert {name for name in ours if f"`{name}`" not in SETTINGS} == set()


def example() -> list[str]:
    text = (DEPLOY / "env.example").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_no_secret_is_in_the_files() -> None:
    assert all(line.endswith("=") for line in example())
    assert {line.rstrip("=") for line in example()} >= {"NACRE_UI_TOKEN", "AWS_SECRET_ACCESS_KEY"}
    assert (DEPLOY / ".gitignore").read_text(encoding="utf-8").split() == [".env"]


def test_the_services_of_the_compose_file_are_confined() -> None:
    assert OURS.keys() == {"serve", "ui"}
    for service in COMPOSE["services"].values():
        assert PINNED.match(service["image"])
        assert "no-new-privileges:true" in service["security_opt"]
    for service in OURS.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert all(volume.endswith(":ro") for volume in service["volumes"])
        assert service["env_file"] == ".env"
        assert service["environment"]["NACRE_STORE"].startswith("s3://")
    assert OURS["ui"]["command"] == ["ui", "--host", "0.0.0.0", "--port", "4747"]
    assert all(
        port.startswith("127.0.0.1:")
        for each in COMPOSE["services"].values()
        for port in each.get("ports", [])
    )
    assert float(OURS["serve"]["stop_grace_period"].rstrip("s")) > PATIENCE_S


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment]  # names of settings have capitals
    parser.read(DEPLOY / "nacre-serve.service", encoding="utf-8")
    return parser


def test_the_systemd_unit_is_hardened_and_stops_well() -> None:
    service = unit()["Service"]
    assert service["DynamicUser"] == service["NoNewPrivileges"] == service["PrivateTmp"] == "yes"
    assert (service["ProtectSystem"], service["ProtectHome"]) == ("strict", "yes")
    assert service["CapabilityBoundingSet"] == ""
    assert f"NACRE_STORE=/var/lib/{service['StateDirectory']}" in service["Environment"]
    assert (service["KillMode"], service["KillSignal"]) == ("mixed", "SIGTERM")
    assert float(service["TimeoutStopSec"]) > PATIENCE_S
    assert unit()["Install"]["WantedBy"] == "multi-user.target"


def test_systemd_accepts_the_unit_where_it_is_installed(tmp_path: Path) -> None:
    """Where there is no systemd, the settings above were read and compared, and that is all that can be done."""
    analyse = shutil.which("systemd-analyze")
    if analyse is None:
        assert unit().sections() == ["Unit", "Service", "Install"]
        return
    text = (DEPLOY / "nacre-serve.service").read_text(encoding="utf-8")
    copy = tmp_path / "nacre-serve.service"
    copy.write_text(text.replace("/opt/nacre/bin/nacre", sys.executable), encoding="utf-8")
    done = subprocess.run([analyse, "verify", str(copy)], capture_output=True, text=True)
    assert "nacre-serve" not in done.stderr, done.stderr


def pod() -> dict[str, object]:
    document = yaml.safe_load((DEPLOY / "cronjob.yaml").read_text(encoding="utf-8"))
    return document["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def test_the_cron_job_keeps_its_runs_apart_and_is_confined() -> None:
    document = yaml.safe_load((DEPLOY / "cronjob.yaml").read_text(encoding="utf-8"))
    assert (document["apiVersion"], document["kind"]) == ("batch/v1", "CronJob")
    assert document["spec"]["concurrencyPolicy"] == "Forbid"
    assert pod()["securityContext"]["runAsNonRoot"] is True
    (container,) = pod()["containers"]
    assert PINNED.match(container["image"])
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert str(pod()["securityContext"]["runAsUser"]) == said("USER")[0].partition(":")[0]


def test_every_file_has_its_paragraph() -> None:
    text = (DEPLOY / "README.md").read_text(encoding="utf-8")
    files = {path.name for path in DEPLOY.iterdir()} - {"README.md", ".gitignore", ".env"}
    assert {name for name in files if f"]({name})" not in text} == set()


PIPELINE = """
from nacre.assets import materialize

@materialize("demo://number")
def number() -> int:
    return 7
"""
EVERY_SECOND = '[[schedules]]\nname = "often"\ninterval = 1\nbuild = ["number"]\n'


def test_the_command_of_the_image_serves_and_ends_well(tmp_path: Path) -> None:
    """Exactly ENTRYPOINT and CMD with ENV, the image's folders /project and /data being folders of the test."""
    project, data = tmp_path / "project", tmp_path / "data"
    project.mkdir()
    (project / "pipeline.py").write_text(PIPELINE)
    (project / "nacre.toml").write_text(EVERY_SECOND)
    path = sysconfig.get_path("scripts") + os.pathsep + os.defpath
    environ = {**environment(), "PATH": path, "HOME": str(tmp_path)}
    environ = {name: value.replace("/data", str(data)) for name, value in environ.items()}
    arguments = json.loads(said("ENTRYPOINT")[0]) + json.loads(said("CMD")[0])
    with subprocess.Popen(
        [shutil.which(arguments[0], path=path) or arguments[0], *arguments[1:]],
        cwd=project, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as server:  # fmt: skip
        try:
            health = json.loads(said("HEALTHCHECK")[0].partition("CMD ")[2])
            output = until_ended(server)
            healthy = call(health, project, environ)
            server.send_signal(signal.SIGTERM)
            output += server.communicate(timeout=60)[0]
        finally:
            server.kill()
    assert server.returncode == 0, output
    assert healthy.returncode == 0, output
    assert "❱ often" in output
    assert "✓ often" in output
    assert output.rstrip().endswith("is recorded.")
    after = call(health, project, environ)
    assert after.returncode == 1
    assert [path.name for path in project.iterdir() if path.name.startswith(".")] == []


def until_ended(server: subprocess.Popen[str]) -> str:
    """Read what it prints until a tick has ended; on a busy machine the newest tick is often one that was skipped."""
    assert server.stdout is not None
    read = ""
    deadline = threading.Timer(60, server.kill)
    deadline.start()
    for line in server.stdout:
        read += line
        if line.startswith(("✓", "✗")):
            break
    deadline.cancel()
    return read


def call(arguments: list[str], project: Path, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    program = shutil.which(arguments[0], path=environ["PATH"])
    assert program is not None
    return subprocess.run([program, *arguments[1:]], cwd=project, env=environ, capture_output=True, text=True)
