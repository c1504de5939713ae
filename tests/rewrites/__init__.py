"""The same functions written in different ways: relevance must not depend on how a function is written."""
