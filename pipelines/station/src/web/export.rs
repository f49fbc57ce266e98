//! Judged finds as a zip: pictures in the layout of MVTec AD, and a table. It is made while it is sent, and lies nowhere as a
//! whole.

use std::convert::Infallible;
use std::io::{self, Write};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::mpsc;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::app::App;
use super::failure::Answer;
use super::{lines, streams};
use crate::line::Line;
use crate::store::{Find, Judgement, Picture};

/// Chunks that wait to be sent; who reads slowly has the writer wait.
const WAITING: usize = 4;

/// Size of a chunk, in bytes.
const CHUNK: usize = 64 << 10;

/// First line of the table.
const COLUMNS: &str =
    "find,file,judgement,judged-by,time,frame,first,last,score,threshold,verdict,bank,run\n";

/// The judged finds of a line as a zip in the layout of MVTec AD, whose `train/good` has the learned frames that the station
/// keeps, and with a table, `finds.csv`.
#[utoipa::path(get, path = "/api/lines/{line}/export", params(("line" = String, Path)), responses((status = 200, content_type = "application/zip"), (status = 404), (status = 503)))]
pub(crate) async fn export(State(app): State<Arc<App>>, Path(name): Path<String>) -> Answer<Response> {
    let line = Arc::clone(lines::of(&app, &name)?);
    let permit = streams::permit(&app)?;
    let file = format!("attachment; filename=\"{}.zip\"", line.name());
    let (chunks, received) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || {
        // Who reads notices an end that comes too early: the directory of the zip is missing.
        if let Err(error) = write(&line, Chunks { full: Vec::with_capacity(CHUNK), to: chunks }) {
            tracing::warn!("{}: an export was not finished: {error:#}", line.name());
        }
    });
    let body = stream::unfold((received, permit), |(mut received, permit)| async move {
        let chunk: Bytes = received.recv().await?;
        Some((Ok::<_, Infallible>(chunk), (received, permit)))
    });
    let about = [(CONTENT_TYPE, "application/zip".to_owned()), (CONTENT_DISPOSITION, file)];
    Ok((about, Body::from_stream(body)).into_response())
}

/// Writes that go to a page.
struct Chunks {
    full: Vec<u8>,
    to: mpsc::Sender<Bytes>,
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK - self.full.len());
        self.full.extend_from_slice(&bytes[..taken]);
        if self.full.len() == CHUNK {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.full.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.full, Vec::with_capacity(CHUNK));
        self.to.blocking_send(chunk.into()).map_err(|_| io::Error::other("nobody reads any more"))
    }
}

/// Writes the zip of a line.
fn write(line: &Line, to: impl Write) -> Result<()> {
    let mut zip = ZipWriter::new_stream(to);
    // Pictures are compressed as they are.
    let options = SimpleFileOptions::default();
    let root = line.name();
    // There without frames, too: readers know the layout by it.
    zip.add_directory(format!("{root}/train/good"), options)?;
    let running = line.store.running_bank(root)?.map_or(1, |bank| bank.version);
    for path in learned(&line.store.learned_pictures(root, running)?) {
        if let (Some(name), Some(bytes)) = (path.file_name().and_then(|name| name.to_str()), read(&path)?) {
            zip.start_file(format!("{root}/train/good/{name}"), options)?;
            zip.write_all(&bytes)?;
        }
    }
    let mut table = COLUMNS.to_owned();
    for judgement in [Judgement::Good, Judgement::Bad] {
        for find in line.store.judged(root, judgement)? {
            let Some(bytes) = read(&line.store.picture_file(find.id, Picture::Frame))? else { continue };
            let file = format!("test/{}/{}.png", judgement.name(), find.id);
            zip.start_file(format!("{root}/{file}"), options)?;
            zip.write_all(&bytes)?;
            table.push_str(&row(&find, &file));
        }
    }
    zip.start_file(format!("{root}/finds.csv"), options)?;
    zip.write_all(table.as_bytes())?;
    zip.finish()?.into_inner().flush()?;
    Ok(())
}

/// Pictures of learned frames, in the order of their times.
fn learned(folder: &FilePath) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut paths: Vec<PathBuf> = files.map(|file| file.path()).collect();
    let time = |path: &PathBuf| path.file_stem()?.to_str()?.parse::<u64>().ok();
    paths.sort_by_key(time);
    paths
}

/// The bytes of a file; nothing where it was forgotten meanwhile.
fn read(path: &FilePath) -> Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn row(find: &Find, file: &str) -> String {
    let threshold = find.record["threshold"].as_f64().map_or(String::new(), |limit| limit.to_string());
    let cells = [
        find.id.to_string(),
        file.to_owned(),
        find.judgement.map_or("", Judgement::name).to_owned(),
        cell(find.judged_by.as_deref().unwrap_or_default()),
        find.at.to_string(),
        find.frame.to_string(),
        find.first.to_string(),
        find.last.to_string(),
        find.score.to_string(),
        threshold,
        find.verdict.clone(),
        cell(find.record["bank-id"].as_str().unwrap_or_default()),
        find.run.to_string(),
    ];
    cells.join(",") + "\n"
}

/// A text as a cell of the table; none that a spreadsheet takes for a formula.
fn cell(text: &str) -> String {
    let sign = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("\"{sign}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_people_stay_texts() {
        assert_eq!(cell("ann \"a\", b"), "\"ann \"\"a\"\", b\"");
        assert_eq!(cell("=HYPERLINK(1)"), "\"'=HYPERLINK(1)\"");
    }

    #[test]
    fn chunks_come_whole_and_a_reader_that_leaves_ends_the_writing() {
        let (to, mut received) = mpsc::channel(WAITING);
        let mut chunks = Chunks { full: Vec::new(), to };
        chunks.write_all(&vec![7; 2 * CHUNK + 5]).unwrap();
        chunks.flush().unwrap();
        let sizes: Vec<usize> = std::iter::from_fn(|| received.try_recv().ok()).map(|c| c.len()).collect();
        assert_eq!(sizes, [CHUNK, CHUNK, 5]);
        drop(received);
        assert!(chunks.write_all(&vec![7; CHUNK]).is_err());
    }
}
