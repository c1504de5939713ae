"""Where the time of a command goes: seconds per phase, such as reading, forward, backward, writing."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Clock:
    """Seconds per phase, in the order in which phases began.

    Phases within another one are not counted twice: its seconds stop while they run. So the seconds of all phases sum
    to the time that they took together. One clock is for one thread.

    Attributes
    ----------
    seconds
        By phase.

    Examples
    --------
    >>> clock = Clock()
    >>> with clock("reading"):
    ...     adata = read_cohort(path)
    >>> str(clock)
    'reading 1.2 s'
    """

    seconds: dict[str, float] = field(default_factory=dict)
    _running: list[str] = field(default_factory=list, repr=False)
    _since: float = field(default=0.0, repr=False)

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        """Count the time of a block as that of a phase."""
        self._turn()
        self.seconds.setdefault(phase, 0.0)
        self._running.append(phase)
        try:
            yield
        finally:
            self._turn()
            self._running.pop()

    def _turn(self) -> None:
        """Add the time since the last change of phase to the phase that runs."""
        now = time.perf_counter()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now

    def __str__(self) -> str:
        """Return the phases and their seconds in words."""
        return ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in self.seconds.items())
