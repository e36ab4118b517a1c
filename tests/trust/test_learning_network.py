"""What calls asked of the network → exact rules. Every lesson here is parsed as a manifest, too."""

from ipaddress import ip_address

import pytest

from preopen.egress.denials import by_address, by_name
from preopen.egress.rule import CallEgress, Target
from preopen.egress.rules import parse_rule
from preopen.outcome import Denial
from preopen.policy.workspace_file import narrow_policy
from trust.school import School, call, changes, request

DOCS = "https://docs.example"
API = "https://api.example"


def ask(allow: str, *lines: str) -> str:
    """Return one [[egress]]."""
    return "\n".join(["[[egress]]", f'allow = "{allow}"', *lines, ""])


def target(origin: str, method: str = "GET", port: int = 443) -> Target:
    """Return what a request asks for."""
    scheme, _, host = origin.partition("://")
    return Target(method=method, scheme=scheme, host=host, port=port)


def denial(origin: str, method: str = "GET", *rules: str) -> Denial:
    """Return the gateway's own denial of a request, under these rules of the call."""
    return by_name(target(origin, method), CallEgress(rules=tuple(map(parse_rule, rules))))


def test_an_unused_rule_goes_and_a_used_one_stays(school: School) -> None:
    """Issue: unused rules are proposed for removal."""
    lesson = school.learn(ask(DOCS, 'methods = ["GET"]') + ask(API), call(requests=[request(DOCS)]))

    assert {"egress[1]": None} == changes(lesson)


def test_methods_are_those_that_were_used_in_any_call(school: School) -> None:
    """Issue: methods used."""
    calls = [call(requests=[request(DOCS, method)]) for method in ("POST", "GET")]
    asks = ask(DOCS, 'methods = ["GET", "POST", "DELETE"]')

    assert {"egress[0].methods": ["GET", "POST"]} == changes(school.learn(asks, *calls))


def test_a_wide_rule_becomes_the_origins_that_were_asked_for(school: School) -> None:
    """Issue: exact origins; path, secret and narrow_to stay as they were written."""
    asks = ask(
        "https://*.example.com/v1",
        'credential = { header = "Authorization", secret = "KEY" }',
        'narrow_to = "url"',
    )
    seen = [request("https://a.example.com"), request("https://b.example.com")]
    lesson = school.learn(asks, call(requests=seen), policy=school.policy(secrets=["KEY"]))

    assert {
        "egress[0].methods": ["GET"],
        "egress[0].allow": "https://a.example.com/v1",
        "egress[new]": {
            "allow": "https://b.example.com/v1",
            "methods": ["GET"],
            "narrow_to": "url",
            "credential": {"header": "Authorization", "secret": "KEY"},
        },
    } == changes(lesson)
    assert lesson.only_takes


def test_an_exact_rule_that_was_used_is_left_as_it_is(school: School) -> None:
    """Issue, withheld: nothing to change."""
    asks = ask(DOCS) + ask(f"{API}:8443/v1", 'methods = ["POST"]')
    seen = [request(DOCS), request(DOCS, "HEAD"), request(API, "POST", port=8443)]

    assert {} == changes(school.learn(asks, call(requests=seen)))


def test_rules_that_differ_by_path_alone_both_stay(school: School) -> None:
    """Ours: no path is in a receipt, so nobody can tell by which of them a request went."""
    asks = ask(f"{DOCS}/a", 'methods = ["GET"]') + ask(f"{DOCS}/b", 'methods = ["GET"]')

    assert {} == changes(school.learn(asks, call(requests=[request(DOCS)])))


def test_a_binary_that_can_send_keeps_one_rule(school: School) -> None:
    """Ours: without any `[[egress]]` such a binary is refused."""
    asks = ask(DOCS) + ask(API)

    assert {"egress[1]": None} == changes(school.learn(asks, call(), networked=True))
    assert {"egress[0]": None, "egress[1]": None} == changes(school.learn(asks, call()))


def test_receipts_that_were_full_take_nothing_away(school: School) -> None:
    """Ours: what had no room in a receipt may have gone by any rule."""
    lesson = school.learn(ask(DOCS) + ask(API), call(left_out=3))

    assert {} == changes(lesson)
    assert any(note.startswith("3 requests and denials") for note in lesson.findings.notes)


