"""Where formulas come from, and how sure we are of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = [
    "AUPY_2013",
    "BENOIT_2016",
    "BENOIT_2017",
    "BOUGERET_2011",
    "CHECK_N_RUN_2022",
    "CHO_2000",
    "CPR_2021",
    "DALY_2006",
    "DERIVED",
    "ERLANG_1917",
    "HERAULT_2018",
    "KOKOLIS_2025",
    "LING_2001",
    "WARNINGS",
    "YOUNG_1974",
    "Evidence",
    "Source",
]


class Evidence(Enum):
    """How the formula was come by. What is derived or remembered is never cited as published."""

    PUBLISHED_FIGURES = "standard form; reproduces the source's published figures"
    SECOND_HAND = "taken from a second-hand account of the source"
    MEMORY = "the standard form, from memory"
    DERIVED = "derived here; checked by an independent computation in tests/"
    DEFINITION = "a definition"


@dataclass(frozen=True)
class Source:
    """A citation: who, when, what, and where to find it."""

    key: str
    citation: str
    url: str = ""

    def __str__(self) -> str:
        return f"{self.citation} {self.url}".strip()


DERIVED = Source("derived", "derived in cprmodel (docs/models)")
YOUNG_1974 = Source(
    "young_1974",
    "J. W. Young, A first order approximation to the optimum checkpoint interval, CACM 17(9), 1974.",
    "https://doi.org/10.1145/361147.361115",
)
DALY_2006 = Source(
    "daly_2006",
    "J. T. Daly, A higher order estimate of the optimum checkpoint interval for restart dumps, "
    "FGCS 22(3), 2006, eq. 37.",
    "https://doi.org/10.1016/j.future.2004.11.016",
)
BOUGERET_2011 = Source(
    "bougeret_2011",
    "M. Bougeret, H. Casanova, M. Rabie, Y. Robert, F. Vivien, Checkpointing strategies for parallel jobs, SC'11.",
    "https://doi.org/10.1145/2063384.2063428",
)
CPR_2021 = Source(
    "cpr_2021",
    "K. Maeng et al., CPR: Understanding and Improving Failure Tolerant Training for Deep Learning "
    "Recommendation with Partial Recovery, MLSys 2021.",
    "https://arxiv.org/abs/2011.02999",
)
CHO_2000 = Source(
    "cho_2000",
    "J. Cho, H. Garcia-Molina, Synchronizing a database to improve freshness, SIGMOD 2000.",
    "https://doi.org/10.1145/342009.335391",
)
ERLANG_1917 = Source(
    "erlang_1917",
    "A. K. Erlang, Solution of some problems in the theory of probabilities of significance in automatic telephone "
    "exchanges, Elektroteknikeren 13, 1917.",
)
KOKOLIS_2025 = Source(
    "kokolis_2025",
    "A. Kokolis et al., Revisiting Reliability in Large-Scale Machine Learning Research Clusters, HPCA 2025.",
    "https://arxiv.org/abs/2410.21680",
)
LING_2001 = Source(
    "ling_2001",
    "Y. Ling, J. Mi, X. Lin, A variational calculus approach to optimal checkpoint placement, "
    "IEEE Trans. Computers 50(7), 2001.",
    "https://doi.org/10.1109/12.936236",
)
AUPY_2013 = Source(
    "aupy_2013",
    "G. Aupy, A. Benoit, T. Hérault, Y. Robert, J. Dongarra, Optimal checkpointing period: time vs. energy, "
    "PMBS 2013.",
    "https://hal.inria.fr/hal-00926199",
)
BENOIT_2016 = Source(
    "benoit_2016",
    "A. Benoit, A. Cavelan, Y. Robert, H. Sun, Optimal resilience patterns to cope with fail-stop and silent "
    "errors, IPDPS 2016.",
    "https://doi.org/10.1109/IPDPS.2016.39",
)
BENOIT_2017 = Source(
    "benoit_2017",
    "A. Benoit, A. Cavelan, V. Le Fèvre, Y. Robert, H. Sun, Towards optimal multi-level checkpointing, "
    "IEEE Trans. Computers 66(7), 2017.",
)
CHECK_N_RUN_2022 = Source(
    "check_n_run_2022",
    "A. Eisenman et al., Check-N-Run: a checkpointing system for training deep learning recommendation models, "
    "NSDI'22.",
    "https://arxiv.org/abs/2010.08679",
)
HERAULT_2018 = Source(
    "herault_2018",
    "T. Herault, Y. Robert, A. Bouteiller, D. Arnold, K. Ferreira, G. Bosilca, J. Dongarra, Optimal cooperative "
    "checkpointing for shared high-performance computing platforms, IPDPSW 2018 (INRIA RR-9109, eqs 6-8).",
    "https://doi.org/10.1109/IPDPSW.2018.00127",
)
WARNINGS = Source(
    "warnings",
    "the standard form of checkpointing with a fault predictor (after Aupy, Robert, Vivien, Zaidouni, 2014)",
)
