# Everything sets itself up on a machine that has only Python (3.10+) and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# Most tests wait for sockets and clocks: one worker more than there are cores.
JOBS   ?= $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1) + 1 )))

.PHONY: demo test portable coverage check bench mutants clean

demo: $(STAMP)  ## run a moving-average strategy on the embedded exchange, about a minute
	$(BIN)/btccxt demo

test: $(STAMP)  ## the whole suite, no network needed
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -q

# What needs neither sockets nor this machine's speed: the rooms where a mistake costs money.
PORTABLE := tests/account tests/bars tests/bt tests/orders tests/resilience tests/test_config.py tests/test_public_names.py
COVERAGE ?=

portable: $(STAMP)  ## the part of the suite that runs on any supported Python in a minute or two
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -q $(COVERAGE) $(PORTABLE)

# Each room by its own tests; what other rooms' tests reach is not counted. A floor is raised when it is passed, never lowered.
coverage:  ## branch coverage of the last `make portable COVERAGE="--cov --cov-report="`, with a floor for each room
	$(BIN)/coverage report --include='btccxt/orders/*' --fail-under=92 --format=total
	$(BIN)/coverage report --include='btccxt/account/*' --fail-under=78 --format=total
	$(BIN)/coverage report --include='btccxt/bars/*' --fail-under=90 --format=total
	$(BIN)/coverage report --include='btccxt/bt/*' --fail-under=87 --format=total

mutants: $(STAMP)  ## which changes of the pure cores no test notices (half an hour; not in CI)
	$(BIN)/mutmut run --max-children $(JOBS)
	$(BIN)/mutmut results

check: $(STAMP)  ## style, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP)  ## speed, as ratios to named peers
	$(BIN)/python -m benchmarks

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $(STAMP)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache build dist
