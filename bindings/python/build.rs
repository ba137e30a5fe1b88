//! Says to the linker of macOS that what is missing here is in the interpreter, as maturin does.

fn main() {
    pyo3_build_config::add_extension_module_link_args();
}
