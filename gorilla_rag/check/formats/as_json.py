"""Findings, counts and unknown calls as one JSON object."""

from __future__ import annotations

import json

from gorilla_rag.check.finding import Checked


class JsonFormat:
    """For programs. Written at the end, in one piece."""

    def part(self, checked: Checked) -> str:
        """Nothing."""
        del checked
        return ""

    def end(self, whole: Checked) -> str:
        """The object, on one line."""
        return json.dumps(whole.to_dict(), ensure_ascii=False) + "\n"
