"""The import audit: what no grant could make usable is refused; what no import could use warned."""

import pytest
import wasmtime
from wasmtime import component as components

from policy.asks import COMPONENT, MODULE, P1, ask, manifest, offer, refuse, texts
from preopen.policy.audit_imports import (
    PREVIEW_1_FUNCTIONS,
    WASI_02_INTERFACES,
    uses_network,
)
from preopen.policy.policy import Policy
from preopen.tool.binary import BinaryFacts, BinaryKind, Import
from preopen.tool.manifest import EgressAsk, EnvAsk

POLICY = Policy(workspace="/")


def module(*names: str, interface: str = P1) -> BinaryFacts:
    """Return the facts of a command that imports these functions."""
    imports = tuple(Import(interface=interface, name=name) for name in names)
    return BinaryFacts(kind=BinaryKind.MODULE, imports=imports, exports=("_start",))


def component(*interfaces: str) -> BinaryFacts:
    """Return the facts of a component command that imports these interfaces."""
    imports = tuple(Import(interface=each) for each in interfaces)
    return BinaryFacts(kind=BinaryKind.COMPONENT, imports=imports, exports=("wasi:cli/run@0.2.0",))


@pytest.mark.parametrize("facts", [MODULE, COMPONENT, module(), component()])
def test_plain_commands_pass_without_a_word(facts: BinaryFacts) -> None:
    """Design §5: what toolchains import for a command is known."""
    assert () == offer(manifest(), POLICY, facts).warnings


def test_known_functions_are_those_that_wasmtime_links() -> None:
    """Ours: a name here that wasmtime lacks would fail at the first call; pinned against it."""
    engine = wasmtime.Engine()
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    store = wasmtime.Store(engine)
    store.set_wasi(wasmtime.WasiConfig())
    for name in sorted(PREVIEW_1_FUNCTIONS):
        linker.get(store, P1, name)

    assert 46 == len(PREVIEW_1_FUNCTIONS)


def test_known_interfaces_are_those_that_wasmtime_links() -> None:
    """Ours: wasmtime has each, so that a name here that it lacks is found before a tool is."""
    assert WASI_02_INTERFACES == set(EXPORTS)
    for interface, export in EXPORTS.items():
        assert is_linked(interface, export), interface
    assert not is_linked("wasi:clocks/timezone", "display"), "linked only behind a switch"
    assert not is_linked("wasi:http/types", "http-error-code"), "only linked beside egress"


# One export of each interface; a resource stands as "[resource]".
EXPORTS = {
    "wasi:cli/environment": "get-arguments",
    "wasi:cli/exit": "exit",
    "wasi:cli/stderr": "get-stderr",
    "wasi:cli/stdin": "get-stdin",
    "wasi:cli/stdout": "get-stdout",
    "wasi:cli/terminal-input": "[resource]terminal-input",
    "wasi:cli/terminal-output": "[resource]terminal-output",
    "wasi:cli/terminal-stderr": "get-terminal-stderr",
    "wasi:cli/terminal-stdin": "get-terminal-stdin",
    "wasi:cli/terminal-stdout": "get-terminal-stdout",
    "wasi:clocks/monotonic-clock": "now",
    "wasi:clocks/wall-clock": "now",
    "wasi:filesystem/preopens": "get-directories",
    "wasi:filesystem/types": "[resource]descriptor",
    "wasi:io/error": "[resource]error",
    "wasi:io/poll": "poll",
    "wasi:io/streams": "[resource]input-stream",
    "wasi:random/insecure": "get-insecure-random-u64",
    "wasi:random/insecure-seed": "insecure-seed",
    "wasi:random/random": "get-random-u64",
    "wasi:sockets/instance-network": "instance-network",
    "wasi:sockets/ip-name-lookup": "resolve-addresses",
    "wasi:sockets/network": "[resource]network",
    "wasi:sockets/tcp": "[resource]tcp-socket",
    "wasi:sockets/tcp-create-socket": "create-tcp-socket",
    "wasi:sockets/udp": "[resource]udp-socket",
    "wasi:sockets/udp-create-socket": "create-udp-socket",
}


def is_linked(interface: str, export: str) -> bool:
    """Return whether wasmtime's linker has it in any patch of 0.2: a second one is an error."""
    linker = components.Linker(wasmtime.Engine())
    linker.add_wasip2()
    kind, _, name = export.rpartition("]")
    try:
        for patch in range(64):
            with (
                linker.root() as root,
                root.add_instance(f"{interface}@0.2.{patch}") as instance,
            ):
                if kind:
                    host = components.ResourceType.host(1)
                    instance.add_resource(name, host, lambda _store, _rep: None)
                else:
                    instance.add_func(name, lambda _store: None)
    except wasmtime.WasmtimeError as error:
        return "defined twice" in str(error)
    return False


