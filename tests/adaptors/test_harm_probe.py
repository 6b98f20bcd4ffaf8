"""The probe against plain torch: losses of really mixed states, gradients one by one, and undisturbed training.

The model here is small and in float64, with bags of several ids, empty ones among them.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cprmodel.facts.errors import DomainError
from cprmodel.harm.record import HarmRecord, OptimizerUsed, Point, read_harm
from tests.conftest import EXAMPLE, load_script

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from cprmodel.adaptors.harm_probe import HarmProbe, Lookup, ages_of, optimizer_used, sums_of  # noqa: E402

ROWS = {"users": 40, "genres": 7}
DIM, BATCH, STEPS, PROBE = 3, 16, 30, 60


class Clicks:
    """A model with two tables and a layer after them, its data and its optimizers."""

    def __init__(self, optimizer: str, linear: bool = False, mode: str = "sum") -> None:
        torch.manual_seed(3)
        self.rng = np.random.default_rng(4)
        self.bags = {
            name: nn.EmbeddingBag(rows, DIM, mode=mode, sparse=optimizer == "SparseAdam", dtype=torch.float64)
            for name, rows in ROWS.items()
        }
        hidden = 2 * DIM if linear else 5
        self.over = nn.Sequential(nn.Linear(2 * DIM, hidden), nn.Tanh(), nn.Linear(hidden, 1)).double()
        if linear:
            self.over = nn.Sequential(nn.Linear(2 * DIM, 1)).double()
        weights = [bag.weight for bag in self.bags.values()]
        kinds: dict[str, Any] = {
            "SGD": lambda: torch.optim.SGD(weights, lr=0.5),
            "Adagrad": lambda: torch.optim.Adagrad(weights, lr=0.1),
            "SparseAdam": lambda: torch.optim.SparseAdam(weights, lr=0.02),
            "Adam": lambda: torch.optim.Adam(weights, lr=0.02),
        }
        self.optimizer = kinds[optimizer]()
        self.dense = torch.optim.SGD(self.over.parameters(), lr=0.1)
        self.held_out = self.samples(PROBE)

    def samples(self, number: int) -> tuple[dict[str, Lookup], Any]:
        lookups = {}
        for name, rows in ROWS.items():
            lengths = self.rng.integers(0, 4, number) if name == "genres" else np.ones(number, dtype=int)
            ids = (rows * self.rng.random(int(lengths.sum())) ** 2).astype(np.int64)  # low ids more often
            lookups[name] = Lookup(ids, np.cumsum(lengths) - lengths)
        return lookups, (self.rng.random(number) < 0.4).astype(float)

    def pooled(self, lookups: Mapping[str, Lookup]) -> dict[str, Any]:
        return {
            name: bag(torch.from_numpy(lookups[name].ids), torch.from_numpy(np.asarray(lookups[name].offsets)))
            for name, bag in self.bags.items()
        }

    def logits(self, pooled: Mapping[str, Any], some: slice = slice(None)) -> Any:
        return self.over(torch.cat([pooled[name] for name in ROWS], dim=1)).squeeze(1)

    def train(self, lookups: Mapping[str, Lookup], labels: Any) -> None:
        loss = functional.binary_cross_entropy_with_logits(
            self.logits(self.pooled(lookups)), torch.from_numpy(labels)
        )
        self.optimizer.zero_grad()
        self.dense.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.dense.step()

    def state(self) -> dict[str, Any]:
        return {name: bag.weight.detach().clone() for name, bag in self.bags.items()}

    def losses(self, state: Mapping[str, Any]) -> Any:
        """Of the held-out samples, with these rows: by the modules themselves."""
        kept = self.state()
        with torch.no_grad():
            for name, bag in self.bags.items():
                bag.weight.copy_(state[name])
            lookups, labels = self.held_out
            out = functional.binary_cross_entropy_with_logits(
                self.logits(self.pooled(lookups)), torch.from_numpy(labels), reduction="none"
            )
            for name, bag in self.bags.items():
                bag.weight.copy_(kept[name])
        return out.numpy()

    def probe(self, **options: Any) -> HarmProbe:
        lookups, labels = self.held_out
        return HarmProbe(
            {name: bag.weight for name, bag in self.bags.items()},
            lookups,
            labels,
            self.logits,
            optimizer_used(self.optimizer),
            lambda name: sums_of(self.optimizer, self.bags[name].weight),
            **{
                "batch_size": BATCH,
                "samples": BATCH * STEPS,
                "points": [BATCH * STEPS],
                "ages": [BATCH * 4, BATCH * 15],
                **options,
            },
        )


def run(model: Clicks, probe: HarmProbe | None) -> tuple[list[Point], dict[int, Any]]:
    """Train; the points, and the rows after every step."""
    points, states = [], {0: model.state()}
    for step in range(1, STEPS + 1):
        lookups, labels = model.samples(BATCH)
        model.train(lookups, labels)
        states[step] = model.state()
        point = probe.step({name: one.ids for name, one in lookups.items()}) if probe else None
        points += [point] if point else []
    return points, states


@pytest.mark.parametrize("optimizer", ["SGD", "Adagrad", "SparseAdam", "Adam"])
def test_the_rise_is_the_true_loss_of_the_mixed_state(optimizer: str) -> None:
    model = Clicks(optimizer)
    (point,), states = run(model, model.probe(each_table=True))
    now = model.losses(states[STEPS])
    for age, whole in zip((4, 15), point.whole, strict=True):
        rises = model.losses(states[STEPS - age]) - now
        assert whole.rise == pytest.approx(rises.mean(), rel=1e-5, abs=1e-9)
        assert whole.rise_error == pytest.approx(rises.std(ddof=1) / PROBE**0.5, rel=1e-4)
    for table in point.tables:
        mixed = {**states[STEPS], table.name: states[STEPS - 15][table.name]}
        assert table.rise == pytest.approx((model.losses(mixed) - now).mean(), rel=1e-5, abs=1e-9)


def test_both_terms_are_the_derivatives_of_the_true_loss() -> None:
    """By central differences, where the logit is linear in the rows: there Gauss-Newton is exact."""
    model = Clicks("Adagrad", linear=True)
    (point,), states = run(model, model.probe())
    now, then = states[STEPS], states[STEPS - 15]
    step = 1e-3
    mixed = [{k: now[k] + x * (then[k] - now[k]) for k in now} for x in (-step, 0.0, step)]
    before, at, after = (model.losses(one).mean() for one in mixed)
    whole = point.whole[1]
    assert whole.gradient == pytest.approx((after - before) / (2 * step), rel=1e-5)
    assert whole.quadratic == pytest.approx((after - 2 * at + before) / step**2 / 2, rel=1e-4)


def test_each_band_is_the_sum_of_its_rows_one_at_a_time() -> None:
    """Each row put back alone, by differences: bags of several ids and empty ones are told apart."""
    model = Clicks("SGD")
    (point,), states = run(model, model.probe())
    now, then = states[STEPS], states[STEPS - 15]
    lookups, labels = model.held_out
    y = torch.from_numpy(labels)
    for table in point.tables:
        quadratic = gradient = 0.0
        for row in range(ROWS[table.name]):
            apart = torch.zeros_like(now[table.name])
            apart[row] = now[table.name][row] - then[table.name][row]

            def logits(x: Any, name: str = table.name, apart: Any = apart) -> Any:
                bag = functional.embedding_bag(
                    torch.from_numpy(lookups[name].ids),
                    now[name] + x * apart,
                    torch.from_numpy(np.asarray(lookups[name].offsets)),
                    mode="sum",
                )
                return model.logits({**model.pooled(lookups), name: bag})

            with torch.no_grad():
                z, along = logits(0.0), (logits(1e-5) - logits(-1e-5)) / 2e-5
            # a row that is twice in a bag is two accesses, each with half of what it does to the logit
            twice = torch.zeros(PROBE, dtype=torch.float64)
            bounds = np.append(lookups[table.name].offsets, len(lookups[table.name].ids))
            for sample in range(PROBE):
                own = lookups[table.name].ids[bounds[sample] : bounds[sample + 1]]
                twice[sample] = max(1, int((own == row).sum()))
            probability = torch.sigmoid(z)
            quadratic += float((0.5 * probability * (1 - probability) * along**2 / twice).mean())
            gradient += float(((probability - y) * -along).mean())
        assert sum(band.quadratic[1] for band in table.bands) == pytest.approx(quadratic, rel=1e-4)
        assert sum(band.gradient[1] for band in table.bands) == pytest.approx(gradient, rel=1e-4, abs=1e-9)


def test_the_curvature_is_the_mean_over_accesses_of_the_logits_gradients() -> None:
    model = Clicks("SGD")
    (point,), _ = run(model, model.probe())
    lookups, _ = model.held_out
    pooled = {name: one.detach().requires_grad_() for name, one in model.pooled(lookups).items()}
    z = model.logits(pooled)
    expected = {name: np.zeros((DIM, DIM)) for name in ROWS}
    accesses = dict.fromkeys(ROWS, 0)
    for sample in range(PROBE):
        found = torch.autograd.grad(z[sample], list(pooled.values()), retain_graph=True)
        probability = float(torch.sigmoid(z[sample].detach()))
        for name, one in zip(ROWS, found, strict=True):
            bounds = np.append(lookups[name].offsets, len(lookups[name].ids))
            own = int(bounds[sample + 1] - bounds[sample])
            gradient = one[sample].numpy()
            expected[name] += own * probability * (1 - probability) * np.outer(gradient, gradient)
            accesses[name] += own
    for table in point.tables:
        wanted = expected[table.name] / accesses[table.name]
        np.testing.assert_allclose(np.array(table.curvature), wanted, rtol=1e-4, atol=1e-9)
        assert table.curvature_trace == pytest.approx(np.trace(wanted), rel=1e-4)
        assert sum(band.probed for band in table.bands) == accesses[table.name]


@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_pooling_by_sum_and_by_mean(mode: str) -> None:
    model = Clicks("SGD", linear=True, mode=mode)
    (point,), states = run(model, model.probe(pooling=mode))
    rises = model.losses(states[STEPS - 4]) - model.losses(states[STEPS])
    whole = point.whole[0]
    assert whole.rise == pytest.approx(rises.mean(), rel=1e-4, abs=1e-9)
    assert whole.gradient + whole.quadratic == pytest.approx(whole.rise, rel=0.05)


@pytest.mark.parametrize("optimizer", ["Adagrad", "SparseAdam"])
def test_training_goes_on_bit_by_bit_as_without_the_probe(optimizer: str) -> None:
    watched, alone = Clicks(optimizer), Clicks(optimizer)
    _, with_probe = run(watched, watched.probe(points=[BATCH * 20, BATCH * 25]))
    _, without = run(alone, None)
    for name in ROWS:
        assert torch.equal(with_probe[STEPS][name], without[STEPS][name])
        assert watched.bags[name].weight.grad is not None


@pytest.mark.parametrize("every", [1, 4])
def test_accesses_are_counted_and_banded(every: int) -> None:
    """Of every step, or of the first of every four; the rate is over the samples that were counted."""
    model = Clicks("SGD")
    probe = model.probe(count_every=every)
    counts = {name: np.zeros(rows) for name, rows in ROWS.items()}
    for step in range(STEPS):
        lookups, labels = model.samples(BATCH)
        model.train(lookups, labels)
        for name, one in lookups.items():
            counts[name] += np.bincount(one.ids, minlength=ROWS[name]) * (step % every == 0)
        probe.step({name: one.ids for name, one in lookups.items()})
    for table in probe.record().points[0].tables:
        each = counts[table.name] / (BATCH * len(range(0, STEPS, every)))
        assert sum(band.rows for band in table.bands) == table.rows
        for band in table.bands:
            inside = (each >= band.accesses_from) & (each < band.accesses_to)
            assert band.rows == inside.sum()
            assert band.accesses == pytest.approx(each[inside].sum())


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    model = Clicks("Adagrad")
    probe = model.probe(points=[BATCH * 20, BATCH * STEPS])
    with pytest.raises(DomainError, match="a first point, which comes after 320 samples"):
        probe.record()
    run(model, probe)
    probe.write(tmp_path / "harm.json")
    record = read_harm(tmp_path / "harm.json")
    assert isinstance(record, HarmRecord)
    assert record == probe.record()
    assert [point.position_samples for point in record.points] == [BATCH * 20, BATCH * STEPS]
    assert record.optimizer == OptimizerUsed(name="adagrad", learning_rate=0.1, eps=1e-10)


def test_copies_are_small_and_let_go() -> None:
    model = Clicks("Adagrad")
    probe = model.probe()
    run(model, probe)
    assert probe.nbytes == sum(4 * rows for rows in ROWS.values())  # what is left: the counts


def test_ages_of_a_run() -> None:
    assert ages_of(64) == (1, 2, 4, 8)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pooling": "max"}, 'pooling = "max": expected "sum" or "mean"'),
        ({"batch_size": 0}, "batch_size = 0: expected at least 1"),
        ({"count_every": 0}, "count_every = 0: expected at least 1"),
        ({"points": [BATCH]}, "points: expected none before the youngest age"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(options: dict[str, Any], said: str) -> None:
    with pytest.raises(DomainError, match=said.replace("(", r"\(")):
        Clicks("SGD").probe(**options)


@pytest.mark.parametrize(
    ("lookups", "labels", "said"),
    [
        ({"users": Lookup(np.array([0, 1]))}, [0.0, 2.0], "labels: expected 0 or 1"),
        ({"films": Lookup(np.array([0, 1]))}, [0.0, 1.0], "lookups: expected those of users"),
        ({"users": Lookup(np.array([0, 9]))}, [0.0, 1.0], "lookups of users: expected ids from 0 to 2"),
        ({"users": Lookup(np.array([0, 1]), np.array([1, 2]))}, [0.0, 1.0], "where each of 2 samples' ids begin"),
        ({"users": Lookup(np.array([0, 1]), np.array([0]))}, [0.0, 1.0], "where each of 2 samples' ids begin"),
    ],
)
def test_samples_are_checked(lookups: dict[str, Lookup], labels: list[float], said: str) -> None:
    weight = torch.zeros(3, 2)
    sgd = OptimizerUsed(name="sgd", learning_rate=0.1)
    with pytest.raises(DomainError, match=said):
        HarmProbe({"users": weight}, lookups, np.array(labels), lambda *_: None, sgd, batch_size=1, samples=100)


@pytest.mark.parametrize("wrong", [torch.zeros(2, 1), torch.full((2,), float("nan"))])
def test_logits_are_checked(wrong: Any) -> None:
    weight = torch.zeros(3, 2)
    sgd = OptimizerUsed(name="sgd", learning_rate=0.1)
    lookups = {"users": Lookup(np.array([0, 1]))}

    def logits(pooled: Mapping[str, Any], some: slice) -> Any:
        return wrong + 0 * pooled["users"].sum()

    probe = HarmProbe(
        {"users": weight}, lookups, np.array([0, 1]), logits, sgd, batch_size=1, samples=1, points=[1], ages=[1]
    )
    with pytest.raises(DomainError, match="logits gave"):
        probe.step({"users": np.array([0])})


def test_optimizers_that_move_rows_otherwise_are_refused() -> None:
    weight = [nn.Parameter(torch.zeros(2, 2))]
    for other in (torch.optim.SGD(weight, lr=0.1, momentum=0.9), torch.optim.RMSprop(weight)):
        with pytest.raises(DomainError, match="expected SGD without momentum"):
            optimizer_used(other)
    assert optimizer_used(torch.optim.Adam(weight, lr=0.1)).beta_2 == 0.999


def test_the_example_writes_a_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The loop of docs/harm.md, shortened: what Taylor says of all rows is near what a forward pass says."""
    script = load_script(EXAMPLE.with_name("harm_probe.py"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch's, of sparse gradients
        script.main(str(tmp_path / "harm.json"), 192)
    assert "the probe took" in capsys.readouterr().out
    record = read_harm(tmp_path / "harm.json")
    assert len(record.points) == 3
    for point in record.points:
        for whole in point.whole:
            assert whole.quadratic + whole.gradient == pytest.approx(whole.rise, rel=0.25, abs=2e-5)
