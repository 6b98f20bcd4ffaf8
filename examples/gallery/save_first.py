"""What should be saved first?

Updates that a failure takes, as a share of those in the time in which everything is saved once, by the order in
which rows are saved at the same bandwidth: 20,000 rows whose updates follow Zipf's law, an eighth of them saved
at a time.
"""

import altair as alt

from cprmodel.ordering import Setting, predict, zipf_rows

ORDERS = ["uniform", "mfu", "update-age", "best-fixed"]


def chart() -> alt.Chart:
    """Bars by order and skew."""
    rows = []
    for exponent in (0.8, 1.05, 1.2):
        table = zipf_rows(exponent, 20_000, 64.0, 1e6)
        setting = Setting(bandwidth_bytes_per_s=table.total_bytes / 1e4, fraction=0.125)
        rows += [
            {"zipf": f"Zipf {exponent:g}", "order": one.name, "lost": one.lost_updates_fraction}
            for one in predict(table, setting, ORDERS)
        ]
    return (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar()
        .encode(
            alt.X("order:N", sort=ORDERS, title=None, axis=alt.Axis(labels=False, ticks=False)),
            alt.Y("lost:Q", title="lost updates"),
            alt.Color("order:N", sort=ORDERS, title=None),
            alt.Column("zipf:N", title=None),
        )
        .properties(width=150)
    )
