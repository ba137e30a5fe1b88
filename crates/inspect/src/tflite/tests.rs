//! Models made here, each with one thing wrong.

#![expect(clippy::cast_possible_truncation, reason = "what is made here is small")]

use crate::{
    flatbuffer::build::{Value, file},
    testing::{clean, finds, look, mangle, rules_in},
};
use modelseal_core::inspection::{FileFormat, Verdict};

type Fields = Vec<(usize, Value)>;

/// What of a good model another test has otherwise.
struct Model {
    codes: Vec<Fields>,
    buffers: Vec<Fields>,
    tensor: Fields,
    operator: Fields,
    metadata: Fields,
}

impl Model {
    fn good() -> Self {
        Self {
            codes: vec![vec![(0, Value::U8(0)), (3, Value::U32(0))]],
            buffers: vec![vec![], vec![(0, Value::Bytes(vec![0; 16]))]],
            tensor: vec![
                (0, Value::U32s(vec![2, 2])),
                (1, Value::U8(0)),
                (2, Value::U32(1)),
                (3, Value::Text("w")),
            ],
            operator: vec![
                (0, Value::U32(0)),
                (1, Value::U32s(vec![0, u32::MAX])),
                (2, Value::U32s(vec![0])),
            ],
            metadata: vec![(0, Value::Text("TFLITE_METADATA")), (1, Value::U32(1))],
        }
    }

    fn file(self) -> Vec<u8> {
        let graph = vec![
            (0, Value::Tables(vec![self.tensor])),
            (1, Value::U32s(vec![0])),
            (2, Value::U32s(vec![0])),
            (3, Value::Tables(vec![self.operator])),
        ];
        let root = vec![
            (0, Value::U32(3)),
            (1, Value::Tables(self.codes)),
            (2, Value::Tables(vec![graph])),
            (4, Value::Tables(self.buffers)),
            (6, Value::Tables(vec![self.metadata])),
        ];
        file(b"TFL3", root)
    }
}

fn custom(name: &'static str) -> Vec<u8> {
    let codes = vec![vec![(0, Value::U8(32)), (1, Value::Text(name)), (3, Value::U32(32))]];
    Model { codes, ..Model::good() }.file()
}

#[test]
fn a_good_model_is_clean() {
    let found = clean("m.tflite", &Model::good().file());
    assert_eq!((found.format, found.contents.tensors, found.contents.parameters), (FileFormat::Tflite, 1, 4));
    assert_eq!(rules_in(&found), Vec::<&str>::new());
}

#[test]
fn no_mangled_model_panics_or_is_clean() {
    let good = Model::good().file();
    // The last byte ends a text whose length is known.
    assert_eq!(mangle("m.tflite", &good), [good.len() - 1]);
}

#[test]
fn operators_of_others() {
    for name in ["Erfinv", "FlexMyCompanysOp", "FlexSaveV2", "FlexTFRecordDataset"] {
        finds("m.tflite", &custom(name), "TFL002");
    }
    for name in ["FlexReadFile", "FlexWriteFile", "FlexEagerPyFunc"] {
        finds("m.tflite", &custom(name), "TFL003");
    }
    assert_eq!(rules_in(&clean("m.tflite", &custom("FlexErfinv"))), ["TFL004"]);
    assert_eq!(rules_in(&clean("m.tflite", &custom("TFLite_Detection_PostProcess"))), Vec::<&str>::new());
    finds("m.tflite", &custom("edgetpu-custom-op"), "TFL009");
    finds("m.tflite", &custom(""), "TFL001");
    let codes = vec![vec![(0, Value::U8(127)), (3, Value::U32(5000))]];
    finds("m.tflite", &Model { codes, ..Model::good() }.file(), "TFL005");
}

#[test]
fn tensors_are_as_large_as_they_say() {
    let tensor = |shape: Vec<u32>, dtype| {
        let tensor = vec![(0, Value::U32s(shape)), (1, Value::U8(dtype)), (2, Value::U32(1))];
        Model { tensor, ..Model::good() }.file()
    };
    clean("m.tflite", &tensor(vec![16], 9));
    clean("m.tflite", &tensor(vec![31], 17));
    // Texts have no size of their own.
    clean("m.tflite", &tensor(vec![1], 5));
    finds("m.tflite", &tensor(vec![2, 3], 0), "TFL006");
    finds("m.tflite", &tensor(vec![u32::MAX, 4], 0), "TFL006");
    finds("m.tflite", &tensor(vec![1 << 30, 1 << 30, 1 << 30], 0), "TFL006");
}

