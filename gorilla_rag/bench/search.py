"""Dense search over random unit vectors, against what the device's memory could give.

Every vector is read once for each batch of questions. The time holds all that a search takes: questions to the device,
the product, the best ones, and their numbers back. Where FAISS's GPU build is installed, its flat index is measured
beside ours. It is no engine of an index: it takes no notice of filters.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from gorilla_rag.bench.settings import SEED
from gorilla_rag.bench.timing import timed
from gorilla_rag.index.dense import BLOCK, Vectors
from gorilla_rag.index.device import TorchDense

LIMIT = 10


def rows(
    count: int, dimension: int, batches: Sequence[int], device: torch.device, seconds: float, bandwidth: float | None
) -> Iterator[dict[str, Any]]:
    """A row for each engine and batch size over `count` vectors.

    `bandwidth_fraction` is bytes read per second over `bandwidth`, the device's own (bytes/s); `None` without it. Large
    batches are bound by arithmetic instead: `operations_per_second` counts multiplications and additions.
    """
    vectors = unit_vectors(count, dimension, device)
    for engine, search in _engines(vectors):
        for batch in batches:
            queries = unit_vectors(batch, dimension, torch.device("cpu"), seed=SEED + 1).numpy()
            timing = timed(partial(search, queries, LIMIT), device, seconds)
            read = vectors.nbytes / timing.seconds
            yield {
                "engine": engine,
                "vectors": count,
                "dimension": dimension,
                "batch": batch,
                "limit": LIMIT,
                "seconds_per_batch": timing.seconds,
                "repeats": timing.repeats,
                "queries_per_second": batch / timing.seconds,
                "bytes_read_per_query": vectors.nbytes / batch,
                "bytes_read_per_second": read,
                "bandwidth_fraction": read / bandwidth if bandwidth else None,
                "operations_per_second": 2 * vectors.numel() * batch / timing.seconds,
            }


def unit_vectors(count: int, dimension: int, device: torch.device, *, seed: int = SEED) -> torch.Tensor:
    """Random unit vectors made on a device, shape [count, dimension], float32."""
    made = torch.empty((count, dimension), dtype=torch.float32, device=device)
    made.normal_(generator=torch.Generator(device).manual_seed(seed))
    for start in range(0, count, BLOCK):
        block = made[start : start + BLOCK]
        block /= block.norm(dim=1, keepdim=True)
    return made


def _engines(vectors: torch.Tensor) -> Iterator[tuple[str, Callable[[Vectors, int], Any]]]:
    """What searches: ours, and FAISS's flat index on the same GPU where it is installed."""
    yield "torch", TorchDense(vectors, np.ones(len(vectors), dtype=np.bool_)).nearest_many
    if vectors.device.type == "cuda" and has_gpu_faiss():
        yield "faiss", gpu_flat(vectors).search


def has_gpu_faiss() -> bool:
    """Whether the FAISS that is installed finds a GPU."""
    if importlib.util.find_spec("faiss") is None:
        return False
    import faiss

    return bool(faiss.get_num_gpus())


def gpu_flat(vectors: torch.Tensor) -> Any:
    """FAISS's flat index of inner products over vectors, on their CUDA device."""
    import faiss

    options = faiss.GpuIndexFlatConfig()
    options.device = vectors.device.index or 0
    index = faiss.GpuIndexFlatIP(faiss.StandardGpuResources(), vectors.shape[1], options)
    for start in range(0, len(vectors), BLOCK):
        index.add(vectors[start : start + BLOCK].cpu().numpy())
    return index
