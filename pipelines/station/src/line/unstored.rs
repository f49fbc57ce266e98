//! What waits to be stored. What cannot be stored at one moment, as the disk is full or the database is locked, is tried
//! again; where too much waits the oldest of it is lost, and counted.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use snarm_core::results::Record;

use super::child::Found;
use super::lost::{Lost, MOST};
use super::shared::Line;
use super::state::captured;
use crate::config::What;
use crate::store::{Compared, Frame, NewFind, Waiting, may_pass};

/// Most bytes of the pictures of finds that wait.
const MOST_BYTES: usize = 256 << 20;

/// Time until another try to store.
pub(super) const WAIT: Duration = Duration::from_secs(1);

/// What waits to be stored of a line, beside its parts, which [`Line`] has.
#[derive(Debug, Default)]
pub(super) struct Unstored {
    pub(super) frames: VecDeque<Frame>,
    /// Messages of these frames.
    pub(super) to_send: VecDeque<Waiting>,
    /// Frames that a shadow judged as well, with its version.
    pub(super) compared: VecDeque<(i64, Compared)>,
    pub(super) finds: VecDeque<NewFound>,
}

/// A find with the result of its frame, and the run of the pipeline that both are of.
#[derive(Debug)]
pub(super) struct NewFound {
    pub(super) run: i64,
    pub(super) record: Record,
    pub(super) found: Found,
}

impl Unstored {
    /// How much waits.
    pub(super) fn count(&self) -> Lost {
        let count = |n: usize| n as u64;
        Lost {
            frames: count(self.frames.len()),
            finds: count(self.finds.len()),
            parts: 0,
            messages: count(self.to_send.len()),
            compared: count(self.compared.len()),
        }
    }

    /// Stores all, and the parts that have changed. What was stored waits no more, nor does what the database refuses for
    /// good.
    ///
    /// # Errors
    /// When something could not be stored; it waits, where another try may help.
    pub(super) fn store(&mut self, line: &Line) -> Result<()> {
        let mut refused = Ok(());
        let mut keeps = |stored: Result<()>, lost: Lost| match stored {
            Ok(()) => Ok(()),
            Err(error) if may_pass(&error) => Err(error),
            Err(error) => {
                line.lose(&lost);
                refused = Err(error);
                Ok(())
            }
        };
        let lost = Lost { finds: 0, compared: 0, ..self.count() };
        let (frames, to_send) = (self.frames.make_contiguous(), self.to_send.make_contiguous());
        keeps(line.store_frames(frames, to_send), lost)?;
        self.frames.clear();
        self.to_send.clear();
        while let Some((version, _)) = self.compared.front() {
            let version = *version;
            let of = |(other, _): &(i64, Compared)| *other == version;
            let compared: Vec<Compared> =
                self.compared.iter().take_while(|one| of(one)).map(|(_, one)| one.clone()).collect();
            let lost = Lost { compared: compared.len() as u64, ..Lost::default() };
            keeps(line.store.add_compared(line.name(), version, &compared), lost)?;
            self.compared.drain(..compared.len());
        }
        while let Some(new) = self.finds.front() {
            keeps(add_find(line, new), Lost { finds: 1, ..Lost::default() })?;
            self.finds.pop_front();
        }
        refused
    }

    /// Puts what came later behind what waits already, and loses the oldest where it is too much.
    pub(super) fn extend(&mut self, later: Self) -> Lost {
        self.frames.extend(later.frames);
        self.to_send.extend(later.to_send);
        self.compared.extend(later.compared);
        self.finds.extend(later.finds);
        self.trim()
    }

    /// Loses the oldest of what is too much.
    fn trim(&mut self) -> Lost {
        let (mut bytes, mut finds) = (0_usize, 0);
        for new in self.finds.iter().rev() {
            bytes += new.found.pictures.iter().map(Vec::len).sum::<usize>();
            finds += usize::from(bytes <= MOST_BYTES);
        }
        Lost {
            frames: shorten(&mut self.frames, MOST),
            finds: shorten(&mut self.finds, finds),
            parts: 0,
            messages: shorten(&mut self.to_send, MOST),
            compared: shorten(&mut self.compared, MOST),
        }
    }
}