def test_a_denied_host_is_asked_for_with_the_methods_that_were_denied(school: School) -> None:
    """Issue: denied requests become proposed rules, marked, and the operator's line is said."""
    seen = [request(API, m, "denied") for m in ("POST", "GET")]
    denials = [denial(API, "GET"), denial(API, "POST")]
    lesson = school.learn(ask(DOCS), call(requests=seen, denials=denials, said="failed"))

    (change,) = [each for each in lesson.findings.changes if each.table == "egress"]
    assert ("denied", {"allow": API, "methods": ["GET", "POST"]}) == (
        change.evidence.value,
        changes(lesson)["egress[new]"],
    )
    assert f"GET, POST {API} was asked for and denied" == change.reason
    assert any(f"--egress {API}" in line for line in lesson.findings.operator)
    assert not lesson.only_takes


def test_a_host_that_the_operator_opened_needs_the_manifest_alone(school: School) -> None:
    """Ours: of the two words that open a host, the one that lacks is said."""
    failed = call(requests=[request(API, result="denied")], denials=[denial(API)], said="failed")
    lesson = school.learn(ask(DOCS), failed, policy=school.policy(hosts=[API]))

    assert {"egress[new]": {"allow": API, "methods": ["GET"]}} == changes(lesson)
    assert () == lesson.findings.operator


def test_a_host_that_the_manifest_asks_for_needs_the_operator_alone(school: School) -> None:
    """Ours: … and so the other way round, for a rule as for `${egress}`."""
    failed = call(requests=[request(API, result="denied")], denials=[denial(API)], said="failed")
    for allow in (API, "${egress}"):
        lesson = school.learn(ask(allow), failed)
        assert {} == changes(lesson)
        assert any(f"--egress {API}" in line for line in lesson.findings.operator)


def test_a_denied_method_is_added_to_the_rule_that_reaches_its_host(school: School) -> None:
    """Issue: the methods that are needed, and those that went stay."""
    seen = [request(DOCS), request(DOCS, "PUT", "denied"), request(DOCS, "POST", "denied")]
    denials = [denial(DOCS, method, DOCS) for method in ("PUT", "POST")]
    failed = call(requests=seen, denials=denials)
    lesson = school.learn(ask(DOCS), failed, policy=school.policy(hosts=[DOCS]))

    assert {"egress[0].methods": ["GET", "HEAD", "POST", "PUT"]} == changes(lesson)


def test_a_name_that_leads_home_is_the_operators_to_open(school: School) -> None:
    """Docs: a rule of `private` names the very host; a manifest that names it means it."""
    denied = by_address(target(API), ip_address("10.0.0.5"))
    failed = call(requests=[request(API, result="denied")], denials=[denied], said="failed")
    lesson = school.learn(ask(API), failed, policy=school.policy(hosts=[API]))

    assert {} == changes(lesson)
    assert any(f"--egress-private {API}" in line for line in lesson.findings.operator)


def test_what_nothing_opens_is_not_asked_for(school: School) -> None:
    """Ours: no rule lets anybody reach a cloud's metadata."""
    home = "http://169.254.169.254"
    denials = [by_name(target(home, port=80), CallEgress())]
    seen = [request(home, result="denied", port=80)]
    lesson = school.learn(ask(DOCS), call(requests=seen, denials=denials, said="failed"))

    assert {} == changes(lesson)
    assert () == lesson.findings.operator
    assert any("nothing opens that" in note for note in lesson.findings.notes)


def test_a_request_that_nobody_could_read_asks_for_nothing(school: School) -> None:
    """Ours: a guest may write anything where a host stands."""
    seen = [request("://", result="denied", port=0)]
    odd = [Denial(target='"GET" "…"', reason="it names no host")]

    assert {} == changes(school.learn(ask(DOCS), call(requests=seen, denials=odd, said="failed")))


