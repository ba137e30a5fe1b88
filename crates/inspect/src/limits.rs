//! Every bound on what is inspected, each with its reason and its rule. A bound that is reached is a finding, and what has
//! such a finding is never clean.

use crate::rule::rules;

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

/// Bytes of the file, or decompressed from it, for each part beyond those. A member of a zip archive takes 76 bytes and its
/// name twice, one of a tar archive 512: only archives that share their bytes have more.
pub(crate) const PART_BYTES: u64 = 64;

/// Bytes that may be decompressed of any file, however small.
pub(crate) const DECOMPRESSED_FREE: u64 = 32 * 1024 * 1024;

/// Bytes that may be decompressed for each byte of the file beyond that. Deflate reaches 1032, honest weights stay
/// below 20, sparse ones below 200.
pub(crate) const DECOMPRESSED_RATIO: u64 = 200;

/// Bytes of one compressed member that are held, for formats that must be read at any place.
pub(crate) const SPOOLED: u64 = 16 * 1024 * 1024;

/// Memory of one decoder: the window of LZMA and Zstandard. Eight mebibytes are usual, 64 the most that presets ask for.
pub(crate) const WINDOW: u64 = 64 * 1024 * 1024;

/// Findings of one file that are kept, after those of one rule about one subject are counted as one.
pub(crate) const FINDINGS: usize = 1000;

/// Length of a text in a pickle of which all is kept: names and keys. Longer ones are known by their place.
pub(crate) const PICKLE_TEXT: usize = 4096;

/// Length of a line of protocol 0. Python's own `int` refuses numbers of more than 4300 digits.
pub(crate) const PICKLE_LINE: usize = 16 * 1024;

/// Digits of a number in text that Python converts.
pub(crate) const PICKLE_DIGITS: usize = 4300;

/// Values that lie in one another. Python's pickler gives up at about 330 levels.
pub(crate) const PICKLE_DEPTH: u32 = 2000;

/// Values that a pickle stands for when nothing is shared: reaching it takes a bomb.
pub(crate) const PICKLE_VALUES: f32 = 17_179_869_184.0;

/// Memory for the values of one pickle, beside one and a half times its length.
pub(crate) const PICKLE_MEMORY: u64 = 48 * 1024 * 1024;

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

/// Bytes of a zip archive's directory. Two hundred thousand members at a hundred bytes.
pub(crate) const ZIP_DIRECTORY: u64 = 64 * 1024 * 1024;

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
pub(crate) const JSON_TREE: usize = 24 * 1024 * 1024;

/// Bytes of a chat template. The longest of real models have some thirty thousand.
pub(crate) const JINJA_TEMPLATE: usize = 256 * 1024;

/// Expressions of a template in one another.
pub(crate) const JINJA_DEPTH: usize = 100;

/// How often a template may go round a loop that it sets up itself, or repeat a text.
pub(crate) const JINJA_RANGE: i64 = 1_000_000;

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

/// Nodes of one tree whose children are followed. The deepest that anybody grows have some hundred thousand; a list of four
/// bytes is held for each of three.
pub(crate) const TREE_NODES: usize = 2_000_000;

/// Notes of a CatBoost model. It writes ten.
pub(crate) const CATBOOST_TEXTS: u64 = 10_000;

/// Bytes of a script, a YAML document or a list of packages. The longest that models bring along are below two mebibytes.
pub(crate) const TEXT: usize = 8 * 1024 * 1024;

rules! {
    TREE_TOO_LARGE = "LIM042" "tree-too-large" Unknown:
        "A tree has more nodes than are followed." =>
        "Grow smaller trees, or find out who made it and how.";
    YAML_EXPANDS = "LIM041" "yaml-expansion" Malformed:
        "The YAML stands for far more values than are written: they are shared again and again." =>
        "Do not load it: looking at its values does not end.";
    TOO_LONG_TEXT = "LIM040" "text-too-long" Unknown:
        "The text is longer than is inspected." =>
        "Look at the rest yourself, or split the file.";
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
        "Decompressing needs more memory than is allowed." =>
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
}
