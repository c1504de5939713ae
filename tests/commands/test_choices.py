"""Names on the command line, in the library and in the schema of the configuration."""

from pathlib import Path

import pytest
import yaml

from lrp_domains import RuleSet
from lrp_domains.commands.choices import Rules
from lrp_domains.evaluation.rivals import Rival

SCHEMA = Path(__file__).parents[2] / "workflows" / "schemas" / "config.schema.yaml"


@pytest.mark.parametrize("rules", Rules)
def test_a_name_stands_for_a_rule_set(rules):
    assert isinstance(rules.rule_set, Rival if rules is Rules.ATTN_LRP_MIDPOINTS else RuleSet)


def test_the_schema_has_the_rule_sets_of_the_command_line():
    explanation = yaml.safe_load(SCHEMA.read_text())["properties"]["text"]["properties"]["explanation"]["properties"]
    assert explanation["rules"]["enum"] == [rules.value for rules in Rules]
