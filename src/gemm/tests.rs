//! The engines against a reference summed to twice the working precision, on every instruction set
//! that this machine has.
//!
//! The bound is the one that `gemm` documents, so nothing here is a guessed tolerance.

mod case;

use self::case::{Case, FINISHES, Finish, LAYOUTS, Layout, PLAIN, Prepared};
use super::params::Processor;
use super::plan::Way;
use super::tile::LONG_STEPS;
use super::{Epilogue, Product, native, portable};
use crate::arch::Token;
use crate::float::Float;
use crate::isa::Isa;
use crate::par::Par;
use crate::view::{MatMut, MatRef};

fn tokens() -> impl Iterator<Item = Token> {
    [Isa::Portable, Isa::Avx2, Isa::Avx512].into_iter().filter_map(Token::new)
}

/// Checks the native engine in every way on each instruction set, plain Rust included, and the
/// portable engine, with both element types.
fn on_every_engine(cases: impl Iterator<Item = Case>) {
    fn check<T: Float>(case: Case) {
        let prepared = Prepared::<T>::new(case);
        for (token, way) in tokens().flat_map(|token| Way::ALL.map(|way| (token, way))) {
            // Half tiles are of long products with many rows, or columns where they are turned.
            let many = case.k >= 48 && case.m.max(case.n) >= 28;
            for halves in [false, true].into_iter().take(1 + usize::from(many)) {
                let processor = Processor { first_level_ways: 8, second_level: 1 << 20, halves };
                prepared.compute(|product| {
                    native::run_as(product, token, Par::Seq, processor, Some(way));
                });
            }
        }
        prepared.compute(|product| portable::run(product, Par::Seq));
    }
    for case in cases {
        check::<f32>(case);
        check::<f64>(case);
    }
}

/// Extents on both sides of every edge of a tile: 6 or 14 rows, 2 vectors of 2 to 16 columns.
const EXTENTS: [usize; 21] =
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15, 16, 17, 27, 28, 29, 31, 32, 33];

#[test]
fn every_tile_edge() {
    let shapes = EXTENTS.into_iter().flat_map(|m| EXTENTS.map(|n| (m, n)));
    on_every_engine(shapes.flat_map(|(m, n)| {
        [1, 2, 3, 17].map(|k| Case { m, n, k, alpha: 0.5, beta: -1.5, ..PLAIN })
    }));
}

/// Tiles of short products: 6 rows of 4 vectors of 8 or 16 columns, and the ends of both.
#[test]
fn every_edge_of_a_low_tile() {
    let edges = (32..=65).chain([79, 80, 96, 97, 112, 113, 127, 128, 129, 176, 192]);
    let short = edges.flat_map(|n| [(n, 1, Layout::Rows), (n, 5, Layout::Cols)]);
    let longer = [33, 47, 63, 64, 65, 90, 97, 127, 129].into_iter();
    let longer = longer.flat_map(|n| [LONG_STEPS - 1, LONG_STEPS].map(|k| (n, k, Layout::Rows)));
    on_every_engine(short.chain(longer).flat_map(|(n, k, b)| {
        let rows = [1, 2, 5, 6, 7, 11, 12, 13, 19];
        rows.map(|m| Case { m, n, k, b, beta: -1.5, finish: Finish::BiasRelu, ..PLAIN })
    }));
}

/// Half tiles of 7 rows, and lower ones at the end, with B in place, kept, and packed first.
#[test]
fn every_edge_of_a_half_tile() {
    let shapes = [28, 29, 32, 33, 34, 35, 36, 41, 42, 48].into_iter();
    let shapes = shapes.flat_map(|m| [(m, 33, 160), (m, 64, 600), (m, 31, LONG_STEPS)]);
    let shapes = shapes.chain([(57, 33, 300), (58, 80, 600), (63, 100, 250)]);
    on_every_engine(shapes.flat_map(|(m, n, k)| {
        let layouts = [Layout::Rows, Layout::Cols, Layout::Sparse].into_iter();
        let layouts = layouts.flat_map(|a| [(a, Layout::Rows), (a, Layout::Cols)]);
        layouts.zip(FINISHES.into_iter().cycle().skip(m)).map(move |((a, b), finish)| Case {
            m,
            n,
            k,
            a,
            b,
            beta: -1.5,
            finish,
            ..PLAIN
        })
    }));
}

#[test]
fn every_layout_with_every_epilogue() {
    let layouts = LAYOUTS
        .into_iter()
        .flat_map(|a| LAYOUTS.into_iter().flat_map(move |b| LAYOUTS.map(|c| (a, b, c))));
    let shapes = [(1, 1, 1), (3, 40, 9), (5, 3, 33), (31, 37, 20), (40, 70, 5)];
    on_every_engine(layouts.flat_map(move |(a, b, c)| {
        shapes.into_iter().flat_map(move |(m, n, k)| {
            FINISHES.into_iter().flat_map(move |finish| {
                [(1.0, 0.0), (-0.1, 1.0)].map(|(alpha, beta)| Case {
                    m,
                    n,
                    k,
                    a,
                    b,
                    c,
                    alpha,
                    beta,
                    finish,
                })
            })
        })
    }));
}

