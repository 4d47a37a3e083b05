"""Before the first job: is Slurm there, does it answer, and can the end of a job be seen?"""

import re
import shutil
import subprocess
import sys

from .errors import UserError


def check_executor(workflow):
    """End the run with one line where it goes to Slurm and Slurm cannot take it."""
    if workflow.executor_plugin is None or workflow.executor_plugin.name != "slurm":
        return
    settings = workflow.executor_settings
    try:
        check_slurm(settings.status_command, settings.init_seconds_before_status_checks)
    except UserError as error:
        sys.exit(f"ERROR: {error}")


def check_slurm(status_command, first_check):
    """Raise UserError where jobs could not be submitted, or would be waited for for ever.

    status_command: 'squeue' or 'sacct', as set for the executor; first_check: seconds from a
    submission to the first question after the job.
    """
    if shutil.which("sbatch") is None:
        raise UserError(
            "sbatch is not on this machine's PATH, so no job can be submitted to Slurm: start "
            "Snakemake on a login node of the cluster (perhaps after `module load slurm`), or "
            "leave out --profile profiles/slurm to run on this machine"
        )
    try:
        shown = subprocess.run(
            ["scontrol", "show", "config"], capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"Slurm does not answer: {error}; try `scontrol show config`") from None
    if shown.returncode:
        raise UserError(
            f"Slurm does not answer: {shown.stderr.strip() or shown.stdout.strip()}; "
            "try `scontrol show config`"
        )
    settings = dict(re.findall(r"^(\w+)\s*= (.*?)\s*$", shown.stdout, re.M))
    if settings.get("AccountingStorageType") in ("accounting_storage/none", "(null)"):
        check_without_accounting(status_command, first_check, settings.get("MinJobAge", ""))


def check_without_accounting(status_command, first_check, remembered):
    """Raise UserError where a cluster without job accounting would never tell that a job ended.

    remembered: MinJobAge as scontrol shows it ('300 sec'), how long squeue shows an ended job.
    """
    if status_command == "sacct":
        raise UserError(
            "this cluster keeps no job accounting, so sacct never tells that a job has ended: set "
            "slurm-status-command: squeue (as profiles/slurm/config.yaml does)"
        )
    seconds = re.match(r"\d+", remembered)
    # Below this the executor asks sacct whatever is set.
    if seconds and int(seconds[0]) < 3 * first_check:
        raise UserError(
            f"this cluster keeps no job accounting and forgets ended jobs after {remembered} "
            f"(MinJobAge), too soon for a first look after {first_check} s: set "
            f"slurm-init-seconds-before-status-checks: {max(int(seconds[0]) // 3, 1)} and "
            "seconds-between-status-checks to the same, or ask for a longer MinJobAge"
        )
