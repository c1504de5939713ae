"""The requests of a call or a stream: its texts, each with what to explain."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count, islice, repeat
from typing import Any

from .arguments import Request, are_numbers, checked_reference, is_chat, with_list
from .errors import TextError, about

# How many batches of a stream are sorted by length together: more saves little padding, and delays the first result.
BATCHES_AT_ONCE = 8


def is_single(texts: Any) -> bool:
    """Return whether what was passed is one text rather than many."""
    return isinstance(texts, str | tuple) or is_chat(texts)


def requests_of(texts: Any, **wishes: Any) -> list[Request]:
    """Return the requests of a call, one per text.

    Parameters
    ----------
    texts
        A text, or a list of these.
    wishes
        Fields of `Request` by name. For a list of texts, also of one, a list or an array has one value per text, of
        which each may be a list of numbers; anything else, such as a tuple of numbers, is for all texts. For a single
        text a list of numbers is one value.
    """
    if is_chat(wishes["reference"]):
        checked_reference(wishes["reference"])
    if is_single(texts):
        # A list with a single text is one value per text, except the numbers of tokens.
        names = {n for n in wishes if n in ("reference", "extra") or are_numbers(with_list(wishes[n]))}
        texts, wishes = [texts], wishes | {name: [wishes[name]] for name in names}
    else:
        texts = list(_iterable(texts))
        wishes = wishes | {"extra": _along_texts(wishes["extra"])}
    if not texts:
        raise TextError("the list of texts is empty")

    columns = {name: _per_text(values, len(texts), name) for name, values in wishes.items()}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return list(_requests(texts, rows))


def stream_of_requests(texts: Any, extra: Any = None, **wishes: Any) -> Iterator[Request]:
    """Return the requests of a stream; `wishes` are for all texts, a list or iterator `extra` has one per text."""
    if is_chat(wishes["reference"]):
        checked_reference(wishes["reference"])
    if is_single(texts):
        return _requests([texts], [wishes | {"extra": extra}])
    extra = _along_texts(extra)
    extras = iter(extra) if isinstance(extra, list | Iterator) else repeat(extra)
    return _requests(_iterable(texts), (wishes | {"extra": values} for values in extras))


def chunks(requests: Iterator[Request], batch_size: int) -> Iterator[tuple[int, list[Request]]]:
    """Yield the requests of several batches at a time, with the number of the first."""
    size = BATCHES_AT_ONCE * batch_size
    for first in count(0, size):
        if not (chunk := list(islice(requests, size))):
            return
        yield first, chunk


def _requests(texts: Iterable[Any], wishes: Iterable[Mapping[str, Any]]) -> Iterator[Request]:
    wishes = iter(wishes)
    for number, text in enumerate(texts):
        with about(f"text {number}"):
            values = next(wishes, None)
            if values is None:
                raise TextError("extra= has fewer values than there are texts: pass one per text, or one for all")
            request = Request(text, **values)
        yield request


def _iterable(texts: Any) -> Iterable:
    """Return many texts unchanged; raise if they can't be iterated over, or are a table, which yields its columns."""
    if hasattr(texts, "columns"):
        raise TextError(
            f"expected texts, got a table ({type(texts).__name__}): pass a column, such as frame['text'].tolist(); of "
            "pairs list(zip(frame['first'], frame['second']))"
        )
    if getattr(texts, "shape", None) == ():
        raise TextError(f"expected a text or a list of texts, got an {type(texts).__name__} of one: pass array.item()")
    if not isinstance(texts, Iterable) or isinstance(texts, bytes | Mapping):
        raise TextError(f"expected a text, a pair of texts, or a list of these, got {type(texts).__name__}")
    return texts


def _along_texts(extra: Any) -> Any:
    """Return an array of inputs beside many texts as a list with those of each; others unchanged."""
    return list(extra) if hasattr(extra, "shape") and len(extra.shape) else extra


def _per_text(values: Any, number: int, name: str) -> Sequence:
    values = with_list(values)
    if not isinstance(values, list):
        return [values] * number
    if len(values) != number:
        raise TextError(
            f"{name}= is a list of {len(values)} for {number} text{'' if number == 1 else 's'}: pass one per text, or "
            f"one for all{_with_brackets(values, number, name)}"
        )
    return values


def _with_brackets(values: list, number: int, name: str) -> str:
    """Return how the numbers of tokens are written for a list of texts, if that is what was passed."""
    if name not in ("target", "against", "reference") or not are_numbers(values):
        return ""
    numbers = ", ".join(map(str, values[:_MOST])) + (", ..." if len(values) > _MOST else "")
    each = f"[[{numbers}]]" if number == 1 else f"[[{numbers}], ...]"
    return f"; as the numbers of tokens write {name}={each}, one list per text, or {name}=({numbers}) for all"


_MOST = 8  # numbers that a message lists
