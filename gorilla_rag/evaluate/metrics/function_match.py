"""Function match: the answer calls the gold call's function, whatever its arguments.

Dotted names agree as far as both are written out. On TorchHub every gold call is `torch.hub.load`, so this says
little there.
"""

from gorilla_rag.evaluate.catalogue import same_function
from gorilla_rag.evaluate.outcome import Case


def score(case: Case) -> float:
    """1 or 0."""
    return float(case.call is not None and same_function(case.call, case.question.expected))
