//! A result: a message of the queue in the words of OPC 40100-1.

use std::collections::HashMap;

use anyhow::{Context, Result};
use opcua::types::date_time::DateTimeUtc;
use opcua::types::{
    Array, ByteString, DateTime, ExtensionObject, KeyValuePair, QualifiedName, Variant, VariantScalarTypeId,
};
use serde_json::Value;

use super::names;
use super::types::Types;
use crate::config::Format;
use crate::output::format;
use crate::store::Waiting;

/// Longest record that is handed on, in bytes: messages of OPC UA are short.
const LONGEST_RECORD: usize = 32 << 10;

/// Versions of the banks of a line by their digests.
pub(super) type Versions = HashMap<String, i64>;

/// A result.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Told {
    /// Number of the message, by which the result is asked for.
    pub(super) id: i64,
    /// Name of the line.
    pub(super) line: String,
    /// When it was stored, in milliseconds since 1970.
    pub(super) at: i64,
    /// Word of the verdict.
    pub(super) verdict: String,
    /// Image score, -1 where nothing was judged.
    pub(super) score: f64,
    /// The limit of alarms, and that of the uncertain band.
    pub(super) threshold: Option<f64>,
    pub(super) low: Option<f64>,
    /// Number of the part on its line, of the find, or of the frame in its stream.
    pub(super) number: Option<i64>,
    /// Name of the part, and its lot.
    pub(super) part: Option<String>,
    pub(super) lot: Option<String>,
    /// When the part began and ended, in milliseconds since 1970.
    pub(super) lasted: Option<(i64, i64)>,
    /// Digest of the bank that judged.
    pub(super) bank: Option<String>,
    /// The message as the other outputs send it.
    pub(super) record: String,
}

impl Told {
    /// Reads a message.
    ///
    /// # Errors
    /// When it is no JSON, or tells of no result.
    pub(super) fn read(id: i64, message: &Waiting) -> Result<Self> {
        let told: Value = serde_json::from_str(&message.payload).context("expected a message in JSON")?;
        let text = |name: &str| told[name].as_str().map(str::to_owned);
        let limit = |name: &str| told[name].as_f64().filter(|limit| *limit >= 0.0);
        let number = ["number", "find", "frame-number"].iter().find_map(|name| told[*name].as_i64());
        let lasted = told["begun"].as_i64().zip(told["ended"].as_i64());
        Ok(Self {
            id,
            line: text("line").context("expected the name of a line")?,
            at: told["time"].as_i64().context("expected a time")?,
            verdict: text("verdict").context("expected a verdict")?,
            score: told["score"].as_f64().context("expected a score")?,
            threshold: limit("threshold"),
            low: limit("threshold-low"),
            number,
            part: text("part"),
            lot: text("lot"),
            lasted,
            bank: text("bank-id").filter(|bank| !bank.is_empty()),
            record: Some(format::payload(Format::Snarm, id, message))
                .filter(|record| record.len() <= LONGEST_RECORD)
                .unwrap_or_default(),
        })
    }

    /// Whether there is a verdict, in the numbers of `ResultState`.
    pub(super) fn state(&self) -> i32 {
        if self.verdict == "unknown" { names::FAILED } else { names::COMPLETED }
    }

    /// The fields of OPC 40100-1 that there are. What is missing no station knows: whether the source is a simulation, what
    /// clients name measurements, products, recipes and configurations, and files.
    pub(super) fn fields(&self, types: &Types, versions: &Versions) -> Result<Vec<(&'static str, Variant)>> {
        let mut fields = vec![
            ("ResultId", types.id(names::RESULT_ID, &self.id.to_string())?),
            ("IsPartial", false.into()),
            ("ResultState", self.state().into()),
            ("InternalRecipeId", recipe(types, &self.line, self.bank.as_deref(), versions)?),
            ("InternalConfigurationId", types.id(names::CONFIGURATION_ID, &self.line)?),
            ("JobId", types.id(names::JOB_ID, &self.line)?),
            ("CreationTime", time(self.at).into()),
            ("ResultContent", self.content()?),
        ];
        if let Some(part) = &self.part {
            fields.push(("PartId", types.id(names::PART_ID, part)?));
        }
        if let Some((begun, ended)) = self.lasted {
            let times = [("StartTime", Variant::from(time(begun))), ("EndTime", Variant::from(time(ended)))];
            fields.push(("ProcessingTimes", types.value(names::TIMES, &times)?));
        }
        Ok(fields)
    }

    /// The result as one value.
    pub(super) fn value(&self, types: &Types, versions: &Versions) -> Result<Variant> {
        types.value(names::RESULT, &self.fields(types, versions)?)
    }

    /// What has no name in OPC 40100-1: our own names, and plain values.
    pub(super) fn own(&self) -> Vec<(&'static str, Variant)> {
        let text = |text: &Option<String>| Variant::from(text.as_deref());
        vec![
            ("Verdict", self.verdict.as_str().into()),
            ("Score", self.score.into()),
            ("Threshold", self.threshold.into()),
            ("ThresholdLow", self.low.into()),
            ("Number", self.number.into()),
            ("Part", text(&self.part)),
            ("Lot", text(&self.lot)),
            ("Record", self.record.as_str().into()),
        ]
    }

