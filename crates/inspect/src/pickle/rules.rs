//! What can be found in a pickle.

use crate::rule::rules;

rules! {
    DANGEROUS_GLOBAL = "PKL001" "dangerous-global" Malicious:
        "The pickle names a function or class that runs code or reaches files, processes or the network. It need not be called while loading: what holds it may call it later." =>
        "Do not load it. Ask its maker for weights in safetensors.";
    DANGEROUS_CALL = "PKL002" "dangerous-call" Malicious:
        "Loading the pickle calls a function that runs code or reaches files, processes or the network." =>
        "Do not load it, and treat machines that did as compromised.";
    COMPUTED_NAME = "PKL003" "computed-name" Malicious:
        "The name of a global is the result of a call, so that nobody can tell what it is. No pickler writes that." =>
        "Do not load it.";
    COMPUTED_CALL = "PKL004" "computed-call" Malicious:
        "What is called is itself the result of a call, so that nobody can tell what it is. No pickler writes that." =>
        "Do not load it.";
    GLOBAL_CHANGED = "PKL005" "global-changed" Malicious:
        "Loading the pickle changes a module's own function, class or table. No pickler writes that." =>
        "Do not load it.";
    PROTOCOL_STATE = "PKL006" "protocol-in-state" Malicious:
        "The state of an instance sets a name of Python's own protocols, such as __setstate__ or __class__." =>
        "Do not load it.";
    WRONG_CODEC = "PKL007" "unusual-codec" Malicious:
        "Text is passed through a codec that hides it, such as rot13; picklers use latin1." =>
        "Do not load it.";
    UNKNOWN_GLOBAL = "PKL010" "unknown-global" Suspicious:
        "The pickle names a global that is not known to be harmless; loading it imports the module." =>
        "Look at what the global is. Allow it by name in a rule set, or ask for weights in safetensors.";
    UNKNOWN_CALL = "PKL011" "unknown-call" Suspicious:
        "Loading the pickle calls a global that is not known to be harmless." =>
        "Look at what the global does with these arguments before loading it.";
    WRONG_USE = "PKL012" "unusual-use" Suspicious:
        "A global that is harmless in its usual place is used in another." =>
        "Look at the trace (`modelseal inspect --trace`) before loading it.";
    CALLBACK = "PKL013" "function-as-argument" Suspicious:
        "A function is passed to something that may call it." =>
        "Look at the trace before loading it.";
    EXTENSION = "PKL014" "extension-code" Suspicious:
        "A global is named by a number of the copyreg registry, which is different on every machine." =>
        "Ask its maker to pickle it without registered extensions.";
    PERSISTENT = "PKL015" "persistent-id" Suspicious:
        "The pickle refers to an object that only its own loader knows." =>
        "Load it only with the program that it was made for.";
    OUT_OF_BAND = "PKL016" "out-of-band-buffer" Suspicious:
        "Data that belongs to the pickle is elsewhere and was not inspected." =>
        "Ask its maker to pickle it with its buffers.";
    OBJECT_SCALAR = "PKL017" "object-scalar" Suspicious:
        "A NumPy scalar of the type object is made, which some versions of NumPy unpickle." =>
        "Do not load it with old versions of NumPy.";
    HIDDEN_PICKLE = "PKL018" "hidden-pickle" Suspicious:
        "Text or bytes in the pickle are themselves a pickle that names something not known to be harmless." =>
        "Find out what reads it.";
    TRAILING = "PKL019" "trailing-data" Suspicious:
        "There are bytes after the pickle that no loader reads." =>
        "Find out what they are, or ask for a file without them.";
    UNKNOWN_PROTOCOL = "PKL020" "unknown-protocol" Suspicious:
        "The pickle says that it is of a protocol that does not exist." =>
        "Do not load it.";
    UNREADABLE_ARRAY = "PKL021" "unreadable-array" Suspicious:
        "An array follows whose size cannot be told from its description; the rest cannot be followed as joblib would." =>
        "Do not load it.";
    ARRAY_OPCODES = "PKL023" "opcodes-in-array" Suspicious:
        "Joblib reads bytes of the pickle as an array or its padding, and other readers as opcodes that go on where no array would." =>
        "Do not load it.";
    FILE_REFERENCE = "PKL022" "file-reference" Suspicious:
        "Loading the pickle opens a file outside its own directory." =>
        "Do not load it.";
    BROKEN = "PKL030" "broken-pickle" Malformed:
        "The pickle ends or fails before its end. What comes before that is executed all the same." =>
        "Get the file again from its maker; compare its digest.";
    FRAME = "PKL031" "wrong-frame" Malformed:
        "A frame's length does not fit its contents: readers of files and of memory see different opcodes." =>
        "Get the file again from its maker.";
    WRONG_TYPE = "PKL032" "wrong-type" Malformed:
        "An opcode is used on a value of a type that it cannot work on: readers fail, or disagree." =>
        "Get the file again from its maker.";
    NOT_TEXT = "PKL033" "invalid-text" Malformed:
        "Text in the pickle is not in its encoding." =>
        "Get the file again from its maker.";
    NOT_A_PICKLE = "PKL034" "not-a-pickle" Malformed:
        "The file is named like a pickle and is none." =>
        "Get the file again from its maker.";
    NATIVE_STATE = "PKL040" "native-state" Note:
        "The pickle holds trees or graphs that compiled code follows without checking them: a forged one can crash or overwrite memory when it is used." =>
        "Use it only from a maker that you trust.";
    OTHER_FILE = "PKL041" "array-in-other-file" Suspicious:
        "An array of the pickle is in another file, which joblib loads as a pickle when it is one." =>
        "Inspect the other file as well, and see that it is signed.";
}
