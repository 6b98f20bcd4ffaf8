"""What the words in a log mean for one job: it was interrupted, its time was cut short, or neither."""

from __future__ import annotations

import re
from enum import Enum

__all__ = ["Event", "Meaning", "meaning_of_event", "meaning_of_flag", "meaning_of_state", "plain_word"]


class Meaning(Enum):
    """What the end of a run says."""

    INTERRUPTION = "interruption"
    CENSORED = "cut short"
    NEITHER = "neither"


class Event(Enum):
    """What an event of a node or a job says."""

    FAILURE = "failure"
    RECOVERY = "recovery"
    OTHER = "neither"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Something other than the job's own end or its owner's wish ended it: it comes back from a checkpoint.
INTERRUPTIONS = _words(
    """FAILED FAIL FAILURE F NODE_FAIL NODEFAIL NODE_FAILURE NODE_FAILED NF BOOT_FAIL BF PREEMPTED PREEMPT PR
    OUT_OF_MEMORY OOM OOM_KILLED OOMKILLED ERROR ERRORED CRASHED CRASH EVICTED LOST REQUEUED RQ REQUEUE SIGNALED
    DIED DEAD INTERRUPTED LAUNCH_FAILED RECONFIG_FAIL HARDWARE_FAILURE HARDWARE HUNG STAGE_OUT FAULT FAULTED
    NODE_DOWN EXIT_FAILURE SPECIAL_EXIT"""
)
#: The job's time ended otherwise: done, called off, its limit reached, or it still goes on.
CENSORED = _words(
    """COMPLETED COMPLETE CD COMPLETING CG SUCCEEDED SUCCESS SUCCESSFUL PASS PASSED FINISHED DONE OK EXIT_SUCCESS
    TERMINATED CANCELLED CANCELED CA CANCEL KILLED TIMEOUT TIMED_OUT TO TIME_LIMIT TIMELIMIT TIME_LIMIT_REACHED
    WALLTIME DEADLINE DL RUNNING R ACTIVE SUSPENDED S STOPPED ST CENSORED ALIVE OBSERVING"""
)
#: It never ran, or the row is not of a run.
NEITHER = _words(
    "PENDING PD QUEUED WAITING WAIT CONFIGURING CF RESIZING RS REVOKED RV HELD HOLD SUBMITTED CREATED NEW STARTING"
)
#: Slurm's numbers of states, as its database has them.
SLURM_CODES = {
    0: "PENDING",
    1: "RUNNING",
    2: "SUSPENDED",
    3: "COMPLETED",
    4: "CANCELLED",
    5: "FAILED",
    6: "TIMEOUT",
    7: "NODE_FAIL",
    8: "PREEMPTED",
    9: "BOOT_FAIL",
    10: "DEADLINE",
    11: "OUT_OF_MEMORY",
}
#: States that are still under way when the log is written.
RUNNING = _words("RUNNING R ACTIVE SUSPENDED S COMPLETING CG ALIVE OBSERVING")

_YES = ("1", "1.0", "true", "yes", "y", "t")
_NO = ("0", "0.0", "false", "no", "n", "f")

_FAILING = re.compile(
    r"\bNOT READY\b|\bFAIL|\bFAULT(?! END)|\bDOWN\b|\bCRASH|\bPANIC|\bOUTAGE\b|\bDEAD\b|\bDIED\b|\bUNHEALTHY\b"
    r"|\bUNREACHABLE\b|\bEVICT|\bPREEMPT|\bOOM|\bERROR|\bLOST\b|\bHANG\b|\bHUNG\b|\bUNAVAILABLE\b|\bINTERRUPT"
    r"|\bKILLED\b|\bOFFLINE\b"
)
_RECOVERING = re.compile(
    r"\bREADY\b|\bUP\b|\bRECOVER|\bRESTOR|\bFIXED\b|\bREPAIRED\b|\bRESOLVED\b|\bHEALTHY\b|\bFAULT END\b|\bRESUME"
    r"|\bAVAILABLE\b|\bONLINE\b|\bBACK\b|\bFAILURE END\b|\bOUTAGE END\b|\bREPLACED\b"
)


def plain_word(text: str) -> str:
    """A state as the tables here spell it.

    >>> plain_word("CANCELLED by 1001"), plain_word("NodeNotReady"), plain_word("CANCELLED+")
    ('CANCELLED', 'NODE_NOT_READY', 'CANCELLED')
    """
    text = re.sub(r"\s+by\s+\S+$", "", text.strip().rstrip("+"))
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_").upper()


def meaning_of_state(text: str, is_code: bool = False) -> Meaning | None:
    """What a run's state says, or (``is_code``) its exit code; None where the word is not known.

    >>> meaning_of_state("NODE_FAIL"), meaning_of_state("CANCELLED by 7"), meaning_of_state("7") is None
    (<Meaning.INTERRUPTION: 'interruption'>, <Meaning.CENSORED: 'cut short'>, True)
    >>> meaning_of_state("0:0", is_code=True)
    <Meaning.CENSORED: 'cut short'>
    """
    word = plain_word(text)
    for meaning, words in (
        (Meaning.INTERRUPTION, INTERRUPTIONS),
        (Meaning.CENSORED, CENSORED),
        (Meaning.NEITHER, NEITHER),
    ):
        if word in words or word.replace("_", "") in words:
            return meaning
    code = re.fullmatch(r"(-?\d+)(?::(\d+))?(?:\.0)?", text.strip())
    if code and is_code:
        return Meaning.CENSORED if int(code[1]) == 0 and int(code[2] or 0) == 0 else Meaning.INTERRUPTION
    return None


def meaning_of_flag(text: str) -> bool | None:
    """1 or true, 0 or false; None for other text."""
    word = text.strip().lower()
    return True if word in _YES else False if word in _NO else None


def meaning_of_event(text: str) -> Event:
    """What an event says of a node.

    >>> [meaning_of_event(one).value for one in ("NodeNotReady", "NodeReady", "fault_end", "Pulled")]
    ['failure', 'recovery', 'recovery', 'neither']
    """
    word = plain_word(text).replace("_", " ")
    if re.search(r"\bNOT READY\b", word):
        return Event.FAILURE
    if re.search(r"\b(?:FAULT|FAILURE|OUTAGE|INCIDENT|DOWN) (?:END|STOP|OVER|CLEARED)|\bUNCORDON", word):
        return Event.RECOVERY
    if _RECOVERING.search(word):
        return Event.RECOVERY
    return Event.FAILURE if _FAILING.search(word) else Event.OTHER
