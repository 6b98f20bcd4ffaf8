"""The model: its arithmetic, that it stays on its device, and that shards change nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from validation.data.synthetic import Synthetic
from validation.model.dlrm import DLRM, InteractionArch, train_step
from validation.model.single import SingleProcess
from validation.placement import Placement
from validation.shards.layout import RowWise
from validation.shards.rows import NumpyRows, initial_rows

SIZES = (300, 40, 7, 3)
DIM = 4


def build(place: Placement) -> tuple[DLRM, torch.optim.Adagrad]:
    torch.manual_seed(3)
    model = DLRM(13, len(SIZES), DIM, (8,), (16, 8))
    place.put_module(model)
    return model, torch.optim.Adagrad(model.parameters(), lr=0.01)


def test_interactions_are_all_pairs_of_dot_products() -> None:
    rng = np.random.default_rng(1)
    dense, sparse = rng.standard_normal((5, DIM)), rng.standard_normal((5, 3, DIM))
    found = InteractionArch(3)(torch.tensor(dense), torch.tensor(sparse)).numpy()
    for b in range(5):
        vectors = [dense[b], *sparse[b]]
        pairs = [vectors[i] @ vectors[j] for i in range(4) for j in range(i)]
        np.testing.assert_allclose(found[b], [*dense[b], *pairs])


def test_a_step_on_the_meta_device_moves_everything() -> None:
    """A tensor that was left on the CPU raises there; a GPU is not needed to see it."""
    place = Placement("meta")
    model, optimizer = build(place)
    batch, _ = next(Synthetic(SIZES, 32, 0, 1, 1.0).train(None))
    layout = RowWise(SIZES, 3)
    segments = layout.split(batch.ids)
    rows = np.zeros((len(segments.local), DIM), dtype=np.float32)
    loss, gradient = train_step(model, optimizer, place, batch, rows, segments.inverse)
    assert loss.device.type == gradient.device.type == "meta"
    assert gradient.shape == rows.shape
    assert all(p.device.type == "meta" for p in model.parameters())
    with pytest.raises(RuntimeError, match="meta"):  # the test can fail
        model(torch.zeros(32, 13), place.put(rows), place.put(segments.inverse), place.put(batch.offsets))


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("optimizer_name", ["sgd", "rowwise_adagrad"])
def test_shards_train_as_plain_embedding_bags_do(device: str, optimizer_name: str) -> None:
    """The same samples, weights and optimizers; float32 sums in another order."""
    place = Placement(device)
    model, optimizer = build(place)
    other, other_optimizer = build(place)
    layout = RowWise(SIZES, 3)
    shards = []
    table = np.zeros((layout.total, DIM), dtype=np.float32)
    for shard in range(3):
        flat = layout.flat_of(shard)
        rows = initial_rows(flat, SIZES, layout.first, DIM, 1, shard)
        table[flat] = rows
        shards.append(NumpyRows(rows, optimizer_name, 0.05))
    single = SingleProcess(
        other, other_optimizer, SIZES, DIM, 0.05, rowwise=optimizer_name == "rowwise_adagrad", place=place
    )
    single.load([table[layout.first[t] : layout.first[t + 1]] for t in range(len(SIZES))])
    batches = Synthetic(SIZES, 64, 0, 1, 1.0).train(None)
    for _ in range(25):
        batch, _ = next(batches)
        segments = layout.split(batch.ids)
        held = np.concatenate([shards[s].gather(segments.local[segments.of(s)]) for s in range(3)])
        loss, gradient = train_step(model, optimizer, place, batch, held, segments.inverse)
        step = place.back(gradient)
        for s in range(3):
            shards[s].update(segments.local[segments.of(s)], step[segments.of(s)])
        ids = batch.ids.reshape(-1, len(SIZES)) - layout.first[:-1]
        offsets = np.arange(len(batch))
        expected = single.train_step(
            batch.dense, [ids[:, t] for t in range(len(SIZES))], [offsets] * len(SIZES), batch.labels
        )
        assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    for shard in range(3):
        table[layout.flat_of(shard)] = shards[shard].rows
    for t, bag in enumerate(single.bags):
        rows = table[layout.first[t] : layout.first[t + 1]]
        np.testing.assert_allclose(place.back(bag.weight), rows, rtol=1e-3, atol=1e-5)


def test_bags_of_several_rows_are_summed() -> None:
    place = Placement("cpu")
    model, _ = build(place)
    rows = np.random.default_rng(0).standard_normal((6, DIM)).astype(np.float32)
    inverse, offsets = np.array([0, 1, 2, 3, 4, 5, 5, 0]), np.array([0, 1, 4, 5, 6, 7, 7, 7])
    pooled = model.sparse_arch(*(torch.tensor(x) for x in (rows, inverse, offsets))).numpy()
    np.testing.assert_allclose(pooled[0, 1], rows[1] + rows[2] + rows[3], rtol=1e-6)
    assert (pooled[1, 1] == 0).all()  # an empty bag
    np.testing.assert_allclose(pooled[1, 3], rows[0])


def test_devices_are_moved_to_in_one_place() -> None:
    """Nothing in the project but placement.py calls Tensor.to, .cpu, .cuda or .numpy on a device's tensor."""
    import re
    from pathlib import Path

    import validation

    root = Path(validation.__file__).parent
    moves = re.compile(r"\.(to|cpu|cuda)\(")
    found = [path.name for path in root.rglob("*.py") if moves.search(path.read_text(encoding="utf-8"))]
    assert found == ["placement.py"]


def test_a_shard_on_a_cpu_needs_no_torch() -> None:
    import subprocess
    import sys

    code = (
        "import sys, validation.shards.server; print([m for m in ('torch', 'pandas', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
