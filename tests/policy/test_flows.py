"""`[[flow]]` of preopen.toml → values."""

from preopen.policy.flows import (
    FlowRule,
    FlowSink,
    FlowSource,
    Then,
    describe_flows,
    read_flows,
)

FILE = "/config/preopen.toml"


def test_a_rule_means_what_lies_outside_and_every_sink_unless_it_says_more() -> None:
    """Issue: source by default a directory outside, a secret, a host variable."""
    (rule,), wrong = read_flows({"flow": [{"then": "deny"}]}, FILE)

    assert wrong == ()
    assert rule == FlowRule(
        key="flow[0]",
        place=FILE,
        sources=(FlowSource.OUTSIDE, FlowSource.SECRETS, FlowSource.ENVIRONMENT),
        tools=(),
        sinks=(FlowSink.NETWORK, FlowSink.OUTSIDE),
        then=Then.DENY,
    )


def test_a_rule_names_its_sources_tools_and_sinks() -> None:
    """Issue: the workspace too if the rule says so, or a tool."""
    tables = [
        {"then": "deny"},
        {"from": ["workspace", {"tool": "read"}], "to": ["network"], "then": "ask"},
    ]
    rules, _ = read_flows({"flow": tables}, FILE)

    assert rules[1].sources == (FlowSource.WORKSPACE,)
    assert (rules[1].tools, rules[1].sinks) == (("read",), (FlowSink.NETWORK,))
    assert dict(describe_flows(rules)) == {
        "flow[0]": "from outside, secrets, environment to network, outside: deny",
        "flow[1]": "from workspace, tool read to network: ask",
    }


def test_no_rule_is_active_until_one_is_written() -> None:
    """Issue: no rule is active until the operator writes one."""
    assert read_flows({}, FILE) == ((), ())
    assert dict(describe_flows(())) == {"flow": "none"}


def test_what_is_no_tools_name_is_a_fault() -> None:
    """Ours: a source that cannot be would hold nobody, and say so to nobody."""
    tables = [{"from": [{"tool": "a b"}], "then": "ask"}]
    _, (fault,) = read_flows({"flow": tables}, FILE)

    assert str(fault) == (
        f'{FILE}: flow[0].from: "a b" is no tool\'s name; write one such as {{ tool = "fetch" }}'
    )
