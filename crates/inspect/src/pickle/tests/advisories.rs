//! Ways past scanners and into loaders that were published, each under its name. The pickles are written here after the
//! advisories; none of them runs anything that matters, and none of them is run.

use super::{
    containers::{tar, zip},
    *,
};

/// One test for each advisory on a function that a scanner did not know: calling it is malicious.
macro_rules! gadgets {
    ($($name:ident: $($module:literal $function:literal),+;)*) => {
        $(
            #[test]
            fn $name() {
                for (module, function) in [$(($module, $function)),+] {
                    let found = look(&p4().stack_global(module, function).text("x").op(TUPLE1).op(REDUCE).stop());
                    assert_eq!(found.verdict(), Verdict::Malicious, "{module}.{function}");
                    let named = look(&p2().global(module, function).stop());
                    assert_eq!(named.verdict(), Verdict::Malicious, "{module}.{function}, not called");
                }
            }
        )*
    };
}

gadgets! {
    cve_2025_1716_pip_main: "pip" "main", "pip._internal.cli.main" "main";
    cve_2025_10157_submodules_of_asyncio: "asyncio.unix_events" "_UnixSubprocessTransport._start";
    cve_2025_71321_distutils: "distutils.file_util" "write_file";
    cve_2025_71339_f2py_eval_length: "numpy.f2py.crackfortran" "_eval_length";
    cve_2025_71340_idlelib_pyshell: "idlelib.pyshell" "ModifiedInterpreter.runcode";
    cve_2025_71342_idlelib_run: "idlelib.run" "Executive.runcode";
    cve_2025_71343_lib2to3_make_label: "lib2to3.pgen2.pgen" "ParserGenerator.make_label";
    cve_2025_71344_ensurepip: "ensurepip" "_run_pip";
    cve_2025_71345_torch_bottleneck: "torch.utils.bottleneck.__main__" "run_autograd_prof";
    cve_2025_71347_f2py_param_eval: "numpy.f2py.crackfortran" "param_eval";
    cve_2025_71348_torch_config_module: "torch.utils._config_module" "ConfigModule.load_config";
    cve_2025_71350_torch_collect_env: "torch.utils.collect_env" "run";
    cve_2025_71351_timeit: "timeit" "timeit";
    cve_2025_71352_trace: "trace" "Trace.runctx";
    cve_2025_71353_torch_guard_builder: "torch._dynamo.guards" "GuardBuilder.get";
    cve_2025_71354_idlelib_object_tree_item: "idlelib.debugobj" "ObjectTreeItem.SetText";
    cve_2025_71355_numpy_runstring: "numpy.testing._private.utils" "runstring";
    cve_2025_71356_torch_evaluate_guards: "torch.fx.experimental.symbolic_shapes" "ShapeEnv.evaluate_guards_expression";
    cve_2025_71357_idlelib_runcommand: "idlelib.pyshell" "ModifiedInterpreter.runcommand";
    cve_2025_71358_idlelib_get_entity: "idlelib.autocomplete" "AutoComplete.get_entity";
    cve_2025_71359_lib2to3_grammar_loads: "lib2to3.pgen2.grammar" "Grammar.loads";
    cve_2025_71360_idlelib_calltip: "idlelib.calltip" "get_entity";
    cve_2025_71361_idlelib_fetch_tip: "idlelib.calltip" "Calltip.fetch_tip";
    cve_2025_71362_f2py_eval_family: "numpy.f2py.auxfuncs" "containscommon", "numpy.f2py.crackfortran" "getlincoef";
    cve_2025_71364_asyncio_subprocess: "asyncio.unix_events" "_UnixSubprocessTransport._start";
    cve_2025_71365_f2py_myeval: "numpy.f2py.crackfortran" "myeval";
    cve_2025_71366_torch_run_cprofile: "torch.utils.bottleneck.__main__" "run_cprofile";
    cve_2025_71367_attrgetter: "_operator" "attrgetter", "operator" "attrgetter";
    cve_2025_71368_doctest: "doctest" "debug_script";
    cve_2025_71369_torch_basichandlers: "torch.jit.unsupported_tensor_ops" "basichandlers";
    cve_2025_71370_torch_exec_wrapper: "torch.jit.unsupported_tensor_ops" "execWrapper";
    cve_2025_71372_f2py_getlincoef: "numpy.f2py.crackfortran" "getlincoef";
    cve_2025_71373_methodcaller: "operator" "methodcaller";
    cve_2025_71375_methodcaller_in_c: "_operator" "methodcaller";
    ghsa_84r2_jw7c_4r5q_pydoc_locate: "pydoc" "locate";
    ghsa_4675_36f9_wf6r_ctypes: "ctypes" "CDLL";
    ghsa_vqmv_47xg_9wpr_pty: "pty" "spawn";
    cve_2026_3490_resolve_name: "pkgutil" "resolve_name";
    cve_2026_56304_logging_file_handler: "logging" "FileHandler";
    cve_2026_56315_helpers_that_run_commands: "uuid" "_get_command_stdout", "_osx_support" "_read_output",
        "_aix_support" "_read_cmd_output", "imaplib" "IMAP4_stream", "_pyrepl.pager" "pipe_pager",
        "test.support.script_helper" "assert_python_ok";
    ghsa_7wx9_6375_f5wh_profile: "profile" "run", "profile" "Profile.run", "cProfile" "run";
    cve_2025_67747_function_type_and_marshal: "types" "FunctionType", "marshal" "loads";
    cve_2025_67748_pty: "pty" "spawn";
    cve_2026_22606_runpy: "runpy" "run_path";
    cve_2026_22607_cprofile: "cProfile" "run", "cProfile" "runctx";
    cve_2026_22608_ctypes_and_pydoc: "pydoc" "locate", "ctypes" "cdll";
    cve_2026_22609_modules_that_were_missing: "ctypes" "CDLL", "importlib" "import_module", "multiprocessing.util" "spawnv_passfds",
        "code" "InteractiveInterpreter";
    cve_2026_22612_builtins: "builtins" "exec", "__builtin__" "eval";
    ghsa_5hwf_rc88_82xm_uuid_and_support: "uuid" "_get_command_stdout", "_osx_support" "_find_build_tool";
    ghsa_6ggj_6f2q_f7mx_interpreters: "_interpreters" "run_string";
    ghsa_wccx_j62j_r448_fphw_536r_4p88_hooks: "fickling.hook" "remove_hook", "fickling.hook" "deactivate_safe_ml_environment";
    modelscan_346_mailcap: "mailcap" "findmatch";
    cve_2025_32434_load_in_pickle: "torch.serialization" "load", "torch" "load";
    cve_2026_4538_loaders_in_pickles: "torch.jit" "load", "torch.package" "PackageImporter";
    cve_2026_28500_onnx_hub_loads_from_anywhere: "onnx.hub" "load", "onnx.hub" "download_model_with_test_data";
    cve_2019_6446_numpy_load: "numpy" "load";
    cve_2020_13092_joblib_load: "joblib" "load";
    cve_2024_34997_joblib_wrapper_loads_pickles: "joblib.numpy_pickle" "load";
}

