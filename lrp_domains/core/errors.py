"""What can go wrong, said in one line each: what happened, where, and what to do."""


class RelevanceError(ValueError):
    """An explanation that cannot be given as asked; the message says why and what to do."""


class UnknownOperation(RelevanceError):
    """An autograd node on the way from the output to the inputs that the rule set has no answer for."""
