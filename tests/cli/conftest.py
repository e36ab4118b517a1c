"""Fixtures of the shell's tests: preopen's folders are temporary, one cache serves all of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.ordinary import Ordinary, open_ordinary
from cli.workshop import Workshop, make_workshop


@pytest.fixture(scope="session")
def shell_folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache and one key for the whole run, so that each binary is compiled once."""
    return tmp_path_factory.mktemp("shell")


@pytest.fixture
def workshop(tmp_path: Path, shell_folders: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """Make a workspace with one file, the probe's tools, and folders of preopen's own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(shell_folders / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(shell_folders / "cache"))
    return make_workshop(tmp_path)


@pytest.fixture
def ordinary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ordinary]:
    """Make an ordinary user's workshop: of whoever runs the tests, or of another than root."""
    with open_ordinary(monkeypatch) as made:
        yield made
