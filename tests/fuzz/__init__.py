"""Mutated real inputs for every reader and command: a minute in the tests, as long as one likes by ``make fuzz``.

``inputs.py`` has the real ones, ``mutations.py`` spoils them, ``targets.py`` is what reads them, ``oracle.py`` says
what may come of it. What once broke is kept in ``found/`` and read again by every test run.
"""
