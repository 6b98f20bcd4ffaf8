# Two commands need nothing but git, make and Python 3.11 or newer: `make demo` and `make test`.

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test lint types unit experiment docs bench soak fuzz picture formulas constraints clean

demo: $(VENV)/installed ## plan a preset and write its report
	$(BIN)/cprmodel plan preset:cpr-dlrm --report demo-report.html
	@echo
	@echo "Open demo-report.html in a browser. Your own job: $(BIN)/cprmodel new JOB.toml"

test: $(VENV)/installed-test lint types unit experiment docs ## everything that must pass

$(VENV)/created:
	@test -n "$(PYTHON)" || { echo "cprmodel: expected Python 3.11 or newer on the PATH" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "cprmodel: expected Python's venv module (on Debian: apt install python3-venv)" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/installed: $(VENV)/created pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt -e .
	@touch $@

$(VENV)/installed-test: $(VENV)/created pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt -e ".[test,docs,validation]"
	@touch $@ $(VENV)/installed

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

types: $(VENV)/installed-test
	$(BIN)/mypy

unit: $(VENV)/installed-test
	$(BIN)/python -m pytest -n auto -m "not experiment"

experiment: $(VENV)/installed-test ## the quick validation case, alone on the machine; spoiled models must fail
	$(BIN)/python -m pytest -n 0 -m experiment

docs: $(VENV)/installed-test
	$(BIN)/python -m sphinx -W -n --keep-going -q -b html docs docs/_build/html
	$(BIN)/python docs/check_links.py docs/_build/html

bench: $(VENV)/installed-test ## speed, as ratios in one run
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/latency.py
	$(BIN)/python benchmarks/simulation.py
	$(BIN)/python benchmarks/fitting.py
	$(BIN)/python benchmarks/uncertainty.py
	$(BIN)/python benchmarks/accuracy.py
	$(BIN)/python benchmarks/priority.py
	$(BIN)/python benchmarks/bulk.py
	$(BIN)/python benchmarks/advisor.py
	$(BIN)/python benchmarks/training.py

fuzz: $(VENV)/installed-test ## an hour of spoiled inputs for every reader and command
	$(BIN)/python -m tests.fuzz --minutes 60

soak: $(VENV)/installed-test ## a thousand kills of every sort, each run audited (about ten minutes)
	$(BIN)/python -m validation soak --kills 1000

picture: $(VENV)/installed ## the pictures of the report and of the page to play with (needs Debian's chromium)
	$(BIN)/python docs/pictures.py

formulas: $(VENV)/installed ## equations as text and as JavaScript, and the page's charts, after one has changed
	$(BIN)/python -c "from cprmodel.report.whatif.printed import renew; renew()"
	$(BIN)/python -c "from cprmodel.report.whatif.drawn import renew; renew()"
	$(BIN)/python -c "from cprmodel.report.equations import renew; renew()"

constraints: $(VENV)/created ## renew the pins (then make test)
	$(PIP) install torch==2.13.0 -e ".[test,docs,validation]"
	{ echo "# Every package that make installs. Renew with: rm -rf .venv && make constraints"; \
	  $(BIN)/python -m pip freeze --exclude-editable | grep -v ' @ ' | sed 's/+cpu//'; } > constraints.txt

clean:
	rm -rf $(VENV) build dist docs/_build demo-report.html
