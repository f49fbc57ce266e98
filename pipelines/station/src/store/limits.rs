//! Limits of a line that were set by hand, and what others would have changed.

use std::collections::HashMap;

use anyhow::Result;
use rusqlite::Connection;
use serde::Serialize;
use snarm_core::detect::Verdict;
use utoipa::ToSchema;

use super::{Judgement, Store, audit, banks};
use crate::clock;

/// A change of the limits. Those that are `null` are the bank's: its threshold, and no uncertain band.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub(crate) struct LimitChange {
    /// Score from which a frame is anomalous.
    pub(crate) threshold: Option<f64>,
    /// Score from which a frame is uncertain.
    pub(crate) low: Option<f64>,
    /// Who changed them.
    pub(crate) author: String,
    /// Why.
    pub(crate) reason: String,
    /// When, in milliseconds since 1970.
    pub(crate) at: i64,
}

/// Numbers of verdicts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Verdicts {
    pub(crate) normal: u64,
    pub(crate) uncertain: u64,
    pub(crate) anomalous: u64,
}

impl Verdicts {
    fn of(scores: &[f64], threshold: f64, low: Option<f64>) -> Self {
        let mut counts = Self::default();
        for score in scores {
            match Verdict::of(*score, threshold, low) {
                Verdict::Anomalous => counts.anomalous += 1,
                Verdict::Uncertain => counts.uncertain += 1,
                _ => counts.normal += 1,
            }
        }
        counts
    }
}

/// What other limits would have changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct WouldChange {
    /// The last frames that the bank in use judged, by the limits that held.
    pub(crate) frames_now: Verdicts,
    /// The same frames by the other limits.
    pub(crate) frames_then: Verdicts,
    /// Finds judged good, as the bank in use scores them, by the other limits: those that are anomalous are false alarms.
    pub(crate) good_then: Verdicts,
    /// Finds judged bad, likewise: those that are normal are missed.
    pub(crate) bad_then: Verdicts,
}

fn changes(store: &Connection, line: &str, most: u32) -> rusqlite::Result<Vec<LimitChange>> {
    let mut ask = store.prepare(
        "SELECT threshold, low, author, reason, at FROM limits WHERE line = ? ORDER BY id DESC LIMIT ?",
    )?;
    let rows = ask.query_map((line, most), |row| {
        Ok(LimitChange {
            threshold: row.get(0)?,
            low: row.get(1)?,
            author: row.get(2)?,
            reason: row.get(3)?,
            at: row.get(4)?,
        })
    })?;
    rows.collect()
}

/// Scores that a bank gives to the finds of a line that were judged so: those that it found, and those that it was tried with.
/// Others have scores of other banks, on other scales, and are left out.
fn judged(store: &Connection, line: &str, bank: &str, judgement: Judgement) -> rusqlite::Result<Vec<f64>> {
    let tried = banks::rescored(store, line, bank)?;
    let tried: HashMap<i64, f64> = tried.into_iter().map(|each| (each.find, each.after)).collect();
    let mut ask = store.prepare(
        "SELECT id, score, json_extract(record, '$.\"bank-id\"') IS ?3 FROM finds WHERE line = ?1 AND judgement = ?2",
    )?;
    let rows = ask.query_map((line, judgement.name(), bank), |row| {
        let (id, score, is_own): (i64, f64, bool) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(if is_own { Some(score) } else { tried.get(&id).copied() })
    })?;
    rows.filter_map(Result::transpose).collect()
}

impl Store {
    /// Changes of the limits of a line, the last one, which holds, first.
    pub(crate) fn limits(&self, line: &str, most: u32) -> Result<Vec<LimitChange>> {
        self.read(|store| changes(store, line, most))
    }

    /// Takes down limits that hold from now on.
    pub(crate) fn set_limits(
        &self,
        line: &str,
        threshold: Option<f64>,
        low: Option<f64>,
        author: &str,
        reason: &str,
    ) -> Result<()> {
        let shown =
            |limit: Option<f64>| limit.map_or("as the bank says".to_owned(), |limit| format!("{limit:.3}"));
        self.change(|change| {
            change.execute(
                "INSERT INTO limits (line, threshold, low, author, reason, at) VALUES (?, ?, ?, ?, ?, ?)",
                (line, threshold, low, author, reason, clock::now()),
            )?;
            let low = low.map_or(String::new(), |low| format!(", uncertain from {low:.3}"));
            let detail = format!("{line}: alarm from {}{low}, {reason}", shown(threshold));
            audit::add(change, author, "limits", &detail)
        })
    }

