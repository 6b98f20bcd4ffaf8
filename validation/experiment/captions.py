"""What a report's tables are called, and what is said above them."""

from __future__ import annotations

from cprmodel.simulation import Activity

__all__ = [
    "AGAINST",
    "COMPARED",
    "LATE",
    "LOST",
    "NAMES",
    "ORDERED",
    "PREDICTORS",
    "RECALIBRATED",
    "RUNS",
    "SPOILED",
    "STRUCK",
    "TRIED",
    "WITHOUT_CHANCE",
]

NAMES = {
    "save": "saves",
    "load": "loads",
    "lost": "lost work",
    "reschedule": "rescheduling",
    "total": "total overhead",
    "pls": "PLS",
}
STRUCK = {
    Activity.WORK: "work",
    Activity.SAVE: "a save, which is void",
    Activity.RECOVERY: "a stop",
}
AGAINST = {
    "expected": "from the failure rate, before the run",
    "executed": "for the failures as they struck",
}
SPOILED = {
    "mtbf": "The predictions compared here were made with twice the MTBF.",
    "load": "The predictions compared here leave out the time to load.",
}
RECALIBRATED = (
    "Costs were computed anew from the logs of the calibration runs, after all runs were made. The predictions "
    "compared here are not those that were written down before."
)
COMPARED = (
    "Means over runs; times as fractions of the useful time. Differences are relative to the prediction (to a "
    "twentieth of the overhead, where a part is less than that), their 90% intervals from the scatter over seeds."
)
WITHOUT_CHANCE = (
    " Without chance: what was measured less what struck by chance, by more failures than the rate has on average "
    "or later after a save; over many runs that is nothing. The differences are of this."
)
LATE = (
    "Mean time from when a failure was to come until it was carried out: the machine had to come to it. A save or "
    "a stop has gone on for longer by then, and is done again: so much of the overhead comes of being later there "
    "than at work. It is in what was measured, and in no expectation from the failure rate."
)
USEFUL = (
    "Useful time over that of as many of the run's steps that nothing interrupted: 1, if every moment is taken for "
    "what it was. And what of a step went on, on average, in a stop that struck work: it is useful, and no part of "
    "the stop."
)
TRIED = (
    "Mean overhead as it was expected from the failure rate and as it was measured; mean PLS, and whether without "
    "chance it keeps the budget of {budget:g}; mean drop of the AUC against the runs without failures of the same "
    "seeds."
)
RUNS = (
    "Measured, as fractions of the useful time; beside the total what was predicted before the run for its failure "
    "plan, and for the failures as they struck."
)
PREDICTORS = (
    "Mean predicted drop of the AUC by pattern, on seeds and patterns that were not fitted. Line: fitted to the "
    "other seeds, and of them to the patterns that differ in PLS alone. Relearning: from accesses of rows and the "
    "learning curve of runs without failures (exponent {low:.2f} to {high:.2f}). Scaled: with one factor, fitted "
    "as the line is."
)
LOST = (
    "Mean drop of the AUC against the runs without failures of the same seeds (± standard error over seeds), by "
    "the way that samples were lost."
)

ORDERED = (
    "Means over runs with the same failures: share of all updates of rows that was lost, predicted by cprmodel for "
    "these failures and measured; drop of the AUC against the runs without failures of the same seeds. Uniform "
    "saves everything every {steps} steps; the others {part} of the rows, that much more often. What is predicted "
    "of scar is for rows that move in random steps of one size, which is no hypothesis about training."
)
