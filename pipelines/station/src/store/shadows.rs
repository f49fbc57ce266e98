//! Shadows: a version of the bank of a line that judges the same frames as the one in use, and how both agree.

use anyhow::{Result, bail};
use rusqlite::{Connection, OptionalExtension, Transaction};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Store, audit};
use crate::clock;

/// Last frames on which both differ that are kept.
const KEPT: u32 = 20;

/// A find is of a frame on which both differ where its frame has that number, and it was stored within so many milliseconds:
/// the next run of the pipeline counts from 0 again.
const SOON: i64 = 10_000;

/// What a bank says of a frame.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Judged {
    /// Image score.
    pub(crate) score: f64,
    /// The limit of alarms.
    pub(crate) threshold: f64,
    /// Word of the verdict.
    pub(crate) verdict: String,
}

impl Judged {
    /// Whether it is an alarm. What is uncertain is none.
    fn is_alarm(&self) -> bool {
        self.verdict == "anomalous"
    }

    /// Whether it says something of the frame.
    pub(crate) fn is_verdict(&self) -> bool {
        self.verdict != "unknown"
    }
}

/// A frame that both judged.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Compared {
    /// Time in milliseconds since 1970.
    pub(crate) at: i64,
    /// Number in its stream.
    pub(crate) frame: u64,
    /// Digest of the bank in use.
    pub(crate) bank: String,
    pub(crate) running: Judged,
    pub(crate) shadow: Judged,
}

/// A frame on which both differ.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Differing {
    /// Time in milliseconds since 1970.
    pub(crate) at: i64,
    /// Number in its stream.
    pub(crate) frame: i64,
    /// What the bank in use says.
    pub(crate) running: Judged,
    /// What the shadow says.
    pub(crate) shadow: Judged,
    /// The find of that frame, whose pictures are kept; `null` where there is none.
    pub(crate) find: Option<i64>,
}

/// A version that judges beside the one in use. Frames are those that both judged; uncertain ones pass.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Shadow {
    /// The version.
    pub(crate) version: i64,
    /// Who set it.
    pub(crate) author: String,
    /// Why.
    pub(crate) reason: String,
    /// Since when both are compared, in milliseconds since 1970.
    pub(crate) since: i64,
    /// Frames that both judged.
    pub(crate) frames: i64,
    /// Frames that pass by both.
    pub(crate) both_pass: i64,
    /// Frames that are alarms by both.
    pub(crate) both_alarm: i64,
    /// Frames that are alarms by the one in use alone.
    pub(crate) only_running: i64,
    /// Frames that are alarms by the shadow alone.
    pub(crate) only_shadow: i64,
    /// The last frames on which both differ, the last one first.
    pub(crate) differing: Vec<Differing>,
}

/// The shadow of a line, without the frames on which both differ.
fn shadow(store: &Connection, line: &str) -> rusqlite::Result<Option<Shadow>> {
    let text = "SELECT version, author, reason, since, both_pass, both_alarm, only_running, only_shadow
                FROM shadows WHERE line = ?";
    let read = |row: &rusqlite::Row<'_>| {
        let counts: [i64; 4] = [row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?];
        let [both_pass, both_alarm, only_running, only_shadow] = counts;
        Ok(Shadow {
            version: row.get(0)?,
            author: row.get(1)?,
            reason: row.get(2)?,
            since: row.get(3)?,
            frames: counts.iter().sum(),
            both_pass,
            both_alarm,
            only_running,
            only_shadow,
            differing: Vec::new(),
        })
    };
    store.query_row(text, [line], read).optional()
}

/// The last frames on which both differ.
fn differing(store: &Connection, line: &str) -> rusqlite::Result<Vec<Differing>> {
    let mut ask = store.prepare(
        "SELECT at, frame, score, threshold, verdict, shadow_score, shadow_threshold, shadow_verdict,
             (SELECT MIN(f.id) FROM finds f
              WHERE f.line = d.line AND f.frame = d.frame AND f.at BETWEEN d.at AND d.at + ?2)
         FROM differing d WHERE line = ?1 ORDER BY id DESC",
    )?;
    let rows = ask.query_map((line, SOON), |row| {
        let judged = |from: usize| -> rusqlite::Result<Judged> {
            let (score, threshold) = (row.get(from)?, row.get(from + 1)?);
            Ok(Judged { score, threshold, verdict: row.get(from + 2)? })
        };
        Ok(Differing {
            at: row.get(0)?,
            frame: row.get(1)?,
            running: judged(2)?,
            shadow: judged(5)?,
            find: row.get(8)?,
        })
    })?;
    rows.collect()
}

