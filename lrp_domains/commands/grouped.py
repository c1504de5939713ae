"""Groups of options: a command takes each group as one dictionary of the options that were given.

The defaults are the library's. An option that isn't given is None here and isn't passed on, so that no default is
defined twice. Choices become the values that the library takes, such as rule sets.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from .choices import library_value


def grouped(**groups: Mapping[str, Any]) -> Callable[[Callable], Callable]:
    """Return a decorator that replaces parameters of a command by the options of a group.

    Parameters
    ----------
    groups
        By parameter, the options it stands for: names and annotations, ``Annotated[T | None, typer.Option(...)]``.

    Examples
    --------
    >>> TRAINING = {"folds": Annotated[int | None, typer.Option(help="Number of folds (default 5).")]}
    >>> @grouped(training=TRAINING)
    ... def train(cohort: Path, training: dict) -> None:
    ...     Training(**training)  # --folds 4 gives {"folds": 4}, no option gives {}
    """

    def decorate(command: Callable) -> Callable:
        parameters = []
        for parameter in inspect.signature(command).parameters.values():
            options = groups.get(parameter.name)
            if options is None:
                parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
                continue
            parameters += [
                inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
                for name, annotation in options.items()
            ]

        @wraps(command)
        def run(**values: Any) -> Any:
            chosen = {
                group: {name: library_value(values.pop(name)) for name in options if values.get(name) is not None}
                for group, options in groups.items()
            }
            left = {
                name: value for name, value in values.items() if not any(name in group for group in groups.values())
            }
            return command(**left, **chosen)

        run.__signature__ = inspect.Signature(parameters)
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorate
