//! Every bound on what is inspected, each with its reason and its rule. A bound that is reached is a finding, and what has
//! such a finding is never clean.

use crate::rule::rules;

/// The names and values of all bounds, one to a line, whatever is said about them: they are taken from this file, so that none
/// can be forgotten.
pub(crate) fn canonical() -> String {
    let constants = include_str!("limits.rs").split("\npub(crate) const ").skip(1);
    let values = constants.map(|text| text.split(';').next().unwrap_or_default());
    let mut values: Vec<String> =
        values.map(|value| value.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect();
    values.sort_unstable();
    values.concat()
}

/// Bytes at the start of a file or member by which its format is told. Tar has its mark at 257; HDF5 may start at 2048.
pub(crate) const HEAD: usize = 4096;

/// Bytes at the end of a file in which the end of a zip archive is looked for: its record with the longest comment.
pub(crate) const TAIL: usize = 22 + 65_535;

/// Depth of archives in archives. Real models nest three (a `.pt2` in a zip in a tar); every level costs a reader.
pub(crate) const NESTING: usize = 16;

/// Members of all archives of one file together. The largest sharded checkpoints have some ten thousand.
pub(crate) const MEMBERS: u64 = 200_000;

/// Parts of any file that are looked at, however small it is: members, and what lies between them.
pub(crate) const PARTS_FREE: u64 = 1000;

/// Bytes of the file for each part beyond those. A member of a zip archive takes 76 bytes and its name twice, one of a tar
/// archive 512: only archives that share their bytes have more.
pub(crate) const PART_BYTES: u64 = 64;

/// The same, of what was decompressed from the file: of that, much comes from little.
pub(crate) const PART_DECOMPRESSED: u64 = 256;

/// Bytes of any file, however small, that are looked through for archives and what is in them: the ends of members,
/// directories, and what lies between members.
pub(crate) const SEARCHED_FREE: u64 = 16 * 1024 * 1024;

/// The same, for each byte of the file beyond that: archives in archives are looked through at every level.
pub(crate) const SEARCHED_RATIO: u64 = 8;

/// Bytes that may be decompressed of any file, however small.
pub(crate) const DECOMPRESSED_FREE: u64 = 32 * 1024 * 1024;

/// Bytes that may be decompressed for each byte of the file beyond that. Deflate reaches 1032, honest weights stay
/// below 20, sparse ones below 200.
pub(crate) const DECOMPRESSED_RATIO: u64 = 200;

/// Bytes of a file that is read at once.
pub(crate) const SMALL: u64 = 64 * 1024;

/// Bytes that are held of a file at once: members, windows of decoders, directories and values of pickles. With the program
/// itself it is 64 million, to which twice the length of the largest pickle comes.
pub(crate) const MEMORY: u64 = 56 * 1024 * 1024;

/// Bytes of one compressed member that are held, for formats that must be read at any place.
pub(crate) const SPOOLED: u64 = 16 * 1024 * 1024;

/// Memory of one decoder: the window of LZMA and Zstandard. Eight mebibytes are usual, 64 the most that presets ask for.
/// What a window has not been filled with takes no memory and is not counted.
pub(crate) const WINDOW: u64 = 64 * 1024 * 1024;

/// Memory of one decoder of bzip2, with what it sorts.
pub(crate) const BZIP2: u64 = 4 * 1024 * 1024;

/// Findings of one file that are kept, after those of one rule about one subject are counted as one.
pub(crate) const FINDINGS: usize = 1000;

/// Length of a text in a pickle of which all is kept: names and keys. Longer ones are known by their place.
pub(crate) const PICKLE_TEXT: usize = 4096;

/// Length of a line of protocol 0. Python's own `int` refuses numbers of more than 4300 digits.
pub(crate) const PICKLE_LINE: usize = 16 * 1024;
/// Bytes of values that are copied to follow raw arrays of joblib as opcodes, all together: chance leads to few of them.
pub(crate) const PICKLE_FORKS: u64 = 256 * 1024 * 1024;

/// Digits of a number in text that Python converts.
pub(crate) const PICKLE_DIGITS: usize = 4300;

/// Values that lie in one another. Python's pickler gives up at about 330 levels.
pub(crate) const PICKLE_DEPTH: u32 = 2000;

/// Values that a pickle stands for when nothing is shared: reaching it takes a bomb.
pub(crate) const PICKLE_VALUES: f32 = 17_179_869_184.0;

/// Pickles that follow one another in one stream.
pub(crate) const PICKLES: usize = 100_000;

/// Bytes after an error or an end in which the next pickle is looked for.
pub(crate) const PICKLE_RESYNC: u64 = 1024 * 1024;

/// Searches for a next pickle in one stream.
pub(crate) const PICKLE_RESYNCS: usize = 64;

/// Pickles in the text or bytes of pickles, and object arrays in arrays.
pub(crate) const PICKLE_NESTING: usize = 4;

/// Storages of one torch file that are compared with their members.
pub(crate) const STORAGES: usize = 200_000;

/// Bytes of a NumPy header. NumPy itself refuses more than 10,000 unless it is told to trust the file.
pub(crate) const NPY_HEADER: usize = 64 * 1024;

/// Arrays and objects of JSON in one another. Readers in Rust stop at 128; real files stay below 40.
pub(crate) const JSON_DEPTH: usize = 128;

/// Bytes of a string in JSON that is kept. Templates are shorter; longer ones are data, such as pictures in notebooks.
pub(crate) const JSON_TEXT: usize = 1024 * 1024;

/// Bytes of a number in JSON. Python's own `int` refuses more than 4300 digits.
pub(crate) const JSON_NUMBER: usize = 4300;

/// Names of all objects of JSON that are open, which are compared to find duplicates. The largest vocabularies have half a
/// million, and a hash of each takes twelve bytes.
pub(crate) const JSON_NAMES: usize = 1_500_000;

/// Memory for one JSON document as a tree; beyond half of it, only what has a name that is looked for is kept.
pub(crate) const JSON_TREE: usize = 16 * 1024 * 1024;

/// Bytes of a chat template. The longest of real models have some thirty thousand.
pub(crate) const JINJA_TEMPLATE: usize = 256 * 1024;

/// Expressions of a template in one another.
pub(crate) const JINJA_DEPTH: usize = 100;

/// How often a template may go round a loop that it sets up itself, or repeat a text.
pub(crate) const JINJA_RANGE: i64 = 1_000_000;

/// Keys, and tensors, of a GGUF file. The largest have some thousand; a hash and a place of each take 35 bytes.
pub(crate) const GGUF_NAMES: usize = 500_000;

/// Bytes of a GGUF key, as the format has it.
pub(crate) const GGUF_KEY: usize = 65_535;

/// Bytes of a tensor's name in a GGUF file. Loaders take 63, or 127 when they are built for images.
pub(crate) const GGUF_TENSOR_NAME: usize = 127;

/// Arrays in arrays of a GGUF value. Loaders take none at all.
pub(crate) const GGUF_DEPTH: usize = 4;
/// Objects of an HDF5 file, and links of one group. Keras writes some ten for each layer.
pub(crate) const HDF5_OBJECTS: usize = 100_000;

/// Bytes of a block of HDF5 that describes data: a list of names, an attribute, an object header.
pub(crate) const HDF5_BLOCK: u64 = 16 * 1024 * 1024;

/// Bytes of a name in HDF5 that are kept; a link's may be as long as its heap.
pub(crate) const HDF5_NAME: usize = 1024;

/// Bytes that are read of an HDF5 file for each of its own; honest files need less than one.
pub(crate) const HDF5_WORK: u64 = 4;

/// Bytes that are read of any HDF5 file, however small.
pub(crate) const HDF5_WORK_FREE: u64 = 1024 * 1024;

/// Bytes that a dataset of HDF5 may stand for, for each byte of the file: as far as deflate compresses.
pub(crate) const HDF5_RATIO: u64 = 1032;

/// Bytes that a dataset may stand for in any HDF5 file: a table that was made and never filled.
pub(crate) const HDF5_FREE: u64 = 256 * 1024 * 1024;

/// Bytes of a 7z archive's header. Two hundred thousand members at eighty bytes.
pub(crate) const SEVENZ_HEADER: u64 = 16 * 1024 * 1024;
/// Bytes of a line of text that are looked at together. Longer ones are looked at in pieces.
pub(crate) const LINE: usize = 64 * 1024;

/// Bytes of Python source. The longest files of models that bring code along have some two hundred thousand.
pub(crate) const SOURCE: usize = 2 * 1024 * 1024;

/// Words of a logical line of Python that are looked at together. Tables of numbers have some ten thousand; the rest of a
/// longer line is looked at as another.
pub(crate) const SOURCE_WORDS: usize = 200_000;

/// Values that a YAML document stands for when nothing is shared, however small it is; and for each that is written.
pub(crate) const YAML_VALUES: u64 = 100_000;
pub(crate) const YAML_RATIO: u64 = 100;
/// Letters of a text that are looked at again wherever an alias stands for it: names are shorter.
pub(crate) const YAML_ALIAS: usize = 512;

/// Nodes of one tree whose children are followed. The deepest that anybody grows have some hundred thousand; a list of four
/// bytes is held for each of three.
pub(crate) const TREE_NODES: usize = 2_000_000;

/// Notes of a CatBoost model. It writes ten.
pub(crate) const CATBOOST_TEXTS: u64 = 10_000;

/// Bytes of a script, a YAML document or a list of packages. The longest that models bring along are below two mebibytes.
pub(crate) const TEXT: usize = 8 * 1024 * 1024;
/// Messages of protocol buffers that lie in one another. Their own decoders give up at a hundred.
pub(crate) const PROTOBUF_DEPTH: u32 = 100;

/// Distinct operators of one file, and functions of its own. The largest exported models have some thousands.
pub(crate) const OPERATORS: usize = 16_384;

/// Calls between a model's own functions that are remembered, to find those that go in circles.
pub(crate) const CALLS: usize = 20_000;

/// Bytes of JSON within a model: the description of its layers. A hundred layers take some hundred kilobytes; parsed, each
/// byte may take sixteen.
pub(crate) const MODEL_TEXT: usize = 2 * 1024 * 1024;

/// Bytes of a graph as text. TensorFlow itself reads no message of more than two gigabytes; people write such by hand.
pub(crate) const GRAPH_TEXT: usize = 16 * 1024 * 1024;

/// Bytes of a tag, a text or anything else in XML that is held at once. Weights in PMML are lines of some kilobytes.
pub(crate) const XML_EVENT: u64 = 8 * 1024 * 1024;

/// Bytes of an element's name, which is held until the element ends.
pub(crate) const XML_NAME: usize = 1024;

/// Elements of XML that lie in one another. Trees of PMML are as deep as they were grown, some hundred.
pub(crate) const XML_DEPTH: usize = 4096;

/// Tables and vectors of a flatbuffer that are followed beyond one for each of its bytes: more means that they are
/// shared, so that walking takes ever longer.
pub(crate) const FLATBUFFER_STEPS: u64 = 100_000;

/// Buffers of a TensorFlow Lite model. The largest have some ten thousand.
pub(crate) const TFLITE_BUFFERS: u64 = 2_000_000;

/// Constants of an OpenVINO description whose places are compared.
pub(crate) const CONSTANTS: usize = 1_000_000;

/// Parts of a file of Core ML's weights that are looked at.
pub(crate) const WEIGHTS: u64 = 1_000_000;

/// Bytes of one block of a TensorFlow checkpoint's index. The writer ends them at 256 KiB; one entry may go beyond.
pub(crate) const CHECKPOINT_BLOCK: u64 = 16 * 1024 * 1024;

/// Bytes of a safetensors header, as its loaders have it.
pub(crate) const SAFETENSORS_HEADER: u64 = 100_000_000;

/// Tensors of a safetensors file, each of which takes 28 bytes here. The largest have some hundred thousand.
pub(crate) const SAFETENSORS_TENSORS: usize = 1_000_000;

/// Levels of MessagePack. Its own reader for Python stops at 511.
pub(crate) const MSGPACK_DEPTH: usize = 511;

/// Levels of R's serialisation. R itself stops at some five thousand.
pub(crate) const R_DEPTH: usize = 10_000;

/// Bytes of one source file in an archive that are looked at.
pub(crate) const CODE: usize = 1024 * 1024;

rules! {
    NESTED = "LIM001" "nested-too-deep" Suspicious:
        "Archives lie in archives deeper than is inspected." =>
        "Unpack the inner archives and publish the files themselves.";
    TOO_MANY_MEMBERS = "LIM002" "too-many-members" Unknown:
        "The archive has more members than are inspected." =>
        "Publish the files without an archive.";
    TOO_MUCH_DATA = "LIM003" "decompression-bomb" Suspicious:
        "Decompressing gives far more data than the file has; the rest was not inspected." =>
        "Publish the file without compression, or find out who made it and why.";
    TOO_LARGE_TO_HOLD = "LIM004" "member-too-large" Unknown:
        "A compressed member is larger than is held in memory, and its format cannot be read as a stream." =>
        "Store the member without compression.";
    TOO_LARGE_WINDOW = "LIM005" "window-too-large" Unknown:
        "Decompressing needs more memory than is allowed; the rest was not inspected." =>
        "Compress with a smaller dictionary or window.";
    TOO_MANY_FINDINGS = "LIM006" "too-many-findings" Unknown:
        "There are more findings than are listed." =>
        "Look at those that are listed first.";
    TOO_MUCH_MEMORY = "LIM007" "pickle-memory" Unknown:
        "Following the pickle needs more memory than is allowed; the rest was not inspected." =>
        "Store large tables in a format for data, such as safetensors, Parquet or NumPy.";
    TOO_DEEP = "LIM008" "pickle-depth" Malformed:
        "Values of the pickle lie in one another deeper than any pickler writes." =>
        "Do not load it: the reader's stack may overflow.";
    TOO_MANY_VALUES = "LIM009" "pickle-expansion" Malformed:
        "The pickle stands for more values than any memory holds." =>
        "Do not load it: looking at its values does not end.";
    TOO_LONG_NUMBER = "LIM010" "pickle-number" Malformed:
        "A number in text is longer than Python converts." =>
        "Do not load it: older versions of Python take hours over it.";
    TOO_LONG_LINE = "LIM011" "pickle-line" Malformed:
        "A line of the pickle is longer than any name or number." =>
        "Do not load it.";
    TOO_MANY_PICKLES = "LIM012" "too-many-pickles" Unknown:
        "More pickles follow one another than are inspected." =>
        "Publish them in files of their own.";
    TOO_MANY_STORAGES = "LIM013" "too-many-storages" Unknown:
        "The checkpoint has more storages than are compared." =>
        "Split the checkpoint.";
    TOO_LARGE_DIRECTORY = "LIM014" "zip-directory-size" Unknown:
        "The archive's directory is larger than is read." =>
        "Publish the files without an archive.";
    TOO_MANY_PARTS = "LIM015" "too-many-parts" Suspicious:
        "The archive has more parts than fit into its bytes: they share them, so that reading it takes ever longer." =>
        "Do not unpack it.";
    JSON_TOO_DEEP = "LIM016" "json-depth" Malformed:
        "Values of JSON lie in one another deeper than readers follow." =>
        "Do not load it: the reader's stack may overflow.";
    JSON_TOO_MANY_NAMES = "LIM017" "json-names" Unknown:
        "An object has more names than are compared; whether one is there twice was not found out." =>
        "Split the file.";
    JSON_TOO_LARGE = "LIM018" "json-size" Unknown:
        "The JSON takes more memory than is allowed; the rest was not inspected." =>
        "Split the file.";
    TEMPLATE_TOO_LONG = "LIM019" "template-size" Suspicious:
        "A chat template is longer than any, and was not inspected." =>
        "Do not load it, unless its maker can say why.";
    GGUF_TOO_MANY = "LIM020" "gguf-names" Unknown:
        "A GGUF file has more keys or tensors than are read." =>
        "Split the file.";
    GGUF_TOO_DEEP = "LIM021" "gguf-depth" Malformed:
        "Arrays of a GGUF value lie in one another deeper than any writer puts them." =>
        "Do not load it.";
    SAFETENSORS_TOO_MANY = "LIM022" "safetensors-tensors" Unknown:
        "A safetensors file has more tensors than are read." =>
        "Split the file.";
    TOO_DEEP_MESSAGES = "LIM041" "protobuf-depth" Malformed:
        "Messages of the model lie in one another deeper than any decoder follows." =>
        "Do not load it.";
    TOO_MANY_OPERATORS = "LIM042" "too-many-operators" Unknown:
        "The model uses more distinct operators, or has more functions of its own, than are inspected." =>
        "Find out what wrote the file.";
    TOO_LONG_MODEL_TEXT = "LIM043" "model-text-size" Unknown:
        "A text within the model is longer than is inspected." =>
        "Find out what wrote the file.";
    TOO_LONG_XML = "LIM044" "xml-size" Unknown:
        "A tag or a text is longer than is held in memory; the rest was not inspected." =>
        "Find out what wrote the file.";
    TOO_DEEP_XML = "LIM045" "xml-depth" Suspicious:
        "Elements lie in one another deeper than is inspected." =>
        "Do not load it: readers that follow them may run out of stack.";
    TOO_MANY_STEPS = "LIM046" "flatbuffer-steps" Suspicious:
        "Parts of the model are shared so often that walking it takes ever longer." =>
        "Do not load it.";
    TOO_MANY_CONSTANTS = "LIM047" "too-many-constants" Unknown:
        "The model has more constants than are compared." =>
        "Find out what wrote the file.";
    TOO_LONG_TEXT = "LIM060" "text-too-long" Unknown:
        "The text is longer than is inspected." =>
        "Look at the rest yourself, or split the file.";
    YAML_EXPANDS = "LIM061" "yaml-expansion" Malformed:
        "The YAML stands for far more values than are written: they are shared again and again." =>
        "Do not load it: looking at its values does not end.";
    TREE_TOO_LARGE = "LIM062" "tree-too-large" Unknown:
        "A tree has more nodes than are followed." =>
        "Grow smaller trees, or find out who made it and how.";
    HDF5_TOO_MUCH = "LIM070" "hdf5-work" Unknown:
        "Following the structures of the HDF5 file takes more reading than any honest file does; the rest was not inspected." =>
        "Write the file anew with the defaults of h5py.";
    MSGPACK_TOO_DEEP = "LIM071" "msgpack-depth" Malformed:
        "Values of MessagePack lie in one another deeper than readers follow." =>
        "Do not load it: the reader's stack may overflow.";
    R_TOO_DEEP = "LIM072" "r-depth" Malformed:
        "Values of R lie in one another deeper than R follows." =>
        "Do not load it: the reader's stack may overflow.";
}