#[test]
fn several_blocks_of_rows_and_of_k() {
    // Then: tiles of 8 and of 4 vectors, operands too far apart, or used too often, to stay in place,
    // and few rows with a large B; and last with a huge one.
    let shapes = [
        (20, 40, 1100),
        (1500, 5, 300),
        (3, 300, 1030),
        (1, 300, 40),
        (2, 140, 33),
        (30, 70, 1024),
        (20, 1100, 9),
        (1, 1030, 523),
        (8, 2100, 523),
        (7, 1030, 523),
        (100, 20, 1100),
    ];
    let huge = Case { m: 6, n: 1100, k: 2050, beta: 0.25, ..PLAIN };
    on_every_engine(
        shapes
            .into_iter()
            .flat_map(|(m, n, k)| {
                let transposes = [Layout::Rows, Layout::Cols];
                transposes.into_iter().flat_map(move |a| {
                    transposes.into_iter().flat_map(move |b| {
                        [Finish::None, Finish::BiasRelu, Finish::ReluMask].map(|finish| Case {
                            a,
                            b,
                            m,
                            n,
                            k,
                            beta: 0.25,
                            finish,
                            ..PLAIN
                        })
                    })
                })
            })
            .chain([huge]),
    );
}

#[test]
fn blocks_of_rows_and_columns_change_no_bit() {
    // With so small a cache, blocks are a few panels wide and 64 rows high.
    let shapes = [
        (200, 170, 40),
        (193, 65, 530),
        (460, 97, 24),
        (192, 33, 1),
        (703, 65, 530),
        (200, 250, 100),
        (200, 64, 600),
        (20, 64, 600),
        // A in rows that only half tiles read where it lies.
        (64, 600, 110),
        // A B that only half tiles read where it lies, but for its last columns or with them.
        (40, 250, 600),
        (28, 240, 600),
        // Several panels at a time, fewer, and last columns.
        (40, 250, 130),
        // Streams, of which 4 rows and more are tiles where these are half ones.
        (1, 1100, 600),
        (3, 1100, 600),
        (4, 1100, 600),
        (8, 1100, 600),
        // A in rows, with a B from beyond the cache.
        (12, 200, 600),
    ];
    let layouts = [
        (Layout::Rows, Layout::Rows),
        (Layout::Rows, Layout::PaddedCols),
        (Layout::PaddedCols, Layout::Rows),
        (Layout::PaddedCols, Layout::PaddedCols),
        (Layout::Sparse, Layout::Sparse),
        (Layout::Sparse, Layout::Rows),
    ];
    for (m, n, k) in shapes {
        for (a, b) in layouts {
            let case = Case { m, n, k, a, b, beta: -0.5, finish: Finish::ReluMask, ..PLAIN };
            blocks_change_no_bit::<f32>(case);
            blocks_change_no_bit::<f64>(case);
        }
    }
}

fn blocks_change_no_bit<T: Float>(case: Case) {
    let prepared = Prepared::<T>::new(case);
    for token in tokens() {
        let want = prepared.compute(|product| native::run(product, token, Par::Seq));
        for (second_level, halves) in
            [0, 20 << 10, 200 << 10].into_iter().flat_map(|bytes| [(bytes, false), (bytes, true)])
        {
            let processor = Processor { first_level_ways: 8, second_level, halves };
            let found = prepared
                .compute(|product| native::run_as(product, token, Par::Seq, processor, None));
            assert!(want == found, "blocks for {processor:?} change the result: {case:?}");
        }
    }
}

#[test]
fn one_step_may_lie_with_any_stride() {
    let (m, n, any) = (300, 1100, isize::MAX as usize);
    let a: Vec<f32> = (0..m).map(|i| i as f32).collect();
    let b: Vec<f32> = (0..n).map(|j| j as f32 - 500.0).collect();
    let want: Vec<f32> = a.iter().flat_map(|x| b.iter().map(move |y| x * y)).collect();
    let a = MatRef::with_strides(&a, m, 1, 1, any).unwrap();
    let b = MatRef::with_strides(&b, 1, n, any, 1).unwrap();
    for token in tokens() {
        for second_level in [0, 2 << 10, 20 << 10] {
            let processor = Processor { first_level_ways: 8, second_level, halves: true };
            let mut c = vec![f32::NAN; m * n];
            let c_view = MatMut::new(&mut c, m, n).unwrap();
            let (alpha, beta, epilogue) = (1.0, 0.0, Epilogue::None);
            let mut product = Product { alpha, a, b, beta, c: c_view, epilogue };
            native::run_as(&mut product, token, Par::Seq, processor, None);
            assert!(c == want, "{token:?} with a cache of {second_level} bytes");
        }
    }
}

