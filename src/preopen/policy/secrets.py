"""Named secrets: where `preopen.toml` says they are, read when a tool needs one.

A value never stands in a policy, a manifest or a message: `Secret` is what travels.
"""

import importlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias, cast

from preopen.document import shown
from preopen.egress.masking import MIN_SECRET
from preopen.egress.rule import Secret
from preopen.errors import Fault

MOST_BYTES: Final = 8 << 10  # what a header can hold, and servers take


@dataclass(frozen=True, slots=True, kw_only=True)
class FromEnvironment:
    """A variable of the server's own environment."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FromFile:
    """A file that only its owner may read; one line end at its end is none of the secret's."""

    host_path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FromKeyring:
    """An entry of the system's keyring: service and user."""

    service: str
    user: str


SecretSource: TypeAlias = FromEnvironment | FromFile | FromKeyring


class _Keyring(Protocol):
    def get_password(self, service_name: str, username: str) -> str | None: ...


@dataclass(slots=True, kw_only=True)
class Secrets:
    """The operator's secrets by name. Each is read at the first asking, and kept here."""

    file: str = ""
    sources: Mapping[str, SecretSource] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    _read: dict[str, Secret | Fault] = field(default_factory=dict, repr=False)

    def get(self, name: str) -> Secret | Fault:
        """Return the secret of this name, or why there is none."""
        if name not in self._read:
            self._read[name] = self._look_up(name)
        return self._read[name]

    def _look_up(self, name: str) -> Secret | Fault:
        if name not in self.sources:
            return Fault(
                place=self.file or "preopen.toml",
                key=f"secrets.{name}",
                found="no secret has this name",
                write=f'write {name} = {{ environment = "{name}" }} under [secrets]',
            )
        source = self.sources[name]
        try:
            value = _value_of(source, self.environ)
        except _NoSecret as problem:
            found, write = problem.args
            return Fault(place=self.file, key=f"secrets.{name}", found=found, write=write)
        if found := _flaw_of(value):
            write = "give it a value that a header can hold"
            return Fault(place=self.file, key=f"secrets.{name}", found=found, write=write)
        return Secret(value)


class _NoSecret(Exception):  # noqa: N818 - a Fault on its way to `Secrets`
    """Raised inside this file: what was found, and what to write."""


def _value_of(source: SecretSource, environ: Mapping[str, str]) -> str:
    match source:
        case FromEnvironment(name=name):
            if not environ.get(name):
                raise _NoSecret(f"the variable {name} is not set", "set it before preopen starts")
            return environ[name]
        case FromFile(host_path=host_path):
            return _read_file(host_path)
        case FromKeyring(service=service, user=user):
            return _ask_keyring(service, user)


def _read_file(host_path: str) -> str:
    try:
        descriptor = os.open(host_path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        with os.fdopen(descriptor, "rb") as file:
            about = os.fstat(descriptor)
            mode = stat.S_IMODE(about.st_mode)
            if not stat.S_ISREG(about.st_mode):
                raise _NoSecret(f"{shown(host_path)} is no regular file", "write a file's path")
            if mode & 0o077:
                found = f"{shown(host_path)} has mode {mode:04o}, so others may read it"
                raise _NoSecret(found, f"chmod 600 {host_path}")
            if about.st_uid not in (0, os.geteuid()):
                found = f"{shown(host_path)} belongs to user {about.st_uid}"
                raise _NoSecret(found, "use a file of your own")
            return file.read(MOST_BYTES + 2).decode().removesuffix("\n").removesuffix("\r")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path, or no UTF-8
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise _NoSecret(f"{shown(host_path)} cannot be read: {reason}", "write a file") from error


def _ask_keyring(service: str, user: str) -> str:
    """Ask the system's keyring, by the library of that name: an extra, for not everyone has one."""
    try:
        keyring = cast("_Keyring", importlib.import_module("keyring"))
    except ImportError as error:
        found, write = "the library keyring is not installed", "pip install 'preopen[keyring]'"
        raise _NoSecret(found, write) from error
    entry = f"{service}/{user}"
    try:
        value = keyring.get_password(service, user)
    except Exception as error:
        # Its backends raise what they like; a text of theirs could hold anything.
        found = f"the keyring could not be asked for {shown(entry)}: {type(error).__name__}"
        raise _NoSecret(found, "unlock it, or use a file of mode 0600") from error
    if not value:
        found = f"the keyring has nothing under {shown(entry)}"
        raise _NoSecret(found, f"keyring set {service} {user}")
    return value


def _flaw_of(value: str) -> str:
    """Return why a value can be no credential, "" if it can."""
    if len(value) < MIN_SECRET:
        return f"it has fewer than {MIN_SECRET} characters, so no answer could be masked"
    if len(value.encode()) > MOST_BYTES:
        return f"it has more than {MOST_BYTES} bytes"
    if not all("!" <= character <= "~" or character == " " for character in value):
        return "it holds a line end or another character that no header may hold"
    return ""
