#!/usr/bin/env python3
"""Writes globals.json, the judgement on Python globals that pickles name, from two seed lists.

    make_globals.py ALLOW.json DENY.json >globals.json

ALLOW.json maps module -> name -> role, DENY.json holds `modules` (prefixes) and `globals` (`module:name`). What the seeds
leave open is decided here: the narrower roles, where each group comes from, and the names of Python 2, which are read from
the standard library's own table. No framework is imported.
"""

import _compat_pickle
import json
import sys
from collections import defaultdict

VERSION = "2026.11.1"

SOURCES = {
    "python": "Python 3.13 library reference: types whose pickles hold data only",
    "torch-weights-only": "PyTorch 2.9 torch/_weights_only_unpickler.py: what torch.load(weights_only=True) allows",
    "torch": "PyTorch 2.9 torch/_utils.py, torch/_tensor.py, torch/nn/modules: rebuild functions and layer classes",
    "numpy": "NumPy 1.6 to 2.3, __reduce__ of arrays, scalars, types and random generators",
    "scipy": "SciPy 1.0 to 1.16, classes of sparse arrays and interpolation",
    "pandas": "pandas 1.0 to 2.3, __reduce__ of frames, series, indexes and extension arrays",
    "sklearn": "scikit-learn 0.19 to 1.7, class definitions by reading the sources; no tests, datasets or callbacks",
    "joblib": "joblib 0.8 to 1.5, joblib/numpy_pickle.py and numpy_pickle_compat.py: array wrappers",
    "boosting": "XGBoost 1.0 to 3.1 and LightGBM 3.0 to 4.6, model classes of their Python packages",
    "transformers": "Transformers 4.x and Accelerate 1.x: what training_args.bin names",
    "advisories": "published advisories on model scanners and loaders, and the Python library reference",
}

# Modules of classes that no saved model holds and that exist to call something.
DROPPED = (
    "__torch__",
    "sklearn.callback",
    "sklearn.externals",
    "sklearn.utils._available_if",
    "sklearn.utils._mocking",
    "sklearn.utils._param_validation",
    "sklearn.utils._plotting",
    "sklearn.utils._pprint",
    "sklearn.utils.deprecation",
    "sklearn.utils.metaestimators",
    "sklearn.utils.optimize",
)

# Extension classes: pickled as class(arguments). Everything else of these libraries is made empty and given a state, so
# that a constructor with arguments, which may open a file, is no honest pickle.
WITH_ARGUMENTS = (
    "sklearn._loss._loss",
    "sklearn.linear_model._sgd_fast",
    "sklearn.metrics._dist_metrics",
    "sklearn.neighbors._ball_tree",
    "sklearn.neighbors._kd_tree",
    "sklearn.tree._tree",
)
BY_STATE = ("sklearn.", "xgboost.", "lightgbm.", "torch.nn.modules.", "scipy.", "argparse", "types", "uuid")

ROLES = {
    ("collections", "OrderedDict"): "dict",
    ("collections", "Counter"): "dict",
    ("sklearn.utils._bunch", "Bunch"): "dict",
    ("collections", "deque"): "list",
    ("array", "array"): "list",
    ("numpy", "dtype"): "dtype",
    ("joblib.numpy_pickle", "NumpyArrayWrapper"): "array_wrapper",
    ("joblib.numpy_pickle", "NDArrayWrapper"): "file_wrapper",
    ("joblib.numpy_pickle", "ZNDArrayWrapper"): "file_wrapper",
    ("joblib.numpy_pickle_compat", "NDArrayWrapper"): "file_wrapper",
    ("joblib.numpy_pickle_compat", "ZNDArrayWrapper"): "file_wrapper",
    ("numpy.random._pickle", "__bit_generator_ctor"): "random",
    ("numpy.random._pickle", "__generator_ctor"): "random",
    ("numpy.random._pickle", "__randomstate_ctor"): "random",
    ("torch._utils", "_rebuild_device_tensor_from_numpy"): "rebuild",
    # Their constructors read files, start processes or import what an argument names.
    ("accelerate.state", "PartialState"): "state",
    ("accelerate.utils.dataclasses", "DeepSpeedPlugin"): "state",
    ("transformers.deepspeed", "HfDeepSpeedConfig"): "state",
    ("transformers.deepspeed", "HfTrainerDeepSpeedConfig"): "state",
    ("transformers.integrations.deepspeed", "HfDeepSpeedConfig"): "state",
    ("transformers.integrations.deepspeed", "HfTrainerDeepSpeedConfig"): "state",
    ("transformers.trainer_pt_utils", "AcceleratorConfig"): "state",
    ("transformers.training_args", "TrainingArguments"): "state",
    ("transformers.training_args_seq2seq", "Seq2SeqTrainingArguments"): "state",
    ("pandas", "DatetimeTZDtype"): "state",
    ("pandas.core.dtypes.dtypes", "DatetimeTZDtype"): "state",
}