    /// `ResultContent`: pairs of names and values, but for the record, of which a list would be too long.
    fn content(&self) -> Result<Variant> {
        let is_told = |(name, value): &(&str, Variant)| *name != "Record" && *value != Variant::Empty;
        let pair = |(name, value): (&str, Variant)| {
            let pair = KeyValuePair { key: QualifiedName::new(0, name), value };
            Variant::Variant(Box::new(ExtensionObject::from_message(pair).into()))
        };
        let pairs: Vec<Variant> = self.own().into_iter().filter(is_told).map(pair).collect();
        let array = Array::new(VariantScalarTypeId::Variant, pairs).context("the content of a result")?;
        Ok(Variant::Array(Box::new(array)))
    }
}

/// A bank as a recipe: the name of the line, the version, and the digest.
pub(super) fn recipe(types: &Types, line: &str, bank: Option<&str>, versions: &Versions) -> Result<Variant> {
    let mut fields = vec![("Id", Variant::from(line))];
    if let Some(version) = bank.and_then(|bank| versions.get(bank)) {
        fields.push(("Version", version.to_string().into()));
    }
    if let Some(digest) = bank.and_then(bytes) {
        fields.push(("Hash", ByteString::from(digest).into()));
        fields.push(("HashAlgorithm", "SHA-256".into()));
    }
    types.value(names::RECIPE_INTERNAL, &fields)
}

/// Bytes of hexadecimal digits.
fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes().chunks(2);
    let byte = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok();
    digits.map(|two| byte(two).filter(|_| two.len() == 2)).collect()
}

/// A time of milliseconds since 1970.
pub(super) fn time(at: i64) -> DateTime {
    DateTimeUtc::from_timestamp_millis(at).map(DateTime::from).unwrap_or_else(DateTime::null)
}

#[cfg(test)]
mod tests {
    use opcua::types::custom::DynamicStructure;

    use super::super::names::Spaces;
    use super::*;

    fn message(payload: &Value) -> Waiting {
        Waiting { output: "scada".into(), topic: "cap/part".into(), payload: payload.to_string() }
    }

    #[test]
    fn a_part_is_a_result_with_its_name_its_bank_and_its_times() {
        let payload = serde_json::json!({
            "line": "cap", "time": 5000, "verdict": "anomalous", "score": 0.75, "threshold": 0.5, "threshold-low": -1.0,
            "number": 7, "part": "A1", "lot": "L2", "begun": 1000, "ended": 5000, "bank-id": "00ff",
        });
        let told = Told::read(41, &message(&payload)).unwrap();
        assert_eq!((told.state(), told.number, told.low), (names::COMPLETED, Some(7), None));
        let types = Types::new(Spaces { vision: 2, own: 3 });
        let versions = [("00ff".to_owned(), 3)].into();
        let Variant::ExtensionObject(value) = told.value(&types, &versions).unwrap() else {
            panic!("no structure")
        };
        let value = value.inner_as::<DynamicStructure>().unwrap();
        let inner = |field: &str, name: &str| match value.get_field_by_name(field) {
            Some(Variant::ExtensionObject(object)) => {
                object.inner_as::<DynamicStructure>().unwrap().get_field_by_name(name).cloned()
            }
            other => panic!("{field}: {other:?}"),
        };
        assert_eq!(inner("ResultId", "Id"), Some("41".into()));
        assert_eq!(inner("PartId", "Id"), Some("A1".into()));
        assert_eq!(inner("InternalRecipeId", "Version"), Some("3".into()));
        assert_eq!(inner("InternalRecipeId", "Hash"), Some(ByteString::from(vec![0, 255]).into()));
        assert_eq!(inner("ProcessingTimes", "StartTime"), Some(time(1000).into()));
        assert_eq!(value.get_field_by_name("IsSimulated"), Some(&Variant::Empty));
        let Some(Variant::Array(content)) = value.get_field_by_name("ResultContent") else {
            panic!("no content")
        };
        // All but the limit that there is none of, and the record.
        assert_eq!(content.values.len(), 6);
        assert!(told.record.contains("\"id\":41"), "{}", told.record);
    }

    #[test]
    fn a_frame_without_a_verdict_failed_and_other_messages_are_refused() {
        let payload = serde_json::json!({
            "line": "cap", "time": 1, "verdict": "unknown", "score": 0.1, "frame-number": 12, "bank-id": "no digest",
        });
        let told = Told::read(1, &message(&payload)).unwrap();
        assert_eq!((told.state(), told.number, told.lasted), (names::FAILED, Some(12), None));
        let types = Types::new(Spaces { vision: 2, own: 3 });
        assert!(told.value(&types, &Versions::new()).is_ok());
        for wrong in
            [serde_json::json!({}), serde_json::json!({ "line": "cap", "time": 1, "verdict": "normal" })]
        {
            assert!(Told::read(1, &message(&wrong)).is_err(), "{wrong}");
        }
    }
}
