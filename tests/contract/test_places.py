"""What every place of published files must do, run on the file system and on a bucket."""

from __future__ import annotations

import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from buckets import Lake, Relay, closed_port
from google_buckets import GoogleLake
from nacre.errors import CorruptObject, StoreError, StoreFull, StoreReadOnly, StoreUnavailable, UsageError
from nacre.store import connect as connecting
from nacre.store.address import parse
from nacre.store.bucket import BucketObjects
from nacre.store.connect import connect
from nacre.store.memory import MemoryObjects
from nacre.store.port import ObjectStore
from nacre.store.publish.bucket import BucketPlace
from nacre.store.publish.files import FilePlace
from nacre.store.publish.port import Place, is_as_noted
from nacre.testing import write_object
from published import DAMAGES, inline, stored


class PlaceContract(ABC):
    """A place, the folder in it that a test has to itself, and how others see it."""

    place: Place
    folder: str

    @abstractmethod
    def read(self, path: str) -> bytes:
        """Read as a program that does not know nacre."""

    @abstractmethod
    def write(self, path: str, data: bytes) -> None:
        """Write as such a program."""

    @abstractmethod
    def names(self) -> list[str]:
        """Everything that lies in the test's folder, by path in it."""

    def path(self, name: str) -> str:
        return f"{self.folder}/{name}".lstrip("/")

    def test_a_file_is_read_as_it_was_put(self) -> None:
        path = self.path("posts/date=2026-11-01/posts.parquet")
        for data in (b"first", b"", b"x" * 200_000):
            mark = self.place.put(path, inline(data))
            assert self.read(path) == data
            assert self.place.marks([path]) == {path: mark}
        assert self.names() == ["posts/date=2026-11-01/posts.parquet"]

    def test_the_same_bytes_written_again_have_another_mark_unless_the_place_says_otherwise(self) -> None:
        path = self.path("a.json")
        self.write(path, b"[1]")
        before = self.place.marks([path])
        self.write(path, b"[1]")
        assert self.place.marks_content or self.place.marks([path]) != before

    def test_a_file_is_put_from_an_object_of_any_store(self) -> None:
        objects = MemoryObjects()
        write_object(objects, "data/a/1", b"stored" * 20_000)
        path = self.path("a.bin")
        self.place.put(path, stored(objects, "data/a/1", b"stored" * 20_000))
        assert self.read(path) == b"stored" * 20_000

    def test_putting_the_same_again_changes_nothing_for_readers(self) -> None:
        path = self.path("a.json")
        self.place.put(path, inline(b"[1]"))
        self.place.put(path, inline(b"[1]"))
        assert self.read(path) == b"[1]"
        assert self.names() == ["a.json"]

    def test_a_mark_changes_when_somebody_else_writes(self) -> None:
        path = self.path("a.json")
        mark = self.place.put(path, inline(b"[1]"))
        self.write(path, b"[1, 2]")
        assert self.place.marks([path])[path] != mark

    def test_marks_are_told_of_what_is_there(self) -> None:
        there = [self.path(f"posts/date={day}/posts.json") for day in (1, 2, 3)] + [self.path("z/a.json")]
        put = {path: self.place.put(path, inline(b"[]")) for path in there}
        gone = [self.path("posts/date=4/posts.json"), self.path("posts"), self.path("a.json")]
        assert self.place.marks([*gone, *there]) == put
        assert self.place.marks(there[:1]) == {there[0]: put[there[0]]}
        assert self.place.marks(gone) == {}
        assert self.place.marks([]) == {}

    def test_checking_a_place_leaves_no_file_behind(self) -> None:
        self.place.put(self.path("a.json"), inline(b"kept"))
        for name in ("a.json", "b.json", "new/folder/c.json"):
            self.place.check(self.path(name))
        assert self.names() == ["a.json"]
        assert self.read(self.path("a.json")) == b"kept"

    def test_what_others_put_is_kept_or_told_before_it_is_replaced(self) -> None:
        path = self.path("out.txt")
        assert self.place.set_aside(path, [inline(b"ours")]) == ""
        self.write(path, b"same")
        assert self.place.set_aside(path, [inline(b"same")]) == ""
        assert self.names() == ["out.txt"]
        said = self.place.set_aside(path, [inline(b"ours")])
        assert said == self.place.set_aside(path, [inline(b"ours")])
        assert said.removeprefix("it ").startswith(("is kept as", "was replaced"))
        assert self.read(path) == b"same"

    def test_a_version_whose_object_is_gone_leaves_the_file_that_is_there(self) -> None:
        path = self.path("a.json")
        self.place.put(path, inline(b"whole"))
        with pytest.raises(FileNotFoundError):
            self.place.put(path, stored(self.objects(), "data/gone", b"other"))
        assert self.read(path) == b"whole"
        assert self.names() == ["a.json"]

    @pytest.mark.parametrize("damage", DAMAGES)
    def test_a_damaged_version_leaves_the_file_that_is_there(self, damage: Callable[[bytes], bytes]) -> None:
        objects, data, path = MemoryObjects(), b"stored" * 20_000, self.path("a.bin")
        write_object(objects, "data/a/1", damage(data))
        for there in (b"whole", damage(data)):
            mark = self.place.put(path, inline(there))
            for expect in (None, mark):
                with pytest.raises(CorruptObject, match="cannot be read"):
                    self.place.put(path, stored(objects, "data/a/1", data), expect)
            assert self.read(path) == there
        assert self.names() == ["a.bin"]

    def test_what_others_put_is_told_where_the_bytes_of_our_older_versions_are_gone(self) -> None:
        path = self.path("a.json")
        self.write(path, b"other")
        assert self.place.set_aside(path, [stored(self.objects(), "data/gone", b"other")])
        assert (
            self.place.set_aside(path, [stored(self.objects(), "data/gone", b"other"), inline(b"other")])
            == ""
        )

    def test_a_file_is_put_only_where_what_is_expected_lies(self) -> None:
        path = self.path("a.json")
        mark = self.place.put(path, inline(b"[1]"), "")
        assert mark
        assert self.place.put(path, inline(b"[2]"), "") is None
        assert self.read(path) == b"[1]"
        second = self.place.put(path, inline(b"[2]"), mark)
        assert second
        assert self.place.put(path, inline(b"[33]"), mark) is None
        assert self.read(path) == b"[2]"
        assert self.place.put(path, inline(b"[33]"))
        assert self.read(path) == b"[33]"
        assert self.names() == ["a.json"]

    def test_a_file_that_has_the_bytes_already_is_as_good_as_put(self) -> None:
        path = self.path("a.json")
        self.write(path, b"[1]")
        mark = self.place.put(path, inline(b"[1]"), "")
        assert mark == self.place.marks([path])[path]

    def test_a_mark_is_that_of_the_file_that_was_put_and_lasts(self) -> None:
        path = self.path("a.json")
        mark = self.place.put(path, inline(b"[1]"), "")
        assert mark is not None
        assert is_as_noted(self.place.marks([path])[path], mark)
        assert not is_as_noted(self.place.marks([path])[path], "")

    def test_a_file_is_opened_and_copied_into_any_store(self) -> None:
        path = self.path("big.bin")
        self.write(path, b"theirs" * 20_000)
        with self.place.open(path) as file:
            assert file.read() == b"theirs" * 20_000
            file.seek(3)
            assert file.read(3) == b"irs"
        for objects in (MemoryObjects(), self.objects()):
            self.place.copy_to(path, objects, "data/a/1")
            with objects.get("data/a/1") as stored:
                assert stored.read() == b"theirs" * 20_000
            with pytest.raises(FileExistsError):
                self.place.copy_to(path, objects, "data/a/1")
            with pytest.raises(FileNotFoundError):
                self.place.copy_to(self.path("none"), objects, "data/a/2")
        with pytest.raises(FileNotFoundError):
            self.place.open(self.path("none")).close()

    def objects(self) -> ObjectStore:
        return MemoryObjects()


