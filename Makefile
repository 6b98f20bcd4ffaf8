# Two commands need nothing but git, make and Python 3.11 or newer: `make demo` and `make test`.

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Archives whose hashes are in requirements/ or none; wheels, but for one package that comes as its sources.
HASHED := --require-hashes --no-deps --no-build-isolation --only-binary :all: --no-binary autograd-gamma
TOOLS := .venv-tools
# Frameworks of training and a store that speaks S3, which only tests that ask for them see (tests/conftest.py); Composer's torchvision, no other.
FRAMEWORKS := build/frameworks
COMPOSER := build/composer
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' cprmodel/facts/version.py)

# Of `make gpu`: a Python with CUDA torch, NumPy, SciPy, SymPy and Numba, and wheels for what it has not.
GPU_PYTHON ?= python3
GPU_WHEELS := .gpu-wheels
GPU_SITE := $(CURDIR)/build/gpu-site
MINUTES ?= 8
OUT ?= runs/gpu
LINUX := 2_5 2_12 2_17 2_24 2_27 2_28

.PHONY: demo test lint types unit experiment docs bench frameworks soak gpu gpu-wheels fuzz audit sbom picture formulas constraints clean

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

$(VENV)/installed: $(VENV)/created pyproject.toml requirements/build.txt requirements/demo.txt
	$(PIP) install $(HASHED) -r requirements/build.txt
	$(PIP) install $(HASHED) -r requirements/demo.txt
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

