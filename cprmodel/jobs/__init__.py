"""What a user says about a job: the models behind a job file, and how a file is read."""

from cprmodel.jobs.access import Access, Table
from cprmodel.jobs.accuracy import Accuracy
from cprmodel.jobs.accuracy_model import AccuracyModel
from cprmodel.jobs.checkpoint import Checkpoint
from cprmodel.jobs.failure_model import FailureModel
from cprmodel.jobs.failures import Failures
from cprmodel.jobs.model import Cluster, Job, Preset, Work
from cprmodel.jobs.money import HOURS_PER_MONTH, Money
from cprmodel.jobs.reading import job_from_file, job_from_mapping, job_from_text
from cprmodel.jobs.scaling import Scaling
from cprmodel.jobs.storage import Level, Neighbour, Storage
from cprmodel.jobs.warned import Warnings

__all__ = [
    "HOURS_PER_MONTH",
    "Access",
    "Accuracy",
    "AccuracyModel",
    "Checkpoint",
    "Cluster",
    "FailureModel",
    "Failures",
    "Job",
    "Level",
    "Money",
    "Neighbour",
    "Preset",
    "Scaling",
    "Storage",
    "Table",
    "Warnings",
    "Work",
    "job_from_file",
    "job_from_mapping",
    "job_from_text",
]
