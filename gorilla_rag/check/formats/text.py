"""Findings as `file:line:column: rule: message`, one a line, and counts at the end."""

from __future__ import annotations

from gorilla_rag.check.finding import Checked

_REASONS = 4


class TextFormat:
    """For people, and for editors that read compilers' messages.

    Args:
        show_unknown: whether calls about which nothing is known are listed too.
    """

    def __init__(self, *, show_unknown: bool = False) -> None:
        self.show_unknown = show_unknown

    def part(self, checked: Checked) -> str:
        """A line for each finding."""
        rows = [(one.line, one.column, one.file, f"{one.rule}: {one.message}") for one in checked.findings]
        if self.show_unknown:
            rows += [
                (one.line, one.column, one.file, f"unknown: {one.name}: {one.reason}") for one in checked.unchecked
            ]
        return "".join(f"{file}:{line}:{column}: {text}\n" for line, column, file, text in sorted(rows))

    def end(self, whole: Checked) -> str:
        """Counts."""
        left_out = f", {whole.guarded} expected by the code, {whole.ignored} ignored by comments"
        return (
            f"{_many(len(whole.errors), 'error')}, {_many(len(whole.warnings), 'warning')}{left_out}. "
            f"{_many(whole.calls, 'call')} and imports: {_many(whole.existing, 'name')} found, "
            f"arguments of {whole.bound} compared, {_unknown(whole)}\n"
        )


def _unknown(whole: Checked) -> str:
    """How much is unknown, and the most frequent reasons."""
    common = whole.reasons.most_common(_REASONS)
    rest = len(whole.unchecked) - sum(count for _, count in common)
    reasons = [f"{reason} {count}" for reason, count in common] + ([f"other reasons {rest}"] if rest else [])
    return f"unknown {len(whole.unchecked)}" + (f" ({'; '.join(reasons)})" if reasons else "")


def _many(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")