fn evil() -> Vec<u8> {
    p2().call("os", "system", "true").stop()
}

#[test]
fn cve_2025_1889_a_member_with_an_odd_extension() {
    let archive = zip(&[("archive/data.pkl", &p2().op(EMPTY_DICT).stop()), ("archive/config.p", &evil())]);
    assert_eq!(named("model.pt", &archive).verdict(), Verdict::Malicious);
}

#[test]
fn cve_2025_1944_names_that_differ() {
    let mut archive = zip(&[("archive/data.pkl", &evil())]);
    archive[30] = b'b';
    assert_eq!(
        rules_of(&named("model.pt", &archive)),
        ["dangerous-global", "dangerous-call", "header-mismatch"]
    );
}

#[test]
fn cve_2025_1945_flags() {
    for (at, bit) in [(0, 0x20_u8), (0, 1), (1, 0x20)] {
        let mut archive = zip(&[("archive/data.pkl", &evil())]);
        let central = archive.windows(4).position(|four| four == b"PK\x01\x02").expect("a directory");
        archive[6 + at] |= bit;
        archive[central + 8 + at] |= bit;
        let found = named("model.pt", &archive);
        assert_eq!(found.verdict(), Verdict::Malicious);
        assert!(rules_of(&found).contains(&"unusual-flags"));
    }
}