/// Ends the shadow of a line, and says in the audit list how both agreed. False where there is none.
fn end(change: &Transaction<'_>, line: &str, who: &str, why: &str) -> rusqlite::Result<bool> {
    let Some(ended) = shadow(change, line)? else { return Ok(false) };
    change.execute("DELETE FROM shadows WHERE line = ?", [line])?;
    let detail = format!(
        "{line}: version {} ends, {why}; of {} frames {} pass by both, {} are alarms by both, {} by the bank in use alone, \
         {} by the shadow alone",
        ended.version, ended.frames, ended.both_pass, ended.both_alarm, ended.only_running, ended.only_shadow
    );
    audit::add(change, who, "shadow", &detail)?;
    Ok(true)
}

/// A version is in use from now on: it is a shadow no more, and another shadow is compared with it from the beginning.
pub(super) fn at_release(
    change: &Transaction<'_>,
    line: &str,
    version: i64,
    who: &str,
) -> rusqlite::Result<()> {
    match shadow(change, line)? {
        Some(ended) if ended.version == version => end(change, line, who, "released").map(drop),
        Some(_) => {
            change.execute("DELETE FROM differing WHERE line = ?", [line])?;
            let text = "UPDATE shadows SET since = ?, both_pass = 0, both_alarm = 0, only_running = 0, only_shadow = 0
                        WHERE line = ?";
            change.execute(text, (clock::now(), line)).map(drop)
        }
        None => Ok(()),
    }
}

impl Store {
    /// Makes a version the shadow of its line, in place of the one that there is.
    ///
    /// # Errors
    /// When the line has no such version, or it is the one in use.
    pub(crate) fn set_shadow(&self, line: &str, version: i64, author: &str, reason: &str) -> Result<()> {
        let is_set = self.change(|change| {
            let is_other: bool = change.query_row(
                "SELECT EXISTS (SELECT 1 FROM banks WHERE line = ?1 AND version = ?2 AND version IS NOT
                     (SELECT version FROM releases WHERE line = ?1 ORDER BY id DESC LIMIT 1))",
                (line, version),
                |row| row.get(0),
            )?;
            if is_other {
                end(change, line, author, "another begins")?;
                change.execute(
                    "INSERT INTO shadows (line, version, author, reason, since) VALUES (?, ?, ?, ?, ?)",
                    (line, version, author, reason, clock::now()),
                )?;
                audit::add(change, author, "shadow", &format!("{line}: version {version} begins, {reason}"))?;
            }
            Ok(is_other)
        })?;
        if !is_set {
            bail!("expected a version of this line that is not in use, found {version}");
        }
        Ok(())
    }

    /// Ends the shadow of a line. False where there is none.
    pub(crate) fn end_shadow(&self, line: &str, who: &str, why: &str) -> Result<bool> {
        self.change(|change| end(change, line, who, why))
    }

    /// The shadow of a line.
    pub(crate) fn shadow(&self, line: &str) -> Result<Option<Shadow>> {
        self.read(|store| {
            let Some(found) = shadow(store, line)? else { return Ok(None) };
            Ok(Some(Shadow { differing: differing(store, line)?, ..found }))
        })
    }

    /// Counts frames that the bank in use and a shadow of that version judged. Others than those of the banks of today are
    /// left out, which a pipeline may still tell of.
    pub(crate) fn add_compared(&self, line: &str, version: i64, compared: &[Compared]) -> Result<()> {
        self.change(|change| {
            let Some(now) = shadow(change, line)?.filter(|now| now.version == version) else { return Ok(()) };
            let digest: Option<String> = change
                .query_row(
                    "SELECT digest FROM banks b WHERE line = ?1 AND version =
                         (SELECT version FROM releases WHERE line = ?1 ORDER BY id DESC LIMIT 1)",
                    [line],
                    |row| row.get(0),
                )
                .optional()?;
            let mut counts = [0; 4];
            for frame in compared {
                if frame.at < now.since || Some(&frame.bank) != digest.as_ref() {
                    continue;
                }
                let (running, shadow) = (frame.running.is_alarm(), frame.shadow.is_alarm());
                let count = match (running, shadow) {
                    (false, false) => 0,
                    (true, true) => 1,
                    (true, false) => 2,
                    (false, true) => 3,
                };
                counts[count] += 1;
                if running != shadow {
                    add_differing(change, line, frame)?;
                }
            }
            change.execute(
                "UPDATE shadows SET both_pass = both_pass + ?, both_alarm = both_alarm + ?,
                     only_running = only_running + ?, only_shadow = only_shadow + ? WHERE line = ?",
                (counts[0], counts[1], counts[2], counts[3], line),
            )?;
            change.execute(
                "DELETE FROM differing WHERE line = ?1 AND id <=
                     (SELECT id FROM differing WHERE line = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
                (line, KEPT),
            )?;
            Ok(())
        })
    }
}

