//! The selective scan of Mamba: a linear recurrence whose step and input matrices depend on the token.
//!
//! For each channel, with delta = softplus(delta_in + bias), which is the identity above 20, and A < 0:
//!
//! h_t = exp(delta_t A) h_{t-1} + delta_t B_t u_t, y_t = C_t . h_t + D u_t, and, gated, y_t silu(z_t).
//!
//! The state starts at zero in each sequence and stays f32.
//!
//! # Shapes
//! All rows are tokens: u, delta_in, z and y are (sequences * len, d), so that vector lanes are channels. B and C are
//! the last 2 n elements of rows of any width, \[... | B | C\], as the projection before the scan leaves them. A lies
//! state by state, (n, d), as do the states (sequences, n, d); D and the bias are (d). A device may keep u and y as bf16.
//!
//! `selective_scan_in_turns` has the parameters of several layers, A (layers, n, d), D and the bias (layers, d), and sequences go
//! through them in turns.

pub mod backward;
mod cpu;
mod cuda;
pub(crate) mod functions;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

pub use cpu::Workspace;

use crate::device::cuda::{Slice, check_floats, check_queue};
use crate::device::{BufferView, BufferViewMut, apart};
use crate::error::{Error, Result, check_len};

/// What a scan reads for each token.
#[derive(Debug, Clone, Copy)]
pub struct Tokens<T> {
    /// The input.
    pub u: T,
    /// The step before bias and softplus.
    pub delta: T,
    /// Rows that end in B and C.
    pub bc: T,
    /// The gate.
    pub z: Option<T>,
}

/// What a scan has learned.
#[derive(Debug, Clone, Copy)]
pub struct Parameters<T> {
    /// A = -exp(A_log), (n, d).
    pub a: T,
    /// D, (d).
    pub skip: T,
    /// Bias of the step, (d).
    pub bias: T,
}

impl<T> Tokens<T> {
    fn map<U>(self, f: impl Fn(T) -> U) -> Tokens<U> {
        Tokens { u: f(self.u), delta: f(self.delta), bc: f(self.bc), z: self.z.map(f) }
    }

    fn host<'a>(self) -> Result<Tokens<&'a [f32]>>
    where
        T: Into<BufferView<'a>>,
    {
        let z = self.z.map(|z| z.into().host(OP)).transpose()?;
        let (u, delta, bc) = (self.u.into().host(OP)?, self.delta.into().host(OP)?, self.bc.into().host(OP)?);
        Ok(Tokens { u, delta, bc, z })
    }
}

impl<'a> Tokens<BufferView<'a>> {
    fn here(self) -> Result<Tokens<&'a [f32]>> {
        let z = self.z.map(|z| z.here(OP)).transpose()?;
        Ok(Tokens { u: self.u.here(OP)?, delta: self.delta.here(OP)?, bc: self.bc.here(OP)?, z })
    }

    fn there(self) -> Result<Tokens<Slice<'a>>> {
        let z = self.z.map(|z| z.there(OP)).transpose()?;
        Ok(Tokens { u: self.u.there(OP)?, delta: self.delta.there(OP)?, bc: self.bc.there(OP)?, z })
    }
}

impl<T> Parameters<T> {
    fn map<U>(self, f: impl Fn(T) -> U) -> Parameters<U> {
        Parameters { a: f(self.a), skip: f(self.skip), bias: f(self.bias) }
    }

    fn host<'a>(self) -> Result<Parameters<&'a [f32]>>
    where
        T: Into<BufferView<'a>>,
    {
        let (a, skip, bias) =
            (self.a.into().host(OP)?, self.skip.into().host(OP)?, self.bias.into().host(OP)?);
        Ok(Parameters { a, skip, bias })
    }
}

/// Scans sequences of `len` tokens, each on its own thread. `states` receives the last state of each.
///
/// # Errors
/// When a length does not fit the channels of `parameters`, the tokens are no whole sequences, or an operand lives on a
/// device.
pub fn selective_scan<'a>(
    tokens: Tokens<impl Into<BufferView<'a>>>,
    parameters: Parameters<impl Into<BufferView<'a>>>,
    len: usize,
    workspace: &mut Workspace,
    states: impl Into<BufferViewMut<'a>>,
    y: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (tokens, parameters) = (tokens.host()?, parameters.host()?);
    let (states, y) = (states.into().host(OP)?, y.into().host(OP)?);
    let n = check(&tokens, &parameters, len, y)?;
    let d = parameters.skip.len();
    check_len(OP, "states", y.len() / (d * len).max(1) * n * d, states.len())?;
    cpu::selective_scan(&tokens, &parameters, len, workspace, states, y);
    Ok(())
}

