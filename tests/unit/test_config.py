"""Settings: found, decoded strictly, and the environment wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from nacre.config import EnvironmentSettings, Settings, find_root, read_settings
from nacre.errors import UsageError


def test_without_a_file_there_are_defaults(tmp_path: Path) -> None:
    assert read_settings(str(tmp_path), {}) == Settings(".nacre", (), "default", "")


def test_the_environment_wins(tmp_path: Path) -> None:
    (tmp_path / "nacre.toml").write_text('store = "here"\nmodules = ["a.py", "b"]\nenv = "dev"\n')
    settings = read_settings(str(tmp_path), {})
    assert (settings.store, settings.modules, settings.env) == ("here", ("a.py", "b"), "dev")
    assert settings.file == str(tmp_path / "nacre.toml")
    assert read_settings(str(tmp_path), {"NACRE_STORE": "/else"}).store == "/else"
    assert read_settings(str(tmp_path), {"NACRE_STORE": ""}).store == "here"


def test_settings_may_stand_in_pyproject(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.nacre]\nmodules = "pipeline.py"\n')
    assert read_settings(str(tmp_path), {}).modules == ("pipeline.py",)
    (tmp_path / "nacre.toml").write_text("")
    assert read_settings(str(tmp_path), {}).modules == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('stor = "x"', "did you mean 'store'"),
        (
            "zzz = 1",
            "known settings: cache_keep, env, keep_days, keep_external, keep_runs, keep_sources, keep_versions",
        ),
        ('keep_sources = "no"', "Setting 'keep_sources' must be true or false"),
        ("store = 3", "Setting 'store' must be a text"),
        ('store = " "', "Setting 'store' must be a text"),
        ('env = ""', "Setting 'env' must be a text"),
        ("modules = [1]", "Setting 'modules' must be a list"),
        ("modules = 3", "Setting 'modules' must be a list"),
        ("store = ", "The settings cannot be read"),
        ("store = '\udce9'", "The settings cannot be read"),
    ],
)
def test_a_wrong_setting_names_the_file(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "nacre.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError) as raised:
        read_settings(str(tmp_path), {})
    assert problem in str(raised.value)
    assert "nacre.toml" in str(raised.value)


def test_the_root_is_the_nearest_folder_that_says_so(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert find_root(str(deep)) == str(deep)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n')
    assert find_root(str(deep)) == str(deep)
    (tmp_path / "pyproject.toml").write_text("[tool.nacre]\n")
    assert find_root(str(deep)) == str(tmp_path)
    (tmp_path / "a" / ".nacre").mkdir()
    assert find_root(str(deep)) == str(tmp_path / "a")
    (deep / "nacre.toml").write_text("")
    assert find_root(str(deep)) == str(deep)


def test_a_store_may_be_in_the_home_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    assert read_settings(str(tmp_path), {"NACRE_STORE": "~/kept"}).store == "/home/ann/kept"
    (tmp_path / "nacre.toml").write_text('store = "~/kept"')
    assert read_settings(str(tmp_path), {}).store == "/home/ann/kept"
    with pytest.raises(UsageError, match="give the whole path"):
        read_settings(str(tmp_path), {"NACRE_STORE": "~nobody-is-called-that/kept"})


def test_a_store_that_cannot_be_a_folder_is_refused_with_a_next_step(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give a folder, or unset it"):
        read_settings(str(tmp_path), {"NACRE_STORE": " "})
    for place in ("/dev/null", "file:///dev/null"):
        with pytest.raises(
            UsageError, match=r"store +/dev/null\n +set in +NACRE_STORE\n +→ set NACRE_STORE to a"
        ):
            read_settings(str(tmp_path), {"NACRE_STORE": place})
    (tmp_path / ".nacre").write_text("")
    with pytest.raises(UsageError, match="move it away, or set NACRE_STORE"):
        read_settings(str(tmp_path), {})
    assert read_settings(str(tmp_path), {"NACRE_STORE": "memory://x"}).store == "memory://x"


def test_environments_are_tables_and_the_variable_says_which_is_used(tmp_path: Path) -> None:
    text = (
        '[env.dev]\npublish_root = "./dev"\n[env.feature]\nbase = "dev"\npublish_root = "s3://lake/feature"\n'
    )
    (tmp_path / "nacre.toml").write_text(text)
    settings = read_settings(str(tmp_path), {})
    assert settings.env == "default"
    assert settings.environment("dev") == EnvironmentSettings("dev", "", str(tmp_path / "dev"))
    assert settings.environment("feature") == EnvironmentSettings("feature", "dev", "s3://lake/feature")
    assert settings.environment("other") == EnvironmentSettings("other")
    assert read_settings(str(tmp_path), {"NACRE_ENV": "dev"}).env == "dev"
    (tmp_path / "nacre.toml").write_text('env = "dev"')
    assert read_settings(str(tmp_path), {"NACRE_ENV": " "}).env == "dev"
    assert read_settings(str(tmp_path), {"NACRE_ENV": "default"}).env == "default"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('env = "Dev"', "An environment cannot be named that"),
        ("[env.Dev]", "An environment cannot be named that"),
        ("[env.default]", "The environment 'default' cannot be set"),
        ('env.dev = "x"', "A table of 'env' has base and publish_root"),
        ('[env.dev]\nbas = "x"', "A table of 'env' has base and publish_root"),
        ("[env.dev]\nbase = 3", "Setting 'base' must be a text"),
        ('[env.dev]\npublish_root = ""', "Setting 'publish_root' must be a text"),
        ('[env.dev]\nbase = "dev"', "An environment cannot be its own base"),
        ('[env.a]\nbase = "b"\n[env.b]\nbase = "a"', "An environment cannot be its own base"),
        ("env = 3", "Setting 'env' must be a text"),
    ],
)
def test_a_wrong_environment_is_named(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "nacre.toml").write_text(text)
    with pytest.raises(UsageError) as raised:
        read_settings(str(tmp_path), {})
    assert problem in str(raised.value)
    assert "nacre.toml" in str(raised.value)


def test_a_wrong_environment_of_the_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="NACRE_ENV"):
        read_settings(str(tmp_path), {"NACRE_ENV": "a/b"})
