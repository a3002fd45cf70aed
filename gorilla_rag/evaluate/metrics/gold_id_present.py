"""Gold id present: the identifier of a right call stands somewhere in what was written, whole. A lenient figure.

Our own definition; it gives credit to an answer whose call can't be read, and to one that names the right model in
passing and calls another.
"""

import re

from gorilla_rag.evaluate.outcome import Case


def score(case: Case) -> float:
    """1 or 0."""
    wanted = "|".join(re.escape(case.catalogue.identifier(doc)) for doc in case.right_documents)
    return float(re.search(rf"(?<![\w/.-])(?:{wanted})(?![\w/-])", case.outcome.text) is not None)