    /// Scores that a bank gives to the finds of a line that were judged so.
    pub(crate) fn judged_scores(&self, line: &str, bank: &str, judgement: Judgement) -> Result<Vec<f64>> {
        self.read(|store| judged(store, line, bank, judgement))
    }

    /// What limits would have changed in the last frames of a line that a bank judged, and in what was said of finds.
    pub(crate) fn would_change(
        &self,
        line: &str,
        bank: &str,
        most: u32,
        threshold: f64,
        low: Option<f64>,
    ) -> Result<WouldChange> {
        self.read(|store| {
            let mut ask = store.prepare(
                "SELECT score, verdict FROM (SELECT id, score, verdict, bank FROM frames WHERE line = ?
                     ORDER BY id DESC LIMIT ?) WHERE bank = ?",
            )?;
            let rows: Vec<(f64, String)> = ask
                .query_map((line, most, bank), |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()?;
            let scores: Vec<f64> = rows.iter().map(|(score, _)| *score).collect();
            let count = |word: &str| rows.iter().filter(|(_, verdict)| verdict == word).count() as u64;
            Ok(WouldChange {
                frames_now: Verdicts {
                    normal: count("normal"),
                    uncertain: count("uncertain"),
                    anomalous: count("anomalous"),
                },
                frames_then: Verdicts::of(&scores, threshold, low),
                good_then: Verdicts::of(&judged(store, line, bank, Judgement::Good)?, threshold, low),
                bad_then: Verdicts::of(&judged(store, line, bank, Judgement::Bad)?, threshold, low),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Frame, NewBank, NewFind, Rescored, new_store};

    #[test]
    fn limits_say_what_they_would_have_changed_for_the_bank_in_use_alone() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let frame = |score: f64, bank: &str| Frame {
            score,
            threshold: 0.5,
            low: -1.0,
            verdict: if score >= 0.5 { "anomalous" } else { "normal" },
            bank: bank.into(),
            ..Frame::default()
        };
        let frames = [0.2, 0.45, 0.55, 0.9].map(|score| frame(score, "new"));
        store.add_frames("cap", &[frame(0.99, "old")], &[], &[]).unwrap();
        store.add_frames("cap", &frames, &[], &[]).unwrap();
        let found = store.would_change("cap", "new", 100, 0.6, Some(0.4)).unwrap();
        assert_eq!(found.frames_now, Verdicts { normal: 2, uncertain: 0, anomalous: 2 });
        assert_eq!(found.frames_then, Verdicts { normal: 1, uncertain: 2, anomalous: 1 });
        store.set_limits("cap", Some(0.6), Some(0.4), "ann", "too many alarms").unwrap();
        assert_eq!(store.limits("cap", 1).unwrap()[0].threshold, Some(0.6));
        assert!(store.audit(1).unwrap()[0].detail.contains("alarm from 0.600, uncertain from 0.400"));
    }

    #[test]
    fn what_was_judged_has_the_scores_of_the_bank_in_use() {
        let (_dir, store) = new_store();
        let add = |score, bank: &str, judgement| {
            let record = serde_json::json!({ "bank-id": bank });
            let new =
                NewFind { at: 1, run: 1, frame: 2, first: 2, last: 2, score, verdict: "anomalous", record };
            let id = store.add_find("cap", &new, [b"jpeg", b"png", b""], |_| Vec::new()).unwrap();
            store.judge(id, judgement, "ann").unwrap();
            id
        };
        // Of the finds of the bank before, one was tried with the new bank.
        let tried = add(0.9, "old", Judgement::Good);
        add(0.8, "old", Judgement::Good);
        let report = vec![Rescored { find: tried, judgement: Judgement::Good, before: 0.9, after: 0.2 }];
        let bank = NewBank {
            parent: None,
            digest: "new".into(),
            frames: 3,
            added: 3,
            vectors: 9,
            author: "ann".into(),
            reason: "new lamp".into(),
            finds: Vec::new(),
            report,
            odd: Vec::new(),
        };
        store.add_bank("cap", &bank, |path| std::fs::write(path, b"bank")).unwrap();
        add(0.7, "new", Judgement::Bad);
        let scores = |bank, judgement| {
            let mut scores = store.judged_scores("cap", bank, judgement).unwrap();
            scores.sort_by(f64::total_cmp);
            scores
        };
        assert_eq!((scores("new", Judgement::Good), scores("new", Judgement::Bad)), (vec![0.2], vec![0.7]));
        assert_eq!((scores("old", Judgement::Good), scores("old", Judgement::Bad)), (vec![0.8, 0.9], vec![]));
        let found = store.would_change("cap", "new", 100, 0.5, None).unwrap();
        assert_eq!((found.good_then.normal, found.good_then.anomalous, found.bad_then.anomalous), (1, 0, 1));
    }
}
