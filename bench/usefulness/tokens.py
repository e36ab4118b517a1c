"""Counts tokens, by a vocabulary that travels in its package: nothing is downloaded to count."""

import json
from functools import cache

from bpe_openai import Encoding, get_encoding

from bench.usefulness.task import Call

VOCABULARY = "o200k_base"


@cache
def _encoding() -> Encoding:
    return get_encoding(VOCABULARY)


def count(text: str) -> int:
    """Return how many tokens a text is."""
    return len(_encoding().encode_ordinary(text))


def spelled(call: Call | str) -> str:
    """Return a call as a model writes it; a shell, too, is a tool with an argument."""
    if isinstance(call, str):
        call = Call("bash", {"command": call})
    return f"{call.tool} {json.dumps(call.arguments, ensure_ascii=False)}"
