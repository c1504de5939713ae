"""The group of text commands."""

from typer.core import TyperGroup


class TextCommands(TyperGroup):
    """A group that says how to explain a text where a text was passed in place of a command."""

    def resolve_command(self, ctx, args):
        """Return the command of a name; raise if there is none."""
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("--"):
            shown = args[0] if len(args[0]) <= 40 else args[0][:40] + "…"
            try:
                return super().resolve_command(ctx, args)
            except Exception as error:  # a usage error of click, which typer doesn't export
                if not hasattr(error, "message"):
                    raise
                error.message += f' To explain a text: lrp-domains text explain "{shown}" --model FOLDER_OR_NAME'
                raise
        return super().resolve_command(ctx, args)
