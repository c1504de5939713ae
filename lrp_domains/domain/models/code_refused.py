"""Files of a model that could run code when they are loaded: refused, with what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from pickle import UnpicklingError

from ..messages import DomainError


@contextmanager
def code_refused(name: str, consent: str = "trust_remote_code=True") -> Iterator[None]:
    """Use around the loading of a model's files: raise in one line if they hold code, which has not been run.

    Parameters
    ----------
    name
        The folder, or the name on the hub.
    consent
        The argument by which a user allows code, for the message.
    """
    try:
        yield
    except UnpicklingError as error:
        raise DomainError(
            f"'{name}' has a pickle of weights that holds more than tensors, or is damaged; it is not loaded, because "
            "it could run code: save the weights as .safetensors, by save_pretrained() where you trust them"
        ) from error
    except ValueError as error:
        if "trust_remote_code" not in str(error):
            raise
        raise DomainError(
            f"'{name}' comes with code, which is run only with {consent} (--allow-code): read the code first, since it "
            "can do whatever you can"
        ) from error