fn add_differing(change: &Transaction<'_>, line: &str, frame: &Compared) -> rusqlite::Result<()> {
    let mut add = change.prepare(
        "INSERT INTO differing (line, at, frame, score, threshold, verdict, shadow_score, shadow_threshold, shadow_verdict)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let number = i64::try_from(frame.frame).unwrap_or(i64::MAX);
    let (running, shadow) = (&frame.running, &frame.shadow);
    add.execute((
        line,
        frame.at,
        number,
        running.score,
        running.threshold,
        &running.verdict,
        shadow.score,
        shadow.threshold,
        &shadow.verdict,
    ))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{NewBank, NewFind};
    use super::*;

    /// A line `cap` with three versions, the first of which is in use.
    fn begin(folder: &std::path::Path) -> Store {
        let store = Store::open(folder).unwrap();
        for version in 1..=3 {
            let new = NewBank {
                parent: None,
                digest: format!("digest {version}"),
                frames: 3,
                added: 3,
                vectors: 9,
                author: "ann".into(),
                reason: "new lamp".into(),
                finds: Vec::new(),
                report: Vec::new(),
                odd: Vec::new(),
            };
            store.add_bank("cap", &new, |path| std::fs::write(path, b"bank")).unwrap();
        }
        store.release("cap", 1, "ann", "begins").unwrap();
        store
    }

    fn compared(frame: u64, running: &str, shadow: &str) -> Compared {
        let judged = |verdict: &str| Judged { score: 0.6, threshold: 0.5, verdict: verdict.to_owned() };
        Compared {
            at: clock::now(),
            frame,
            bank: "digest 1".into(),
            running: judged(running),
            shadow: judged(shadow),
        }
    }

    fn counts(store: &Store) -> [i64; 5] {
        let now = store.shadow("cap").unwrap().unwrap();
        [now.frames, now.both_pass, now.both_alarm, now.only_running, now.only_shadow]
    }

    #[test]
    fn frames_are_counted_by_who_alarms_and_the_last_differing_ones_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let store = begin(dir.path());
        store.set_shadow("cap", 2, "ann", "fewer alarms").unwrap();
        let frames = [
            compared(1, "normal", "uncertain"),
            compared(2, "anomalous", "anomalous"),
            compared(3, "anomalous", "normal"),
            compared(4, "uncertain", "anomalous"),
            compared(5, "normal", "normal"),
        ];
        store.add_compared("cap", 2, &frames).unwrap();
        assert_eq!(counts(&store), [5, 2, 1, 1, 1]);
        // The picture of the find of that frame, stored a little later; not that of another frame or another time.
        for (frame, late) in [(3, 800), (3, 900), (4, SOON + 5_000), (9, 0)] {
            let new = NewFind {
                at: frames[2].at + late,
                run: 1,
                frame,
                first: frame,
                last: frame,
                score: 0.6,
                verdict: "anomalous",
                record: serde_json::json!({}),
            };
            store.add_find("cap", &new, [b"jpeg", b"png", b""], |_| Vec::new()).unwrap();
        }
        let differing = store.shadow("cap").unwrap().unwrap().differing;
        let told: Vec<(i64, &str, Option<i64>)> =
            differing.iter().map(|d| (d.frame, d.shadow.verdict.as_str(), d.find)).collect();
        assert_eq!(told, [(4, "anomalous", None), (3, "normal", Some(1))]);
        let many: Vec<Compared> = (10..50).map(|frame| compared(frame, "anomalous", "normal")).collect();
        store.add_compared("cap", 2, &many).unwrap();
        let differing = store.shadow("cap").unwrap().unwrap().differing;
        assert_eq!((differing.len() as u32, differing[0].frame, counts(&store)[3]), (KEPT, 49, 41));
        // It is as it was after another start.
        let before = counts(&store);
        drop(store);
        let store = Store::open(dir.path()).unwrap();
        assert_eq!((counts(&store), store.shadow_bank("cap").unwrap().unwrap().version), (before, 2));
    }

    #[test]
    fn frames_of_other_banks_and_of_before_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let store = begin(dir.path());
        store.set_shadow("cap", 2, "ann", "fewer alarms").unwrap();
        let early = Compared { at: 5, ..compared(1, "normal", "normal") };
        let other = Compared { bank: "digest 3".into(), ..compared(2, "normal", "normal") };
        store.add_compared("cap", 2, &[early, other]).unwrap();
        store.add_compared("cap", 3, &[compared(3, "normal", "normal")]).unwrap();
        assert_eq!(counts(&store), [0; 5]);
        store.add_compared("cap", 2, &[compared(4, "normal", "anomalous")]).unwrap();
        assert_eq!(counts(&store), [1, 0, 0, 0, 1]);
        // Beside another bank in use all begins anew.
        store.release("cap", 3, "ann", "as before").unwrap();
        assert_eq!((counts(&store), store.shadow("cap").unwrap().unwrap().differing), ([0; 5], Vec::new()));
        store.add_compared("cap", 2, &[compared(5, "normal", "normal")]).unwrap();
        assert_eq!(counts(&store), [0; 5]);
    }

    #[test]
    fn a_shadow_ends_when_it_is_asked_to_released_replaced_or_removed() {
        let dir = tempfile::tempdir().unwrap();
        let store = begin(dir.path());
        for version in [1, 4] {
            let text = format!("{:#}", store.set_shadow("cap", version, "ann", "why not").unwrap_err());
            assert!(text.contains("that is not in use, found"), "{text}");
        }
        assert!(!store.end_shadow("cap", "ann", "as asked").unwrap());
        store.set_shadow("cap", 2, "ann", "fewer alarms").unwrap();
        store.add_compared("cap", 2, &[compared(4, "anomalous", "normal")]).unwrap();
        assert!(
            store.end_shadow("cap", "bob", "as asked").unwrap() && store.shadow("cap").unwrap().is_none()
        );
        let told = store.audit(1).unwrap().remove(0);
        assert_eq!((told.who.as_str(), told.what.as_str()), ("bob", "shadow"));
        assert!(told.detail.contains("version 2 ends, as asked; of 1 frames"), "{}", told.detail);
        assert!(told.detail.contains("1 by the bank in use alone"), "{}", told.detail);

        store.set_shadow("cap", 3, "ann", "another one").unwrap();
        store.set_shadow("cap", 2, "ann", "again").unwrap();
        assert_eq!((store.shadow("cap").unwrap().unwrap().version, counts(&store)), (2, [0; 5]));
        assert!(store.shadow("cap").unwrap().unwrap().differing.is_empty());
        let running = |store: &Store| store.running_bank("cap").unwrap().unwrap().version;
        store.release("cap", 2, "ann", "it is better").unwrap();
        assert_eq!((running(&store), store.shadow("cap").unwrap()), (2, None));

        store.set_shadow("cap", 3, "ann", "another one").unwrap();
        let remove = |change: &Transaction<'_>| change.execute("DELETE FROM banks WHERE version = 3", []);
        store.change(remove).unwrap();
        assert_eq!(store.shadow("cap").unwrap(), None);
    }
}
