# Every target makes .venv and installs what it needs when that is missing. PYTHON=python3.12, or a
# path, chooses the interpreter; otherwise the first one that works is taken.

.DEFAULT_GOAL := help
.PHONY: help quickstart test wheel wheels fresh release lint warm docs images examples clean

BIN := .venv/bin
READY := .venv/.installed
WARM := .venv/.warm
ARGS ?=

# pip compiles nothing beforehand: where nothing were kept, each of the hundreds of processes that
# the tests start would compile all of torch and Numba that it imports.
unexport PYTHONDONTWRITEBYTECODE

help:  ## Show these targets.
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(firstword $(MAKEFILE_LIST))

quickstart: $(READY)  ## Train an avatar, compare it and write quickstart-report/index.html.
	$(BIN)/als quickstart --out quickstart-report $(ARGS)

test: $(WARM)  ## Run the tests, on two cores; ARGS="-k camera" chooses some.
	@$(BIN)/python tests/support/get_browser.py
	@# Three processes for two cores: many a test waits for what it has started.
	$(BIN)/pytest -n 3 --dist worksteal $(ARGS)

wheel: $(WARM)  ## Build the wheel, and try it as it is installed.
	@$(BIN)/python tests/smoke/wheels.py own

wheels:  ## Try the wheel on the other Pythons that are here, each with its own environment.
	@$(FIND_PYTHON) "$$python" tests/smoke/wheels.py $(BUDGET)

fresh: $(READY)  ## Time the wheel, `als new scenario` and its checks in a fresh environment.
	@$(BIN)/python tests/smoke/new_scenario.py

lint: $(READY)  ## Check style, types and the direction of imports.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

warm: $(WARM)  ## Compile the kernels; the others do it where they need it.

examples: $(READY)  ## Run docs/examples, each with the libraries that it names; ARGS=sb3 chooses some.
	@$(BIN)/python tests/smoke/examples.py $(ARGS)

release:  ## Make a release's wheel and sdist, tried in fresh environments: VERSION=0.2.0.
	@$(FIND_PYTHON) "$$python" tests/smoke/release.py $(VERSION)

docs: $(READY)  ## Build the documentation into site/.
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

images: $(READY)  ## Draw the pictures and films of README and docs anew, after `make quickstart`.
	$(BIN)/python docs/scripts/readme_images.py
	$(BIN)/python docs/scripts/scenario_films.py

clean:  ## Remove the environment and everything that was built.
	rm -rf .venv build dist site quickstart-report .mypy_cache .pytest_cache .ruff_cache \
	  .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The marker is written last, so an interrupted installation is taken up again.
$(READY): pyproject.toml constraints.txt
	@.venv/bin/python -c '$(SUITS)' 2>/dev/null || { $(FIND_PYTHON) \
	  echo "Making .venv with $$python"; "$$python" -m venv --clear .venv; }
	@echo "Installing ALS Engine into .venv; the first time this takes a few minutes"
	@# Bytecode is compiled where it is imported: most of what is installed never is.
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-compile \
	  -c constraints.txt -e '.[all]'
	@touch $@

# `make -j2 lint warm` checks on one core and compiles on the other.
$(WARM): $(READY)
	@$(BIN)/als warm
	@touch $@

SUITS := import ensurepip, sys, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))

# A name on PATH proves nothing: a version manager's shim exists for versions that are switched
# off, and Debian's python3.11 may come without ensurepip. So each candidate is run.
define FIND_PYTHON
python=; \
for name in $(or $(PYTHON),python3.11 python3.12 python3.13 python3.10 python3 python); do \
  for dir in $$(echo "$$PATH" | tr ':' ' ') $$HOME/.pyenv/versions/3.1[0-3].*/bin; do \
    case "$$name" in */*) candidate="$$name" ;; *) candidate="$$dir/$$name" ;; esac; \
    [ -z "$$python" ] && "$$candidate" -c '$(SUITS)' >/dev/null 2>&1 && python="$$candidate"; \
  done; \
done; \
if [ -z "$$python" ]; then \
  echo "ALS Engine's tests need CPython 3.10 to 3.13 with venv;" \
    "$(if $(PYTHON),$(PYTHON) is not one,none that runs was found on PATH). Install one, for" \
    "example with 'apt install python3.11-venv' or 'uv python install 3.11', and name it:" \
    "make PYTHON=/path/to/python3.11" >&2; \
  exit 1; \
fi;
endef
