"""The names of layers, which a person writes."""

import json
from importlib.resources import files

import pytest

from preopen.layer import ALL, LAYER_NAMES, Layer, layers_named


def test_all_is_every_layer_and_a_name_is_its_own() -> None:
    """Issue: `--require-wall LAYER`; ours: `all` for every one."""
    assert layers_named([]) == frozenset()
    assert layers_named(["landlock", "seccomp"]) == {Layer.LANDLOCK, Layer.SECCOMP}
    assert layers_named(["landlock", ALL]) == frozenset(Layer)


def test_a_name_that_is_no_layer_is_never_passed_over() -> None:
    """Ours: fail closed; a required layer that nobody knows is not a layer less."""
    with pytest.raises(ValueError, match="landlok"):
        layers_named(["landlock", "landlok"])


def test_the_operators_file_takes_the_names_that_there_are() -> None:
    """Ours: the schema is data and cannot import them."""
    text = files("preopen.policy").joinpath("preopen.schema.json").read_text(encoding="utf-8")
    require = json.loads(text)["properties"]["wall"]["properties"]["require"]
    assert tuple(require["items"]["enum"]) == LAYER_NAMES