#[test]
fn indexes_are_of_something() {
    let of = |change: fn(&mut Model)| {
        let mut model = Model::good();
        change(&mut model);
        model.file()
    };
    finds("m.tflite", &of(|model| model.tensor[2].1 = Value::U32(2)), "TFL007");
    finds("m.tflite", &of(|model| model.operator[0].1 = Value::U32(1)), "TFL007");
    finds("m.tflite", &of(|model| model.operator[1].1 = Value::U32s(vec![1])), "TFL007");
    finds("m.tflite", &of(|model| model.metadata[1].1 = Value::U32(9)), "TFL007");
}

#[test]
fn data_behind_the_model() {
    let of = |offset, size| {
        let buffers = vec![vec![], vec![(1, Value::U64(offset)), (2, Value::U64(size))]];
        Model { buffers, ..Model::good() }.file()
    };
    clean("m.tflite", &of(64, 16));
    finds("m.tflite", &of(1 << 40, 16), "TFL008");
    finds("m.tflite", &of(u64::MAX, 16), "TFL008");
}

#[test]
fn what_leads_beyond_the_file() {
    let good = Model::good().file();
    for root in [0, 7, 1 << 20, u32::MAX] {
        let mut bad = good.clone();
        bad[..4].copy_from_slice(&root.to_le_bytes());
        assert_eq!(look("m.tflite", &bad).verdict(), Verdict::Malformed, "{root}");
    }
    // Vectors of more tables than there are bytes; one table a million times.
    let mut shared = good;
    let vector = shared.len();
    let count: u32 = 400_000;
    let root = u32::from_le_bytes(shared[..4].try_into().unwrap()) as usize;
    let codes = root + 4 + 8;
    shared[codes..codes + 4].copy_from_slice(&((vector - codes) as u32).to_le_bytes());
    shared.extend(count.to_le_bytes());
    let first = shared.len();
    shared.resize(first + 4 * count as usize, 0);
    let table = shared.len();
    shared.extend([4, 0, 4, 0]);
    let table_at = shared.len();
    shared.extend(((table_at - table) as i32).to_le_bytes());
    for index in 0..count as usize {
        let from = first + 4 * index;
        shared[from..from + 4].copy_from_slice(&((table_at - from) as u32).to_le_bytes());
    }
    look("m.tflite", &shared);
}

#[test]
fn an_archive_behind_the_model_is_looked_at() {
    let mut model = Model::good().file();
    let member = |name: &str, data: &[u8], out: &mut Vec<u8>| {
        let at = out.len() as u32;
        let mut crc = flate2::Crc::new();
        crc.update(data);
        let sizes = [crc.sum(), data.len() as u32, data.len() as u32].map(u32::to_le_bytes).concat();
        let fixed = [10, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        out.extend(
            [b"PK\x03\x04".as_slice(), &fixed, &sizes, &[name.len() as u8, 0, 0, 0], name.as_bytes(), data]
                .concat(),
        );
        let directory = out.len() as u32;
        out.extend(
            [b"PK\x01\x02\x0a\x00".as_slice(), &fixed, &sizes, &[name.len() as u8, 0], &[0; 12]].concat(),
        );
        out.extend(at.to_le_bytes());
        out.extend(name.as_bytes());
        let len = out.len() as u32 - directory;
        out.extend(
            [
                b"PK\x05\x06\0\0\0\0\x01\0\x01\0".as_slice(),
                &len.to_le_bytes(),
                &directory.to_le_bytes(),
                &[0, 0],
            ]
            .concat(),
        );
    };
    let mut evil = model.clone();
    member("labels.txt", b"person\ncar\n", &mut model);
    let found = clean("m.tflite", &model);
    assert_eq!((found.format, found.contents.members), (FileFormat::Tflite, 1));
    member("labels.txt", b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x01a\x85R.", &mut evil);
    assert_eq!(look("m.tflite", &evil).verdict(), Verdict::Malicious);
}

#[test]
fn programs_for_executorch() {
    let program = |operator, delegates: Vec<Fields>| {
        let plan = vec![
            (0, Value::Text("forward")),
            (6, Value::Tables(vec![vec![(0, Value::Text(operator))]])),
            (7, Value::Tables(delegates)),
        ];
        file(b"ET12", vec![(1, Value::Tables(vec![plan]))])
    };
    assert_eq!(clean("m.pte", &program("aten::add", vec![])).format, FileFormat::Executorch);
    finds("m.pte", &program("mine::add", vec![]), "PTE002");
    finds("m.pte", &program("aten::add", vec![vec![(0, Value::Text("XnnpackBackend"))]]), "PTE003");
    finds("m.pte", &file(b"ET12", vec![(0, Value::U32(0))]), "PTE001");
    let segment = vec![(0, Value::U64(0)), (1, Value::U64(1 << 40))];
    finds("m.pte", &file(b"ET12", vec![(4, Value::Tables(vec![segment]))]), "PTE001");
    mangle("m.pte", &program("aten::add", vec![]));
}
