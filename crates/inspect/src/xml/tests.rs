//! Documents made here, each with one thing wrong.

use crate::testing::{clean, finds, look, mangle, rules_in};
use modelseal_core::inspection::{FileFormat, Verdict};

fn net(layers: &str) -> String {
    format!("<?xml version=\"1.0\"?>\n<net name=\"m\" version=\"11\"><layers>{layers}</layers><edges/></net>")
}

fn layer(kind: &str, version: &str, data: &str) -> String {
    net(&format!("<layer id=\"0\" name=\"a\" type=\"{kind}\" version=\"{version}\"><data {data}/></layer>"))
}

fn constant(offset: &str, size: &str, dtype: &str, shape: &str) -> String {
    let data = format!("offset=\"{offset}\" size=\"{size}\" element_type=\"{dtype}\" shape=\"{shape}\"");
    layer("Const", "opset1", &data)
}

fn pmml(inside: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><PMML version=\"4.4\"><Header/>{inside}</PMML>")
}

#[test]
fn a_good_description_is_clean() {
    let found = clean("m.xml", constant("0", "24", "f32", "2,3").as_bytes());
    assert_eq!((found.format, found.contents.parameters), (FileFormat::Openvino, 6));
    assert!(found.contents.external.contains("m.bin"));
    clean("m.xml", layer("ReLU", "opset1", "").as_bytes());
    clean("m.xml", constant("64", "1", "u8", "0").as_bytes());
    clean("m.xml", constant("0", "3", "u4", "5").as_bytes());
}

#[test]
fn layers_of_others() {
    finds("m.xml", layer("Evil", "extension", "library=\"/tmp/libevil.so\"").as_bytes(), "OVN001");
    finds("m.xml", layer("Evil", "extension", "").as_bytes(), "OVN002");
    finds("m.xml", layer("Evil", "opset1", "").as_bytes(), "OVN002");
    finds("m.xml", net("").as_bytes(), "OVN005");
    // In the body of a loop.
    let body = net(&format!(
        "<layer type=\"Loop\" version=\"opset5\"><body>{}</body></layer>",
        layer("Evil", "x", "").trim_start_matches("<?xml version=\"1.0\"?>\n")
    ));
    finds("m.xml", body.as_bytes(), "OVN002");
}

#[test]
fn constants_have_a_place() {
    for (offset, size) in [("a", "24"), ("-1", "24"), ("0", "23"), ("9223372036854775807", "24")] {
        finds("m.xml", constant(offset, size, "f32", "2,3").as_bytes(), "OVN003");
    }
    finds("m.xml", constant("0", "24", "f32", "4294967296,4294967296,4294967296").as_bytes(), "OVN003");
    finds("m.xml", constant("999999999999", "24", "f32", "2,3").as_bytes(), "OVN004");
}

#[test]
fn extensions_of_pmml() {
    assert_eq!(clean("m.pmml", pmml("").as_bytes()).format, FileFormat::Pmml);
    let note = "<Extension name=\"x-baseDir\" value=\"a (b) c\"/>";
    assert_eq!(rules_in(&clean("m.pmml", pmml(note).as_bytes())), ["PMM002"]);
    for code in [
        "<Extension name=\"script\" value=\"x\"/>",
        "<Extension name=\"a\" value=\"os.system(1)\"/>",
        "<Extension><a>Runtime.getRuntime().exec(x)</a></Extension>",
        "<Extension><![CDATA[os.system(1)]]></Extension>",
    ] {
        finds("m.pmml", pmml(code).as_bytes(), "PMM001");
    }
    finds("m.pmml", pmml("<Extension><script>x</script></Extension>").as_bytes(), "XML007");
    clean("m.pmml", pmml("<Apply function=\"log10\"/>").as_bytes());
    finds("m.pmml", pmml("<Apply function=\"com.evil.Run\"/>").as_bytes(), "PMM003");
}

