#!/usr/bin/python3
"""The await rule: co_await stands alone in its statement.

    co_await f(a);
    T x = co_await f(a);
    x = co_await f(a);
    co_return co_await f(a);

Elsewhere (conditions, arguments, operators, ?:, braced lists, capturing lambdas, throw) GCC 12 miscompiles it: bodies that
never run, temporaries destroyed twice. Prints FILE:LINE: STATEMENT for each breach; exits 1 if there is any.
"""

import re
import sys
from pathlib import Path

_TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|R"(?P<tag>[^(\s]*)\(.*?\)(?P=tag)"|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])+'""", re.DOTALL
)
_FORM = re.compile(
    r"""(?:
          (?:(?:const|auto|[\w:]+(?:<[\w:<>,&*\s]*>)?)[\s&*]+)+\w+\s=\s   # T x =
        | [\w.>()*\[\]-]+\s=\s                                            # x =
        | co_return\s
        )?
        co_await\s[\w:>.*(-][^?]*$""",
    re.VERBOSE,
)
# Declarations of awaitables, and durations of a number: nothing GCC could destroy twice.
_HARMLESS = re.compile(r"\boperator\s+co_await\b|\bMillis\{[\w']*\}")
_FOLDED = "\1"
_HEAD = re.compile(r"^(?:else\b ?|(?:if|while|for)(?: constexpr)? ?(?=\())")
_FORBIDDEN = re.compile(r"&&|\|\||\bthrow\b|\bco_await\b.*\bco_await\b|\[[^\]]*\]\s*(?:\(|mutable|$)")


def blank(match):
    """Comments vanish, literals become empty ones; line breaks stay, so that lines can be counted."""
    text = match[0]
    breaks = "\n" * text.count("\n")
    return breaks if text.startswith("/") else '""' + breaks


def fold_braces(text):
    """Braces within parentheses end no statement: one character stands for them, unless there is an await in them."""
    opened, folds = [], []
    for at, character in enumerate(text):
        if character in "({":
            opened.append(at)
        elif character in ")}" and opened:
            start = opened.pop()
            within_parentheses = any(text[other] == "(" for other in opened)
            if character == "}" and within_parentheses and "co_await" not in text[start:at]:
                folds.append((start, at + 1))
    for start, end in sorted(folds, reverse=True):
        # An inner fold has shortened nothing: the breaks and blanks keep every position.
        breaks = text.count("\n", start, end)
        text = text[:start] + _FOLDED + "\n" * breaks + " " * (end - start - 1 - breaks) + text[end:]
    return text


def statements(text):
    """(line, statement) of everything between ; { and }, with the character that ended it."""
    line = 1
    for match in re.finditer(r"[^;{}]*[;{}]", text):
        piece = match[0]
        leading = piece[: len(piece) - len(piece.lstrip())]
        yield line + leading.count("\n"), " ".join(piece[:-1].split()), piece[-1]
        line += piece.count("\n")


def bad_awaits(text):
    """(line, statement) of each await that does not stand alone."""
    text = _TOKEN.sub(blank, text)
    text = re.sub(r"^[ \t]*#[^\n]*", "", text, flags=re.MULTILINE)
    text = fold_braces(_HARMLESS.sub("x", text))
    for line, statement, end in statements(text):
        if "co_await" not in statement:
            continue
        statement = re.sub(r"^(?:(?:case\s[^:?]+(?:::[^:?]+)*|default|public|private)\s?:(?!:)\s)+", "", statement)
        alone = without_heads(statement)
        if (
            end != ";"
            or not _FORM.match(alone)
            or alone.count("(") != alone.count(")")
            or _FORBIDDEN.search(alone)
            or _FOLDED in alone
            or re.search(r"\b(?:if|while|for|switch|do)\b", alone)
        ):
            yield line, statement


def without_heads(statement):
    """What `if (x)` and the like govern; the head stays if there is an await in it, or in no end of it."""
    while head := _HEAD.match(statement):
        rest = statement[head.end() :]
        if rest.startswith("("):
            depth = 0
            for at, character in enumerate(rest):
                depth += (character == "(") - (character == ")")
                if depth == 0:
                    break
            if depth != 0 or "co_await" in rest[: at + 1]:
                return statement
            rest = rest[at + 1 :].lstrip()
        statement = rest
    return statement


def sources(arguments):
    for argument in map(Path, arguments):
        if argument.is_dir():
            yield from sorted(p for p in argument.rglob("*") if p.suffix in (".cc", ".hh"))
        else:
            yield argument


def main(arguments):
    found = 0
    for path in sources(arguments):
        for line, statement in bad_awaits(path.read_text()):
            print(f"{path}:{line}: {statement}")
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
