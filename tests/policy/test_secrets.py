"""Named secrets: from the environment, a file of mode 0600, the keyring."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from preopen.egress.rule import Secret
from preopen.errors import Fault
from preopen.policy.secrets import FromEnvironment, FromFile, FromKeyring, Secrets, SecretSource

VALUE = "a secret value"


def read(source: SecretSource, environ: dict[str, str] | None = None) -> Secret | Fault:
    """Return the secret that lies there, or why there is none."""
    return Secrets(file="/p.toml", sources={"X": source}, environ=environ or {}).get("X")


def value_of(found: Secret | Fault) -> str:
    """Return the value of a secret that was found."""
    assert isinstance(found, Secret), found
    return found.reveal()


def why_not(found: Secret | Fault) -> str:
    """Return what was found in place of a secret; never its value."""
    assert isinstance(found, Fault), found
    assert VALUE not in str(found)
    return str(found)


def test_secret_of_the_environment_is_found_by_its_name() -> None:
    """Issue: secrets from the environment."""
    assert value_of(read(FromEnvironment(name="T"), {"T": VALUE})) == VALUE
    assert "the variable T is not set" in why_not(read(FromEnvironment(name="T"), {"U": VALUE}))


def test_file_of_mode_0600_holds_a_secret_and_one_that_others_may_read_none(tmp_path: Path) -> None:
    """Issue: a 0600 file; one line end at its end is none of the secret's."""
    file = tmp_path / "töken file"
    file.write_text(f"{VALUE}\n")
    file.chmod(0o600)
    assert value_of(read(FromFile(host_path=str(file)))) == VALUE

    file.chmod(0o640)
    assert "has mode 0640, so others may read it; chmod 600" in why_not(
        read(FromFile(host_path=str(file)))
    )


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda _: None, "No such file"),
        (lambda file: file.mkdir(mode=0o700), "directory"),
        (lambda file: file.write_bytes(b"\xff" * 20), "UTF-8"),
        (lambda file: file.write_text("x" * 10_000), "more than 8192 bytes"),
    ],
)
def test_file_that_holds_no_secret_says_why(tmp_path: Path, make: object, found: str) -> None:
    """Ours: place, thing found, way out."""
    file = tmp_path / "token"
    assert callable(make)
    make(file)
    if file.is_file():
        file.chmod(0o600)

    assert found.lower() in why_not(read(FromFile(host_path=str(file)))).lower()


def test_keyring_is_asked_for_service_and_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue: the `keyring` library; where it is missing that is said, and how to get it."""
    source = FromKeyring(service="tracker", user="me")
    library = ModuleType("keyring")
    vars(library)["get_password"] = lambda service, user: {("tracker", "me"): VALUE}[service, user]
    monkeypatch.setitem(sys.modules, "keyring", library)
    assert value_of(read(source)) == VALUE

    vars(library)["get_password"] = lambda _service, _user: None
    assert 'has nothing under "tracker/me"; keyring set tracker me' in why_not(read(source))

    def locked(_service: str, _user: str) -> str:
        raise RuntimeError(VALUE)

    vars(library)["get_password"] = locked
    assert "RuntimeError" in why_not(read(source))

    monkeypatch.setitem(sys.modules, "keyring", None)
    assert "pip install 'preopen[keyring]'" in why_not(read(source))


def test_secret_shows_in_no_repr() -> None:
    """Issue: never in logs or receipts."""
    secrets = Secrets(sources={"X": FromEnvironment(name="T")}, environ={"T": VALUE})

    assert VALUE not in repr((secrets, secrets.get("X"), str(secrets.get("X"))))
