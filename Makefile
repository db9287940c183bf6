# What a person types: make venv | demo | test | bench | lint. Everything stands on `make venv`.
#
#   PYTHON=python3.12        another interpreter (3.11 or newer)
#   WORKERS=8                processes of `make test`, on a larger machine
#   TORCH_INDEX=URL          where to take torch from (an index with only the small CPU build, say)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt
PACKAGES := nas search_space scaling_rules runs dashboards benchmarks examples tests

.PHONY: venv demo test test-faults test-long quick-test bench lint format clean
.DELETE_ON_ERROR:

venv: $(VENV)/.complete

$(VENV)/.complete: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.exit(None if sys.version_info >= (3, 11) else \
	  "Python must be 3.11 or newer, got " + v + "; name another one: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "the module venv must work, but $(PYTHON) has none; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "installing the pinned packages into $(VENV) (a few minutes the first time) ..."
	@$(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX) --no-deps) "$$(grep '^torch==' constraints.txt)"
	@$(PIP) hatchling editables
	@$(PIP) --no-build-isolation --editable '.[dev]'
	@touch $@

demo: venv
	@$(BIN)/python examples/demo.py

# torchvision and timm, with whose networks ours are compared: for tests alone, in a folder of their own, and without
# their dependencies, which would bring another torch.
$(VENV)/test-libraries: $(VENV)/.complete
	@rm -rf $@
	@$(PIP) --no-deps --target $@ $$(grep -E '^(torchvision|timm)==' constraints.txt)

WORKERS ?= 2

# The whole suite: PostgreSQL and Chromium come from Debian's packages where they are missing, and nothing may be skipped.
test: venv $(VENV)/test-libraries
	@.ci/system-packages
	NAS_REQUIRE_ALL=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder

# All fault tests, the long ones too (about an hour); SOAK=SECONDS and SEED=N are for the random mixture of faults.
SOAK ?= 300
SEED ?= 0
test-faults: venv
	@.ci/system-packages
	NAS_REQUIRE_ALL=1 $(BIN)/python -m pytest -m faults --long --soak-seconds=$(SOAK) --soak-seed=$(SEED)

# The suite and everything that is marked long: more simulations, whole epochs, further faults (some hours).
test-long: venv $(VENV)/test-libraries
	@.ci/system-packages
	NAS_REQUIRE_ALL=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder --long

quick-test: venv $(VENV)/test-libraries
	$(BIN)/python -m pytest -q -m 'not slow and not postgres and not faults and not browser'

bench: venv
	$(BIN)/python -m benchmarks all

lint: venv
	$(BIN)/ruff check $(PACKAGES)
	$(BIN)/ruff format --check $(PACKAGES)
	$(BIN)/mypy
	$(BIN)/lint-imports

format: venv
	$(BIN)/ruff check --fix $(PACKAGES)
	$(BIN)/ruff format $(PACKAGES)

clean:
	rm -rf $(VENV) build dist demo-out .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
