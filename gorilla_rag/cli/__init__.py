"""The command line: parses, calls the library, prints. Results on stdout, everything else on stderr.

Exit codes: 0 done; 1 an error without a code of its own; 2 wrong usage; 3 a source can't be read; 4 no index;
5 a damaged index; 6 an index of another encoder or format; 7 an index that is being changed; 8 a missing model; 9 a
model with the wrong hash; 10 a failed download; 11 a full disk; 12 the model failed; 13 an extra isn't installed;
14 a file of questions, answers or figures can't be used; 15 a Python package isn't installed; 16 one can't be read;
17 a model server failed; 18 an adapter or delta of another model; 19 no such device; 20 no answer (refused);
21 a comparison below its bar; 22 a training that diverged; 130 interrupted. `check` exits with 1 when it finds faults.
"""

from __future__ import annotations

import sys


def main() -> None:
    """The `gorilla-rag` command."""
    from gorilla_rag.cli import interrupts

    interrupts.pressed_again_where_dropped()
    try:
        with interrupts.held_back():
            from gorilla_rag.cli.app import run
    except KeyboardInterrupt:
        sys.exit(interrupts.ended())
    sys.exit(run())
