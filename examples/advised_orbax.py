"""JAX with checkpoints by Orbax that an advisor times. It goes on where it was killed.

Run: python examples/advised_orbax.py FOLDER [--die-at STEP]                  (one process)
or, in as many processes, with --processes N --process NUMBER --coordinator HOST:PORT.
Needs: pip install jax orbax-checkpoint
"""

from __future__ import annotations

import argparse
import os
import signal
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from cprmodel import Advisor, Job
from cprmodel.adaptors.policies import OrbaxPolicy

STEPS = 1200
JOB = Job.from_mapping(  # at the pace of a demonstration
    {
        "job": {"work": "5 s"},
        "failures": {"mtbf": "1 s"},
        "checkpoint": {"save": "20 ms", "load": "20 ms", "reschedule": "5 s"},
    }
)


@jax.jit
def trained(weights: jax.Array, step: jax.Array) -> jax.Array:
    """A step of gradient descent; its data are the same after a restart."""
    inputs = jax.random.normal(jax.random.fold_in(jax.random.key(1), step), (64, 8))

    def loss(now: jax.Array) -> jax.Array:
        return jnp.mean((inputs @ now - jnp.sin(inputs)) ** 2)

    return weights - 0.05 * jax.grad(loss)(weights)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--die-at", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--process", type=int, default=0)
    parser.add_argument("--coordinator")
    options = parser.parse_args()
    folder, many = options.folder.resolve(), options.processes > 1
    if many:
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        jax.distributed.initialize(options.coordinator, options.processes, options.process)
    folder.mkdir(parents=True, exist_ok=True)

    def broadcast(numbers: list[float]) -> list[float]:
        return list(np.asarray(multihost_utils.broadcast_one_to_all(np.array(numbers, dtype=np.float32))))

    advisor = Advisor(JOB, "full", folder / "advisor.json") if jax.process_index() == 0 else None
    policy = OrbaxPolicy(advisor, broadcast=broadcast if many else None, notice_s=0.2)
    manager = ocp.CheckpointManager(
        folder / "checkpoints", options=ocp.CheckpointManagerOptions(save_decision_policy=policy, max_to_keep=2)
    )
    mesh = Mesh(np.array(jax.devices()), ("rows",))
    rows = NamedSharding(mesh, PartitionSpec("rows"))
    weights = jax.device_put(np.zeros((8, 8), dtype=np.float32), rows)
    first = manager.latest_step()
    if first is not None:
        weights = manager.restore(first, args=ocp.args.StandardRestore({"weights": weights}))["weights"]
        print(f"went back to step {first}", flush=True)
    for step in range((first or 0) + 1, STEPS + 1):
        weights = trained(weights, jnp.int32(step))
        manager.save(step, args=ocp.args.StandardSave({"weights": weights}))
        if step == options.die_at and jax.process_index() == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    manager.wait_until_finished()
    if advisor is not None:
        advisor.close()
        seen = advisor.seen
        print(f"saves {seen.saves} ({seen.drains} in the background), failures {seen.failures}", flush=True)
    whole = multihost_utils.process_allgather(weights, tiled=True) if many else weights
    print(f"weights {float(np.sum(np.asarray(whole, dtype=np.float64))):.12f}", flush=True)
    manager.close()


if __name__ == "__main__":
    main()
