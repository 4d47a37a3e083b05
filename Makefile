# make demo   the workflow on the embedded simulated data
# make test   all checks
# make lock   renew requirements.lock from pyproject.toml (needs uv)

PYTHON ?= python3
CORES ?= $(shell nproc 2>/dev/null || echo 1)
VENV ?= .venv
READY := $(VENV)/ready
BIN := $(VENV)/bin
SNAKEMAKE := $(BIN)/snakemake --cores $(CORES)

.PHONY: setup demo test lock clean

setup: $(READY)

# The lock has hashes and no index host; it serves Python 3.11 to 3.13.
$(READY): requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else \
	  f"Python 3.11 to 3.13 is needed, found {v[0]}.{v[1]}; try: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	@case "$(abspath $(VENV))" in *' '*) echo "Snakemake cannot start Python from a path with a space;" \
	  "give the environment another place: make VENV=/some/where $(MAKECMDGOALS)"; exit 1;; esac
	@$(PYTHON) -m venv --clear $(VENV) || { \
	  echo "Could not make $(VENV); on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "Installing the packages of requirements.lock into $(VENV) (about a minute) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

demo: setup
	$(SNAKEMAKE) --directory demo/run --configfile demo/config.yaml --quiet rules
	@echo
	@echo "The report on the simulated data: $(CURDIR)/demo/run/results/report/index.html"

test: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/python -m pytest

lock:
	uv lock --quiet
	uv export --quiet --frozen --no-emit-project --format requirements.txt --output-file requirements.lock
	rm uv.lock

clean:
	rm -rf $(VENV) demo/run
