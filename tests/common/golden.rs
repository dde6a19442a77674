//! Files of known values, in the safetensors format.

use gradkern::reference::Matrix;
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A file: its tensors, and what its metadata says.
pub struct Golden {
    path: PathBuf,
    tensors: BTreeMap<String, Tensor>,
    metadata: BTreeMap<String, String>,
}

/// Shape and elements; whole numbers of every type are exact as `f64` here.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub data: Vec<f64>,
}

impl Golden {
    /// A file of the directory of golden values, which `GRADKERN_GOLDEN` replaces. `None` if the
    /// replacement lacks the file.
    pub fn optional(name: &str) -> Option<Self> {
        let path = match std::env::var_os("GRADKERN_GOLDEN") {
            Some(directory) => PathBuf::from(directory).join(name),
            None => return Some(Self::own(name)),
        };
        path.exists().then(|| Self::read(&path))
    }

    /// As [`Self::optional`], but the file must be there.
    pub fn required(name: &str) -> Self {
        Self::optional(name).unwrap_or_else(|| panic!("GRADKERN_GOLDEN has no {name}"))
    }

    /// A file of the repository's own golden values.
    pub fn own(name: &str) -> Self {
        Self::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name))
    }

    /// Any file.
    pub fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
        let (_, header) = SafeTensors::read_metadata(&bytes).expect("its header");
        let metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
        let tensors = file.iter().map(|(name, view)| {
            let data = numbers(view.dtype(), view.data());
            (name.to_owned(), Tensor { shape: view.shape().to_vec(), data })
        });
        Golden { path: path.to_owned(), tensors: tensors.collect(), metadata }
    }

    /// A tensor, if there is one of that name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    /// A tensor's elements.
    pub fn vector(&self, name: &str) -> &[f64] {
        let tensor = self.get(name);
        &tensor.unwrap_or_else(|| panic!("{} has no {name}", self.path.display())).data
    }

    /// A tensor of two dimensions.
    pub fn matrix(&self, name: &str) -> Matrix {
        let data = self.vector(name).to_vec();
        let &[rows, cols] = &self.tensors[name].shape[..] else { panic!("{name} is no matrix") };
        Matrix { rows, cols, data }
    }

    /// A tensor of class indices.
    pub fn classes(&self, name: &str) -> Vec<i64> {
        self.vector(name).iter().map(|&label| label as i64).collect()
    }

    /// A metadata entry, which is JSON.
    pub fn json(&self, name: &str) -> serde_json::Value {
        let text = self.metadata.get(name);
        let text = text.unwrap_or_else(|| panic!("{} says no {name}", self.path.display()));
        serde_json::from_str(text).unwrap_or_else(|e| panic!("{name}: {e}"))
    }
}

fn numbers(dtype: Dtype, bytes: &[u8]) -> Vec<f64> {
    fn convert<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        let (chunks, rest) = bytes.as_chunks::<N>();
        assert!(rest.is_empty(), "the bytes are whole numbers");
        chunks.iter().map(|&chunk| number(chunk)).collect()
    }
    match dtype {
        Dtype::F64 => convert(bytes, f64::from_le_bytes),
        Dtype::F32 => convert(bytes, |b| f64::from(f32::from_le_bytes(b))),
        Dtype::I64 => convert(bytes, |b| i64::from_le_bytes(b) as f64),
        Dtype::I32 => convert(bytes, |b| f64::from(i32::from_le_bytes(b))),
        Dtype::U8 => convert(bytes, |[b]| f64::from(b)),
        other => panic!("{other:?} is not among the types of the golden files"),
    }
}
