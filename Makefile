# Every target makes its own environment (tools/venv.sh); PYTHON=python3.12 chooses the interpreter.
# `make` alone lists what there is.

unexport PYTHONDONTWRITEBYTECODE
PY := .venv/bin/python
ME ?=
ROUNDS ?= 5
LANES := test-atproto test-interleavings test-kill test-s3-real test-scale test-versions test-web test-whole

.PHONY: help demo ui dashboard test check format bench changelog test-long clean venv $(LANES)

help:
	@echo "make demo          run the example pipeline (ME=handle.bsky.social for your own posts)"
	@echo "make ui            show the example pipeline in a browser"
	@echo "make dashboard     look at what the demo built, in the browser (on this machine only)"
	@echo "make test          every capability once, on what pip installs; at most 5 minutes"
	@echo "make check         format, lint, types, and the house rules (tests/test_tidy.py)"
	@echo "make test-long     every lane: $(LANES)"
	@echo "make test-atproto  the example on Bluesky's own servers, on this machine (Node, Postgres, Redis)"
	@echo "make test-interleavings  machines that share a store, in 120,000 orders (NACRE_SCHEDULES=n)"
	@echo "make test-kill     builds and collections ended by kill -9, at random and at each system call"
	@echo "make test-s3-real  stores and places on Ceph's gateway, Azure's emulator and rclone, on this machine (radosgw, npm)"
	@echo "make test-scale    a table of 1 GB, 10,000 assets in a bucket, 32 processes that want the same at once"
	@echo "make test-versions data versions with other Pythons and library versions (Python 3.11, 3.12 and 3.13)"
	@echo "make test-web      the web page in Chromium (KEEP_PICTURES=1 renews docs/images)"
	@echo "make test-whole    what takes long, pip only: every page of docs/, the example on S3, dbt at length, planted bugs"
	@echo "make bench         the figures of docs/performance.md (ROUNDS=5)"
	@echo "make format        let ruff format and fix"
	@echo "make changelog     show the changes since the last release"
	@echo "make clean         remove .venv, .lanes and what tools left behind"

venv:
	@PYTHON='$(PYTHON)' tools/venv.sh

demo: venv
	@$(PY) examples/bluesky/demo.py $(if $(ME),--me '$(ME)')

ui: venv
	@$(PY) -m nacre ui -m examples/bluesky/pipeline.py -m examples/bluesky/marts.py $(ARGS)

# In its folder, where its settings are: loopback only, no usage statistics.
dashboard: venv
	@cd examples/bluesky/dashboard && '$(CURDIR)/$(PY)' -m streamlit run app.py

# One more worker than there are cores: tests wait for servers and programs that they started.
test: venv
	@TMPDIR="$$(tools/scratch.sh)" $(PY) -m pytest -n "$$($(PY) -c 'import os; print(os.cpu_count() + 1)')" --dist worksteal $(ARGS)

check: venv
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy --strict src tests/typing
	@$(PY) -m pytest -q tests/test_tidy.py

format: venv
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

test-atproto: venv
	@tests/lanes/atproto/install.sh
	@$(PY) -m pytest tests/lanes/atproto $(ARGS)

test-interleavings: venv
	@NACRE_SCHEDULES=$${NACRE_SCHEDULES:-120000} NACRE_EXAMPLES=$${NACRE_EXAMPLES:-10} \
	  $(PY) -m pytest -n auto -m '' tests/property/test_interleavings.py tests/property/test_store_machine.py \
	  tests/property/test_incremental_builds.py $(ARGS)

test-kill: venv
	@tests/lanes/kill/install.sh
	@$(PY) -m pytest -s tests/lanes/kill $(ARGS)

test-s3-real: venv
	@tests/lanes/s3_real/install.sh
	@$(PY) -m pytest -s tests/lanes/s3_real $(ARGS)

test-scale: venv
	@STREAM_MB=1000 WARM_ASSETS=10000 AT_ONCE=32 $(PY) -m pytest -s -m '' tests/acceptance/test_streaming.py \
	  tests/acceptance/test_requests.py tests/acceptance/test_single_flight.py $(ARGS)

test-versions: venv
	@tests/lanes/versions/install.sh
	@$(PY) -m pytest -s tests/lanes/versions $(ARGS)

test-web: venv
	@tests/lanes/web/install.sh
	@PYTHONPATH=.lanes/web/site $(PY) -m pytest tests/lanes/web $(ARGS)

test-whole: venv
	@$(PY) -m pytest -n auto --dist worksteal -m whole $(ARGS)

test-long: test $(LANES)

bench: venv
	@$(PY) bench/run.py --rounds $(ROUNDS)
	@$(PY) bench/code_identity.py --rounds $(ROUNDS)

changelog: venv
	@$(PY) tools/changelog.py

clean:
	rm -rf .venv .lanes .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
