"""How one can tell that an attack was stopped, or that its control worked. Pure."""

import re
from collections.abc import Callable
from typing import TypeAlias

from preopen.selftest.asking import SECRET, Seen
from preopen.serving.invocation import Answer
from preopen.tool.result import TextBlock

Judge: TypeAlias = Callable[[Answer], Seen]
SHOWN = 90  # characters of what was seen


def said(answer: Answer) -> str:
    """Return the text of an answer."""
    blocks = answer.reply.content
    return "\n".join(block.text for block in blocks if isinstance(block, TextBlock))


def shown(answer: Answer) -> str:
    """Return how a call ended, and its first line, short."""
    first = said(answer).strip().partition("\n")[0]
    return f"{answer.receipt.outcome}: {first[:SHOWN]}"


def refused(acts: int = 1) -> Judge:
    """Look that every act was tried and none was done; the secret is nowhere."""

    def judge(answer: Answer) -> Seen:
        text = said(answer)
        lines = text.splitlines()
        tried = answer.receipt.outcome == "Returned" and len(lines) == acts
        stopped = tried and not any(": done" in line for line in lines) and SECRET not in text
        return Seen(holds=stopped, saw=shown(answer))

    return judge


def done(*texts: str) -> Judge:
    """Look that every act was done, with these texts in what was said."""

    def judge(answer: Answer) -> Seen:
        lines = said(answer).splitlines()
        well = answer.receipt.outcome == "Returned" and all(": done" in line for line in lines)
        holds = well and bool(lines) and all(text in said(answer) for text in texts)
        return Seen(holds=holds, saw=shown(answer))

    return judge


def ended(outcome: str, *texts: str) -> Judge:
    """Look for this end, and these texts in what was said of it."""
    return says(*texts, outcome=outcome)


def counted(least: int, most: int) -> Judge:
    """Look for the number that the one act came to, in this range."""

    def judge(answer: Answer) -> Seen:
        found = re.search(r": done (\d+)", said(answer))
        number = int(found[1]) if found else -1
        return Seen(holds=least <= number <= most, saw=shown(answer))

    return judge


def says(*texts: str, without: str = "", outcome: str = "Returned") -> Judge:
    """Look for this end, these texts, and not that one."""

    def judge(answer: Answer) -> Seen:
        text = said(answer)
        well = all(each in text for each in texts) and (not without or without not in text)
        return Seen(holds=answer.receipt.outcome == outcome and well, saw=shown(answer))

    return judge