/// With a small B, a large one, several blocks of columns of different lengths, and a huge one.
#[test]
fn f32_streams_of_four_rows_and_more_give_the_bits_of_tiles_with_avx_512() {
    let shapes = [(4, 100, 1030), (5, 1100, 600), (6, 4100, 137), (7, 2600, 300), (8, 4100, 523)];
    for (m, n, k) in shapes {
        for (c, finish) in [(Layout::Rows, Finish::BiasRelu), (Layout::Sparse, Finish::ReluMask)] {
            let case = Case { m, n, k, c, alpha: -0.7, beta: 0.3, finish, ..PLAIN };
            streams_give_the_bits_of_tiles(case);
        }
    }
}

fn streams_give_the_bits_of_tiles(case: Case) {
    let prepared = Prepared::<f32>::new(case);
    if let Some(token) = Token::new(Isa::Avx512) {
        let [tiles, stream] = [Way::Columns, Way::Stream].map(|way| {
            prepared.compute(|product| {
                native::run_as(product, token, Par::Seq, Processor::this(), Some(way));
            })
        });
        assert!(tiles == stream, "{token:?}: {case:?}");
    }
}

#[cfg(feature = "rayon")]
#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let shapes =
        [(300, 200, 150), (33, 1000, 300), (1000, 33, 300), (8, 2000, 600), (257, 16, 999)];
    // Of 15 parts below each other the last has 1 row, or 2; of 13 it has 6: as few as take wide tiles.
    let shapes = shapes.into_iter().chain([(421, 128, 300), (422, 64, 600), (366, 127, 300)]);
    // Of few rows, 15 parts have 32 columns.
    let shapes = shapes.chain([(33, 480, 300), (48, 480, 100)]);
    // More columns than use a transposed A where it lies, with steps more than 1 KiB apart.
    let shapes = shapes.chain([(301, 270, 110)]);
    // Streams whose B is not large.
    let shapes = shapes.chain([(1, 1000, 500), (2, 1000, 500)]);
    for (m, n, k) in shapes {
        for (a, b) in [(Layout::Rows, Layout::Rows), (Layout::Cols, Layout::Cols)] {
            let case = Case { m, n, k, a, b, beta: 1.0, finish: Finish::BiasRelu, ..PLAIN };
            let prepared = Prepared::<f32>::new(case);
            for token in tokens() {
                let run = |par| prepared.compute(|product| native::run(product, token, par));
                let want = run(Par::Seq);
                for threads in [1, 2, 3, 8, 13, 15] {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
                    let found = pool.build().unwrap().install(|| run(Par::Rayon));
                    let same = want.iter().zip(&found).all(|(x, y)| x.to_bits() == y.to_bits());
                    assert!(same, "{threads} threads: {case:?}");
                }
            }
        }
    }
}

#[test]
fn nothing_is_read_where_alpha_is_0_or_k_is_0() {
    let nan = [f32::NAN; 12];
    for (alpha, k) in [(0.0, 3), (1.0, 0)] {
        let mut c = [1.0_f32, -2.0, 3.0, -4.0];
        Product {
            alpha,
            a: MatRef::new(&nan[..2 * k], 2, k).unwrap(),
            b: MatRef::new(&nan[..k * 2], k, 2).unwrap(),
            beta: 2.0,
            c: MatMut::new(&mut c, 2, 2).unwrap(),
            epilogue: Epilogue::BiasRelu(&[1.0, 1.0]),
        }
        .run(Par::Seq)
        .unwrap();
        assert_eq!(c, [3.0, 0.0, 7.0, 0.0]);
    }
}

#[test]
fn not_a_number_survives_relu_but_not_beta_0() {
    for token in tokens() {
        for (m, n) in [(2, 3), (14, 32), (33, 40)] {
            let mut a = vec![1.0_f64; m * 4];
            a[4..8].fill(f64::NAN);
            let b = vec![-1.0; 4 * n];
            let mut c = vec![f64::NAN; m * n];
            let mut product = Product {
                alpha: 1.0,
                a: MatRef::new(&a, m, 4).unwrap(),
                b: MatRef::new(&b, 4, n).unwrap(),
                beta: 0.0,
                c: MatMut::new(&mut c, m, n).unwrap(),
                epilogue: Epilogue::BiasRelu(&vec![0.0; n]),
            };
            native::run(&mut product, token, Par::Seq);
            for (i, row) in c.chunks(n).enumerate() {
                let right = |x: &f64| if i == 1 { x.is_nan() } else { *x == 0.0 };
                assert!(row.iter().all(right), "row {i} of {m} × {n}: {row:?}");
            }
        }
    }
}
