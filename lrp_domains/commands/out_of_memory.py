"""Whether an error means that memory ran out: libraries raise half a dozen kinds."""

import errno

SIGNS = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "failed to map segment",  # of a shared library
    "not enough memory",
    "unable to mmap",
    "std::bad_alloc",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error, or one that it hides, means that memory ran out."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
            return True
        if isinstance(error, (RuntimeError, ImportError, OSError)):
            text = str(error).casefold()
            if any(sign in text for sign in SIGNS):
                return True
        error = error.__cause__ or error.__context__
    return False
