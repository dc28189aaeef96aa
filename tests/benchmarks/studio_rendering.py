"""How many pictures a second the studio's two renderers draw, and how much they differ.

People who walk, and the calibration board, are filmed by four cameras. Light and shadows are
computed by the same code for both, once per instant, and timed apart; "with light" counts them in.
"CPU" is the processor time of a picture, over all threads, which tells on a busy machine, too.
The pictures of both are compared, so that a fast renderer which draws nothing would show. The note
of each raster figure names the OpenGL device: "llvmpipe" is Mesa's on the processor, anything else
a graphics card.

    python tests/benchmarks/studio_rendering.py [--instants N]
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np
from report import Metric, print_report

from mocap.studio.board_clip import BoardConfig, BoardMotion, BoardProp
from mocap.studio.cast import Cast
from mocap.studio.instant import Mesh, RendererKind
from mocap.studio.render import Renderer
from mocap.studio.rigs import RigConfig, make_rig
from mocap.studio.scene import SceneConfig, example_people

SIZES = ((640, 480), (1280, 720))
KINDS: tuple[RendererKind, ...] = ("raycast", "raster")
CAMERAS = 4
STEP_S = 0.2
ROUNDS = 3


def contents(instants: int) -> dict[str, list[list[Mesh]]]:
    """What is in the room at each instant, of each kind of scene."""
    times_s = STEP_S * np.arange(instants)
    result: dict[str, list[list[Mesh]]] = {}
    for count in (1, 2):
        scene = SceneConfig(people=example_people(count))
        cast = Cast(scene, 0.0, float(times_s[-1]) + 0.1)
        result[f"{count} people" if count > 1 else "1 person"] = [
            cast.meshes(float(t)) for t in times_s
        ]
    board = BoardConfig()
    prop, motion = BoardProp(board), BoardMotion(board, 0)
    result["board"] = [[prop.mesh(motion.T_world_board(float(t)))] for t in times_s]
    return result


def measure(size: tuple[int, int], scenes: dict[str, list[list[Mesh]]]) -> list[Metric]:
    """All figures of one size of pictures."""
    config = SceneConfig(rig=RigConfig(cameras=CAMERAS, size=size))
    rig = make_rig(config.rig, 0)
    metrics: list[Metric] = []
    renderers = {kind: Renderer(rig, config.room, kind) for kind in KINDS}
    cores = f"{os.cpu_count()} cores"
    for scene, meshes in scenes.items():
        key = f"{size[0]}x{size[1]}, {scene}"
        light_s = np.zeros((ROUNDS, len(meshes)))
        draw_s = {kind: np.zeros((ROUNDS, len(meshes))) for kind in KINDS}
        processor_s = {kind: np.zeros((ROUNDS, len(meshes))) for kind in KINDS}
        differences: list[float] = []
        # The first round warms up; both take turns, so that others who use the machine hurt both.
        for turn in range(ROUNDS + 1):
            for row, of_instant in enumerate(meshes):
                start = time.perf_counter()
                instant = renderers["raycast"].instant(of_instant)
                lit = time.perf_counter()
                pictures: dict[str, list[np.ndarray]] = {}
                spent: dict[str, tuple[float, float]] = {}
                for kind in KINDS:
                    begin, begin_cpu = time.perf_counter(), time.process_time()
                    pictures[kind] = [
                        renderers[kind].picture(camera, instant) for camera in range(CAMERAS)
                    ]
                    spent[kind] = (
                        time.perf_counter() - begin,
                        time.process_time() - begin_cpu,
                    )
                if turn == 0:
                    differences += [
                        float(np.abs(a - b).mean())
                        for a, b in zip(pictures["raycast"], pictures["raster"], strict=True)
                    ]
                    continue
                light_s[turn - 1, row] = lit - start
                for kind in KINDS:
                    draw_s[kind][turn - 1, row], processor_s[kind][turn - 1, row] = spent[kind]
        # The best round of each instant is that in which nobody else used the machine.
        light = float(light_s.min(axis=0).mean())
        metrics.append(Metric(f"{key}.light", 1000 * light, "ms/instant", "lower", cores))
        for kind in KINDS:
            draw = float(draw_s[kind].min(axis=0).mean())
            processor = float(processor_s[kind].min(axis=0).mean())
            note = f"{renderers[kind].device}; {cores}"
            metrics += [
                Metric(f"{key}.{kind}", CAMERAS / draw, "pictures/s", "higher", note),
                Metric(
                    f"{key}.{kind}, CPU", 1000 * processor / CAMERAS, "ms/picture", "lower", note
                ),
                Metric(
                    f"{key}.{kind}, with light",
                    CAMERAS / (draw + light),
                    "pictures/s",
                    "higher",
                    f"{note}; {CAMERAS} cameras share the light of an instant",
                ),
            ]
        metrics.append(
            Metric(
                f"{key}.difference",
                1000 * float(np.mean(differences)),
                "thousandths of white",
                "lower",
                "mean over all pixels of linear light, raster against raycast",
            )
        )
    for renderer in renderers.values():
        renderer.close()
    return metrics


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instants", type=int, default=5)
    options = parser.parse_args()
    scenes = contents(max(options.instants, 2))
    print_report("studio_rendering", [metric for size in SIZES for metric in measure(size, scenes)])


if __name__ == "__main__":
    main()
