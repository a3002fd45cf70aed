"""How far the labels can be right: the benchmark's own noise, in sentences. Counts nothing itself."""

from __future__ import annotations

from gorilla_rag.evaluate.html.markup import Data, bullets, section


def labels(data: Data) -> str:
    """The section, or nothing where the report is older than these figures."""
    found = data.get("noise")
    if not found:
        return ""
    judged = found["judged"]
    return section(
        "How far the labels can be right",
        bullets(
            *_domains(found["label_domain"], found["conflicting"]),
            *(_judged(judged) if judged else ("None of the questions was judged by reading.",)),
        ),
    )


def _domains(named: Data, conflicting: Data) -> list[str]:
    return [
        *(
            [
                f"Of the {named['questions']} questions whose label names a domain, {named['spelled']} name it "
                f"otherwise than their own document, {named['differs']} of them in more than punctuation."
            ]
            if named["questions"]
            else ()
        ),
        f"Calls that are documented under several domains: {conflicting['calls']}. For {conflicting['questions']} of "
        "the questions the gold call is one of them, so the call doesn't tell its domain."
        if conflicting["calls"]
        else "No call is documented under several domains.",
    ]


def _judged(judged: Data) -> list[str]:
    return [
        f"Of the questions, {judged['questions']} were judged by reading: which documented calls would serve whoever "
        f"asked. For {judged['none_serves']} of them no call serves, for {judged['one_serves']} exactly one, for "
        f"{judged['several_serve']} several.",
        f"The label itself serves for {judged['label_serves']} of the {judged['label_judged']} whose label is a "
        "documented call.",
        f"A perfect system could expect to give the label's call in {judged['ceiling']:.3f} of the judged questions: "
        "it picks any of the calls that serve, without knowing which is the label, and never one that doesn't. Calls "
        "that weren't judged could only lower this.",
        *(
            [
                f"The two readings agree with a kappa of {judged['kappa']:.3f}. Both readers were language models, so "
                "this says that the instruction is clear, not that the grades are right."
            ]
            if judged["kappa"] is not None
            else ()
        ),
    ]
