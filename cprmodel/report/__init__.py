"""Answers for people: tables in a terminal, explanations, charts, and a page that opens offline."""
