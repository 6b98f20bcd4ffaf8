"""The ground floor: names, units, sources, special functions, parameters, strategies and results."""
