"""A plugin without a server: the tools that `gorilla-rag mcp` offers, called in this very process.

An assistant's framework wants each tool's name, description and JSON Schema, and something to call. Run it:
`python examples/plugins/in_process.py`.
"""

from __future__ import annotations

import json

from gorilla_rag import Gorilla
from gorilla_rag.errors import GorillaError
from gorilla_rag.serve.tools import tools

WRITTEN = """import json
text = json.dump_string({"train": "Leeds"})
"""


def main() -> None:
    offered = {tool.name: tool for tool in tools(Gorilla.load())}
    for tool in offered.values():
        print(f"{tool.name}: {tool.description}")
    found = offered["recommend_api"]({"question": "convert text to speech in my app", "max_tokens": 500})
    print(found["api_call"])
    checked = offered["check_code"]({"code": WRITTEN})
    print(json.dumps(checked["findings"][0], indent=1))
    try:
        offered["search_apis"]({"colour": "red"})
    except GorillaError as error:
        print(f"to the model: {error.message}. {error.hint}.")


if __name__ == "__main__":
    main()
