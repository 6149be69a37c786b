# `make demo` and `make test` are all a newcomer needs; both set up .venv themselves.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo payments test tests slow lint bench lock clean

demo: .venv/examples
	$(BIN)/octavo run examples/flights

payments: .venv/examples
	$(BIN)/python examples/payments/generate.py
	$(BIN)/octavo run examples/payments

test: lint tests

# A file's tests in one process, so that what they share is made once; the long files come first.
tests: .venv/dev
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow"

slow: .venv/dev
	$(BIN)/python -m pytest -m slow

lint: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

bench: .venv/dev
	for file in benchmarks/*.py; do $(BIN)/python $$file || exit 1; done

.venv/examples: pyproject.toml requirements.lock
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e ".[examples]"
	touch $@

.venv/dev: pyproject.toml requirements.lock
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e ".[examples,dev]"
	touch $@ .venv/examples

lock:  # needs uv
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --quiet \
	  --no-header --no-annotate --output-file requirements.lock

clean:
	rm -rf .venv .servers examples/*/.octavo examples/payments/data