#[test]
fn cve_2025_10155_a_pickle_with_the_name_of_another_format() {
    for name in
        ["model.bin", "model.pt", "model.onnx", "model.safetensors", "model.gguf", "model", "model.json"]
    {
        assert_eq!(named(name, &evil()).verdict(), Verdict::Malicious, "{name}");
    }
}

#[test]
fn cve_2025_10156_a_wrong_checksum() {
    let mut archive = zip(&[("archive/data.pkl", &evil())]);
    archive[14] ^= 1;
    let central = archive.windows(4).position(|four| four == b"PK\x01\x02").expect("a directory");
    archive[central + 16] ^= 1;
    assert_eq!(
        rules_of(&named("model.pt", &archive)),
        ["dangerous-global", "dangerous-call", "wrong-checksum"]
    );
}

#[test]
fn cve_2025_71325_a_name_at_the_very_start() {
    let first = Asm::default().raw(b"S'os'\nS'system'\n").op(STACK_GLOBAL).stop();
    finds(&first, &["dangerous-global"]);
}

#[test]
fn cve_2026_53874_nested_getattr() {
    let getattr = p4()
        .stack_global("builtins", "getattr")
        .stack_global("builtins", "getattr")
        .stack_global("builtins", "object")
        .text("__subclasses__")
        .op(TUPLE2)
        .op(REDUCE)
        .text("x")
        .op(TUPLE2)
        .op(REDUCE)
        .stop();
    assert_eq!(look(&getattr).verdict(), Verdict::Malicious);
}

#[test]
fn cve_2026_14535_every_finding_is_told_of_whatever_comes_before() {
    let pickle = p2().global("my", "f").op(POP).global("os", "system").op(POP).global("my", "f").op(POP);
    finds(
        &pickle.call("os", "system", "x").stop(),
        &["dangerous-global", "dangerous-call", "unknown-global"],
    );
}

#[test]
fn ghsa_mhc9_48gj_9gp3_reduce_and_build() {
    let hidden = p4().stack_global("os", "system").text("x").op(TUPLE1).op(REDUCE).op(EMPTY_DICT).op(BUILD);
    finds(&hidden.stop(), &["dangerous-global", "dangerous-call"]);
}

#[test]
fn ghsa_mxhj_88fx_4pcv_obj_and_pop() {
    let popped = p4().op(MARK).stack_global("os", "system").text("x").op(OBJ).op(POP).op(EMPTY_DICT);
    finds(&popped.stop(), &["dangerous-global", "dangerous-call"]);
}

#[test]
fn ghsa_5j3x_jp52_966f_attributes_of_modules() {
    for (module, name) in [
        ("pathlib", "os.system"),
        ("torch._utils", "sys.modules.get"),
        ("numpy", "core._internal.sys.modules"),
        ("collections", "abc.sys.modules.get"),
        ("builtins", "object.__subclasses__"),
    ] {
        let dotted = p4().stack_global(module, name).op(EMPTY_TUPLE).op(REDUCE).stop();
        finds(&dotted, &["dangerous-global", "dangerous-call"]);
    }
}

#[test]
fn cpython_154848_a_frame_that_is_shorter_than_what_is_in_it() {
    let framed = p4().op(FRAME).raw(&3_u64.to_le_bytes()).stack_global("os", "system").stop();
    finds(&framed, &["dangerous-global", "wrong-frame"]);
}

#[test]
fn modelscan_85_attributes_of_an_imported_global() {
    let changed = p4().stack_global("numpy", "ndarray").op(NONE).op(EMPTY_DICT);
    finds(&changed.entry("shape", |asm| asm.int(1)).op(TUPLE2).op(BUILD).stop(), &["global-changed"]);
}

#[test]
fn modelscan_89_builtins_through_a_module() {
    let builtins = p4().stack_global("numpy", "__builtins__").text("eval").op(TUPLE1).op(REDUCE);
    assert_eq!(look(&builtins.stop()).verdict(), Verdict::Malicious);
    let set = p4().stack_global("numpy", "__builtins__").text("len").stack_global("os", "system").op(SETITEM);
    finds(&set.stop(), &["dangerous-global", "global-changed"]);
}

