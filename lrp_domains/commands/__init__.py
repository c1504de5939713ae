"""The sub-commands of ``lrp-domains``, one file per domain."""
