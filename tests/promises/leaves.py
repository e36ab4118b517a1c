"""The leaf keys of a schema: every key that a person can write, as the table of keepers names them.

`directory[].access` is a key of each table of an array, `cells.*.calls_per_cell` of each table
under a name of the writer's own, `environment` a value under such a name.
"""

import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any, Final

SCHEMAS: Final = {
    "": ("preopen.tool", "manifest.schema.json"),
    "policy:": ("preopen.policy", "preopen.schema.json"),
}


def schema_keys() -> frozenset[str]:
    """Return every leaf key of both schemas; those of `preopen.toml` begin with "policy:"."""
    return frozenset(
        f"{prefix}{key}"
        for prefix, (package, name) in SCHEMAS.items()
        for key in leaves(json.loads(files(package).joinpath(name).read_text(encoding="utf-8")))
    )


def leaves(schema: Mapping[str, Any], key: str = "") -> Iterator[str]:
    """Yield the keys below `key` that hold a value and no more keys of ours."""
    items, named = schema.get("items"), schema.get("additionalProperties")
    if "properties" in schema:
        for name, part in schema["properties"].items():
            yield from leaves(part, f"{key}.{name}" if key else name)
    elif isinstance(items, dict) and "properties" in items:
        yield from leaves(items, f"{key}[]")
    elif isinstance(named, dict):
        for part in named.get("anyOf", [named]):
            yield from leaves(part, f"{key}.*") if "properties" in part else (key,)
    else:
        yield key
