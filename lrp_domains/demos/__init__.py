"""Demos of the domains: data that come with the package or are made, and small networks trained on them in a minute.

``text`` has sentences, ``images`` handwritten digits, ``sequences`` DNA with planted motifs. Each has ``train_demo``,
which returns trained networks, their accuracy, and what they haven't seen.
"""
