"""What was asked, over which documents, and what the figures were made with."""

from __future__ import annotations

import json

from gorilla_rag.evaluate.html.markup import Data, section, text


def facts(data: Data) -> str:
    """The heading and the paragraph under it."""
    about = data["benchmark"]
    unanswerable = about["questions"] - about["answerable"]
    documented = f"the {about['calls']} documented calls ({about['documents']} documents)"
    sentences = [
        f"{about['questions']} of {about['of']} questions, with {about['gold_calls']} different gold calls.",
        f"{about['answerable']} have theirs among {documented}.",
        *([f"The other {unanswerable} can't be answered by retrieval."] if unanswerable else ()),
        *(
            [f"In {about['raw_gold']} of the questions the gold call isn't Python, so it is compared as text."]
            if about["raw_gold"]
            else ()
        ),
        *([f"{about['judged']} were judged by reading: which calls serve, label or not."] if about["judged"] else ()),
        *about["notes"],
    ]
    return f"<h1>{text(about['name'])}</h1>\n<p>{text(' '.join(sentences))}</p>"


def made_with(data: Data) -> str:
    """Everything that the figures depend on."""
    about, run = data["benchmark"], data["run"]
    entries = {
        "command": run["command"] or "called from Python",
        "seed": run["seed"],
        "settings": _pairs(run["settings"]),
        "encoder": _pairs(run["encoder"]),
        "language model": _pairs(run["generator"]) if run["generator"] else "none was asked",
        "prompt and text layout": f"{run['prompt']} and {run['text']}",
        "versions": _pairs(run["versions"]),
        "documents, SHA-256": about["documents_sha256"],
        **{f"{file}, SHA-256": digest for file, digest in about["sha256"].items()},
    }
    lines = (
        f'<tr><th scope="row">{text(name)}</th><td><code>{text(value)}</code></td></tr>'
        for name, value in entries.items()
    )
    return section("Made with", f'<div class="scroll"><table class="facts">{"".join(lines)}</table></div>')


def _pairs(settings: Data) -> str:
    return ", ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in settings.items()
    )
