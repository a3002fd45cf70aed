"""The leaderboard's own verdicts; run by an interpreter that has `bfcl-eval`, which this project's needn't have.

Reads `{"questions": {id: {category, gold, functions}}, "answers": [[question's id, answer], ...]}` on standard input,
writes a list of `{"right", "error"}`; tuples stand as `{"$tuple": [...]}`. Imports nothing of this project.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from bfcl_eval.constants.enums import Language  # type: ignore[import-not-found]
from bfcl_eval.eval_checker.ast_eval.ast_checker import ast_checker  # type: ignore[import-not-found]
from bfcl_eval.utils import (  # type: ignore[import-not-found]
    is_empty_output,
    is_function_calling_format_output,
)

# Any model whose functions keep the dots in their names.
MODEL = "gorilla-openfunctions-v2"


def verdict(question: dict[str, Any], answer: Any) -> dict[str, Any]:
    """What the leaderboard's runner does with a decoded answer, step by step."""
    if not question["gold"]:
        return {"right": is_empty_output(answer), "error": "calls a function"}
    if not is_function_calling_format_output(answer):
        return {"right": False, "error": "not in the format"}
    try:
        found = ast_checker(
            question["functions"], answer, question["gold"], Language.PYTHON, question["category"], MODEL
        )
    except Exception as failure:  # its runner would stop here
        return {"right": False, "error": f"crash: {type(failure).__name__}: {failure}"}
    return {"right": found["valid"], "error": str(found.get("error_type", ""))}


def with_tuples(value: dict[str, Any]) -> Any:
    """Tuples in place of what stands for them."""
    return tuple(value["$tuple"]) if value.keys() == {"$tuple"} else value


if __name__ == "__main__":
    given = json.load(sys.stdin, object_hook=with_tuples)
    json.dump([verdict(given["questions"][name], answer) for name, answer in given["answers"]], sys.stdout)
