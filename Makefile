.DEFAULT_GOAL := help
.PHONY: help serve test pytest lint artifacts bench bench-decode bench-probe bench-burst bench-overload soak fuzz lock clean
.DELETE_ON_ERROR:

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PORT ?= 8000
PYTEST_ARGS ?=
PYTEST_PROCESSES ?= 2
FUZZ_SECONDS ?= 3600

SERVE := .venv/serve
BENCH := .venv/bench
BENCH_ARGS ?=
TEST := .venv/test
YAML_RULES := '{extends: default, rules: {line-length: {max: 140}, document-start: disable}}'
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check

help:  ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | awk -F '\t' '{printf "  make %-13s %s\n", $$1, $$2}'

serve: $(SERVE)/.stamp  ## run the service on 127.0.0.1 and $PORT (8000), in an environment without torch
	PORT=$(PORT) exec $(SERVE)/bin/python -m service serve

test: lint pytest  ## lint, types, import contracts and every test, with coverage

pytest: $(TEST)/.stamp $(SERVE)/.stamp
	$(TEST)/bin/python -m pytest -n $(PYTEST_PROCESSES) --dist loadfile --no-loadscope-reorder --cov --cov-report=term $(PYTEST_ARGS)

lint: $(TEST)/.stamp  ## ruff, mypy strict, import contracts, and the container and monitoring files
	$(TEST)/bin/ruff check .
	$(TEST)/bin/mypy
	PYTHONPATH=. $(TEST)/bin/lint-imports
	$(TEST)/bin/yamllint --strict -d $(YAML_RULES) docker-compose.yml deploy
	@if command -v hadolint >/dev/null; then hadolint Dockerfile; else echo "hadolint is not installed: Dockerfile held by tests/contract only"; fi
	@if command -v promtool >/dev/null; then \
	  promtool check config deploy/prometheus/prometheus.yml && promtool test rules deploy/prometheus/*_test.yml; \
	else echo "promtool is not installed: alert rules not checked"; fi

artifacts: $(TEST)/.stamp  ## synthesise, fit, evaluate and export the reference artifacts
	$(TEST)/bin/python -m training artifacts bmd
	$(TEST)/bin/python -m training artifacts breast
	$(TEST)/bin/python -m training artifacts chest
	$(TEST)/bin/python -m training artifacts alzheimer

bench: $(TEST)/.stamp $(SERVE)/.stamp $(BENCH)/.stamp  ## the service beside its peers, 20 minutes; writes docs/performance/
	OMP_NUM_THREADS=1 $(TEST)/bin/python -m benchmarks.serving --write docs/performance $(BENCH_ARGS)

bench-decode: $(TEST)/.stamp  ## time and weigh decoding beside pydicom; writes docs/performance/
	OMP_NUM_THREADS=1 $(TEST)/bin/python -m benchmarks.decode --write docs/performance

fuzz: $(TEST)/.stamp  ## fuzz the decoder worker's entry for FUZZ_SECONDS (an hour), at a low priority
	OMP_NUM_THREADS=1 nice -n 19 $(TEST)/bin/python -m tests.fuzz $(FUZZ_SECONDS) build/fuzz

bench-probe: $(TEST)/.stamp  ## how long the health probe waits while mammograms decode on all cores
	$(TEST)/bin/python -m benchmarks.probe

bench-burst: $(TEST)/.stamp  ## how long acknowledgements take while a hundred mammograms come in and are evaluated
	$(TEST)/bin/python -m benchmarks.burst

bench-overload: $(TEST)/.stamp  ## what the service does with five times what it can do; writes docs/performance/
	OMP_NUM_THREADS=1 $(TEST)/bin/python -m benchmarks.overload --write docs/performance

soak: $(TEST)/.stamp  ## twenty minutes of mixed load: every answer as alone, to the last bit, and memory flat; writes docs/performance/
	OMP_NUM_THREADS=1 $(TEST)/bin/python -m benchmarks.soak --write docs/performance

lock: $(TEST)/.stamp  ## write the hash-locked requirements anew from pyproject.toml
	requirements/lock $(TEST)/bin/uv

clean:  ## remove the environments and caches
	rm -rf $(SERVE) $(TEST) $(BENCH) build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .coverage .coverage.*
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +

# An environment is made anew when the content of its lock changes, so that nothing but the lock is ever in it.
$(SERVE)/.stamp: requirements/serve-cpu.txt
	@cat $^ | cmp -s - $@ || { echo "Installing $(SERVE) from $^"; \
	  $(PYTHON) -m venv --clear $(SERVE) && \
	  $(SERVE)/bin/python $(PIP_INSTALL) --require-hashes --only-binary :all: -r requirements/serve-cpu.txt; }
	@cat $^ > $@

$(TEST)/.stamp: requirements/test.txt requirements/torch.txt
	@cat $^ | cmp -s - $@ || { echo "Installing $(TEST) from $^"; \
	  $(PYTHON) -m venv --clear $(TEST) && \
	  $(TEST)/bin/python $(PIP_INSTALL) --require-hashes --only-binary :all: -r requirements/test.txt && \
	  $(TEST)/bin/python $(PIP_INSTALL) -r requirements/torch.txt; }
	@cat $^ > $@

# Each peer by itself, so that one that cannot be installed is left out; what both sides use is pinned to what the service ships.
# BentoML asks for one exact version of OpenTelemetry.
$(BENCH)/.stamp: benchmarks/peers/requirements.txt requirements/serve-cpu.txt
	@cat $^ | cmp -s - $@ || { echo "Installing $(BENCH) from $<"; \
	  $(PYTHON) -m venv --clear $(BENCH) && \
	  sed -E '/^ |^opentelemetry/d; s/\[[a-z]+\]//; s/ *\\$$//' requirements/serve-cpu.txt > $(BENCH)/constraints.txt && \
	  { grep -v '==' $< | $(BENCH)/bin/python $(PIP_INSTALL) -c $(BENCH)/constraints.txt -r /dev/stdin; } && \
	  grep '==' $< | while read -r peer; do \
	    $(BENCH)/bin/python $(PIP_INSTALL) -c $(BENCH)/constraints.txt "$$peer" || echo "$$peer cannot be installed: it will be absent"; done; }
	@cat $^ > $@
