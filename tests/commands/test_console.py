"""What commands print."""

from lrp_domains.commands.console import say


def test_a_message_is_printed_literally(capsys):
    say("error", "no column '[bold]' or ':smile:'\nin [/x]")
    assert capsys.readouterr().err == "error: no column '[bold]' or ':smile:' in [/x]\n"
