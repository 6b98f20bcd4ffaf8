"""The validation on a GPU, in the minutes that there are: probe, test, size, run, report, pack; go on another day.

Each part that computes is a process of its own, which is ended when its time is over. What runs here holds no GPU,
and so always comes to its report.
"""
