"""Do every fault of tests/slurm/faults.py to a run through a real Slurm, and count how it ends.

    python benchmarks/slurm_faults.py [FAULT ...]

Run by hand, as root, with Debian's slurm-wlm and munge; 20 minutes for all. The rows go into the
table of docs/reliability.md.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "slurm"))
import faults
import machine
from tables import put

STUDIES = ["GSE9000002"]


def main():
    if reason := machine.why_not():
        raise SystemExit(reason)
    names = sys.argv[1:] or list(faults.FAULTS)
    rows = []
    with tempfile.TemporaryDirectory() as folder, machine.cluster(Path(folder) / "slurm") as inner:
        folder = Path(folder)
        config = machine.write_config(folder / "config.yaml", STUDIES)
        finished = folder / "finished"
        machine.locally(config, finished)
        for number, name in enumerate(names):
            fault = faults.FAULTS[name]
            try:
                outcome, seconds = faults.endure(
                    inner, config, finished, folder / f"fault{number}", fault
                )
            except AssertionError as error:
                print(error)
                outcome, seconds = "FAILED", 0
            rows.append([name, outcome, f"{seconds:.0f} s", f"{fault.deadline} s"])
            print(rows[-1], flush=True)
    put("reliability.md", "slurm faults", ["fault", "end", "after", "deadline"], rows)


if __name__ == "__main__":
    main()
