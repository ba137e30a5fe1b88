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
