# Everything needed is set up on the way: make demo, make test, make check.
PYTHON ?= $(shell for p in python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null \
	&& echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CLIP ?= ../shared/data/pose2sim_single
OUT ?= demo_output

.PHONY: demo test check format setup pictures benchmark clean

setup: $(READY)

$(READY): pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 is needed; install it, or name it: make PYTHON=/path/to/python3.12"; exit 1; }
	$(PYTHON) mocap/cli/system_libraries.py
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --editable '.[smpl,dev]'
	touch $(READY)

# The main job on a real clip: four videos and a calibration in; session, BVH, picture and video out.
demo: setup
	@test -d "$(CLIP)" || { echo "The demo takes its clip from $(CLIP), which is not there. Name a folder with videos/ and calibration/ in it: make demo CLIP=FOLDER"; exit 1; }
	@echo "Demo on the real clip $(CLIP): 4 videos of one person, 100 frames."
	$(BIN)/mocap run --rig $(CLIP)/calibration/Calib.qca.txt --videos $(CLIP)/videos --out $(OUT)/session.h5 --overwrite
	$(BIN)/mocap export $(OUT)/session.h5 --format bvh csv npz --out $(OUT) --overwrite
	$(BIN)/mocap view $(OUT)/session.h5 --snapshot $(OUT)/snapshot.png --render $(OUT)/video.mp4 --overwrite
	@echo "Done. Everything is in $(OUT)."

test: setup
	$(BIN)/python -m pytest -n auto

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The pictures of the README, from the session that the demo makes.
pictures: demo
	$(BIN)/mocap view $(OUT)/session.h5 --frame 8 --snapshot docs/images/example.png --overwrite

benchmark: setup
	$(BIN)/python tests/benchmarks/main_job.py
	$(BIN)/python tests/benchmarks/quality.py
	$(BIN)/python tests/benchmarks/triangulation.py

clean:
	rm -rf $(VENV) $(OUT)
