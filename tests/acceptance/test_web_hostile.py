"""Whatever a store holds is shown and never run, and no address reaches beyond it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import product
from urllib.parse import quote

import pytest

from browsing import Served, serving
from nacre.planning.reason import Cause, Reason
from nacre.store.codec import encode
from nacre.store.paths import artifact_path, head_path, run_path
from nacre.store.records import Artifact, Failing, Head, Materialization, Run, StepRecord
from nacre.web.figure import asset_href
from sandbox import Sandbox
from shell import Shell

XSS = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}"


@pytest.fixture
def served(shell: Shell) -> Iterator[Served]:
    with serving() as served:
        yield served


def plant(project: Sandbox) -> dict[str, str]:
    """Fill a store with records that nobody of ours would write; addresses by what they show."""
    workspace = project.workspace
    now, records = workspace.clock.now(), workspace.records
    key, run = f"x://{XSS}/%2e%2e/a b?c#d", f"R{XSS}"
    made = Materialization(seq=1, fingerprint="f", data_version="d", run=run, at=now, attempt="")
    head = Head(env="default", asset=key, history=(made,), metadata={XSS: XSS})
    records.create(head_path("default", key), encode(head))
    failing = Failing(place=XSS, function=XSS, lines=((1, XSS),), held=XSS)
    step = StepRecord(
        step=XSS,
        action="failed",
        reason=Reason(Cause.INPUT, XSS),
        assets=(key,),
        started_at=now,
        error=XSS,
        failing=failing,
    )
    ended = Run(
        id=run,
        name=XSS,
        kind=XSS,
        state=XSS,
        started_at=now,
        ended_at=now,
        parameters={XSS: XSS},
        tags=(XSS,),
        steps=(step,),
        counts={"failed": 1},
        error=XSS,
    )
    records.create(run_path(run), encode(ended))
    kinds = {
        "markdown": f"# {XSS}\n[x](javascript:alert(1)) ![x](https://evil.test/x.png)",
        "table": '[{"<script>": "<img src=x onerror=alert(1)>"}, 5, ["a"]]',
        "link": "[x](javascript:alert(1))",
        "image": "javascript:alert(1)",
        "progress": XSS,
        XSS: XSS,
    }
    pages = {
        "home": "/",
        "asset": asset_href(key),
        "run": f"/r/{quote(run, safe='')}",
        "runs": "/runs",
        "list": "/artifacts",
    }
    for number, (kind, data) in enumerate(kinds.items()):
        artifact = Artifact(
            id=f"A{number}",
            kind=kind,
            created_at=now,
            data=data,
            description=XSS,
            run=run,
            asset=key,
            key=f"k{number}",
            media_type="text/html",
            object="",
        )
        records.create(artifact_path(artifact.key, artifact.id), encode(artifact))
        pages[f"artifact {kind}"] = f"/artifacts/A{number}"
    return pages


def test_whatever_is_stored_is_shown_as_text(shell: Shell, served: Served) -> None:
    pages = plant(shell.project)
    for what, path in pages.items():
        page = served.page(path)
        assert page.dangers() == [], what
        assert not [link for link in page.links() if link.startswith(("javascript", "//"))]
    assert XSS in served.page(pages["asset"]).text
    assert served.page(pages["asset"]).links().count(pages["run"]) >= 1
    assert pages["asset"] in served.page(pages["home"]).links()


def test_an_image_is_only_ever_the_object_of_its_own_id(shell: Shell, served: Served) -> None:
    workspace = shell.project.workspace
    with workspace.contents.objects.put("artifacts/OTHER") as sink:
        sink.write(b"<script>alert(1)</script>")
    names = ["artifacts/OTHER", "../records.sqlite", "/etc/passwd", "artifacts/../../x", "artifacts/OK"]
    with workspace.contents.objects.put("artifacts/OK") as sink:
        sink.write(b"<script>alert(1)</script>")
    for number, name in enumerate(names):
        own = name.rpartition("/")[2] if name.endswith("OK") else f"I{number}"
        artifact = Artifact(
            id=own,
            kind="image",
            created_at=workspace.clock.now(),
            data="x",
            object=name,
            media_type="text/html",
        )
        workspace.records.create(artifact_path(artifact.key, artifact.id), encode(artifact))
    assert [served.client.get(f"/image/I{number}").status_code for number in range(4)] == [404] * 4
    answer = served.client.get("/image/OK")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["content-security-policy"].endswith("sandbox")


def test_names_from_an_address_are_only_compared(served: Served) -> None:
    names = [
        "../../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "%252e%252e%252fetc",
        "....//etc",
        "a%00b",
        "C:\\x",
    ]
    for route, name in product(
        ("/a/", "/r/", "/artifacts/", "/image/", "/static/"), [*names, "%c0%ae%c0%ae/", ""]
    ):
        answer = served.client.get(route + name)
        assert answer.status_code == 404, route + name
        assert "root:" not in answer.text


def test_looking_changes_nothing_in_the_store(shell: Shell, served: Served) -> None:
    shell("build")
    pages = ["/", "/runs", "/artifacts", "/artifacts/words", asset_href("demo://sales"), "/?q=x", "/nope"]

    def content() -> str:
        records = sorted((each.path, each.data) for each in shell.project.workspace.records.scan(""))
        files = sorted(str(each) for each in shell.project.folder.rglob("*") if "sqlite" not in each.name)
        return hashlib.sha256(repr((records, files)).encode()).hexdigest()

    served.text("/")
    before = content()
    for path in pages:
        served.client.get(path)
    served.site.reader.wait()
    assert content() == before
