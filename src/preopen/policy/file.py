"""One `preopen.toml` → its document, whoever wrote it: TOML, our format, keys of the schema."""

import json
from functools import cache
from importlib.resources import files
from typing import Any, Final

from preopen.document import parse_document, read_file, shown
from preopen.errors import Fault, PolicyError
from preopen.schema import Validator, compile_schema

FORMAT: Final = 1
FILE_NAME: Final = "preopen.toml"


def read_document(file: str) -> dict[str, Any]:
    """Return the document of the operator's file.

    Raises:
        PolicyError: it cannot be read or is not valid, with every fault.

    """
    return check_document(read_file(file, PolicyError), file)


def check_document(text: bytes, file: str) -> dict[str, Any]:
    """Return the document of a `preopen.toml`, whoever wrote it; every key is the schema's."""
    document = parse_document(text, file, PolicyError)
    if document.get("preopen") != FORMAT or document["preopen"] is True:
        found = f"found {shown(document['preopen'])}" if "preopen" in document else "missing"
        write = f'write "preopen = {FORMAT}", the format that this preopen reads'
        raise PolicyError(Fault(place=file, key="preopen", found=found, write=write))
    faults = [problem.fault(file) for problem in _validator().details(document)]
    if faults:
        raise PolicyError(*faults)
    return document


@cache
def _validator() -> Validator:
    text = files(__package__).joinpath("preopen.schema.json").read_text(encoding="utf-8")
    return compile_schema(json.loads(text), "preopen.schema.json", "")
