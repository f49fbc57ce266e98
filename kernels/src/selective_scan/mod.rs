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
//! state by state, (n, d), as do the states (sequences, n, d); D and the bias are (d).

pub mod backward;
mod cpu;
pub(crate) mod functions;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

pub use cpu::Workspace;

use crate::device::{BufferView, BufferViewMut};
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
    fn host<'a>(self) -> Result<Tokens<&'a [f32]>>
    where
        T: Into<BufferView<'a>>,
    {
        let z = self.z.map(|z| z.into().host(OP)).transpose()?;
        let (u, delta, bc) = (self.u.into().host(OP)?, self.delta.into().host(OP)?, self.bc.into().host(OP)?);
        Ok(Tokens { u, delta, bc, z })
    }
}

impl<T> Parameters<T> {
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

const OP: &str = "selective_scan";

/// Checks what is read, for a result `y`, and returns the number of states.
fn check(tokens: &Tokens<&[f32]>, parameters: &Parameters<&[f32]>, len: usize, y: &[f32]) -> Result<usize> {
    let d = parameters.skip.len();
    let n = parameters.a.len() / d.max(1);
    let rows = y.len() / d.max(1);
    check_len(OP, "A", n.max(1) * d, parameters.a.len())?;
    check_len(OP, "bias", d, parameters.bias.len())?;
    check_len(OP, "y", rows * d, y.len())?;
    let sequences = rows / len.max(1);
    if sequences * len != rows {
        let expected = format!("whole sequences of {len} tokens");
        return Err(Error::Shape { op: OP, expected, found: format!("{rows} tokens") });
    }
    check_len(OP, "u", rows * d, tokens.u.len())?;
    check_len(OP, "delta", rows * d, tokens.delta.len())?;
    check_len(OP, "z", rows * d, tokens.z.map_or(rows * d, <[f32]>::len))?;
    let width = tokens.bc.len() / rows.max(1);
    if width * rows != tokens.bc.len() || (rows > 0 && width < 2 * n) {
        let expected = format!("{rows} rows that end in B and C of {n} elements each");
        return Err(Error::Shape { op: OP, expected, found: format!("{} elements", tokens.bc.len()) });
    }
    Ok(n)
}
