"""gcp-storage-emulator with the XML API of Google Cloud Storage before it, one request at a time.

The emulator knows the JSON API only, and no conditions; the client library speaks the XML API. What is here is that API
as we know it and as the client library asks for it, over the emulator's own storage: tests against it show agreement
with this stand-in, not with Google. The emulator's JSON API beside it shows the same objects to programs that do not
know nacre. What it cannot show: limits of rate, permissions, and where Google's service answers otherwise.

usage: python gcs_in_turn.py        says on standard error where both listen
"""

from __future__ import annotations

import hashlib
import itertools
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from gcp_storage_emulator.exceptions import NotFound
from gcp_storage_emulator.handlers.objects import _checksums, _make_object_resource
from gcp_storage_emulator.server import create_server
from gcp_storage_emulator.storage import Storage

_turn = threading.Lock()
_uploads: dict[str, dict[int, bytes]] = {}
_numbers = itertools.count(1)


class Refused(Exception):
    """An answer with a code, as the XML API sends it."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    storage: Storage

    def _answer(self) -> None:
        url = urlsplit(self.path)
        self.query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        self.bucket, _, self.object = unquote(url.path).lstrip("/").partition("/")
        self.data = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            with _turn:
                if self.bucket not in self.storage.buckets:
                    raise Refused(404, "NoSuchBucket")
                self._act()
        except NotFound:
            self._refuse(404, "NoSuchKey")
        except Refused as refused:
            self._refuse(refused.status, refused.code)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _answer

    def _act(self) -> None:
        if not self.object:
            self._list()
        elif self.command in ("GET", "HEAD"):
            self._read()
        elif self.command == "DELETE" and "uploadId" in self.query:
            _uploads.pop(self.query["uploadId"], None)
            self._send(204)
        elif self.command == "DELETE":
            self.storage.get_file_obj(self.bucket, self.object)
            self.storage.delete_file(self.bucket, self.object)
            self._send(204)
        elif self.command == "POST":
            self._begin_or_end_parts()
        elif "uploadId" in self.query:
            _uploads[self.query["uploadId"]][int(self.query["partNumber"])] = self.data
            self._send(200, ETag=_etag(self.data))
        else:
            source = self.headers.get("x-goog-copy-source")
            content = (
                self.storage.get_file(*unquote(source).lstrip("/").split("/", 1)) if source else self.data
            )
            self._check_condition()
            self._write(content, "<CopyObjectResult></CopyObjectResult>" if source else "")

    def _check_condition(self) -> None:
        wanted = self.headers.get("x-goog-if-generation-match")
        if wanted is None:
            return
        there = self.storage.objects.get(self.bucket, {}).get(self.object)
        if wanted != (there["generation"] if there else "0"):
            raise Refused(412, "PreconditionFailed")

    def _write(self, content: bytes, said: str = "") -> None:
        about = _make_object_resource(
            "", self.bucket, self.object, "application/octet-stream", str(len(content))
        )
        self.storage.create_file(self.bucket, self.object, content, _checksums(content, about))
        self._send(200, said.encode(), ETag=_etag(content), **{"x-goog-generation": about["generation"]})

    def _read(self) -> None:
        about = self.storage.get_file_obj(self.bucket, self.object)
        content = self.storage.get_file(self.bucket, self.object)
        told = {
            "ETag": _etag(content),
            "x-goog-generation": about["generation"],
            "x-goog-metageneration": about["metageneration"],
            "Last-Modified": "Mon, 30 Nov 2026 01:00:00 GMT",
        }
        status, n_bytes = 200, len(content)
        if found := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range", "")):
            start, end = int(found[1]), min(int(found[2] or n_bytes), n_bytes - 1)
            if start >= n_bytes:
                raise Refused(416, "InvalidRange")
            status, told["Content-Range"] = 206, f"bytes {start}-{end}/{n_bytes}"
            content = content[start : end + 1]
        self._send(status, content, **told)

    def _list(self) -> None:
        start = self.query.get("continuation-token") or self.query.get("start-after", "")
        found, _ = self.storage.get_file_list(self.bucket, self.query.get("prefix"))
        found = sorted(
            (each for each in found if each["name"] > start), key=lambda each: each["name"].encode()
        )
        n_rows = int(self.query.get("max-keys", 1000))
        # Without the generation in the form in which the client library would read it: it reads none.
        rows = "".join(
            f"<Contents><Key>{escape(each['name'])}</Key><Generation>{each['generation']}</Generation>"
            f"<LastModified>2026-11-30T01:00:00.000Z</LastModified><Size>{each['size']}</Size>"
            f"<ETag>{escape(_etag(self.storage.get_file(self.bucket, each['name'])))}</ETag></Contents>"
            for each in found[:n_rows]
        )
        more = len(found) > n_rows
        token = (
            f"<NextContinuationToken>{escape(found[n_rows - 1]['name'])}</NextContinuationToken>"
            if more
            else ""
        )
        listed = f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{token}{rows}</ListBucketResult>"
        self._send(200, listed.encode())

    def _begin_or_end_parts(self) -> None:
        if "uploads" in self.query:
            upload = f"upload-{next(_numbers)}"
            _uploads[upload] = {}
            said = f"<UploadId>{upload}</UploadId>"
            self._send(200, f"<InitiateMultipartUploadResult>{said}</InitiateMultipartUploadResult>".encode())
            return
        parts = _uploads.pop(self.query["uploadId"])
        numbers = [
            int(each.text or "") for each in ET.fromstring(self.data).iter() if "PartNumber" in each.tag
        ]
        content = b"".join(parts[number] for number in numbers)
        said = f"<ETag>{escape(_etag(content))}</ETag>"
        self._write(content, f"<CompleteMultipartUploadResult>{said}</CompleteMultipartUploadResult>")

    def _refuse(self, status: int, code: str) -> None:
        self._send(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())

    def _send(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content).hexdigest()}"'


if __name__ == "__main__":
    emulator = create_server("127.0.0.1", 0, in_memory=True)
    Handler.storage = emulator._storage
    emulator.start()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        ports = server.server_address[1], emulator._api._httpd.server_address[1]
        print("listening on {} {}".format(*ports), file=sys.stderr, flush=True)
        server.serve_forever()