@pytest.mark.parametrize(
    "facts",
    [
        module("fd_steal"),
        module("fd_write", interface="wasi_unstable"),
        module("memory", interface="env"),
        module("", interface="wasi:cli/exit@0.2.0"),
        component("wasi:keyvalue/store@0.2.0"),
        component("wasi:cli/exit@0.3.0"),
        component("wasi:cli/exit@0.2.0-rc-2023-12-05"),
        component("wasi:cli/exit"),
        component("wasi:cli/exit@0.2.0\nall is well"),
        component("wasi:filesystem/secrets@0.2.0"),
        component(P1),
        component("wasi_snapshot_preview1"),
    ],
)
def test_unknown_import_is_refused(facts: BinaryFacts) -> None:
    """Design §5: an unknown interface is a Refusal, and its name is shown on one line."""
    faults = texts(refuse(manifest(), POLICY, facts))

    assert "which preopen does not offer" in faults
    assert "\n" not in faults


def test_many_unknown_imports_are_counted() -> None:
    """Ours: a hostile binary does not fill the screen."""
    faults = refuse(manifest(), POLICY, module(*(f"x{number}" for number in range(1000))))

    assert 6 == len(faults)
    assert "and 995 more" in str(faults[-1])


def test_http_without_egress_is_refused() -> None:
    """Design §5: wasi:http with no [[egress]] could never be used."""
    facts = component("wasi:http/types@0.2.4", "wasi:http/outgoing-handler@0.2.4")
    faults = texts(refuse(manifest(), POLICY, facts))

    assert 'imports "wasi:http/types@0.2.4", and the manifest has no [[egress]]' in faults


def test_http_with_egress_is_no_fault() -> None:
    """Design §5: what a tool asks for may be imported, in any patch of 0.2."""
    asks = (EgressAsk(key="egress[0]", allow="https://example.com"),)
    for version in ("0.2.0", "0.2.99"):
        facts = component(f"wasi:http/types@{version}", f"wasi:http/outgoing-handler@{version}")
        offer(manifest(egress=asks), POLICY, facts)
        assert uses_network(facts)


def test_http_of_another_world_is_refused() -> None:
    """Ours: a component that serves requests is no command, and 0.3 is linked for nobody."""
    asks = (EgressAsk(key="egress[0]", allow="https://example.com"),)
    for name in ("wasi:http/incoming-handler@0.2.4", "wasi:http/client@0.3.0"):
        faults = texts(refuse(manifest(egress=asks), POLICY, component(name)))
        assert "which preopen does not offer" in faults


def test_egress_without_http_is_a_warning() -> None:
    """Design §5: a grant that no import could use."""
    asks = (EgressAsk(key="egress[0]", allow="https://example.com"),)

    (warning,) = offer(manifest(egress=asks), POLICY, component()).warnings

    assert "egress: the binary imports no wasi:http" in warning


@pytest.mark.parametrize(
    "facts", [module("sock_accept", "sock_recv"), component("wasi:sockets/tcp@0.2.3")]
)
def test_sockets_are_accepted_inert_with_a_warning(facts: BinaryFacts) -> None:
    """Design §5: many toolchains import them unasked."""
    (warning,) = offer(manifest(), POLICY, facts).warnings

    assert "no socket will open" in warning


@pytest.mark.parametrize("facts", [module("fd_write"), component("wasi:filesystem/types@0.2.3")])
def test_directory_that_no_import_could_use_is_a_warning(facts: BinaryFacts) -> None:
    """Design §5: a grant that no import could use is a warning."""
    (warning,) = offer(manifest(ask()), POLICY, facts).warnings

    assert "directory: the binary imports nothing that could use a folder" in warning
    assert () == offer(manifest(ask()), POLICY, MODULE).warnings
    assert () == offer(manifest(ask()), POLICY, COMPONENT).warnings


def test_variable_that_no_import_could_read_is_a_warning() -> None:
    """Design §5: a grant that no import could use is a warning."""
    asks = (EnvAsk(key="environment.TZ", name="TZ", value="UTC"),)
    (warning,) = offer(manifest(environment=asks), POLICY, module("fd_write")).warnings

    assert "imports nothing that reads variables" in warning
    assert () == offer(manifest(environment=asks), POLICY, COMPONENT).warnings