class TestFilePlace(PlaceContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.place = FilePlace()
        self.folder = str(tmp_path).lstrip("/")

    def read(self, path: str) -> bytes:
        return Path("/", path).read_bytes()

    def write(self, path: str, data: bytes) -> None:
        Path("/", path).write_bytes(data)

    def names(self) -> list[str]:
        root = Path("/", self.folder)
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


class TestBucketPlace(PlaceContract):
    @pytest.fixture(autouse=True)
    def _bucket(self, lake: Lake) -> None:
        self.lake = lake
        self.place = BucketPlace(connect(lake.url))
        self.folder = ""

    def read(self, path: str) -> bytes:
        return self.lake.read(path)

    def write(self, path: str, data: bytes) -> None:
        self.lake.write(path, data)

    def names(self) -> list[str]:
        assert self.lake.unfinished() == []
        return self.lake.names()

    def objects(self) -> ObjectStore:
        return BucketObjects(connect(self.lake.url), "team/objects")


class TestGooglePlace(PlaceContract):
    @pytest.fixture(autouse=True)
    def _bucket(self, google_lake: GoogleLake) -> None:
        self.lake = google_lake
        self.place = BucketPlace(connect(google_lake.url))
        self.folder = ""

    def read(self, path: str) -> bytes:
        return self.lake.read(path)

    def write(self, path: str, data: bytes) -> None:
        self.lake.write(path, data)

    def names(self) -> list[str]:
        return self.lake.names()

    def objects(self) -> ObjectStore:
        return BucketObjects(connect(self.lake.url), "team/objects")


def told_of_the_place(error: StoreError, folder: Path) -> bool:
    """Whether an error speaks of the place and its folder, offers a mapping, and never mentions the store."""
    line = f'places = {{"file://{folder}" = "./{folder.name}"}}'
    return str(folder) in str(error) and "NACRE_STORE" not in str(error) and line in str(error)


@pytest.mark.parametrize("does", ["check", "put"])
@pytest.mark.parametrize("trouble", ["file above", "folder there"])
def test_what_is_in_the_way_of_a_file_is_told_as_trouble_of_the_place(
    tmp_path: Path, trouble: str, does: str
) -> None:
    path = tmp_path / "out/a.json"
    if trouble == "file above":
        path.parent.write_text("a file")
    else:
        path.mkdir(parents=True)
    place, name = FilePlace(), str(path).lstrip("/")
    with pytest.raises(StoreUnavailable, match="The place of published files cannot be written") as caught:
        place.check(name) if does == "check" else place.put(name, inline(b"[]"))
    assert told_of_the_place(caught.value, path.parent)
    assert "→ move away what is there" in str(caught.value)


@pytest.mark.parametrize("name", ["a.json", "new/a.json"])
def test_a_folder_that_may_only_be_read_is_told_as_trouble_of_the_place(
    open_dir: Path, sealed: Callable[[Path], AbstractContextManager[None]], name: str
) -> None:
    path = open_dir / name
    with sealed(open_dir):
        for does in (FilePlace().check, lambda name: FilePlace().put(name, inline(b"[]"))):
            with pytest.raises(StoreReadOnly, match="The place of published files cannot") as caught:
                does(str(path).lstrip("/"))
            assert "Permission denied" in str(caught.value)
            assert told_of_the_place(caught.value, path.parent)


@pytest.mark.parametrize("name", ["a.json", "new/er/a.json"])
def test_a_folder_that_may_be_entered_and_written_but_not_listed_takes_files(
    open_dir: Path, unlisted: Callable[[Path], AbstractContextManager[None]], name: str
) -> None:
    path, place = open_dir / name, FilePlace()
    with unlisted(open_dir):
        place.check(str(path).lstrip("/"))
        for data in (b"[]", b"[1]", b"[1]"):
            assert place.put(str(path).lstrip("/"), inline(data))
    assert path.read_bytes() == b"[1]"


def test_a_mount_that_may_only_be_read_is_found_by_checking(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for name in ("a.json", "new/a.json"):
        with pytest.raises(StoreReadOnly, match="Read-only file system"):
            FilePlace().check(f"{small_disk}/{name}".lstrip("/"))


def test_a_disk_that_is_full_is_told_as_trouble_of_the_place(small_disk: Path) -> None:
    with pytest.raises(StoreFull, match="No space is left at the place of published files") as caught:
        FilePlace().put(f"{small_disk}/a.bin".lstrip("/"), inline(b"x" * 2_000_000))
    assert str(small_disk) in str(caught.value)
    assert list(small_disk.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="not run here: a mount that makes no folders")
def test_a_place_where_no_folder_can_be_made_is_found_by_checking() -> None:
    with pytest.raises(StoreError, match="The place of published files cannot be written"):
        FilePlace().check("proc/nacre/a.json")


def test_marks_of_many_files_take_one_request_for_a_thousand(lake: Lake, relay: Relay) -> None:
    place = BucketPlace(connect(lake.url))
    paths = [f"posts/date={day:03}/posts.json" for day in range(40)]
    for path in paths:
        lake.write(path, b"[]")
    relay.asked.clear()
    assert sorted(place.marks(paths)) == paths
    assert sorted(place.marks([*paths, "posts/none"])) == paths
    assert relay.counts == {"LIST": 2}


def test_few_files_among_very_many_others_are_asked_for_one_by_one(
    lake: Lake, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "LIST_ROWS", 2)
    for name in ("a.json", *(f"b{n}.json" for n in range(10)), "z.json"):
        lake.write(name, b"[]")
    relay.asked.clear()
    assert sorted(BucketPlace(connect(lake.url)).marks(["a.json", "z.json"])) == ["a.json", "z.json"]
    assert relay.counts == {"LIST": 1, "HEAD": 1}


def test_checking_takes_one_request_that_writes_nothing(lake: Lake, relay: Relay) -> None:
    BucketPlace(connect(lake.url)).check("posts/a.json")
    assert relay.counts == {"PUT": 1}
    assert relay.asked[0].headers["if-match"] == "0" * 32
    assert lake.names() == []


def test_a_service_that_ignores_conditions_may_be_published_to(lake: Lake, relay: Relay) -> None:
    relay.spoil = lambda asked: "unconditional"
    place = BucketPlace(connect(lake.url))
    place.check("posts/a.json")
    assert lake.names() == []
    place.put("posts/a.json", inline(b"[]"))
    assert lake.names() == ["posts/a.json"]


def refused(url: str) -> StoreError:
    with pytest.raises(StoreError) as caught:
        BucketPlace(connect(url)).check("posts/a.json")
    return caught.value


def test_a_place_that_nothing_answers_for_is_unreachable(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = f"http://127.0.0.1:{closed_port()}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    error = refused("s3://lake")
    assert isinstance(error, StoreUnavailable)
    assert "The bucket lake cannot be reached" in str(error)
    assert endpoint in str(error)
    assert 'places = {"s3://lake" = "./lake"}' in str(error)


def test_a_place_whose_endpoint_is_any_web_server_is_told_as_such(web_server: str, lake: Lake) -> None:
    assert "The endpoint does not answer as S3 does" in str(refused(lake.url))
    with pytest.raises(StoreUnavailable, match="The endpoint does not answer as S3 does"):
        BucketPlace(connect(lake.url)).marks(["a.json"])


def test_a_place_in_a_bucket_that_is_not_there_is_named(lake: Lake) -> None:
    error = refused("s3://no-such-lake/posts")
    assert isinstance(error, StoreUnavailable)
    assert "There is no bucket no-such-lake" in str(error)
    assert 'places = {"s3://no-such-lake" = "./no-such-lake"}' in str(error)


def test_a_place_without_credentials_is_refused_before_any_request(
    lake: Lake, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    error = refused(lake.url)
    assert isinstance(error, StoreReadOnly)
    assert "no credentials" in str(error)
    assert f'"{lake.url}" = "./{lake.bucket}"' in str(error)
    assert relay.asked == []


def test_a_place_that_may_only_be_read_is_refused(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in lake.service.user_who_may("s3:GetObject", "s3:ListBucket").items():
        monkeypatch.setenv(name, value)
    lake.service.check_permissions(True)
    try:
        error = refused(lake.url)
    finally:
        lake.service.check_permissions(False)
    assert isinstance(error, StoreReadOnly)
    assert f"no permission to write to the bucket {lake.bucket}" in str(error)
    assert "s3:PutObject" in str(error)
    assert lake.names() == []


def test_keys_that_the_service_does_not_know_are_told_as_such(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAUNKNOWN")
    lake.service.check_permissions(True)
    try:
        error = refused(lake.url)
    finally:
        lake.service.check_permissions(False)
    assert isinstance(error, StoreReadOnly)
    assert "credentials" in str(error)
    assert "are not accepted" in str(error)


@pytest.mark.parametrize("url", ["ftp://lake/posts", "s3a://lake"])
def test_a_bucket_that_no_driver_serves_is_refused_with_the_schemes_that_are(url: str) -> None:
    with pytest.raises(UsageError, match=f"no driver for {url.partition('/')[0]}") as caught:
        connect(url)
    assert "s3://, gs://, az://" in str(caught.value)


@pytest.mark.parametrize("url", ["s3:///posts", "gs://", "az:///x"])
def test_a_url_of_a_bucket_names_one(url: str) -> None:
    with pytest.raises(UsageError, match="not the URL of a bucket"):
        connect(url)


@pytest.mark.parametrize(
    ("rest", "part"),
    [
        ("../q", ".."),
        ("./x", "."),
        ("x/../y", ".."),
        ("/x", ""),
        ("x//y", ""),
        ("x/\x01", "\x01"),
        ("\ud800/x", "\ud800"),
    ],
)
def test_a_url_of_a_bucket_has_no_part_that_names_nothing(rest: str, part: str) -> None:
    with pytest.raises(UsageError, match="cannot have the part") as caught:
        connect(f"s3://lake/{rest}")
    assert repr(part) in str(caught.value)
    assert parse("s3://lake/x/") == ("s3", "lake", "x")