/// As [`selective_scan`], of `d` channels: sequence i by layer i modulo the number of layers in `parameters`. A device has a body
/// for up to 16 states.
///
/// # Errors
/// When a length does not fit, the tokens are no whole sequences, there are more states on a device, or operands live apart.
pub fn selective_scan_in_turns<'a>(
    tokens: Tokens<impl Into<BufferView<'a>>>,
    parameters: Parameters<impl Into<BufferView<'a>>>,
    [len, d]: [usize; 2],
    workspace: &mut Workspace,
    states: impl Into<BufferViewMut<'a>>,
    y: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (tokens, parameters) = (tokens.map(Into::into), parameters.map(Into::into));
    let (states, y) = (states.into(), y.into());
    let sizes = (tokens.map(|view| view.len()), parameters.map(|view| view.len()));
    let (layers, n) = check_lengths(sizes.0, sizes.1, [len, d], y.len())?;
    let sequences = y.len() / (d * len).max(1);
    check_len(OP, "states", sequences * n * d, states.len())?;
    match (states, y) {
        (BufferViewMut::Host(states), BufferViewMut::Host(y)) => {
            let tokens = tokens.here()?;
            let Parameters { a, skip, bias } = parameters;
            let (a, skip, bias) = (a.here(OP)?, skip.here(OP)?, bias.here(OP)?);
            let width = tokens.bc.len() / sequences.max(1);
            let each = y.chunks_exact_mut((len * d).max(1)).zip(states.chunks_exact_mut((n * d).max(1)));
            for (i, (y, states)) in each.enumerate() {
                let (part, layer) = (|x: &'a [f32], len: usize| &x[i * len..][..len], i % layers);
                let tokens = Tokens {
                    u: part(tokens.u, len * d),
                    delta: part(tokens.delta, len * d),
                    bc: part(tokens.bc, width),
                    z: tokens.z.map(|z| part(z, len * d)),
                };
                let of = |x: &'a [f32], len: usize| &x[layer * len..][..len];
                let parameters = Parameters { a: of(a, n * d), skip: of(skip, d), bias: of(bias, d) };
                cpu::selective_scan(&tokens, &parameters, len, workspace, states, y);
            }
            Ok(())
        }
        (BufferViewMut::Cuda(states), BufferViewMut::Cuda(y)) => {
            let tokens = tokens.there()?;
            let Parameters { a, skip, bias } = parameters;
            let (a, skip, bias) = (a.there(OP)?, skip.there(OP)?, bias.there(OP)?);
            check_floats(OP, &y, &[&tokens.delta, &tokens.bc, &a, &skip, &bias, states.as_slice()])?;
            check_floats(OP, &y, tokens.z.as_ref().as_slice())?;
            check_queue(OP, &y, &[&tokens.u])?;
            cuda::selective_scan(tokens, Parameters { a, skip, bias }, [len, d, n], &states, &y)
        }
        _ => Err(apart(OP)),
    }
}

const OP: &str = "selective_scan";

/// Checks what is read, for a result `y`, and returns the number of states.
fn check(tokens: &Tokens<&[f32]>, parameters: &Parameters<&[f32]>, len: usize, y: &[f32]) -> Result<usize> {
    let d = parameters.skip.len();
    let sizes = (tokens.map(<[f32]>::len), parameters.map(<[f32]>::len));
    Ok(check_lengths(sizes.0, sizes.1, [len, d], y.len())?.1)
}

/// Checks lengths, for a result of `y` elements, and returns the numbers of layers and of states.
fn check_lengths(
    tokens: Tokens<usize>,
    parameters: Parameters<usize>,
    [len, d]: [usize; 2],
    y: usize,
) -> Result<(usize, usize)> {
    let layers = (parameters.skip / d.max(1)).max(1);
    let n = parameters.a / (layers * d).max(1);
    let rows = y / d.max(1);
    check_len(OP, "D", layers * d, parameters.skip)?;
    check_len(OP, "A", layers * n.max(1) * d, parameters.a)?;
    check_len(OP, "bias", layers * d, parameters.bias)?;
    check_len(OP, "y", rows * d, y)?;
    let sequences = rows / len.max(1);
    if sequences * len != rows {
        let expected = format!("whole sequences of {len} tokens");
        return Err(Error::Shape { op: OP, expected, found: format!("{rows} tokens") });
    }
    check_len(OP, "u", rows * d, tokens.u)?;
    check_len(OP, "delta", rows * d, tokens.delta)?;
    check_len(OP, "z", rows * d, tokens.z.unwrap_or(rows * d))?;
    let width = tokens.bc / rows.max(1);
    if width * rows != tokens.bc || (rows > 0 && width < 2 * n) {
        let expected = format!("{rows} rows that end in B and C of {n} elements each");
        return Err(Error::Shape { op: OP, expected, found: format!("{} elements", tokens.bc) });
    }
    Ok((layers, n))
}
