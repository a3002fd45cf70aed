"""Graded match: 1 for a right call, 0.5 for the right model under another wrapper, else 0.

`pipeline('ner', model='x')` and `AutoModel.from_pretrained('x')` load the same model `x`; the second isn't the
documented call, but a user gets further with it than with another model. The model is the gold call's identifier
(`Catalogue.identifier`). Our own definition.
"""

from gorilla_rag.evaluate.catalogue import strings_in
from gorilla_rag.evaluate.outcome import Case


def score(case: Case) -> float:
    """1, 0.5 or 0."""
    if case.matches:
        return 1.0
    if case.call is None:
        return 0.0
    strings = strings_in(case.call)
    return 0.5 if any(case.catalogue.identifier(doc) in strings for doc in case.right_documents) else 0.0