ADDED = {
    "sklearn.externals.joblib.numpy_pickle": {
        "NumpyArrayWrapper": "array_wrapper",
        "NDArrayWrapper": "file_wrapper",
        "ZNDArrayWrapper": "file_wrapper",
    },
    "numpy.dtypes": dict.fromkeys(
        "ByteDType CLongDoubleDType Complex64DType IntDType LongDType LongDoubleDType LongLongDType ShortDType StringDType "
        "UByteDType UIntDType ULongDType ULongLongDType UShortDType VoidDType".split(),
        "class_new",
    ),
    "numpy.random._generator": {"Generator": "class"},
    "numpy.rec": {"recarray": "class_new", "record": "class_new"},
    "numpy._core.records": {"recarray": "class_new", "record": "class_new"},
    "numpy.core.records": {"recarray": "class_new", "record": "class_new"},
    "pandas": dict.fromkeys(
        "BooleanDtype CategoricalIndex DatetimeTZDtype Float32Dtype Float64Dtype Int8Dtype Int16Dtype Int32Dtype Int64Dtype "
        "Interval IntervalDtype IntervalIndex Period PeriodDtype PeriodIndex SparseDtype TimedeltaIndex UInt8Dtype UInt16Dtype "
        "UInt32Dtype UInt64Dtype".split(),
        "class",
    )
    | {"NA": "const", "NaT": "const"},
    "pandas.arrays": dict.fromkeys(
        "DatetimeArray IntervalArray PeriodArray SparseArray TimedeltaArray NumpyExtensionArray PandasArray".split(), "class"
    ),
    "pandas._libs.missing": {"NAType": "class", "NA": "const"},
    "pandas._libs.tslibs.nattype": {"_nat_unpickle": "rebuild", "__nat_unpickle": "rebuild"},
    "pandas._libs.tslibs.offsets": dict.fromkeys(
        "BDay BMonthBegin BMonthEnd BQuarterBegin BQuarterEnd BYearBegin BYearEnd BusinessDay BusinessHour DateOffset Day Easter "
        "Hour Micro Milli Minute MonthBegin MonthEnd Nano QuarterBegin QuarterEnd Second SemiMonthBegin SemiMonthEnd Tick Week "
        "WeekOfMonth YearBegin YearEnd".split(),
        "class",
    ),
    "pandas._libs.tslibs.period": {"Period": "class"},
    "pandas._libs.interval": {"Interval": "class"},
    "pandas.core.arrays.integer": dict.fromkeys(
        "IntegerArray Int8Dtype Int16Dtype Int32Dtype Int64Dtype UInt8Dtype UInt16Dtype UInt32Dtype UInt64Dtype".split(), "class"
    ),
    "pandas.core.arrays.floating": dict.fromkeys("FloatingArray Float32Dtype Float64Dtype".split(), "class"),
    "pandas.core.arrays.boolean": {"BooleanArray": "class", "BooleanDtype": "class"},
    "pandas.core.arrays.string_": {"StringArray": "class", "StringDtype": "class"},
    "pandas.core.arrays.period": {"PeriodArray": "class"},
    "pandas.core.arrays.timedeltas": {"TimedeltaArray": "class"},
    "pandas.core.arrays.interval": {"IntervalArray": "class"},
    "pandas.core.arrays.sparse.array": {"SparseArray": "class"},
    "pandas.core.arrays.sparse.dtype": {"SparseDtype": "class"},
    "pandas.core.indexes.interval": {"IntervalIndex": "class", "_new_IntervalIndex": "index_ctor"},
    "pandas.core.indexes.period": {"PeriodIndex": "class", "_new_PeriodIndex": "index_ctor"},
    "pandas.core.indexes.timedeltas": {"TimedeltaIndex": "class"},
    "pandas.core.indexes.numeric": dict.fromkeys("Int64Index UInt64Index Float64Index".split(), "class"),
    "scipy.interpolate._bsplines": {"BSpline": "class"},
    "scipy._lib.array_api_compat.numpy._aliases": {"asarray": "ufunc_ref"},
    "sklearn._loss._loss": {"CyHalfTweedieLossIdentity": "class", "CyHalfMultinomialLoss": "class"},
    "sklearn._loss.loss": {"HalfTweedieLossIdentity": "class"},
    # Functions that estimators keep and call on their own data.
    "sklearn.cluster._kmeans": dict.fromkeys("_kmeans_single_elkan _kmeans_single_lloyd".split(), "ufunc_ref"),
    "sklearn.feature_selection._univariate_selection": dict.fromkeys(
        "chi2 f_classif f_oneway f_regression r_regression".split(), "ufunc_ref"
    ),
    "sklearn.feature_selection._mutual_info": dict.fromkeys("mutual_info_classif mutual_info_regression".split(), "ufunc_ref"),
    "sklearn.metrics._classification": dict.fromkeys(
        "accuracy_score balanced_accuracy_score brier_score_loss f1_score fbeta_score jaccard_score log_loss matthews_corrcoef "
        "precision_score recall_score".split(),
        "ufunc_ref",
    ),
    "sklearn.metrics._ranking": dict.fromkeys("average_precision_score roc_auc_score top_k_accuracy_score".split(), "ufunc_ref"),
    "sklearn.metrics._regression": dict.fromkeys(
        "explained_variance_score max_error mean_absolute_error mean_absolute_percentage_error mean_squared_error "
        "mean_squared_log_error median_absolute_error r2_score root_mean_squared_error".split(),
        "ufunc_ref",
    ),
    "pandas._libs.tslibs.timedeltas": {"_timedelta_unpickle": "rebuild"},
    "pandas._libs.tslibs.timestamps": {"_unpickle_timestamp": "rebuild"},
    "pandas.core.arrays.categorical": {"Categorical": "class"},
    "pandas.core.arrays.datetimes": {"DatetimeArray": "class"},
    "pandas.core.dtypes.dtypes": {"CategoricalDtype": "class", "DatetimeTZDtype": "class"},
    "pandas.core.indexes.category": {"CategoricalIndex": "class"},
    "pandas.core.indexes.datetimes": {"DatetimeIndex": "class", "_new_DatetimeIndex": "index_ctor"},
    "pandas.core.indexes.multi": {"MultiIndex": "class"},
}

