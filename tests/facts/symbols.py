"""The symbols in an equation, as LaTeX writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator

#: What LaTeX needs to lay an equation out, and the names of functions and operators.
_NO_SYMBOL = re.compile(
    r"\\(?:[dt]?frac|sqrt|left|right|bigl|bigr|Big|sum|int|prod|log|ln|exp|max|min|arg|cdot|q?quad|infty|approx|propto"
    r"|le|ge|ll|gg|to|times|partial|sinh|[lr]floor|[lr]ceil|in|overline|mid|pm|sim|mathcal|mathbf|Pr|bar|top|operatorname"
    r"|dots|begin|end|tilde|leftarrow|ne|text|cdots|Gamma|Longrightarrow|lim)(?![A-Za-z])"
)
_WORDS = re.compile(r"\\(?:text|operatorname|begin|end|mathrm)\s*\{[^{}]*\}")
_INDEX = r"_(?:\\(?:text|mathrm)\{[^{}]*\}|\{(?:[^{}]|\{[^{}]*\})*\}|\\[A-Za-z]+|[A-Za-z0-9])"
_SYMBOL = re.compile(
    rf"\|\\Delta\||\\mathrm\{{PLS\}}|\\(?:bar|mathcal)(?:\\[a-z]+| ?[A-Z]|\{{[A-Z]\}})(?:{_INDEX})?"
    rf"|(?:\\[A-Za-z]+|[A-Za-z])'*(?:{_INDEX})?'*"
)


def symbols_in(latex: str) -> Iterator[str]:
    r"""Each symbol with its index and its dashes.

    >>> list(symbols_in(r"\frac{C_d}{\tau'} e^{-\bar F} + \mathrm{PLS} \text{ and } p_{\mathrm{ok}}"))
    ['C_d', "\\tau'", 'e', '\\bar F', '\\mathrm{PLS}', 'p_{\\mathrm{ok}}']
    """
    at = 0
    while at < len(latex):
        word, found, layout = (one.match(latex, at) for one in (_WORDS, _SYMBOL, _NO_SYMBOL))
        if found and found[0].startswith((r"\mathrm{PLS}", r"\bar", r"\mathcal", r"|\Delta|")):
            yield found[0]
            at = found.end()
        elif word or layout:
            at = (word or layout).end()  # type: ignore[union-attr]
        elif found:
            yield found[0]
            at = found.end()
        else:
            at += 1
