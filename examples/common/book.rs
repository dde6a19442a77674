//! The book's own data sets, drawn by NumPy, and the network of its chapter 5.

use super::Failure;
use gradkern::datasets::Dataset;
use safetensors::SafeTensors;

/// A file of the book's numbers, embedded in the program.
pub struct Book(SafeTensors<'static>);

impl Book {
    /// The spirals, and a network on them with all of its outputs.
    pub fn spiral() -> Result<Self, Failure> {
        let file = include_bytes!("../../tests/golden/book_spiral.safetensors");
        Ok(Book(SafeTensors::deserialize(file)?))
    }

    /// The vertical data of chapter 6.
    pub fn vertical() -> Result<Self, Failure> {
        let file = include_bytes!("../../tests/golden/book_vertical.safetensors");
        Ok(Book(SafeTensors::deserialize(file)?))
    }

    /// The points and their classes.
    pub fn data(&self) -> Result<Dataset<f32>, Failure> {
        let labels = self.0.tensor("y")?.data().to_vec();
        Ok(Dataset { inputs: self.numbers("x")?, labels })
    }

    /// The weights and biases of the network, in the order of [`Mlp`](gradkern::Mlp)'s parameters.
    pub fn parameters(&self) -> Result<Vec<f32>, Failure> {
        let names = ["dense1.weights", "dense1.biases", "dense2.weights", "dense2.biases"];
        let tensors = names.map(|name| self.numbers(name));
        tensors.into_iter().try_fold(Vec::new(), |all, tensor| Ok([all, tensor?].concat()))
    }

    /// The elements of a tensor, row by row.
    pub fn numbers(&self, name: &str) -> Result<Vec<f32>, Failure> {
        let (bytes, _) = self.0.tensor(name)?.data().as_chunks();
        Ok(bytes.iter().map(|&number| f32::from_le_bytes(number)).collect())
    }
}
