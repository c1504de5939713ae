"""Loading without the progress bars and warnings of other libraries, which aren't about the user's data."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_library() -> Iterator[None]:
    """Temporarily limit the messages of transformers to errors, and hide its progress bars and tqdm's warning."""
    with warnings.catch_warnings():
        # tqdm warns in notebooks without ipywidgets, also when it is only imported.
        warnings.filterwarnings("ignore", message="IProgress not found")
        from transformers.utils import logging

        before, had_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        try:
            yield
        finally:
            logging.set_verbosity(before)
            if had_bars:
                logging.enable_progress_bar()
