#!/usr/bin/env python3
"""Writes the lists of operators beside this file: every name that a framework's own release has, without judgement.

    make_operators.py DIRECTORY

DIRECTORY holds the unpacked wheels `tensorflow_cpu` and `openvino`, of which only source text is read. The packages onnx,
onnxruntime, tflite and paddlepaddle must be importable, as their names exist only in compiled code.
"""

import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = pathlib.Path(sys.argv[1])


def write(name, source, lines):
    text = f"# Operators of {source}, by make_operators.py.\n" + "".join(line + "\n" for line in lines)
    (HERE / f"{name}.txt").write_text(text)


def named(pattern, *globs):
    found = set()
    for glob in globs:
        for file in ROOT.glob(glob):
            found |= set(re.findall(pattern, file.read_text(), re.MULTILINE))
    return sorted(found)


def onnx_operators():
    import onnx
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as runtime

    names = {(schema.domain, schema.name) for schema in onnx.defs.get_all_schemas_with_history()}
    names |= {(schema.domain, schema.name) for schema in runtime.get_all_operator_schema()}
    source = f"onnx {onnx.__version__} and onnxruntime {onnxruntime.__version__}, as domain:name"
    write("onnx", source, [f"{domain}:{name}" for domain, name in sorted(names)])


def tflite_operators():
    import tflite

    codes = vars(tflite.BuiltinOperator).items()
    codes = sorted((code, name) for name, code in codes if isinstance(code, int))
    assert [code for code, _ in codes] == list(range(len(codes)))
    write("tflite", "tflite 2.18, the place of a line after this one being its code", [name for _, name in codes])


def paddle_operators():
    import paddle
    from paddle.base import core

    write("paddle", f"paddlepaddle {paddle.__version__}", sorted(core.get_all_op_names()))


tensorflow = named(r'_apply_op_helper\(\s*"(\w+)"', "tensorflow/**/gen_*_ops.py")
write("tensorflow", "tensorflow 2.21", tensorflow)
openvino = named(r"^_OPENVINO_OP_REG\((\w+),", "openvino/**/opset[0-9]*_tbl.hpp")
# What its writer calls otherwise.
write("openvino", "openvino 2026.4", sorted({*openvino, "Const"}))
onnx_operators()
tflite_operators()
paddle_operators()
