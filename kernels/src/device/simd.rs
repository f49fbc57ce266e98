//! Levels of the CPU.
//!
//! A thread of a [`super::Queue`] works at the level of its queue, any other at that of the process. Bodies are plain loops (or [`pulp::Simd`] code); [`dispatch`] and its twin for explicit vectors compile them for each level
//! and run the best one the machine has. [`limit`] forces a lower level, for tests and bug reports. The tests of this
//! crate take it from `SNARM_ISA`.

use std::cell::Cell;
use std::sync::OnceLock;

use pulp::{Arch, Scalar128b, Simd, WithSimd};

/// Instruction set levels, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// What the compilation target guarantees (SSE2 on x86-64, NEON on AArch64).
    Portable,
    /// AVX2 with FMA.
    Avx2,
    /// AVX-512 F, BW, CD, DQ and VL.
    Avx512,
}

impl Isa {
    /// Levels this machine can run, lowest first.
    pub fn available() -> Vec<Isa> {
        [Isa::Portable, Isa::Avx2, Isa::Avx512].into_iter().filter(|&isa| arch_of(isa).is_some()).collect()
    }

    /// The level of that name, if there is one.
    pub fn named(name: &str) -> Option<Isa> {
        [Isa::Portable, Isa::Avx2, Isa::Avx512].into_iter().find(|isa| isa.name() == name)
    }

    /// Lower-case name.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Portable => "portable",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn arch_of(isa: Isa) -> Option<Arch> {
    match isa {
        Isa::Portable => Some(Arch::Scalar),
        Isa::Avx2 => pulp::x86::V3::try_new().map(Arch::V3),
        Isa::Avx512 => pulp::x86::V4::try_new().map(Arch::V4),
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn arch_of(isa: Isa) -> Option<Arch> {
    (isa == Isa::Portable).then(Arch::new)
}

thread_local! {
    /// The level of this thread's queue.
    static LEVEL: Cell<Option<(Isa, Arch)>> = const { Cell::new(None) };
}

/// Lets this thread work at a level from now on. A level that the machine lacks changes nothing.
pub(super) fn set_level(isa: Isa) {
    LEVEL.set(arch_of(isa).map(|arch| (isa, arch)));
}

/// Whether this thread belongs to a queue.
pub(super) fn has_level() -> bool {
    LEVEL.get().is_some()
}

/// The level of this thread.
fn level() -> (Isa, Arch) {
    LEVEL.get().unwrap_or_else(of_process)
}

/// The level that the choice must not exceed.
static LIMIT: OnceLock<Isa> = OnceLock::new();

/// Lets the process take no higher level than `isa`. Whether that is so: not where another level is in use already.
pub fn limit(isa: Isa) -> bool {
    *LIMIT.get_or_init(|| isa) == isa && of_process().0 <= isa
}

/// The level where nobody sets a limit.
#[cfg(not(test))]
fn unlimited() -> Isa {
    Isa::Avx512
}

/// The level that the tests of this crate are to run at.
#[cfg(test)]
fn unlimited() -> Isa {
    let asked = std::env::var("SNARM_ISA").ok();
    asked.and_then(|name| Isa::named(&name)).unwrap_or(Isa::Avx512)
}

/// The level of the process: the highest that the machine has and the limit allows.
fn of_process() -> (Isa, Arch) {
    static CHOICE: OnceLock<(Isa, Arch)> = OnceLock::new();
    *CHOICE.get_or_init(|| {
        let ceiling = *LIMIT.get_or_init(unlimited);
        let best = Isa::available().into_iter().rfind(|&isa| isa <= ceiling).unwrap_or(Isa::Portable);
        (best, arch_of(best).unwrap_or(Arch::Scalar))
    })
}

/// The level in use on this thread.
pub fn isa() -> Isa {
    level().0
}

/// Runs `body` compiled for the level in use. Everything it calls must be `#[inline(always)]` to profit.
#[inline]
pub fn dispatch<R>(body: impl FnOnce() -> R) -> R {
    level().1.dispatch(body)
}

/// Runs explicit SIMD code at the level in use.
#[inline]
pub(crate) fn with_simd<W: WithSimd>(body: W) -> W::Output {
    run(level().1, body)
}

/// Runs explicit SIMD code at a given level, which data are laid out for; one that the machine lacks is as the one in use.
#[inline]
pub(crate) fn with_simd_at<W: WithSimd>(isa: Isa, body: W) -> W::Output {
    let (current, arch) = level();
    run(if isa == current { arch } else { arch_of(isa).unwrap_or(arch) }, body)
}

/// a * b + c, rounded once where the level has an instruction for it. Without one a fused product would be a call into
/// the C library for every lane.
#[inline(always)]
pub(crate) fn mul_add<S: Simd>(simd: S, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
    if cfg!(target_arch = "x86_64") && S::F32_LANES == 4 {
        simd.add_f32s(simd.mul_f32s(a, b), c)
    } else {
        simd.mul_add_e_f32s(a, b, c)
    }
}

/// Without a known level the compiler's own 128-bit vectors serve explicit SIMD code better than scalars.
#[inline]
fn run<W: WithSimd>(arch: Arch, body: W) -> W::Output {
    match arch {
        Arch::Scalar => body.with_simd(Scalar128b),
        arch => arch.dispatch(body),
    }
}

#[cfg(all(test, target_arch = "aarch64"))]
mod tests {
    use super::*;

    /// Every such processor has them, and pulp finds them.
    #[test]
    fn the_portable_level_has_the_vectors_of_neon() {
        assert_eq!(Isa::available(), [Isa::Portable]);
        assert!(matches!(arch_of(Isa::Portable), Some(Arch::Neon(_))));
    }
}
