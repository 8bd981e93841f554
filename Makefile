# Everything sets itself up on a machine that has only Python (3.10+) and make.
PYTHON ?= python3
VENV   := .venv
# What is installed into it: test is enough for the portable part.
EXTRAS ?= dev
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# Where there is no make, as on Windows: python -m btccxt.dev test|portable|check|demo|release|compat|public
DEV    := $(BIN)/python -m btccxt.dev

# The suite starts hundreds of processes; each would compile the package anew where this is set.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test portable coverage check compat public docs bench mutants release clean

demo: $(STAMP)  ## run a moving-average strategy on the embedded exchange, about a minute
	$(DEV) demo

test: $(STAMP)  ## the whole suite, no network needed
	$(DEV) test $(if $(JOBS),-n $(JOBS))

COVERAGE ?=

portable: $(STAMP)  ## the part of the suite that runs on any supported Python in a minute or two
	$(DEV) portable $(if $(JOBS),-n $(JOBS)) $(COVERAGE)

# Each room by its own tests; what other rooms' tests reach is not counted. A floor is raised when it is passed, never lowered.
coverage:  ## branch coverage of the last `make portable COVERAGE="--cov --cov-report="`, with a floor for each room
	$(BIN)/coverage report --include='btccxt/orders/*' --fail-under=94 --format=total
	$(BIN)/coverage report --include='btccxt/account/*' --fail-under=83 --format=total
	$(BIN)/coverage report --include='btccxt/bars/*' --fail-under=93 --format=total
	$(BIN)/coverage report --include='btccxt/bt/*' --fail-under=90 --format=total

mutants: $(STAMP)  ## changes of the pure cores that no test notices and nobody has explained (half an hour; not in CI)
	$(DEV) mutants

check: $(STAMP)  ## style, types, layers
	$(DEV) check

compat: $(STAMP)  ## judge another ccxt: make compat CCXT=4.5.91; the report is in build/compat
	$(DEV) compat $(CCXT)

public: $(STAMP)  ## strategies that others published, unchanged: make public FOLDER=where/they/were/cloned
	$(DEV) public $(FOLDER)

release: $(STAMP)  ## wheel and source archive in dist/, checked; says what to upload, signs and uploads nothing
	$(DEV) release

docs: $(STAMP)  ## the pages as a site in build/site; a broken link or a page outside the navigation fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(STAMP)  ## speed, as ratios to named peers
	$(BIN)/python -m benchmarks

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[$(EXTRAS)]'
	touch $(STAMP)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache build dist
