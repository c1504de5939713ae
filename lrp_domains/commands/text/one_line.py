"""A group of commands that accepts a text in place of a command's name."""

from typer.core import TyperGroup

FIRST = "explain"


class TextFirst(TyperGroup):
    """A group that reads ``text "I loved it" --model M`` as ``text explain "I loved it" --model M``."""

    def parse_args(self, ctx, args):
        """Insert the command's name where it was left out."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [FIRST, *args]
        return super().parse_args(ctx, args)