/// Drops the first of so many that `most` are left. Counts how many.
fn shorten<T>(all: &mut VecDeque<T>, most: usize) -> u64 {
    let beyond = all.len().saturating_sub(most);
    all.drain(..beyond);
    beyond as u64
}

/// Stores a find.
///
/// # Errors
/// When it is not stored: it is tried again.
fn add_find(line: &Line, new: &NewFound) -> Result<()> {
    let NewFound { run, record, found } = new;
    let told = record.line(Some(line.at()))?;
    let new = NewFind {
        at: found.at,
        run: *run,
        frame: found.frame,
        first: found.first,
        last: found.last,
        score: record.score,
        verdict: record.verdict.name(),
        record: told,
    };
    let [jpeg, png, map] = &found.pictures;
    line.store.add_find(line.name(), &new, [jpeg, png, map], |id| {
        let mut payload = new.record.clone();
        payload["find"] = json!(id);
        payload["first"] = json!(new.first);
        payload["last"] = json!(new.last);
        payload["run"] = json!(run);
        payload["captured"] = json!(captured(record));
        line.sign(&mut payload, new.at);
        line.messages(What::Finds, "find", &payload)
    })?;
    // It is stored: no error from here on, or it would be stored again.
    if let Err(error) = line.name_finds() {
        tracing::warn!("{}: {error:#}", line.name());
    }
    let mut state = line.state();
    state.finds += 1;
    match record.is_anomalous() {
        true => state.shift.alarms += 1,
        false => state.shift.uncertain += 1,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::shared::{Reader, Source, Taken};
    use super::super::state::Light;
    use super::*;
    use crate::config::{self, Keep, What};
    use crate::host::Host;
    use crate::store::Store;

    fn line(store: &Arc<Store>) -> Line {
        line_with("{ by = 'frames', frames = 2 }", store)
    }

    fn line_with(parts: &str, store: &Arc<Store>) -> Line {
        let text = format!("name = 'cap'\npipeline = 'inspect'\nbank = 'b'\nparts = {parts}\n");
        let config: config::Line = toml::from_str(&text).unwrap();
        let host = Host {
            command: Default::default(),
            player: Default::default(),
            words: Box::new(|_, _, _| Ok(Vec::new())),
            version: "test",
            log: Default::default(),
        };
        let product = config.products().remove(0);
        let readers = [What::Frames, What::Finds, What::Parts]
            .map(|what| Reader { output: "o".to_owned(), what })
            .into();
        let line = Line::new(
            product,
            Source::default(),
            Keep::default(),
            None,
            readers,
            Arc::clone(store),
            Arc::new(host),
        );
        line.load().unwrap();
        line
    }

    fn frame(number: u64) -> Frame {
        Frame { at: 5, frame: number, score: 0.7, threshold: 0.5, verdict: "anomalous", ..Frame::default() }
    }

    fn found(number: u64) -> NewFound {
        let record = serde_json::json!({ "frame-number": number, "score": 0.7, "threshold": 0.5, "verdict": "anomalous" });
        let pictures = [b"jpeg".to_vec(), b"png".to_vec(), b"map".to_vec()];
        let found = Found { at: 7, frame: number, first: number, last: number, pictures };
        NewFound { run: 1, record: serde_json::from_value(record).unwrap(), found }
    }

    /// What two frames make that are a part, and a find.
    fn two(line: &Line, from: u64) -> Unstored {
        let frames = VecDeque::from([frame(from), frame(from + 1)]);
        frames.iter().for_each(|frame| line.parts().see(frame));
        let payload = serde_json::json!({});
        let messages = frames.iter().flat_map(|_| line.messages(What::Frames, "frame", &payload));
        let to_send = messages.collect();
        Unstored { frames, to_send, compared: VecDeque::new(), finds: VecDeque::from([found(from)]) }
    }

    #[test]
    fn what_cannot_be_stored_waits_and_is_stored_once_when_it_can() {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(dir.path()).unwrap());
        let line = line(&store);
        let mut all = two(&line, 0);
        store.refuse_writing(true);
        for _ in 0..3 {
            assert!(all.store(&line).is_err());
        }
        assert_eq!((all.frames.len(), all.to_send.len(), all.finds.len()), (2, 2, 1));
        assert_eq!(all.extend(two(&line, 2)), Lost::default());
        assert!(all.store(&line).is_err());
        store.refuse_writing(false);
        all.store(&line).unwrap();
        assert_eq!(all.count(), Lost::default());
        all.store(&line).unwrap();
        let numbers: Vec<i64> = store.parts("cap", 9).unwrap().iter().map(|part| part.number).collect();
        assert_eq!((numbers, store.shift("cap").unwrap().frames), (vec![2, 1], 4));
        let finds = store.last_alarms("cap", 9).unwrap();
        assert_eq!((finds.len(), finds[0].at), (2, 7), "found when it was heard");
        let ids: Vec<i64> = store.waiting("o", 99).unwrap().into_iter().map(|(id, _)| id).collect();
        assert_eq!(ids, (1..=8).collect::<Vec<i64>>(), "of four frames, two parts and two finds");
        assert_eq!(line.state().lost, Lost::default());
    }

    #[test]
    fn a_part_that_cannot_be_stored_when_it_begins_has_begun_and_waits() {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(dir.path()).unwrap());
        let line = line_with("{ by = 'message' }", &store);
        store.refuse_writing(true);
        // Who is refused tries again, and the part would be two.
        line.begin_unnamed_part().unwrap();
        line.begin_part(Some("A1".to_owned()), None).unwrap();
        assert_eq!((line.state().store().light, store.parts("cap", 9).unwrap().len()), (Light::Bad, 0));
        assert!(line.begin_part(Some(String::new()), None).is_err(), "no name");
        store.refuse_writing(false);
        Unstored::default().store(&line).unwrap();
        let names: Vec<Option<String>> =
            store.parts("cap", 9).unwrap().into_iter().map(|part| part.part).collect();
        assert_eq!(names, [Some("A1".to_owned()), None]);
    }

    #[test]
    fn what_the_database_refuses_for_good_is_lost_and_keeps_nothing_else_from_being_stored() {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(dir.path()).unwrap());
        let line = line(&store);
        let mut all = two(&line, 0);
        // The database takes no frame without a score.
        all.frames[0].score = f64::NAN;
        assert!(all.store(&line).is_err());
        assert_eq!((all.count(), store.last_alarms("cap", 9).unwrap().len()), (Lost::default(), 1));
        assert_eq!(line.state().lost, Lost { frames: 2, parts: 1, messages: 2, ..Lost::default() });
        all.store(&line).unwrap();
    }

    #[test]
    fn parts_are_lost_and_counted_where_storing_them_ends_by_a_fault() {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(dir.path()).unwrap());
        let line = line(&store);
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _taken = Taken { line: &line, parts: 2 };
            panic!("a fault");
        }));
        assert!(failed.is_err());
        assert_eq!(line.state().lost, Lost { parts: 2, ..Lost::default() });
    }

    #[test]
    fn what_is_too_much_is_lost_from_the_oldest_on_and_counted() {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(dir.path()).unwrap());
        let line = line(&store);
        let mut all = Unstored { frames: (0..MOST as u64).map(frame).collect(), ..Unstored::default() };
        let large = |number| {
            let mut new = found(number);
            new.found.pictures = [vec![1; MOST_BYTES / 2], vec![2], Vec::new()];
            new
        };
        all.finds = VecDeque::from([large(1), large(2)]);
        let later = Unstored { frames: VecDeque::from([frame(8), frame(9)]), ..Unstored::default() };
        let lost = all.extend(later);
        assert_eq!(lost, Lost { frames: 2, finds: 1, ..Lost::default() });
        assert_eq!((all.frames[0].frame, all.frames.len(), all.finds[0].found.frame), (2, MOST, 2));
        // Parts wait by themselves.
        store.refuse_writing(true);
        for number in 0..2 * MOST as u64 + 4 {
            line.parts().see(&frame(number));
        }
        assert!(line.store_frames(&[], &[]).is_err());
        line.lose(&lost);
        let state = line.state();
        assert_eq!(state.lost, Lost { frames: 2, finds: 1, parts: 2, ..Lost::default() });
        let lamp = state.store();
        assert_eq!(
            (lamp.light, lamp.text.contains("2 frames, 1 finds, 2 parts")),
            (Light::Warning, true),
            "{lamp:?}"
        );
        drop(state);
        line.state().unstored = Some("the disk is full".to_owned());
        assert_eq!(line.state().store().light, Light::Bad);
    }
}
