"""Entry point of the process that fuzzes one target: `python -m fuzz.engine TARGET FLAG…`.

Atheris (libFuzzer) never returns from its loop, so `__main__.py` starts this one as a child; the
flags are libFuzzer's own.
"""

import logging
import sys
from random import Random

import atheris

from fuzz.target import WATCHED, Target, load

with atheris.instrument_imports(include=WATCHED):
    # It imports some of preopen, which would stay unwatched if that happened outside.
    from fuzz.mutation import mutate


def main() -> None:
    """Fuzz the target that the command line names, until its time is over or a check fails."""
    _, name, *flags = sys.argv
    with atheris.instrument_imports(include=WATCHED):
        target = load(name)
    logging.disable()  # the readers log what they refuse, and here that is nearly everything
    atheris.Setup([sys.argv[0], *flags], target.check, custom_mutator=_mutator(target))
    atheris.Fuzz()


def _mutator(target: Target) -> object:
    def mutator(data: bytes, max_size: int, seed: int) -> bytes:
        random = Random(seed)  # noqa: S311 - an input is no secret
        if random.random() < 0.5:  # noqa: PLR2004 - half by bytes, half by structure
            return bytes(atheris.Mutate(data, max_size))
        return mutate(data, random, target.tokens)[:max_size]

    return mutator


if __name__ == "__main__":
    main()
