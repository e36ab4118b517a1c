"""`[[egress]]`: parsed, and refused until the network release; so none of its keys lies today."""

import pytest

from preopen.errors import ManifestError
from preopen.policy.policy import Policy
from preopen.tool.parsing import parse_manifest
from promises.harness import manifest, offer, probe

keeps = pytest.mark.keeps

ASKS = {
    "allow": "",
    "methods": 'methods = ["POST"]',
    "narrow_to": 'narrow_to = "url"',
    "private": "private = true",
    "credential.header": 'credential = { header = "Authorization", secret = "EXAMPLE" }',
    "credential.format": 'credential = { header = "X", format = "T {secret}", secret = "EXAMPLE" }',
    "credential.secret": 'credential = { header = "X", secret = "EXAMPLE_TOKEN" }',
}


def asking(key: str) -> str:
    """Return a manifest that asks for the network, with this key among others."""
    rest = f'[[egress]]\nallow = "https://example.com"\n{ASKS[key]}\n'
    return manifest(probe("component"), level="dangerous", arguments="url", rest=rest)


@pytest.mark.parametrize(
    "key", [pytest.param(key, marks=keeps(f"egress[].{key}", "granted")) for key in ASKS]
)
def test_ask_for_the_network_is_understood(key: str) -> None:
    """Ours: the format is fixed before its keeper comes, so that a manifest need not change."""
    (ask,) = parse_manifest(asking(key), "/probe.toml").egress

    assert "https://example.com" == ask.allow


@pytest.mark.parametrize(
    "key", [pytest.param(key, marks=keeps(f"egress[].{key}", "withheld")) for key in ASKS]
)
def test_ask_for_the_network_is_refused(policy: Policy, key: str) -> None:
    """Ours: no key is accepted before something enforces it."""
    with pytest.raises(ManifestError, match="later release"):
        offer(asking(key), policy)
