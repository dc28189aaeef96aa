# Everything needed is set up on the way: make demo, make test, make check.
PYTHON ?= $(shell for p in python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null \
	&& echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CLIP ?= ../shared/data/pose2sim_single
OUT ?= demo_output
PEOPLE ?= 1

.PHONY: demo demo-clip test check format setup pictures benchmark clean

setup: $(READY)

$(READY): pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 is needed; install it, or name it: make PYTHON=/path/to/python3.12"; exit 1; }
	$(PYTHON) mocap/cli/system_libraries.py
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --editable '.[smpl,dev]'
	touch $(READY)

# A synthetic scene with its truth, the main job on it, and how far the result is from the truth.
# Two people: make demo PEOPLE=2.
demo: setup
	$(BIN)/mocap studio $(OUT)/scene --people $(PEOPLE) --seconds 3.5 --overwrite
	$(BIN)/mocap run --rig $(OUT)/scene/rig.toml --videos $(OUT)/scene/videos --out $(OUT)/session.h5 --overwrite
	$(BIN)/mocap export $(OUT)/session.h5 --format bvh csv npz --out $(OUT) --overwrite
	$(BIN)/mocap view $(OUT)/session.h5 --render $(OUT)/video.mp4 --videos $(OUT)/scene/videos --size 960 720 --overwrite
	$(BIN)/mocap evaluate $(OUT)/session.h5 --truth $(OUT)/scene/truth.npz --picture $(OUT)/errors.png --json $(OUT)/errors.json --overwrite
	@echo "Done. In $(OUT): session.h5, video.mp4 (the result beside the camera views), person_*.bvh, keypoints.csv and .npz, errors.png and .json; the scene and its truth in $(OUT)/scene."

# The same on a real clip, without truth.
demo-clip: setup
	@test -d "$(CLIP)" || { echo "There is no clip at $(CLIP). Name a folder with videos/ and calibration/Calib.qca.txt in it: make demo-clip CLIP=FOLDER"; exit 1; }
	$(BIN)/mocap run --rig $(CLIP)/calibration/Calib.qca.txt --videos $(CLIP)/videos --out $(OUT)/clip.h5 --overwrite
	$(BIN)/mocap export $(OUT)/clip.h5 --format bvh csv npz --out $(OUT)/clip --overwrite
	$(BIN)/mocap view $(OUT)/clip.h5 --render $(OUT)/clip.mp4 --videos $(CLIP)/videos --size 720 960 --overwrite

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

# The pictures of the README, from the scene that the demo makes.
pictures: demo
	$(BIN)/mocap view $(OUT)/session.h5 --frame 60 --snapshot docs/images/example.png --videos $(OUT)/scene/videos --size 960 720 --overwrite
	cp $(OUT)/errors.png docs/images/errors.png

benchmark: setup
	$(BIN)/python tests/benchmarks/main_job.py
	$(BIN)/python tests/benchmarks/quality.py
	$(BIN)/python tests/benchmarks/triangulation.py
	$(BIN)/python tests/benchmarks/geometry_bound.py

clean:
	rm -rf $(VENV) $(OUT)
