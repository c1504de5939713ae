"""A command whose arguments are texts, which may begin with a minus."""

import re
from difflib import get_close_matches

from typer.core import TyperCommand

# All options of such a command are long, so "-5 stars" is a text; "-m" and "--modle" are typing errors.
_OPTION = re.compile(r"-[A-Za-z]|--[A-Za-z][\w-]*(=.*)?", re.DOTALL)


class TextArguments(TyperCommand):
    """A command that takes an argument for an option only if it has the form of one.

    What follows ``--`` is always text.
    """

    def parse_args(self, ctx, args):
        """Parse the arguments; raise if an unknown option is among the texts."""
        ctx.ignore_unknown_options = True
        literal = args[args.index("--") + 1 :] if "--" in args else []
        rest = super().parse_args(ctx, args)
        texts = ctx.params.get("texts") or []
        for text in texts[: len(texts) - len(literal)]:
            if _OPTION.fullmatch(text):
                ctx.fail(f"No such option: {text}.{self._advice(text)} A text that looks like an option goes after --.")
        return rest

    def _advice(self, text: str) -> str:
        names = [name for parameter in self.params for name in parameter.opts if name.startswith("--")]
        matches = get_close_matches(text.split("=")[0], names, n=1)
        return f" Did you mean {matches[0]}?" if matches else ""
