"""What one forward pass selects, so that another makes the same selections; adapters import it from here."""

from ...core.held import Selections

__all__ = ["Selections"]
