"""How the embedded model's adapter is made and what it is worth: `python -m tests.benchmarks.generator VERB`."""
