"""The rules and the rule sets."""
