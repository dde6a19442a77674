//! Every way a call is refused. A kernel checks its arguments before it writes anything, so after
//! an `Err` the caller's outputs still hold what they held.

use std::fmt;

/// What a gradkern function returns.
pub type Result<V> = std::result::Result<V, Error>;

/// Why a call was refused: which argument, what was expected of it, and what was found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// A matrix whose shape does not fit the other arguments.
    Shape {
        /// The parameter's name.
        argument: &'static str,
        /// Rows and columns that would fit.
        expected: (usize, usize),
        /// Rows and columns that were passed.
        found: (usize, usize),
    },
    /// A slice, or a list of matrices, with the wrong number of elements.
    Length {
        /// The parameter's name.
        argument: &'static str,
        /// The number of elements that would fit.
        expected: usize,
        /// The number of elements that were passed.
        found: usize,
    },
    /// A slice too short for the shape and strides laid over it.
    OutOfBounds {
        /// The parameter's name.
        argument: &'static str,
        /// The number of elements that the shape and strides reach.
        expected: usize,
        /// The number of elements in the slice.
        found: usize,
    },
    /// Strides that put two elements of a mutable view in one place.
    Overlap {
        /// The parameter's name.
        argument: &'static str,
        /// Rows and columns of the view.
        shape: (usize, usize),
        /// Row stride and column stride that were passed.
        found: (usize, usize),
    },
    /// An extent, or an extent times its stride, that exceeds `isize::MAX` or what memory holds.
    TooLarge {
        /// The parameter's name.
        argument: &'static str,
        /// The number of rows or columns.
        extent: usize,
        /// The stride between them, in elements.
        found: usize,
    },
    /// A range of rows or columns that does not lie inside the view.
    Range {
        /// The parameter's name.
        argument: &'static str,
        /// The number of rows or columns there are.
        expected: usize,
        /// The range's start and end.
        found: (usize, usize),
    },
    /// A class index that is not one of the classes.
    Label {
        /// The parameter's name.
        argument: &'static str,
        /// The sample it belongs to.
        row: usize,
        /// The number of classes: a label is less than this.
        classes: usize,
        /// The label that was passed.
        found: i128,
    },
    /// A number outside the values an option allows.
    Value {
        /// The parameter's name.
        argument: &'static str,
        /// The values it may have.
        expected: &'static str,
        /// The value that was passed.
        found: f64,
    },
    /// Two options that do not go together.
    Conflict {
        /// The parameter's name.
        argument: &'static str,
        /// When it may be used.
        expected: &'static str,
        /// What it was combined with.
        found: &'static str,
    },
    /// `GRADKERN_ISA` names an instruction set that is unknown or that this processor lacks.
    InstructionSet {
        /// The names that would be accepted on this processor.
        expected: String,
        /// The name that was found.
        found: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Shape { argument, expected: (er, ec), found: (fr, fc) } => {
                write!(f, "`{argument}`: expected a {er} × {ec} matrix, found {fr} × {fc}")
            }
            Error::Length { argument, expected, found } => {
                write!(f, "`{argument}`: expected {expected} elements, found {found}")
            }
            Error::OutOfBounds { argument, expected, found } => write!(
                f,
                "`{argument}`: expected a slice of at least {expected} elements for this shape and these strides, found {found}"
            ),
            Error::Overlap { argument, shape: (rows, cols), found: (rs, cs) } => write!(
                f,
                "`{argument}`: expected strides under which no two elements of a {rows} × {cols} matrix share a place, found row stride {rs} and column stride {cs}"
            ),
            Error::TooLarge { argument, extent, found: 0 } => {
                write!(f, "`{argument}`: expected an extent of at most isize::MAX, found {extent}")
            }
            Error::TooLarge { argument, extent, found } => write!(
                f,
                "`{argument}`: expected extent × stride of at most isize::MAX elements, found {extent} × {found}"
            ),
            Error::Range { argument, expected, found: (start, end) } => write!(
                f,
                "`{argument}`: expected a range with start ≤ end ≤ {expected}, found {start}..{end}"
            ),
            Error::Label { argument, row, classes, found } => write!(
                f,
                "`{argument}`: expected a class index in 0..{classes} for sample {row}, found {found}"
            ),
            Error::Value { argument, expected, found } => {
                write!(f, "`{argument}`: expected {expected}, found {found}")
            }
            Error::Conflict { argument, expected, found } => {
                write!(f, "`{argument}`: expected {expected}, found {found}")
            }
            Error::InstructionSet { expected, found } => {
                write!(f, "`GRADKERN_ISA`: expected {expected}, found {found:?}")
            }
        }
    }
}

impl std::error::Error for Error {}

/// `Err(Error::Length)` unless a slice has the number of elements it needs.
pub(crate) fn check_length(argument: &'static str, expected: usize, found: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::Length { argument, expected, found })
}

/// `Err(Error::Shape)` unless a matrix has the shape it needs.
pub(crate) fn check_shape(
    argument: &'static str,
    expected: (usize, usize),
    found: (usize, usize),
) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::Shape { argument, expected, found })
}
