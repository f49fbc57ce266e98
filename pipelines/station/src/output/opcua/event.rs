//! The event that a result is ready.

use opcua::nodes::{BaseEventType, Event};
use opcua::types::event_field::EventField;
use opcua::types::{
    AttributeId, ByteString, DateTime, LocalizedText, NodeId, NumericRange, QualifiedName, Variant,
};

use super::names::{self, Spaces};
use super::result::{Told, time};

/// Severities of the standard, from 1 to 1000: of a result with an alarm, of an uncertain one, of others.
const ALARM: u16 = 500;
const UNCERTAIN: u16 = 300;
const OTHER: u16 = 100;

/// A result is ready.
pub(super) struct Ready {
    base: BaseEventType,
    vision: u16,
    fields: Vec<(&'static str, Variant)>,
}

impl Ready {
    /// Of a result and its fields; `title` is that of the line.
    pub(super) fn new(
        spaces: Spaces,
        told: &Told,
        title: &str,
        fields: Vec<(&'static str, Variant)>,
    ) -> Self {
        let severity = match told.verdict.as_str() {
            "anomalous" => ALARM,
            "uncertain" => UNCERTAIN,
            _ => OTHER,
        };
        let id = ByteString::from(told.id.to_be_bytes().to_vec());
        let text = LocalizedText::new("en", &format!("{title}: {}", told.verdict));
        let base = BaseEventType::new(spaces.node(names::RESULT_READY), id, text, time(told.at))
            .set_source_node(spaces.own_node(&told.line))
            .set_source_name(title.into())
            .set_receive_time(DateTime::now())
            .set_severity(severity);
        Self { base, vision: spaces.vision, fields }
    }
}

impl EventField for Ready {
    fn get_value(&self, attribute: AttributeId, range: &NumericRange, path: &[QualifiedName]) -> Variant {
        match path {
            [name] if name.namespace_index == self.vision && attribute == AttributeId::Value => {
                let found = self.fields.iter().find(|(field, _)| name.name == *field);
                let value = found.map(|(_, value)| value.clone()).unwrap_or_default();
                value.range_of_owned(range).unwrap_or_default()
            }
            path => self.base.get_value(attribute, range, path),
        }
    }
}

impl Event for Ready {
    fn get_field(
        &self,
        _: &NodeId,
        attribute: AttributeId,
        range: &NumericRange,
        path: &[QualifiedName],
    ) -> Variant {
        self.get_value(attribute, range, path)
    }

    fn time(&self) -> &DateTime {
        &self.base.time
    }

    fn event_type_id(&self) -> &NodeId {
        &self.base.event_type
    }
}