#[test]
fn declarations_of_a_type() {
    let with = |declaration: &str| format!("<?xml version=\"1.0\"?>{declaration}<PMML version=\"4\"/>");
    finds("m.pmml", with("<!DOCTYPE PMML>").as_bytes(), "XML002");
    let external = "<!DOCTYPE PMML [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>";
    finds("m.pmml", with(external).as_bytes(), "XML003");
    finds("m.pmml", with("<!DOCTYPE PMML [<!ENTITY % x PUBLIC \"a\" \"http://h/x\">]>").as_bytes(), "XML003");
    let laughs = "<!DOCTYPE PMML [<!ENTITY a \"lol\"><!ENTITY b \"&a;&a;&a;&a;\">]>";
    finds("m.pmml", with(laughs).as_bytes(), "XML004");
}

#[test]
fn documents_that_do_more() {
    finds("a.xml", b"<?xml version=\"1.0\"?><java class=\"java.beans.XMLDecoder\"/>", "XML006");
    finds(
        "a.xml",
        b"<?xml version=\"1.0\"?><a xmlns:xi=\"x\"><xi:include href=\"/etc/passwd\"/></a>",
        "XML005",
    );
    finds("a.xml", b"<?xml version=\"1.0\"?><?xml-stylesheet href=\"http://h/x\"?><a/>", "XML005");
    finds("a.xml", b"<?xml version=\"1.0\"?><svg><script>x</script></svg>", "IMG003");
    finds("a.xml", b"<?xml version=\"1.0\" encoding=\"UTF-7\"?><a/>", "XML008");
    finds("a.xml", b"\xff\xfe<\0a\0/\0>\0", "XML008");
    let latin = b"\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a b=\"\xe9\">\xe9</a>";
    assert_eq!(clean("a.xml", latin).format, FileFormat::Xml);
}

#[test]
fn documents_that_are_none() {
    for bad in [
        "<?xml version=\"1.0\"?><a>",
        "<?xml version=\"1.0\"?><a></b>",
        "<?xml version=\"1.0\"?><a/><b/>",
        "<?xml version=\"1.0\"?><a/>text",
        "<?xml version=\"1.0\"?><a b=\"1\" b=\"2\"/>",
        "<?xml version=\"1.0\"?>",
        "<?xml version=\"1.0\"?><a b/>",
    ] {
        finds("a.xml", bad.as_bytes(), "XML001");
    }
}

#[test]
fn documents_that_are_too_much() {
    let deep = format!("<?xml version=\"1.0\"?>{}", "<a>".repeat(10_000));
    finds("a.xml", deep.as_bytes(), "LIM045");
    let long = format!("<?xml version=\"1.0\"?><a>{}</a>", "x".repeat(9 * 1024 * 1024));
    finds("a.xml", long.as_bytes(), "LIM044");
    let name = "a".repeat(2000);
    finds("a.xml", format!("<?xml version=\"1.0\"?><{name}></{name}>").as_bytes(), "LIM044");
    let wide: String = (0..200_000).map(|number| format!(" a{number}=\"\"")).collect();
    finds("a.xml", format!("<?xml version=\"1.0\"?><a{wide}/>").as_bytes(), "XML001");
}

#[test]
fn no_mangled_document_panics_or_is_clean() {
    let good = constant("0", "24", "f32", "2,3");
    assert_eq!(mangle("m.xml", good.as_bytes()), [0]);
    let good = pmml("<Extension name=\"a\" value=\"b\"/>");
    assert!(mangle("m.pmml", good.as_bytes()).is_empty());
    assert_eq!(look("m.pmml", b"<PMML").verdict(), Verdict::Malformed);
}

#[test]
fn settings_of_openvino_name_native_code() {
    for (name, text, count) in [
        ("plugins.xml", "<ie><plugins><plugin name=\"CPU\" location=\"libx.so\"/></plugins></ie>", 1),
        (
            "kernels.xml",
            "<CustomLayer name=\"X\" type=\"SimpleGPU\"><Kernel entry=\"x\"><Source filename=\"x.cl\"/></Kernel></CustomLayer>",
            2,
        ),
    ] {
        let found = look(name, text.as_bytes());
        assert_eq!(rules_in(&found), vec!["OVN001"; count], "{text}");
        let native = modelseal_core::inspection::Capability::NativeCode;
        assert!(found.contents.capabilities.contains(&native), "{text}");
    }
}
