"""Is relevance faithful, plausible, reproducible, and better than the alternatives? What is on ``docs/evidence.md``.

``python -m benchmarks.evidence.text`` (and ``.pairs``, ``.behaviours``; of genes ``.cells``, ``.network``,
``.nothing``, ``.genes``; of images ``.images``) measure, each study into a file of ``benchmarks/results/evidence``;
studies that have one are skipped. ``python -m benchmarks.evidence.page`` makes the page.
"""
