"""Function match: the answer calls the function of a right call, whatever its arguments.

Dotted names agree as far as both are written out. On TorchHub every gold call is `torch.hub.load`, so this says
little there.
"""

from gorilla_rag.evaluate.catalogue import same_function
from gorilla_rag.evaluate.outcome import Case


def score(case: Case) -> float:
    """1 or 0."""
    call = case.call
    return float(call is not None and any(same_function(call, doc.call) for doc in case.right_documents))
