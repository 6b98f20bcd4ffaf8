"""Thin adaptors between :class:`cprmodel.Advisor` and training frameworks, each imported only when it is asked for."""
