"""Which requests one call may send: its URLs cut each rule to one scheme, host and port. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from preopen.document import shown
from preopen.egress.rule import Closed, EgressRule, Target
from preopen.egress.rules import narrow_rule
from preopen.egress.teaching import way_past, way_to, why_closed
from preopen.egress.url import read_url
from preopen.errors import found_and_write
from preopen.outcome import Denial, JsonValue
from preopen.tool.manifest import Manifest


def narrow_egress(
    manifest: Manifest,
    rules: Sequence[EgressRule],
    arguments: Mapping[str, JsonValue],
    closed: Closed,
) -> tuple[EgressRule, ...] | Denial:
    """Return what these arguments need of the rules, or why a URL among them is refused.

    A rule that names no argument, or whose argument is absent or null, is kept whole. A call whose
    URL no rule names at all is a Denial before a cell is touched; `closed` is for its words.
    """
    targets: dict[str, Target] = {}
    for ask in manifest.egress:
        value = arguments.get(ask.narrow_to) if ask.narrow_to else None
        if not isinstance(value, str) or ask.narrow_to in targets:
            continue
        try:
            targets[ask.narrow_to] = read_url(value)
        except ValueError as problem:
            reason, write = found_and_write(problem)
            return Denial(target=shown(value), reason=f'"{ask.narrow_to}": {reason}', allow=write)
    if not targets:
        return tuple(rules)
    kept = [rule for rule in rules if rule.narrow_to not in targets]
    for name, target in targets.items():
        fitting = [narrow_rule(rule, target) for rule in rules if rule.narrow_to == name]
        kept += [replace(rule, narrow_to="") for rule in fitting if rule is not None]
    if not kept:
        target = next(iter(targets.values()))
        if way := way_past(closed, target):
            return Denial(target=target.origin, reason=why_closed(closed, target), allow=way)
        return Denial(
            target=target.origin,
            reason=f"no rule lets {manifest.name} send to {target.origin}",
            allow=way_to(target),
        )
    return tuple(kept)