# Classes whose state compiled code follows without checking it: loading runs nothing, using a forged one may.
NATIVE = {
    ("sklearn.tree._tree", "Tree"),
    ("sklearn.ensemble._hist_gradient_boosting.predictor", "TreePredictor"),
    ("sklearn.neighbors._kd_tree", "KDTree"),
    ("sklearn.neighbors._kd_tree", "KDTree32"),
    ("sklearn.neighbors._kd_tree", "KDTree64"),
    ("sklearn.neighbors._ball_tree", "BallTree"),
    ("sklearn.neighbors._ball_tree", "BallTree32"),
    ("sklearn.neighbors._ball_tree", "BallTree64"),
    ("xgboost.core", "Booster"),
    ("lightgbm.basic", "Booster"),
}

WEIGHTS_ONLY = {
    "collections": {"OrderedDict", "Counter"},
    "_codecs": {"encode"},
    "builtins": {"bytearray", "set", "complex"},
    "__builtin__": {"bytearray", "set", "complex"},
    "torch.nn.parameter": {"Parameter"},
    "torch.serialization": {"_get_layout"},
    "torch.storage": {"TypedStorage", "UntypedStorage"},
    "torch._tensor": {"_rebuild_from_type_v2"},
    "torch._utils": {
        "_rebuild_device_tensor_from_cpu_tensor",
        "_rebuild_device_tensor_from_numpy",
        "_rebuild_meta_tensor_no_storage",
        "_rebuild_parameter",
        "_rebuild_parameter_with_state",
        "_rebuild_qtensor",
        "_rebuild_sparse_tensor",
        "_rebuild_tensor",
        "_rebuild_tensor_v2",
        "_rebuild_tensor_v3",
        "_rebuild_wrapper_subclass",
    },
}

