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
            Safetensors,
            Unknown,
        ],
        strict: false,
        pickle: false,
    },
    Expected { extensions: &["safetensors"], formats: &[Safetensors], strict: true, pickle: false },
    Expected { extensions: &["gguf"], formats: &[Gguf], strict: true, pickle: false },
    Expected { extensions: &["onnx"], formats: &[Onnx], strict: true, pickle: false },
    Expected { extensions: &["npy"], formats: &[Npy], strict: true, pickle: false },
    Expected { extensions: &["npz"], formats: &[Npz], strict: true, pickle: false },
    Expected { extensions: &["keras"], formats: &[Keras], strict: true, pickle: false },
    Expected { extensions: &["h5", "hdf5"], formats: &[Hdf5, KerasHdf5], strict: true, pickle: false },
    Expected { extensions: &["tflite"], formats: &[Tflite], strict: true, pickle: false },
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

/// Whether it is text of a file that only people read.
pub(super) fn is_plain_text(head: &[u8], name: &str, extension: &str) -> bool {
    const PLAIN: [&str; 8] = ["txt", "md", "rst", "license", "gitattributes", "gitignore", "csv", "tsv"];
    const NAMES: [&str; 8] =
        ["README", "LICENSE", "LICENCE", "NOTICE", "COPYING", "CHANGELOG", "AUTHORS", "USE_POLICY"];
    let known =
        PLAIN.contains(&extension) || (extension.is_empty() && NAMES.contains(&name)) || name == extension;
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // Cut within a character.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    known && !text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}'))
}
