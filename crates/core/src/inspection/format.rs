//! [`FileFormat`]: what a file is, by its content.

use std::fmt;

macro_rules! formats {
    ($($(#[$doc:meta])* $variant:ident = $name:literal in $word:literal,)*) => {
        /// What a file or a member is, by its content.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum FileFormat {
            $($(#[$doc])* $variant,)*
        }

        impl FileFormat {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name in documents.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The word of policies that it falls under; empty when there is none, so that no list of allowed formats
            /// holds it.
            #[must_use]
            pub const fn policy_word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }
    };
}

formats! {
    /// Nothing that is known.
    Unknown = "unknown" in "",
    /// No bytes.
    Empty = "empty" in "text",
    /// A Python pickle.
    Pickle = "pickle" in "pickle",
    /// A pickle with joblib's arrays.
    Joblib = "joblib" in "pickle",
    /// PyTorch before 1.6: five pickles and raw storages.
    TorchLegacy = "torch-legacy" in "pickle",
    /// PyTorch before 0.1.10: a tar archive of pickles and storages.
    TorchTar = "torch-tar" in "pickle",
    /// PyTorch since 1.6: a zip archive with `data.pkl`.
    TorchZip = "torch-zip" in "pickle",
    /// TorchScript.
    TorchScript = "torchscript" in "pickle",
    /// `torch.export`.
    TorchExport = "torch-pt2" in "pickle",
    /// A PyTorch package with code.
    TorchPackage = "torch-package" in "pickle",
    /// Torch7 of Lua.
    Torch7 = "torch7" in "",
    /// NumPy `.npy`.
    Npy = "npy" in "numpy",
    /// NumPy `.npz`.
    Npz = "npz" in "numpy",
    /// Safetensors.
    Safetensors = "safetensors" in "safetensors",
    /// GGUF.
    Gguf = "gguf" in "gguf",
    /// Older files of ggml: GGML, GGMF, GGJT.
    Ggml = "ggml" in "",
    /// ONNX.
    Onnx = "onnx" in "onnx",
    /// Tensors that an ONNX model has outside: numbers without a mark, known by the model that names them.
    OnnxData = "onnx-data" in "onnx",
    /// HDF5 without a Keras model.
    Hdf5 = "hdf5" in "hdf5",
    /// Keras in HDF5.
    KerasHdf5 = "keras-h5" in "hdf5",
    /// Keras v3 archives.
    Keras = "keras" in "keras",
    /// A TensorFlow SavedModel or graph.
    TensorflowGraph = "tf-savedmodel" in "tensorflow",
    /// A TensorFlow checkpoint.
    TensorflowCheckpoint = "tf-checkpoint" in "tensorflow",
    /// Keras metadata beside a SavedModel.
    KerasMetadata = "tf-keras-metadata" in "tensorflow",
    /// TensorFlow Lite.
    Tflite = "tflite" in "tflite",
    /// Core ML.
    Coreml = "coreml" in "coreml",
    /// OpenVINO's description of a graph.
    Openvino = "openvino" in "openvino",
    /// The constants of such a graph: numbers without a mark, known by the description beside them.
    OpenvinoData = "openvino-data" in "openvino",
    /// A compiled TensorRT engine.
    TensorrtEngine = "tensorrt" in "tensorrt-engine",
    /// ExecuTorch.
    Executorch = "executorch" in "",
    /// PaddlePaddle.
    Paddle = "paddle" in "",
    /// Flax in MessagePack.
    Flax = "flax" in "",
    /// XGBoost in JSON.
    XgboostJson = "xgboost-json" in "json",
    /// XGBoost in universal binary JSON.
    XgboostUbj = "xgboost-ubj" in "",
    /// LightGBM's text.
    Lightgbm = "lightgbm" in "text",
    /// CatBoost.
    Catboost = "catboost" in "",
    /// skops.
    Skops = "skops" in "",
    /// PMML.
    Pmml = "pmml" in "",
    /// R's serialisation.
    RData = "r-data" in "",
    /// A tokenizer.
    Tokenizer = "tokenizer" in "tokenizer",
    /// A Jinja template.
    Jinja = "jinja" in "text",
    /// JSON.
    Json = "json" in "json",
    /// YAML.
    Yaml = "yaml" in "yaml",
    /// XML.
    Xml = "xml" in "text",
    /// Text that is nothing more specific.
    Text = "text" in "text",
    /// Python source.
    Python = "python" in "executable",
    /// Python bytecode.
    PythonBytecode = "pyc" in "executable",
    /// A Jupyter notebook.
    Notebook = "notebook" in "executable",
    /// A script that a system runs.
    Script = "script" in "executable",
    /// A program or library for Linux.
    Elf = "elf" in "executable",
    /// A program or library for Windows.
    Pe = "pe" in "executable",
    /// A program or library for macOS.
    MachO = "mach-o" in "executable",
    /// A library of object files.
    StaticLibrary = "static-library" in "executable",
    /// Java classes.
    JavaClass = "java-class" in "executable",
    /// WebAssembly.
    Wasm = "wasm" in "executable",
    /// Instructions for building a container image.
    Dockerfile = "dockerfile" in "executable",
    /// A list of packages to install.
    Requirements = "requirements" in "text",
    /// A pointer of Git LFS in place of the file.
    LfsPointer = "lfs-pointer" in "text",
    /// A zip archive.
    Zip = "zip" in "archive",
    /// A TorchServe archive.
    TorchServe = "torchserve" in "archive",
    /// A NeMo archive.
    Nemo = "nemo" in "archive",
    /// A tar archive.
    Tar = "tar" in "archive",
    /// A 7z archive.
    SevenZip = "7z" in "archive",
    /// A RAR archive.
    Rar = "rar" in "archive",
    /// gzip.
    Gzip = "gzip" in "archive",
    /// zlib.
    Zlib = "zlib" in "archive",
    /// bzip2.
    Bzip2 = "bzip2" in "archive",
    /// xz.
    Xz = "xz" in "archive",
    /// LZMA without a container.
    Lzma = "lzma" in "archive",
    /// LZ4 frames.
    Lz4 = "lz4" in "archive",
    /// Zstandard.
    Zstd = "zstd" in "archive",
    /// A picture.
    Image = "image" in "image",
    /// A sound or a film.
    Media = "media" in "",
    /// A font.
    Font = "font" in "",
    /// A PDF document.
    Pdf = "pdf" in "",
    /// A file of Git's own.
    Git = "git" in "",
    /// A symbolic link.
    Symlink = "symlink" in "",
}

impl fmt::Display for FileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::FileFormat;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<&str> = FileFormat::ALL.iter().map(|format| format.name()).collect();
        assert_eq!(names.len(), FileFormat::ALL.len());
    }
}