# Unknown rather than dangerous: harmless until what they make is used, and that is judged by itself.
NOT_DENIED = {"builtins:type", "__builtin__:type"}


def source(module, weights_only):
    top = module.split(".")[0]
    if weights_only and top == "torch":
        return "torch-weights-only"
    if top in ("xgboost", "lightgbm"):
        return "boosting"
    if top in ("transformers", "accelerate"):
        return "transformers"
    if module.startswith("sklearn.externals.joblib"):
        return "joblib"
    return top if top in SOURCES else "python"


def role(module, name, seed):
    if (module, name) in ROLES:
        return ROLES[module, name]
    if seed == "class" and module not in WITH_ARGUMENTS and module.startswith(BY_STATE):
        return "state"
    return seed


def weights_only(module, name, of):
    if module in ("torch", "torch.cuda") and of in ("const", "storage", "tensor", "class_new"):
        return True
    return name in WEIGHTS_ONLY.get(module, ())


# Modules that the list of seeds lacks: what they load comes from anywhere (CVE-2026-28500).
DENIED = {"onnx.hub"}


def main():
    allow, deny = (json.load(open(path)) for path in sys.argv[1:3])
    groups = defaultdict(list)
    for module, names in [*allow.items(), *ADDED.items()]:
        if module.startswith(DROPPED) and module not in ADDED:
            continue
        for name, seed in names.items():
            of = role(module, name, seed)
            light = weights_only(module, name, of)
            key = module, of, light, (module, name) in NATIVE, source(module, light)
            groups[key].append(name)
    modules = sorted({*deny["modules"], *DENIED})
    exact = sorted(set(deny["globals"]) - NOT_DENIED)
    for module, *_ in groups:
        for prefix in modules:
            assert module != prefix and not module.startswith(prefix + "."), (module, prefix)
    rows = []
    for (module, of, light, native, origin), names in sorted(groups.items()):
        row = {"module": module, "role": of, "source": origin, "names": sorted(set(names))}
        row |= {"weights-only": True} if light else {}
        row |= {"native": True} if native else {}
        rows.append(json.dumps(row))
    document = {
        "schema": json.dumps("modelseal.inspect-globals/v1"),
        "version": json.dumps(VERSION),
        "sources": json.dumps(SOURCES, indent=1),
        "allow": "[\n" + ",\n".join(rows) + "\n]",
        "deny": json.dumps({"source": "advisories", "modules": modules, "globals": exact}, indent=1),
        "python2": json.dumps(
            {
                "modules": dict(sorted(_compat_pickle.IMPORT_MAPPING.items())),
                "globals": {":".join(k): ":".join(v) for k, v in sorted(_compat_pickle.NAME_MAPPING.items())},
            },
            indent=1,
        ),
    }
    print("{\n" + ",\n".join(f"{json.dumps(k)}: {v}" for k, v in document.items()) + "\n}")


if __name__ == "__main__":
    main()
