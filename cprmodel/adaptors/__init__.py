"""Thin adaptors between :class:`cprmodel.Advisor` and training frameworks, imported only when asked for."""
