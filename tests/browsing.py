"""The web page of a project, served for real on loopback, and what tests look for in its answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html.parser import HTMLParser

import httpx

from nacre.web.app import make_app
from nacre.web.serve import listen, make_server
from nacre.web.site import Site
from nacre.web.token import Token

TOKEN = Token("a-token-that-only-tests-have")


class Served:
    """A running server: ``client`` is let in, ``stranger`` is not."""

    def __init__(self, url: str, site: Site) -> None:
        self.url = url
        self.site = site
        self.stranger = httpx.Client(base_url=url)
        self.client = httpx.Client(base_url=url, headers={"authorization": f"Bearer {TOKEN.value}"})

    def text(self, path: str, status: int = 200) -> str:
        """One page, after what was to be worked out of the assets has been."""
        self.site.reader.wait()
        answer = self.client.get(path)
        assert answer.status_code == status, answer.text
        return answer.text

    def page(self, path: str, status: int = 200) -> Page:
        return Page(self.text(path, status))


@contextmanager
def serving(
    modules: Sequence[str] = (), hosts: Sequence[str] = ("127.0.0.1", "localhost")
) -> Iterator[Served]:
    site = Site(modules)
    server = make_server(make_app(site, TOKEN, hosts))
    with listen("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        served = Served(f"http://127.0.0.1:{listener.getsockname()[1]}", site)
        try:
            with served.client, served.stranger:
                yield served
        finally:
            server.should_exit = True
            thread.join()


_BLOCKS = {"td", "th", "dt", "dd", "li", "div", "p", "text", "title", "section", "h1", "h2", "pre"}


class Page(HTMLParser):
    """A page taken apart: its text, and every element with its attributes."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self._texts: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BLOCKS:
            self._texts.append(" ")
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self._texts.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self._texts).split())

    def links(self) -> list[str]:
        return [
            attributes["href"] for tag, attributes in self.elements if tag == "a" and "href" in attributes
        ]

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for each, attributes in self.elements if each == tag]

    def dangers(self) -> list[str]:
        """Whatever could run, load from elsewhere, or restyle the page."""
        found = []
        for tag, attributes in self.elements:
            if tag in ("iframe", "object", "embed", "base", "style", "math", "audio", "video", "template"):
                found.append(f"<{tag}>")
            for name, value in attributes.items():
                where = f"<{tag} {name}={value[:60]!r}>"
                if name.startswith("on") or name in ("style", "srcdoc", "formaction", "background", "ping"):
                    found.append(where)
                if name == "href" and value.strip().lower().startswith(
                    ("javascript:", "vbscript:", "data:text")
                ):
                    found.append(where)
                if name == "src" and not value.startswith(("/static/", "/image/", "data:image/")):
                    found.append(where)
            if tag == "script" and set(attributes) != {"type", "src"}:
                found.append("<script>")
        return found
