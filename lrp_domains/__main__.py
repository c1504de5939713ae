"""``python -m lrp_domains`` is the command ``lrp-domains``."""

from .command_line import app

app(prog_name="lrp-domains")
