//! What a file's name leads one to expect.

use modelseal_core::inspection::FileFormat;

/// What files of some extensions are.
pub(super) struct Expected {
    extensions: &'static [&'static str],
    formats: &'static [FileFormat],
    /// Whether something else is broken rather than oddly named.
    pub(super) strict: bool,
    /// Whether loaders unpickle what has this name, whatever it is.
    pub(super) pickle: bool,
}

use FileFormat::*;

static EXPECTED: &[Expected] = &[
    Expected {
        extensions: &["pkl", "pickle", "pk", "p", "joblib", "dill", "cpkl", "pdparams", "pdopt"],
        formats: &[Pickle, Joblib, TorchLegacy, TorchZip, Gzip, Zlib, Bzip2, Xz, Lzma, Lz4],
        strict: false,
        pickle: true,
    },
    Expected {
        extensions: &["pt", "pth", "ckpt", "bin", "pt2"],
        formats: &[
            Pickle,
            TorchLegacy,
            TorchTar,
            TorchZip,
            TorchScript,
            TorchExport,
            TorchPackage,
            Gguf,
            Ggml,
            Safetensors,
            TensorflowGraph,
            Coreml,
            Unknown,
        ],
        strict: false,
        pickle: false,
    },
    Expected { extensions: &["safetensors"], formats: &[Safetensors], strict: true, pickle: false },
    Expected { extensions: &["gguf"], formats: &[Gguf], strict: true, pickle: false },
    Expected {
        extensions: &["json"],
        formats: &[Json, Tokenizer, XgboostJson, Notebook],
        strict: false,
        pickle: false,
    },
    Expected { extensions: &["onnx"], formats: &[Onnx], strict: true, pickle: false },
    Expected { extensions: &["npy"], formats: &[Npy], strict: true, pickle: false },
    Expected { extensions: &["npz"], formats: &[Npz], strict: true, pickle: false },
    Expected { extensions: &["keras"], formats: &[Keras], strict: true, pickle: false },
    Expected { extensions: &["h5", "hdf5"], formats: &[Hdf5, KerasHdf5], strict: true, pickle: false },
    Expected { extensions: &["tflite"], formats: &[Tflite], strict: true, pickle: false },
    Expected {
        extensions: &["pb"],
        formats: &[TensorflowGraph, KerasMetadata, Onnx, Coreml, Paddle, Tokenizer, Unknown],
        strict: false,
        pickle: false,
    },
    Expected { extensions: &["mlmodel"], formats: &[Coreml], strict: true, pickle: false },
    Expected { extensions: &["pdmodel"], formats: &[Paddle], strict: true, pickle: false },
    Expected { extensions: &["pmml"], formats: &[Pmml], strict: true, pickle: false },
    Expected { extensions: &["pte"], formats: &[Executorch], strict: true, pickle: false },
    Expected { extensions: &["engine", "trt"], formats: &[TensorrtEngine], strict: false, pickle: false },
    Expected { extensions: &["ubj"], formats: &[XgboostUbj], strict: true, pickle: false },
    Expected { extensions: &["cbm"], formats: &[Catboost], strict: true, pickle: false },
    // What XGBoost wrote before it wrote JSON has no mark.
    Expected {
        extensions: &["bst", "xgb"],
        formats: &[XgboostJson, XgboostUbj, Unknown],
        strict: false,
        pickle: false,
    },
    Expected { extensions: &["lgb", "lgbm"], formats: &[Lightgbm], strict: false, pickle: false },
    Expected { extensions: &["py", "pyw", "pyi"], formats: &[Python, Empty], strict: false, pickle: false },
    Expected { extensions: &["ipynb"], formats: &[Notebook], strict: true, pickle: false },
    Expected { extensions: &["yaml", "yml"], formats: &[Yaml, Empty], strict: false, pickle: false },
    Expected { extensions: &["pyc", "pyo"], formats: &[PythonBytecode], strict: false, pickle: false },
    Expected { extensions: &["exe", "dll", "pyd"], formats: &[Pe], strict: false, pickle: false },
    Expected { extensions: &["so", "o"], formats: &[Elf, MachO], strict: false, pickle: false },
    Expected { extensions: &["dylib"], formats: &[MachO], strict: false, pickle: false },
    Expected { extensions: &["a"], formats: &[StaticLibrary, Elf], strict: false, pickle: false },
    Expected { extensions: &["class"], formats: &[JavaClass], strict: false, pickle: false },
    Expected { extensions: &["wasm"], formats: &[Wasm], strict: false, pickle: false },
    Expected {
        extensions: &["png", "jpg", "jpeg", "gif", "webp", "bmp", "tiff", "tif", "ico", "avif", "svg"],
        formats: &[Image],
        strict: false,
        pickle: false,
    },
    Expected { extensions: &["pdf"], formats: &[Pdf], strict: false, pickle: false },
    Expected { extensions: &["ttf", "otf", "woff", "woff2"], formats: &[Font], strict: false, pickle: false },
    Expected {
        extensions: &["wav", "mp3", "ogg", "flac", "mp4", "webm", "mov", "m4a"],
        formats: &[Media],
        strict: false,
        pickle: false,
    },
    Expected {
        extensions: &["txt", "md", "rst", "csv", "tsv"],
        // Older pickles and models are text, too: what they hold is judged, whatever they are called.
        formats: &[Text, Empty, Requirements, Lightgbm, Tokenizer, LfsPointer, Script],
        strict: false,
        pickle: false,
    },
    Expected { extensions: &["skops"], formats: &[Skops], strict: true, pickle: false },
    Expected { extensions: &["mar"], formats: &[TorchServe], strict: false, pickle: false },
    Expected { extensions: &["nemo"], formats: &[Nemo, Gzip], strict: false, pickle: false },
    Expected { extensions: &["t7"], formats: &[Torch7], strict: false, pickle: false },
    Expected { extensions: &["msgpack"], formats: &[Flax], strict: false, pickle: false },
    Expected {
        extensions: &["rds", "rda", "rdata"],
        formats: &[RData, Gzip, Bzip2, Xz],
        strict: false,
        pickle: false,
    },
    Expected { extensions: &["7z"], formats: &[SevenZip], strict: false, pickle: false },
    Expected { extensions: &["gz", "tgz"], formats: &[Gzip], strict: false, pickle: false },
    Expected { extensions: &["bz2"], formats: &[Bzip2], strict: false, pickle: false },
    Expected { extensions: &["xz"], formats: &[Xz], strict: false, pickle: false },
    Expected { extensions: &["zst"], formats: &[Zstd], strict: false, pickle: false },
    Expected {
        extensions: &["zip"],
        formats: &[Zip, TorchZip, TorchScript, TorchExport, Npz, Keras, Skops, TorchServe],
        strict: false,
        pickle: false,
    },
    Expected { extensions: &["tar"], formats: &[Tar, TorchTar, Nemo], strict: false, pickle: false },
];

/// What a file with this extension is expected to be.
pub(super) fn by_name(extension: &str) -> Option<&'static Expected> {
    EXPECTED.iter().find(|expected| expected.extensions.contains(&extension))
}

impl Expected {
    pub(super) fn takes(&self, format: FileFormat) -> bool {
        self.formats.contains(&format)
    }
}
