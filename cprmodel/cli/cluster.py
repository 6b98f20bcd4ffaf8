"""``--on``: the work of a command on a cluster of Dask or of Ray, whose workers have the package, too.

What is handed over is what joblib would hand to cores, so that answers stay the same to the last bit.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from cprmodel.facts.errors import JobError, Problem

__all__ = ["RAY_SILENT", "cluster", "first_line", "join_ray", "submitting", "workers_of"]

#: What Ray raises where a cluster cannot be joined.
RAY_SILENT = (OSError, RuntimeError, ValueError, ImportError)

_FORMS = "dask://HOST:PORT, ray://HOST:PORT, ray://auto (that of this machine), dask://local or ray://local"
#: Seconds that a cluster may take to answer.
_ANSWERS_S = 10


def workers_of(on: str | None, workers: int) -> int | None:
    """What to tell joblib: so many cores, or None for the cluster; JobError where both are said.

    >>> workers_of(None, 4), workers_of("dask://local", -1)
    (4, None)
    """
    if on is None:
        return workers
    if workers != -1:
        expected = "none beside --on: the cluster's cores are used"
        raise JobError(f"--workers {workers}", [Problem("", "", expected)])
    return None


@contextlib.contextmanager
def cluster(on: str | None) -> Iterator[None]:
    """Within it, joblib's work goes to the cluster; nothing changes without one.

    >>> with cluster("slurm://here"):
    ...     pass
    Traceback (most recent call last):
        ...
    cprmodel.facts.errors.JobError: --on slurm://here: expected dask://HOST:PORT, ray://HOST:PORT, ...
    """
    if on is None:
        yield
        return
    with _begun(on) as (kind, client), _in_one_line(on):
        import joblib

        if kind == "dask":
            with joblib.parallel_config(backend="dask", client=client):
                yield
        else:
            with joblib.parallel_config(backend=_ray_backend(client)):
                yield


@contextlib.contextmanager
def submitting(on: str) -> Iterator[Callable[..., Any]]:
    """A function that hands a function and its arguments to the cluster, and gives a future of its result."""
    with _begun(on) as (kind, client), _in_one_line(on):
        if kind == "dask":

            def submit(work: Callable[..., Any], *arguments: Any) -> Any:
                return _bridged(client.submit(work, *arguments, pure=False))
        else:
            remote = client.remote(_called)

            def submit(work: Callable[..., Any], *arguments: Any) -> Any:
                return remote.remote(work, *arguments).future()

        yield submit


def _bridged(theirs: Any) -> Future[Any]:
    """A future of the standard library, for one of Dask's."""
    ours: Future[Any] = Future()

    def done(found: Any) -> None:
        error = found.exception()
        if error is not None:
            ours.set_exception(error)
        else:
            ours.set_result(found.result())

    theirs.add_done_callback(done)
    return ours


def _called(work: Callable[..., Any], *arguments: Any) -> Any:
    return work(*arguments)


@contextlib.contextmanager
def _begun(on: str) -> Iterator[tuple[str, Any]]:
    kind, _, where = on.partition("://")
    if kind not in ("dask", "ray") or not where or (kind == "dask" and where == "auto"):
        raise JobError(f"--on {on}", [Problem("", "", _FORMS)])
    with _dask(on, where) if kind == "dask" else _ray(on, where) as client:
        yield kind, client


@contextlib.contextmanager
def _dask(on: str, where: str) -> Iterator[Any]:
    try:
        import distributed
    except ImportError:
        raise _missing(on, "dask", "dask distributed") from None
    connected: Any = distributed.Client
    local: Any = distributed.LocalCluster
    with contextlib.ExitStack() as stack:
        if where == "local":
            cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
            address = stack.enter_context(local(n_workers=cores, threads_per_worker=1, dashboard_address=None))
        else:
            address = where if "://" in where else f"tcp://{where}"
        try:
            client = stack.enter_context(connected(address, timeout=_ANSWERS_S))
        except (OSError, ValueError) as error:
            raise _silent(on, error) from None
        yield client


@contextlib.contextmanager
def _ray(on: str, where: str) -> Iterator[Any]:
    try:
        import ray
    except ImportError:
        raise _missing(on, "ray", "ray") from None
    if ray.is_initialized():
        yield ray
        return
    begun: dict[str, Any] = {"address": where if where in ("auto", "local") else on}
    if where == "local":
        begun["include_dashboard"] = False
    # the workers find what this process finds
    paths = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])])
    try:
        join_ray(ray, paths, **begun)
    except RAY_SILENT as error:
        raise _silent(on, error) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def join_ray(ray: Any, paths: str, **begun: Any) -> None:
    """``ray.init``, with a path on which workers find modules; one of RAY_SILENT where that fails.

    Who listened to SIGTERM goes on: Ray would end the process by a status of its own, and what it has is lost.
    """
    host, _, port = begun["address"].removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():  # where nobody listens, Ray itself would ask for minutes
        socket.create_connection((host.strip("[]"), int(port)), _ANSWERS_S).close()
    environment = {"env_vars": {"PYTHONPATH": paths}}
    heard = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(**begun, runtime_env=environment, log_to_driver=False, logging_level="ERROR")
    finally:
        if callable(heard) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, heard)


def first_line(error: Exception) -> str:
    """Of what it says; else its kind."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _missing(on: str, what: str, names: str) -> JobError:
    return JobError(
        f"--on {on}", [Problem("", "", f"{what.capitalize()}, which is not installed: pip install {names}")]
    )


def _silent(on: str, error: Exception) -> JobError:
    expected = f"a cluster that answers within {_ANSWERS_S} s ({first_line(error)})"
    return JobError(f"--on {on}", [Problem("", "", expected)])


@contextlib.contextmanager
def _in_one_line(on: str) -> Iterator[None]:
    """Workers without the package, or with another Python, say so in one line."""
    try:
        yield
    except Exception as error:
        cause = getattr(error, "cause", None)
        found = next((one for one in (error, cause) if isinstance(one, ImportError)), None)
        if found is None or isinstance(found, JobError):
            raise
        python = ".".join(map(str, sys.version_info[:2]))
        expected = f"cprmodel of this version and Python {python} on its workers ({found})"
        raise JobError(f"--on {on}", [Problem("", "", expected)]) from None


def _ray_backend(ray: Any) -> Any:
    """joblib's work as tasks of Ray; the one that Ray ships gives no results before all are there."""
    from joblib._parallel_backends import ParallelBackendBase

    remote = ray.remote(_called)

    class RayTasks(ParallelBackendBase):  # type: ignore[misc]
        supports_retrieve_callback = True
        supports_return_generator = True
        default_n_jobs = -1

        def effective_n_jobs(self, n_jobs: int | None) -> int:
            return max(1, int(ray.cluster_resources().get("CPU", 1)))

        def submit(self, func: Callable[[], Any], callback: Any = None) -> Any:
            future = remote.remote(func).future()
            if callback is not None:
                future.add_done_callback(callback)
            return future

        def retrieve_result_callback(self, out: Any) -> Any:
            return out.result()

    return RayTasks()