@pytest.mark.parametrize(("allow", "added"), [(DOCS, True), ("${egress}", False)])
def test_a_url_that_no_rule_let_begin_is_asked_for_by_its_argument(
    school: School, allow: str, added: object
) -> None:
    """Ours: the call ended before its guest ran, so its method is not known."""
    refused = Denial(target=API, reason="no rule")
    failed = call(said="Denied", outcome="Denied", denials=[refused], url=f"{API}/x?q=1")
    lesson = school.learn(ask(allow, 'narrow_to = "url"', 'methods = ["POST"]'), failed)

    new = {"egress[new]": {"allow": API, "methods": ["POST"], "narrow_to": "url"}}
    assert (new if added else {}) == changes(lesson)
    assert any(f"--egress {API}" in line for line in lesson.findings.operator)


def test_what_egress_stands_for_is_said(school: School) -> None:
    """Issue: `${egress}` is explained."""
    asks = ask("${egress}")
    opened = school.learn(
        asks, call(requests=[request(DOCS)]), policy=school.policy(hosts=[DOCS, API])
    )

    assert {"egress[0].methods": ["GET"]} == changes(opened)
    assert f"${{egress}} stands for what the operator opens: now {DOCS}, {API}" in (
        opened.findings.notes
    )
    assert any("no host at all" in note for note in school.learn(asks, call()).findings.notes)


def test_of_two_rules_for_one_host_the_one_with_the_secret_counts(school: School) -> None:
    """Docs: the gateway adds the credential of the first rule that has one."""
    login = 'credential = { header = "Authorization", secret = "KEY" }'
    asks = ask(API, 'methods = ["GET"]') + ask(API, 'methods = ["GET"]', login)
    policy = school.policy(secrets=["KEY"])

    assert {"egress[0]": None} == changes(
        school.learn(asks, call(requests=[request(API)]), policy=policy)
    )


def test_a_rule_that_lacked_something_is_not_cut_at_the_same_time(school: School) -> None:
    """Ours: what was denied would have gone by it; one change says what it needs."""
    host = "https://a.example.com"
    seen = [request(host), request(host, "PUT", "denied")]
    denials = [denial(host, "PUT", host)]
    lesson = school.learn(ask("https://*.example.com"), call(requests=seen, denials=denials))

    (change,) = [each for each in lesson.findings.changes if each.table == "egress"]
    assert "egress[0].methods" == change.place
    assert ["GET", "HEAD", "PUT"] == changes(lesson)["egress[0].methods"]


def test_a_rule_by_which_only_a_denied_method_was_asked_for_stays(school: School) -> None:
    """Ours: it is the rule to which the method is added."""
    seen, denials = [request(API, "PUT", "denied")], [denial(API, "PUT", API)]
    lesson = school.learn(ask(API), call(requests=seen, denials=denials))

    assert {"egress[0].methods": ["GET", "HEAD", "PUT"]} == changes(lesson)


def test_an_idle_rule_goes_where_a_new_one_comes(school: School) -> None:
    """Ours: a binary that can send then has a rule, and the idle one is of no use."""
    seen, denials = [request(API, result="denied")], [denial(API)]
    lesson = school.learn(ask(DOCS), call(requests=seen, denials=denials), networked=True)

    assert {"egress[0]": None, "egress[new]": {"allow": API, "methods": ["GET"]}} == changes(lesson)


def test_a_url_beside_what_was_refused_for_another_reason_is_not_asked_for(school: School) -> None:
    """Ours: the call was refused for its path, and its URL may be open."""
    refused = Denial(target="../x", reason="outside")
    failed = call(said="Denied", outcome="Denied", denials=[refused], url=f"{API}/x")
    lesson = school.learn(ask(DOCS, 'narrow_to = "url"'), failed)

    assert {} == changes(lesson)
    assert () == lesson.findings.operator


def test_a_host_that_the_workspace_closed_is_not_asked_of_the_operator_again(
    school: School,
) -> None:
    """Ours: what a lesson says of a denied host is what its denial says."""
    opened = school.policy(hosts=[API])
    policy = narrow_policy(
        opened, {"egress": {"hosts": []}}, "/w/preopen.toml", users_file="mine", locate=str
    )
    closed = CallEgress(closed=policy.network.closed)
    failed = call(requests=[request(API, result="denied")], denials=[by_name(target(API), closed)])
    [line] = school.learn(ask(API), failed, policy=policy).findings.operator

    assert "in /w/preopen.toml, the workspace's own file" in line