#[test]
fn modelscan_263_flags_and_names_of_zip_members() {
    let good = zip(&[("archive/data.pkl", &evil())]);
    let central = good.windows(4).position(|four| four == b"PK\x01\x02").expect("a directory");
    // A flag of the header alone, of the directory alone, the name in one, the method in one.
    for at in [6, central + 8, 30, central + 46, 8, central + 10] {
        let mut archive = good.clone();
        archive[at] ^= 1;
        let found = named("model.pt", &archive);
        assert_eq!(found.verdict(), Verdict::Malicious, "{at}: {:?}", found.findings);
    }
}

#[test]
fn modelscan_331_modules_imported_by_joined_names() {
    let joined = p4().stack_global("builtins", "str.join").text("").op(MARK).text("o").text("s").op(LIST);
    let module = p4().stack_global("importlib", "import_module").raw(&joined.op(TUPLE2).op(REDUCE).0[2..]);
    let found = look(&module.op(TUPLE1).op(REDUCE).text("system").op(STACK_GLOBAL).stop());
    assert_eq!(found.verdict(), Verdict::Malicious);
    assert_eq!(rules_of(&found), ["dangerous-global", "dangerous-call", "computed-name"]);
}

#[test]
fn modelscan_330_names_that_are_put_together() {
    let joined = p4().stack_global("_codecs", "encode").text("bf").text("rot13").op(TUPLE2).op(REDUCE);
    finds(&joined.text("system").op(STACK_GLOBAL).stop(), &["computed-name", "unusual-codec"]);
}

#[test]
fn cve_2025_32434_weights_only_does_not_help_old_tar_files() {
    let mut header = [0_u8; 512];
    header[..8].copy_from_slice(b"storages");
    header[100..107].copy_from_slice(b"0000644");
    let payload = evil();
    header[124..135].copy_from_slice(format!("{:011o}", payload.len()).as_bytes());
    header[148..156].fill(b' ');
    header[156] = b'0';
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
    header[154] = 0;
    let mut file = header.to_vec();
    file.extend(payload);
    file.resize(4 * 512, 0);
    assert_eq!(rules_of(&named("model.pt", &file)), ["dangerous-global", "dangerous-call"]);
}

#[test]
fn cve_2026_24747_entries_in_a_tensor_and_sizes_that_lie() {
    let tensor = p2()
        .global("torch._utils", "_rebuild_tensor_v2")
        .op(EMPTY_TUPLE)
        .op(REDUCE)
        .text("k")
        .int(1)
        .op(SETITEM)
        .stop();
    let archive = zip(&[("archive/data.pkl", &tensor)]);
    assert_eq!(rules_of(&named("model.pt", &archive)), ["entries-in-tensor"]);
    let lie = p2()
        .op(MARK)
        .text("storage")
        .global("torch", "FloatStorage")
        .text("0")
        .text("cpu")
        .int(4096)
        .op(TUPLE)
        .op(BINPERSID)
        .stop();
    let archive = zip(&[("archive/data.pkl", &lie), ("archive/data/0", &[0; 16])]);
    assert_eq!(rules_of(&named("model.pt", &archive)), ["storage-size"]);
}

#[test]
fn cve_2025_54886_skops_falls_back_to_joblib() {
    assert_eq!(named("model.skops", &evil()).verdict(), Verdict::Malicious);
}

#[test]
fn cve_2025_23249_pickles_in_archives_of_nemo() {
    let file = tar("model_weights.ckpt", &evil());
    assert_eq!(named("model.nemo", &file).verdict(), Verdict::Malicious);
    let checkpoint = zip(&[("archive/data.pkl", &evil())]);
    let file = tar("./model_weights.ckpt", &checkpoint);
    assert_eq!(named("model.nemo", &file).verdict(), Verdict::Malicious);
}

#[test]
fn cve_2025_23250_members_of_nemo_that_leave_the_directory() {
    for name in ["../../etc/cron.d/x", "/etc/cron.d/x", "a/../../x"] {
        let found = named("model.nemo", &tar(name, b"x"));
        assert!(found.verdict() >= Verdict::Suspicious, "{name}: {:?}", found.findings);
    }
}
