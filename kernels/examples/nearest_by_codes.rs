//! Times the search by codes against the search in f32, in turn, among the rows of a bank for the descriptors of frames.
//!
//! `nearest_by_codes BANK FRAMES TOKENS [ROUNDS]`: both are bank files, the second made with `--reduction none` of frames that
//! have TOKENS descriptors each, in their order. One JSON line for each part; `SNARM_ISA` lowers the level.
#![expect(clippy::print_stdout, reason = "a program that prints its figures")]

use std::error::Error;
use std::time::Instant;

use snarm_kernels::nearest::{
    Codes, Filter, Labels, MAX_K, Rows, Workspace, nearest, nearest_by_codes, squared_norms,
};
use snarm_kernels::simd::{Isa, limit};

/// Rows and width of the tensor `features` of a safetensors file.
fn features(path: &str) -> Result<(Vec<f32>, usize), Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    let head = u64::from_le_bytes(*bytes.first_chunk().ok_or("no header")?) as usize;
    let text = std::str::from_utf8(bytes.get(8..8 + head).ok_or("no header")?)?;
    let about = text.split("\"features\":").nth(1).ok_or("no features")?;
    let list = |name: &str| -> Option<Vec<usize>> {
        let numbers = about.split(name).nth(1)?.split(['[', ']']).nth(1)?;
        numbers.split(',').map(|number| number.trim().parse().ok()).collect()
    };
    let (shape, range) = (list("\"shape\"").ok_or("no shape")?, list("\"data_offsets\"").ok_or("no range")?);
    let data = bytes.get(8 + head + range[0]..8 + head + range[1]).ok_or("a short file")?;
    let data = data.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
    Ok((data, shape[1]))
}

struct Part {
    name: &'static str,
    plain: Vec<f64>,
    codes: Vec<f64>,
}

impl Part {
    fn new(name: &'static str) -> Self {
        Self { name, plain: Vec::new(), codes: Vec::new() }
    }

    fn print(&mut self, about: &str) {
        self.plain.sort_by(f64::total_cmp);
        self.codes.sort_by(f64::total_cmp);
        let middle = self.plain.len() / 2;
        println!(
            "{{\"part\":\"{}\",{about},\"plain_ms\":{:.3},\"codes_ms\":{:.3},\"ratio\":{:.2},\"plain_min_ms\":{:.3},\"codes_min_ms\":{:.3},\"ratio_of_min\":{:.2}}}",
            self.name,
            self.plain[middle],
            self.codes[middle],
            self.plain[middle] / self.codes[middle],
            self.plain[0],
            self.codes[0],
            self.plain[0] / self.codes[0]
        );
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bank, frames, tokens, rounds @ ..] = &arguments[..] else {
        return Err("nearest_by_codes BANK FRAMES TOKENS [ROUNDS]".into());
    };
    let (tokens, rounds): (usize, usize) =
        (tokens.parse()?, rounds.first().map_or(Ok(5), |rounds| rounds.parse())?);
    let ((rows, d), (frames, width)) = (features(bank)?, features(frames)?);
    if d != width {
        return Err(format!("rows of {d} and descriptors of {width}").into());
    }
    if let Some(isa) = std::env::var("SNARM_ISA").ok().and_then(|name| Isa::named(&name)) {
        limit(isa);
    }
    snarm_kernels::threads::pool()?.install(|| run(&rows, &frames, d, tokens, rounds))?;
    Ok(())
}

fn run(rows: &[f32], frames: &[f32], d: usize, tokens: usize, rounds: usize) -> snarm_kernels::Result<()> {
    const K: usize = 3;
    const { assert!(K <= MAX_K) };
    let mut norms = vec![0.0; rows.len() / d];
    squared_norms(rows, d, &mut norms)?;
    let bank = Rows { data: rows, norms: &norms[..] };
    let start = Instant::now();
    let codes = Codes::of(rows, d)?;
    let prepared = start.elapsed().as_secs_f64() * 1e3;
    let mut own = codes.like();
    // Three quarters of the tokens of a frame, as the search among its own tokens has them.
    let trusted: Vec<u32> = (0..tokens as u32).filter(|token| token % 4 != 3).collect();
    let numbers: Vec<u32> = (0..tokens as u32).collect();
    let (all, others) =
        (Filter::default(), Labels { queries: (&numbers).into(), rows: (&trusted).into() }.into());
    let (mut inter, mut intra) = (Part::new("bank"), Part::new("own tokens"));
    let mut workspaces = std::array::from_fn::<_, 4, _>(|_| Workspace::default());
    let [plain_inter, codes_inter, plain_intra, codes_intra] = &mut workspaces;
    let mut found = std::array::from_fn::<_, 2, _>(|_| (vec![0; tokens * K], vec![0.0; tokens * K]));
    let time = |part: &mut Vec<f64>, run: &mut dyn FnMut() -> snarm_kernels::Result<()>| {
        let start = Instant::now();
        let result = run();
        part.push(start.elapsed().as_secs_f64() * 1e3);
        result
    };
    for _ in 0..rounds {
        for frame in frames.chunks_exact(tokens * d) {
            let [(i, s), (j, t)] = &mut found;
            time(&mut inter.plain, &mut || nearest(frame, d, bank, all, K, plain_inter, &mut *i, &mut *s))?;
            time(&mut inter.codes, &mut || {
                nearest_by_codes(frame, &codes, bank, all, K, codes_inter, &mut *j, &mut *t)
            })?;
            assert!(i == j && s == t, "the searches differ");
            let mut own_rows = vec![0.0; trusted.len() * d];
            snarm_kernels::gather::gather(frame, d, &trusted, &mut own_rows)?;
            let mut norms = vec![0.0; trusted.len()];
            squared_norms(&own_rows, d, &mut norms)?;
            let rows = Rows { data: &own_rows[..], norms: &norms };
            let ((i, s), (j, t)) =
                ((&mut i[..tokens], &mut s[..tokens]), (&mut j[..tokens], &mut t[..tokens]));
            time(&mut intra.plain, &mut || {
                nearest(frame, d, rows, others, 1, plain_intra, &mut *i, &mut *s)
            })?;
            time(&mut intra.codes, &mut || {
                own.set(&own_rows)?;
                nearest_by_codes(frame, &own, rows, others, 1, codes_intra, &mut *j, &mut *t)
            })?;
            assert!(i == j && s == t, "the searches among own tokens differ");
        }
    }
    let about = format!(
        "\"rows\":{},\"width\":{d},\"queries\":{tokens},\"threads\":{},\"isa\":\"{}\",\"prepare_ms\":{prepared:.1}",
        norms.len(),
        rayon::current_num_threads(),
        snarm_kernels::simd::isa().name()
    );
    inter.print(&about);
    intra.print(&about);
    Ok(())
}
