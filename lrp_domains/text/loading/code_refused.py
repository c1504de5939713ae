"""Files of a model that could run code when they are loaded: refused, with what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from pickle import UnpicklingError

from ..errors import TextError


@contextmanager
def code_refused(name: str) -> Iterator[None]:
    """Use around the loading of a model's files: raise in one line if they hold code, which has not been run."""
    try:
        yield
    except UnpicklingError as error:
        raise TextError(
            f"'{name}' has a pickle of weights that holds more than tensors, or is damaged; it is not loaded, because "
            "it could run code: save the weights as .safetensors, by save_pretrained() where you trust them"
        ) from error
    except ValueError as error:
        if "trust_remote_code" not in str(error):
            raise
        raise TextError(
            f"'{name}' comes with code, which is run only with trust_remote_code=True (--allow-code): read the code "
            "first, since it can do whatever you can"
        ) from error
