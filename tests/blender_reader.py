"""Runs in Blender's Python: where Blender has the joints of a BVH or GLB file in every frame.

Usage: python blender_reader.py FILE RATE_HZ SCALE RESULT.json
"""

import json
import pathlib
import sys

import bpy

file, rate, scale, result = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
bpy.ops.wm.read_factory_settings(use_empty=True)
scene = bpy.context.scene
scene.render.fps = round(rate)
scene.render.fps_base = round(rate) / rate
if file.endswith(".bvh"):
    bpy.ops.import_anim.bvh(
        filepath=file, global_scale=scale, frame_start=0, use_fps_scale=False, rotate_mode="NATIVE"
    )
else:
    bpy.ops.import_scene.gltf(filepath=file)
(armature,) = [each for each in scene.objects if each.type == "ARMATURE"]
action = armature.animation_data.action
first, last = (round(end) for end in action.frame_range)
frames = []
for number in range(first, last + 1):
    scene.frame_set(number)
    bones = armature.pose.bones
    frames.append({bone.name: list(armature.matrix_world @ bone.head) for bone in bones})
# The importer adds meshes of its own, by which bones are drawn.
meshes = [each for each in scene.objects if any(m.type == "ARMATURE" for m in each.modifiers)]
corners = []
if meshes:
    scene.frame_set(first)
    graph = bpy.context.evaluated_depsgraph_get()
    for each in meshes:
        evaluated = each.evaluated_get(graph)
        mesh = evaluated.to_mesh()
        corners += [list(evaluated.matrix_world @ v.co) for v in mesh.vertices]
pathlib.Path(result).write_text(json.dumps({"frames": frames, "vertices": corners}))