# torch without CUDA where pip finds that build, else the public one with the libraries that it asks for; torchrec where
# it is built for this machine, after the check: it asks for a build for CUDA, and for an old torchmetrics
$(VENV)/installed-test: $(VENV)/created pyproject.toml $(wildcard requirements/*.txt)
	$(PIP) install $(HASHED) -r requirements/build.txt
	$(PIP) install $(HASHED) -r requirements/test.txt
	$(PIP) install $(HASHED) -r requirements/torch-cpu.txt 2>/dev/null || $(PIP) install $(HASHED) -r requirements/torch.txt
	$(PIP) install --no-deps --no-build-isolation -e .
	$(PIP) uninstall --yes torchrec 2>/dev/null
	$(PIP) check
	$(PIP) install $(HASHED) -r requirements/torchrec.txt || test -z "$$CPRMODEL_CI"
	@touch $@ $(VENV)/installed

# whatever is not built for this machine leaves its tests out, but for CI
$(FRAMEWORKS)/installed: requirements/frameworks.txt requirements/composer.txt | $(VENV)/created
	rm -rf $(FRAMEWORKS) $(COMPOSER)
	$(PIP) install $(HASHED) --no-compile --target $(FRAMEWORKS) -r requirements/frameworks.txt || test -z "$$CPRMODEL_CI"
	$(PIP) install $(HASHED) --no-compile --target $(COMPOSER) -r requirements/composer.txt || test -z "$$CPRMODEL_CI"
	@mkdir -p $(FRAMEWORKS) && touch $@

$(TOOLS)/installed: requirements/tools.txt
	@$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes --no-deps --only-binary :all: -r $<
	@touch $@

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

types: $(VENV)/installed-test
	$(BIN)/mypy

unit: $(VENV)/installed-test $(FRAMEWORKS)/installed
	$(BIN)/python -m pytest -n auto -m "not experiment"

experiment: $(VENV)/installed-test ## the quick validation case, alone on the machine; spoiled models must fail
	$(BIN)/python -m pytest -n 0 -m experiment

docs: $(VENV)/installed-test
	$(BIN)/python -m sphinx -W -n --keep-going -q -b html docs docs/_build/html
	$(BIN)/python docs/check_links.py docs/_build/html

bench: $(VENV)/installed-test ## speed, as ratios in one run
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/installed.py
	$(BIN)/python benchmarks/latency.py
	$(BIN)/python benchmarks/simulation.py
	$(BIN)/python benchmarks/fitting.py
	$(BIN)/python benchmarks/uncertainty.py
	$(BIN)/python benchmarks/accuracy.py
	$(BIN)/python benchmarks/priority.py
	$(BIN)/python benchmarks/recording.py
	$(BIN)/python benchmarks/bulk.py
	$(BIN)/python benchmarks/advisor.py
	$(BIN)/python benchmarks/training.py

fuzz: $(VENV)/installed-test ## an hour of spoiled inputs for every reader and command
	$(BIN)/python -m tests.fuzz --minutes 60

frameworks: $(VENV)/installed-test $(FRAMEWORKS)/installed ## the tests with transformers, Ray, Orbax, Composer and S3 alone
	$(BIN)/python -m pytest -n 0 -m framework tests

soak: $(VENV)/installed-test ## a thousand kills of every sort, each run audited (about three minutes)
	$(BIN)/python -m validation soak --kills 1000

gpu-wheels: $(VENV)/created ## on a machine with a network: what `make gpu` needs on one without (x86-64 Linux, Python 3.12)
	rm -rf $(GPU_WHEELS)
	$(PIP) download --require-hashes --no-deps --only-binary :all: --python-version 3.12 --implementation cp \
	  $(foreach version,$(LINUX),--platform manylinux_$(version)_x86_64) --dest $(GPU_WHEELS) -r requirements/gpu.txt
	@$(BIN)/python requirements/carry.py weigh $(GPU_WHEELS)

$(GPU_SITE): requirements/gpu.txt $(wildcard $(GPU_WHEELS)/*.whl)
	@$(GPU_PYTHON) requirements/carry.py install $(GPU_WHEELS) $@
	@touch $@

gpu: $(GPU_SITE) ## the validation on a GPU, in so many minutes: MINUTES=8 OUT=runs/gpu; RESUME=--resume goes on with it
	PYTHONPATH=$(GPU_SITE) $(GPU_PYTHON) -m validation gpu --minutes $(MINUTES) --out $(OUT) $(RESUME)

picture: $(VENV)/installed ## the pictures of the report and of the page to play with (needs Debian's chromium)
	$(BIN)/python docs/pictures.py

formulas: $(VENV)/installed ## equations as text and as JavaScript, and the page's charts, after one has changed
	$(BIN)/python -c "from cprmodel.report.whatif.printed import renew; renew()"
	$(BIN)/python -c "from cprmodel.report.whatif.drawn import renew; renew()"
	$(BIN)/python -c "from cprmodel.report.equations import renew; renew()"

audit: $(TOOLS)/installed ## known vulnerabilities in what make installs; asks PyPI, and without an answer fails and says so
	@for file in build demo test torch torchrec frameworks composer tools; do \
	  $(TOOLS)/bin/pip-audit --strict --progress-spinner off --timeout 30 --require-hashes --disable-pip -r requirements/$$file.txt \
	  || { echo "audit: requirements/$$file.txt: a vulnerability, or no answer (it needs a network that reaches PyPI)" >&2; exit 1; }; \
	done

sbom: $(TOOLS)/installed ## what a release needs, with licences and who needs what, as CycloneDX
	rm -rf build/sbom && mkdir -p build/sbom dist
	$(TOOLS)/bin/uv venv --quiet --python $(TOOLS)/bin/python build/sbom/env
	$(TOOLS)/bin/uv pip install --quiet --python build/sbom/env --require-hashes --no-deps -r requirements/demo.txt
	sed 's/^dynamic = .*/version = "$(VERSION)"/' pyproject.toml > build/sbom/pyproject.toml
	$(TOOLS)/bin/cyclonedx-py environment --output-reproducible --pyproject build/sbom/pyproject.toml \
	  -o dist/cprmodel-$(VERSION).cdx.json build/sbom/env/bin/python
	@echo dist/cprmodel-$(VERSION).cdx.json

constraints: $(TOOLS)/installed ## lock what pyproject.toml asks for (UPGRADE=--upgrade: the newest of all), then make test
	$(TOOLS)/bin/python requirements/lock.py $(UPGRADE)

clean:
	rm -rf $(VENV) $(TOOLS) build dist docs/_build demo-report.html
