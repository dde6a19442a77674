//! How exact each library's products are, on the data of gradkern's own test.

use crate::gemm::{LIBRARIES, Operand};
use crate::hard_products::{Data, Product, SHAPES, Shape};

/// The worst error of each library in the products of each kind of data, and where, as a Markdown
/// table.
pub fn table() -> String {
    let mut table = "| data |".to_string();
    LIBRARIES.iter().for_each(|(name, _)| table += &format!(" {name} |"));
    table += &format!("\n|{}", " --- |".repeat(1 + LIBRARIES.len()));
    for data in Data::ALL {
        for (kind, shapes) in SHAPES {
            table += &format!("\n| {data:?}{kind} |");
            for (worst, (m, k, n)) in worst(data, shapes) {
                table += &format!(" {worst:.2} at m{m} n{n} k{k} |");
            }
        }
    }
    table
}

/// The worst error of each library, and where.
fn worst(data: Data, shapes: &[Shape]) -> [(f64, Shape); LIBRARIES.len()] {
    let mut worst = [(0.0_f64, shapes[0]); LIBRARIES.len()];
    for &shape in shapes {
        let product = Product::<f32>::new(0, data, shape, (1.0, 0.0));
        for (worst, (_, library)) in worst.iter_mut().zip(LIBRARIES) {
            let (m, k, n) = shape;
            let a = Operand::new(&product.a, m, k, false);
            let b = Operand::new(&product.b, k, n, false);
            let mut c = vec![f32::NAN; m * n];
            library(a, b, &mut c, 1);
            let error = product.worst(&c);
            if error > worst.0 {
                *worst = (error, shape);
            }
        }
    }
    worst
}
