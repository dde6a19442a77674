//! Which instruction set the kernels run on.
//!
//! The best one this processor has, found once. The environment variable `GRADKERN_ISA` forces one
//! (`portable`, `avx2` or `avx512`); a name that is unknown, or a set that the processor lacks,
//! makes every kernel return [`Error::InstructionSet`].

use crate::arch::Token;
use crate::error::{Error, Result};
use std::sync::OnceLock;

/// An instruction set the crate has kernels for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isa {
    /// What the target guarantees; products by the `matrixmultiply` crate.
    Portable,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// x86-64 with AVX-512 F, BW, DQ and VL.
    Avx512,
}

impl Isa {
    /// The name that `GRADKERN_ISA` takes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Isa::Portable => "portable",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
        }
    }
}

/// The instruction sets this processor has, from the most general to the fastest.
pub fn available() -> impl Iterator<Item = Isa> {
    [Isa::Portable, Isa::Avx2, Isa::Avx512].into_iter().filter(|&isa| Token::new(isa).is_some())
}

/// The instruction set that kernels use in this process.
///
/// # Errors
/// [`Error::InstructionSet`] if `GRADKERN_ISA` names one that cannot be had.
pub fn current() -> Result<Isa> {
    token().map(Token::isa)
}

/// The token of the instruction set in use.
pub(crate) fn token() -> Result<Token> {
    static TOKEN: OnceLock<Result<Token>> = OnceLock::new();
    TOKEN.get_or_init(|| choose(std::env::var_os("GRADKERN_ISA"))).clone()
}

fn choose(forced: Option<std::ffi::OsString>) -> Result<Token> {
    let wanted = forced.as_ref().map(|name| name.to_string_lossy());
    available()
        .filter(|isa| wanted.as_ref().is_none_or(|name| name == isa.name()))
        .filter_map(Token::new)
        .last()
        .ok_or_else(|| Error::InstructionSet {
            expected: available().map(Isa::name).collect::<Vec<_>>().join(", "),
            found: wanted.unwrap_or_default().into_owned(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forced_set_is_used_and_a_missing_one_is_named() {
        for isa in available() {
            assert_eq!(choose(Some(isa.name().into())).map(Token::isa), Ok(isa));
        }
        assert_eq!(choose(None).map(Token::isa).ok(), available().last());
        let error = choose(Some("avx1024".into())).unwrap_err();
        assert!(error.to_string().starts_with("`GRADKERN_ISA`: expected portable"), "{error}");
        assert!(error.to_string().ends_with("found \"avx1024\""), "{error}");
    }
}
