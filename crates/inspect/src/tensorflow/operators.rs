//! What is thought of TensorFlow's operators. Those not named here and in its own list compute, and nothing else.

use crate::operators::TENSORFLOW;

/// What an operator may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It computes.
    Harmless,
    /// It reads and writes the model's variables at a place that the loader says.
    Saver,
    Forbidden(&'static str),
    Doubtful(&'static str),
    /// TensorFlow has no such operator.
    Unknown,
}

pub(crate) const COMPILED: &str = "holds compiled code, or names some";

const PYTHON: &str = "runs Python";
const FILES: &str = "reads or writes files";
const NETWORK: &str = "reaches other hosts";
const DATA: &str = "reads or writes files of data";
const TO_DEBUG: &str = "sends what it sees to a debugger";

/// What every SavedModel has, to load its variables.
const SAVERS: [&str; 12] = [
    "MergeV2Checkpoints",
    "Restore",
    "RestoreSlice",
    "RestoreV2",
    "Save",
    "SaveSlices",
    "SaveV2",
    "ShardedFilename",
    "ShardedFilespec",
    "DTensorRestoreV2",
    "InitializeTableFromTextFile",
    "InitializeTableFromTextFileV2",
];

const FORBIDDEN: &[(&str, &[&str])] = &[
    (PYTHON, &["PyFunc", "PyFuncStateless", "EagerPyFunc"]),
    (
        FILES,
        &[
            "ReadFile",
            "WriteFile",
            "MatchingFiles",
            "MatchingFilesDataset",
            "ExperimentalMatchingFilesDataset",
            "WholeFileReader",
            "WholeFileReaderV2",
            "DatasetToTFRecord",
            "ExperimentalDatasetToTFRecord",
            "SaveDataset",
            "SaveDatasetV2",
            "DistributedSave",
            "SqlDataset",
            "ExperimentalSqlDataset",
            "CreateSummaryFileWriter",
            "CreateSummaryDbWriter",
            "FileSystemSetConfiguration",
            "ImportEvent",
        ],
    ),
    (
        NETWORK,
        &[
            "RpcCall",
            "RpcClient",
            "RpcServer",
            "RpcServerRegister",
            "RpcServerStart",
            "Rpc",
            "TryRpc",
            "RemoteCall",
        ],
    ),
];

const DOUBTFUL: &[(&str, &[&str])] = &[
    (
        DATA,
        &[
            "TextLineReader",
            "TextLineReaderV2",
            "TextLineDataset",
            "TFRecordReader",
            "TFRecordReaderV2",
            "TFRecordDataset",
            "TFRecordDatasetV2",
            "FixedLengthRecordReader",
            "FixedLengthRecordReaderV2",
            "FixedLengthRecordDataset",
            "FixedLengthRecordDatasetV2",
            "LMDBReader",
            "LMDBDataset",
            "ExperimentalLMDBDataset",
            "CSVDataset",
            "CSVDatasetV2",
            "ExperimentalCSVDataset",
            "LoadDataset",
            "SnapshotDataset",
            "SnapshotDatasetV2",
            "SnapshotDatasetReader",
            "SnapshotNestedDatasetReader",
            "SnapshotChunkDataset",
            "ListSnapshotChunksDataset",
            "CacheDataset",
            "CacheDatasetV2",
            "GenerateVocabRemapping",
            "LoadAndRemapMatrix",
            "RecordInput",
            "SummaryWriter",
            "DatasetFromGraph",
        ],
    ),
    (
        NETWORK,
        &[
            "DataServiceDataset",
            "DataServiceDatasetV2",
            "DataServiceDatasetV3",
            "DataServiceDatasetV4",
            "RegisterDataset",
            "RegisterDatasetV2",
            "RpcCheckStatus",
            "RpcGetValue",
            "DeleteRpcFutureResource",
            "BigQueryReader",
            "BigQueryClient",
        ],
    ),
    (
        TO_DEBUG,
        &[
            "DebugIdentity",
            "DebugIdentityV2",
            "DebugIdentityV3",
            "DebugNanCount",
            "DebugNumericSummary",
            "DebugNumericSummaryV2",
        ],
    ),
    (
        COMPILED,
        &[
            "TRTEngineOp",
            "CreateTRTResourceHandle",
            "InitializeTRTResource",
            "SerializeTRTResource",
            "XlaCustomCall",
            "XlaCustomCallV2",
            "RemoteFusedGraphExecute",
        ],
    ),
    ("ends the process", &["Abort"]),
];

/// Operators that the runtime makes of others when it prepares a graph.
const INTERNAL: [&str; 12] = [
    "_Arg",
    "_Retval",
    "_Send",
    "_Recv",
    "_HostSend",
    "_HostRecv",
    "_DeviceArg",
    "_DeviceRetval",
    "_ListToArray",
    "_ArrayToList",
    "_ParallelConcatStart",
    "_ParallelConcatUpdate",
];

pub(crate) fn standing(op: &str) -> Standing {
    let named = |table: &'static [(&'static str, &'static [&'static str])]| {
        table.iter().find(|(_, names)| names.contains(&op)).map(|(why, _)| *why)
    };
    if let Some(why) = named(FORBIDDEN) {
        Standing::Forbidden(why)
    } else if let Some(why) = named(DOUBTFUL) {
        Standing::Doubtful(why)
    } else if SAVERS.contains(&op) {
        Standing::Saver
    } else if TENSORFLOW.contains(op)
        || INTERNAL.contains(&op)
        || op.starts_with("_Fused")
        || op.starts_with("_Mkl")
    {
        Standing::Harmless
    } else {
        Standing::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_operator_has_two_standings() {
        let mut all: Vec<&str> = [FORBIDDEN, DOUBTFUL]
            .iter()
            .flat_map(|table| table.iter().flat_map(|(_, names)| names.iter().copied()))
            .chain(SAVERS)
            .chain(INTERNAL)
            .collect();
        all.sort_unstable();
        let len = all.len();
        all.dedup();
        assert_eq!(all.len(), len);
    }

    #[test]
    fn savers_are_not_taken_for_thieves() {
        assert_eq!(standing("RestoreV2"), Standing::Saver);
        assert_eq!(standing("MatMul"), Standing::Harmless);
        assert_eq!(standing("EagerPyFunc"), Standing::Forbidden(PYTHON));
        assert_eq!(standing("Erfinv2"), Standing::Unknown);
    }
}
